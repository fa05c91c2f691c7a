//! Whether devices have what training a transformer needs, against arithmetic and the planner.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails at once and says why")]

use proptest::prelude::*;
use trainyard_plan::fit::{
    Fit, FitDevice, FitRequest, Method, Product, Transformer, TransformerLayer, TransformerPart,
    Verdict, estimated_profile, fit,
};
use trainyard_plan::{DeviceProfile, Precision};

const WIDTH: u64 = 64;
const TOKENS: u64 = 500;

/// A small Llama, its head tied.
fn model(blocks: usize) -> Transformer {
    let product = |inputs: u64, outputs: u64| Product {
        inputs,
        outputs,
        packed_bytes: inputs * outputs / 32 * 18,
    };
    let block = |block| TransformerLayer {
        name: format!("block{block}"),
        products: [(64, 64), (64, 32), (64, 32), (64, 64), (64, 160), (64, 160), (160, 64)]
            .map(|(inputs, outputs)| product(inputs, outputs))
            .to_vec(),
        others: 2 * WIDTH,
        largest_other: WIDTH,
        ..TransformerLayer::default()
    };
    let end = |name: &str, kind, others, tied_to| TransformerLayer {
        name: name.to_owned(),
        kind,
        others,
        largest_other: TOKENS * WIDTH,
        tied_to,
        ..TransformerLayer::default()
    };
    let first = end("embed", TransformerPart::Embedding, TOKENS * WIDTH, None);
    let tied_to = Some("embed".to_owned());
    let last = end("head", TransformerPart::Head, (TOKENS + 1) * WIDTH, tied_to);
    Transformer {
        name: "small".to_owned(),
        width: WIDTH,
        heads: 8,
        queries: 64,
        keys_and_values: 64,
        feed_forward: 160,
        gated: true,
        norms: 2,
        norms_heads: false,
        causal: true,
        logits: TOKENS,
        context: 4096,
        layers: std::iter::once(first).chain((0..blocks).map(block)).chain([last]).collect(),
        assumes: None,
    }
}

fn devices(budgets: &[u64]) -> Vec<FitDevice> {
    let device = |(number, bytes): (usize, &u64)| {
        let id = format!("card{number}");
        let device = DeviceProfile { id, memory_bytes: *bytes, ..DeviceProfile::default() };
        FitDevice { device, gflops: Some(1000.0 * (number + 1) as f64), copy_rate: None }
    };
    budgets.iter().enumerate().map(device).collect()
}

fn found(blocks: usize, budgets: &[u64], method: Method, batch: u64, context: u64) -> Fit {
    let (model, devices) = (model(blocks), devices(budgets));
    fit(&FitRequest { model: &model, devices: &devices, method, batch, context }).unwrap()
}

/// Numbers of the products of a block.
const PRODUCTS: u64 = 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 160;

#[test]
fn in_sixteen_bits_blocks_keep_two_bytes_of_what_is_for_products() {
    let (model, mut devices) = (model(2), devices(&[1 << 30]));
    let mut saved = |precision| {
        devices[0].device.precision = precision;
        let (method, batch, context) = (Method::Full, 4, 128);
        let request = FitRequest { model: &model, devices: &devices, method, batch, context };
        assert_eq!(fit(&request).unwrap().devices[0].precision, precision);
        let profile = estimated_profile(&request).unwrap();
        let positions = 128 * profile.rows.unwrap_or(1) as u64;
        (positions, [0, 1, 3].map(|layer| profile.saved_bytes(0, layer)))
    };
    let ((positions, exact), (_, half)) = (saved(Precision::F32), saved(Precision::F16));
    // Queries, mixed values, keys and values, gate, up and what is inside, and the inputs of products.
    let of_products = 2 * 64 + 64 + 3 * 160 + 2 * WIDTH;
    assert_eq!(exact[1] - half[1], 2 * positions * of_products);
    assert_eq!(exact[2] - half[2], 2 * positions * WIDTH);
    assert_eq!(exact[0], half[0]);
}

#[test]
fn each_method_holds_what_it_trains_and_what_it_freezes() {
    let others = 4 * (2 * TOKENS * WIDTH + WIDTH + 3 * 2 * WIDTH);
    let adapters = 4 * 3 * 4 * (2 * 128 + 2 * 96 + 3 * 224);
    for (method, weights, trained) in [
        (Method::Full, 4 * 3 * PRODUCTS + others, 4 * 3 * PRODUCTS + others),
        (Method::Lora { rank: 4 }, 4 * 3 * PRODUCTS + others + adapters, adapters),
        (Method::Qlora { rank: 4 }, 3 * PRODUCTS / 32 * 18 + others + adapters, adapters),
    ] {
        let found = found(3, &[1 << 30], method, 4, 64);
        let [device] = &found.devices[..] else { panic!("one device") };
        assert_eq!((found.verdict, device.needs.weights), (Verdict::Fits, weights), "{method:?}");
        assert_eq!(device.needs.gradients, trained, "{method:?}");
        // The head's moments of what it shares are the embedding's.
        let shared = if method == Method::Full { 4 * (TOKENS + 1) * WIDTH } else { 0 };
        assert_eq!(device.needs.optimizer, 2 * (trained - shared), "{method:?}");
        assert_eq!(device.stages, [("embed".to_owned(), "head".to_owned())]);
    }
}

/// Vectors of tokens and the head's weights in blocks of eight bits count as such where frozen weights are packed.
#[test]
fn what_a_file_has_in_blocks_takes_its_blocks() {
    let needs = |method, is_packed: bool| {
        let mut model = model(3);
        let (inputs, outputs, packed_bytes) = (WIDTH, TOKENS, TOKENS * WIDTH / 32 * 34);
        let packed = is_packed.then_some(Product { inputs, outputs, packed_bytes });
        let layers = &mut model.layers;
        layers.first_mut().unwrap().packed = packed;
        layers.last_mut().unwrap().packed = packed;
        let devices = devices(&[1 << 30]);
        let request =
            FitRequest { model: &model, devices: &devices, method, batch: 4, context: 64 };
        fit(&request).unwrap().devices[0].needs
    };
    for method in [Method::Full, Method::Lora { rank: 4 }] {
        assert_eq!(needs(method, true), needs(method, false), "{method:?}");
    }
    let [packed, numbers] = [true, false].map(|it| needs(Method::Qlora { rank: 4 }, it));
    assert_eq!(numbers.weights - packed.weights, 2 * TOKENS * WIDTH / 32 * (4 * 32 - 34));
    // The head's are numbers for a moment.
    assert!(packed.activations >= numbers.activations, "{packed:?}, {numbers:?}");
}

#[test]
fn more_cards_and_fewer_rows_fit_more() {
    let small = found(12, &[6 << 20], Method::Full, 8, 256);
    assert_eq!(small.verdict, Verdict::TooBig);
    assert!(small.reason.is_some() && small.tokens_per_s.is_none());
    let two = found(12, &[16 << 20, 16 << 20], Method::Full, 8, 256);
    let more = two.one_more.as_ref().unwrap();
    assert_ne!(two.verdict, Verdict::TooBig);
    assert!(more.largest.context >= two.largest.context && more.largest.rows >= two.largest.rows);
    assert!(more.tokens_per_s > two.tokens_per_s, "{two:?}");
    let lora = found(12, &[16 << 20, 16 << 20], Method::Lora { rank: 8 }, 8, 256);
    assert!(lora.largest.context >= two.largest.context, "{lora:?}");
    assert!(lora.tokens_per_s > two.tokens_per_s);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (model, devices) = (model(2), devices(&[1 << 30]));
    let all = FitRequest {
        model: &model,
        devices: &devices,
        method: Method::Full,
        batch: 4,
        context: 64,
    };
    let refused = |request: FitRequest| fit(&request).unwrap_err().to_string();
    assert!(refused(FitRequest { devices: &[], ..all.clone() }).contains("devices is 0"));
    assert!(refused(FitRequest { batch: 0, ..all.clone() }).contains("batch is 0"));
    assert!(refused(FitRequest { context: 4097, ..all.clone() }).contains("from 1 to 4096"));
    let method = Method::Lora { rank: 65 };
    assert!(refused(FitRequest { method, ..all }).contains("from 1 to 64"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// What is said to be the largest fits when it is asked for, and what is said of budgets is so.
    #[test]
    fn limits_hold(
        budgets in prop::collection::vec((2_u64 << 20)..(40 << 20), 1..4),
        blocks in 1_usize..8,
        full: bool,
        batch in 1_u64..9,
    ) {
        let method = if full { Method::Full } else { Method::Lora { rank: 8 } };
        let asked = found(blocks, &budgets, method, batch, 64);
        for device in &asked.devices {
            let needed = device.needs.total();
            let expected = match () {
                () if needed > device.budget_bytes => Verdict::TooBig,
                () if needed > device.budget_bytes - device.budget_bytes / 10 => Verdict::Tight,
                () => Verdict::Fits,
            };
            prop_assert_eq!((device.verdict, device.needed_bytes), (expected, needed));
        }
        prop_assert_eq!(asked.largest.context.is_some_and(|it| it >= 64), asked.verdict != Verdict::TooBig);
        if let Some(context) = asked.largest.context {
            let at_most = found(blocks, &budgets, method, batch, context);
            prop_assert_ne!(at_most.verdict, Verdict::TooBig);
        }
    }
}
