//! Products in sixteen bits: each as rounded numbers give it, trainings near those in 32 bits, and losses that are
//! scaled for them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use burn::module::Param;
use burn::tensor::{Device as BurnDevice, Gradients, Tensor, bf16, f16};
use trainyard_engine::checkpoint::SaveAs;
use trainyard_engine::{Device, LossScale, Pipeline, Precision, computes_in, with_precision};
use trainyard_models::nn::{Conv2dConfig, LinearConfig, LoraConfig, SwiGluConfig};
use trainyard_plan::{Recompute, Schedule};

use common::encoder::encoder;
use common::partitions::{
    Subject, cpus, fingerprint, of_kind, options, plan, random, showing_gradients, splits_for,
    tensors,
};
use common::{LAYERS, adapter, decoder, gpt, mlp};

const SIXTEEN: [Precision; 2] = [Precision::F16, Precision::Bf16];

/// A number as it is in sixteen bits.
fn rounded(number: f64, precision: Precision) -> f64 {
    match precision {
        Precision::F32 => number,
        Precision::F16 => f16::from_f64(number).to_f64(),
        Precision::Bf16 => bf16::from_f64(number).to_f64(),
    }
}

/// What the last bit of numbers of a precision is worth, as a share of them.
fn last_bit(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 2.0_f64.powi(-23),
        Precision::F16 => 2.0_f64.powi(-10),
        Precision::Bf16 => 2.0_f64.powi(-7),
    }
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// `left·right`, rows by inner by columns, of numbers that are rounded first.
fn product(
    (left, right): (&[f64], &[f64]),
    [rows, inner, columns]: [usize; 3],
    precision: Precision,
) -> Vec<f64> {
    let at = |matrix: &[f64], index: usize| rounded(matrix[index], precision);
    let number = |index: usize| -> f64 {
        let (row, column) = (index / columns, index % columns);
        let part = |k: usize| at(left, row * inner + k) * at(right, k * columns + column);
        (0..inner).map(part).sum()
    };
    (0..rows * columns).map(number).collect()
}

fn turned(matrix: &[f64], [rows, columns]: [usize; 2]) -> Vec<f64> {
    (0..rows * columns).map(|i| matrix[i % rows * columns + i / rows]).collect()
}

fn assert_near(what: &str, found: &[f64], expected: &[f64], share: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |most, it| most.max(it.abs()));
    for (found, expected) in found.iter().zip(expected) {
        // Sums of numbers of both signs are as exact as the largest of them.
        let allowed = share * expected.abs().max(largest / 16.0);
        assert!((found - expected).abs() <= allowed, "{what}: {found}, not {expected}");
    }
}

/// A linear layer's output and gradients are those of numbers that were rounded before, and what leaves the
/// product is rounded, but for the gradient of the weight.
fn check_linear(device: &BurnDevice, precision: Precision) {
    const SIZES: [usize; 3] = [5, 37, 19];
    let [rows, inputs, outputs] = SIZES;
    let device = device.clone().autodiff();
    let layer = LinearConfig::new(inputs, outputs).with_bias(false).init(&device);
    let x = Tensor::<2>::from_data(random([rows, inputs], &[1]), &device).require_grad();
    let of_output = Tensor::<2>::from_data(random([rows, outputs], &[2]), &device);
    let (y, gradients) = with_precision(precision, || {
        let y = layer.forward(x.clone());
        (y.clone(), (y * of_output.clone()).sum().backward())
    });
    let of_x = read(x.grad(&gradients).unwrap());
    let of_weight = read(layer.weight.val().grad(&gradients).unwrap());
    let (x, weight, of_output) =
        (read(x.inner()), read(layer.weight.val().inner()), read(of_output.inner()));
    let (y, share) = (read(y.inner()), last_bit(precision));
    for (what, numbers) in [("output", &y), ("gradient of the input", &of_x)] {
        let is_rounded = |number: &f64| number.to_bits() == rounded(*number, precision).to_bits();
        assert!(numbers.iter().all(is_rounded), "{what}, {precision:?}");
    }
    assert_near("output", &y, &product((&x, &weight), SIZES, precision), share);
    let back = turned(&weight, [inputs, outputs]);
    let expected = product((&of_output, &back), [rows, outputs, inputs], precision);
    assert_near("gradient of the input", &of_x, &expected, share);
    let across = turned(&x, [rows, inputs]);
    let expected = product((&across, &of_output), [inputs, rows, outputs], precision);
    assert_near("gradient of the weight", &of_weight, &expected, share);
}

#[test]
fn a_product_is_that_of_rounded_numbers() {
    for precision in SIXTEEN {
        check_linear(&BurnDevice::flex(), precision);
    }
}

#[test]
fn a_product_on_an_adapter_is_that_of_rounded_numbers_or_is_refused() {
    for (name, info) in adapter::known() {
        let device = trainyard_engine::open::open(&info).unwrap();
        for precision in SIXTEEN {
            let can = computes_in(&info, precision).unwrap();
            eprintln!("{name}: {} {can}", precision.text());
            assert!(can <= (info.f16 || precision == Precision::Bf16), "{name}");
            if can {
                check_linear(&device, precision);
            }
        }
    }
}

/// Every layer with products, and what it gives for an input in a precision, with the input's gradient.
fn outputs(precision: Precision) -> Vec<(&'static str, Vec<f64>)> {
    let device = BurnDevice::flex();
    device.seed(5);
    let device = device.autodiff();
    let x = || Tensor::<3>::from_data(random([2, 3, 24], &[3]), &device).require_grad();
    let image = Tensor::<4>::from_data(random([2, 4, 6, 5], &[4]), &device).require_grad();
    let gated = SwiGluConfig::new(24, 16).init(&device);
    let mut lora = LoraConfig::new(24, 10).with_rank(4).init(&device);
    // It begins as 0.
    lora.b = Param::from_tensor(Tensor::from_data(random([10, 4], &[5]), &device));
    let conv = Conv2dConfig::new([4, 6], [3, 3]).with_groups(2).init(&device);
    let mut found = Vec::new();
    let mut add = |name, output: Tensor<1>, gradient: &dyn Fn(&Gradients) -> Vec<f64>| {
        let gradients = output.clone().sum().backward();
        found.push((name, [read(output.inner()), gradient(&gradients)].concat()));
    };
    with_precision(precision, || {
        let input = x();
        let output = gated.forward(input.clone()).flatten(0, 2);
        add("gated", output, &|all| read(input.grad(all).unwrap()));
        let input = x();
        let output = lora.forward(input.clone()).flatten(0, 2);
        add("adapter", output, &|all| read(input.grad(all).unwrap()));
        let output = conv.forward(image.clone()).flatten(0, 3);
        add("convolution", output, &|all| read(conv.weight.val().grad(all).unwrap()));
    });
    found
}

#[test]
fn every_layer_with_products_computes_nearly_as_in_32_bits() {
    let exact = outputs(Precision::F32);
    for precision in SIXTEEN {
        for ((name, found), (_, expected)) in outputs(precision).iter().zip(&exact) {
            assert_ne!(found, expected, "{name}, {precision:?}: nothing was rounded");
            // Some roundings behind each other, of sums of numbers that cancel.
            assert_near(name, found, expected, 16.0 * last_bit(precision));
        }
    }
}

/// CPU devices that compute in these precisions.
fn devices(precisions: &[Precision]) -> Vec<Device> {
    let devices = cpus(precisions.len()).into_iter().zip(precisions);
    devices.map(|(device, precision)| device.with_precision(*precision)).collect()
}

/// A pipeline of the layers up to each of `ends`.
fn pipeline(subject: &Subject, ends: &[usize], precisions: &[Precision]) -> Pipeline {
    let plan = plan(ends, "1f1b", 2, Recompute::None);
    let mut pipeline = subject.distribute(&plan, devices(precisions), options());
    if precisions.contains(&Precision::F16) {
        pipeline.scale_loss(LossScale::default());
    }
    pipeline
}

fn losses(subject: &Subject, pipeline: &mut Pipeline, steps: u64) -> Vec<f64> {
    subject.train(pipeline, 1..=steps).into_iter().map(|[loss, _]| loss).collect()
}

#[test]
fn a_pipeline_of_unlike_precisions_is_near_one_in_32_bits() {
    const F32: Precision = Precision::F32;
    for subject in [gpt(true, true, 0.1), decoder(), mlp(), encoder(|model| model)] {
        let layers = subject.layers();
        let exact = losses(&subject, &mut pipeline(&subject, &[layers], &[F32]), 5);
        for precision in SIXTEEN {
            for precisions in [[F32, precision], [precision, F32], [precision, precision]] {
                let mut pipeline = pipeline(&subject, &[2, layers], &precisions);
                let found = losses(&subject, &mut pipeline, 5);
                assert_ne!(found, exact, "{precisions:?}");
                assert_near(&format!("{precisions:?}"), &found, &exact, 2.0 * last_bit(precision));
            }
        }
    }
}

#[test]
fn gradients_in_sixteen_bits_are_near_those_in_32() {
    let subject = gpt(false, true, 0.0);
    let gradients = |precision| {
        let plan = plan(&[LAYERS], "gpipe", 2, Recompute::None);
        let mut pipeline = subject.distribute(&plan, devices(&[precision]), showing_gradients());
        pipeline.scale_loss(LossScale::default());
        subject.train(&mut pipeline, 1..=1);
        of_kind(&tensors(&mut pipeline), "first")
    };
    let exact = gradients(Precision::F32);
    assert!(!exact.is_empty());
    for precision in SIXTEEN {
        for ((name, (_, found)), (_, expected)) in gradients(precision).iter().zip(exact.values()) {
            let norm = |values: &mut dyn Iterator<Item = f32>| -> f64 {
                values.map(|it| f64::from(it) * f64::from(it)).sum::<f64>().sqrt()
            };
            let apart = norm(&mut found.iter().zip(expected).map(|(one, other)| one - other));
            let all = norm(&mut expected.iter().copied());
            assert!(apart <= 8.0 * last_bit(precision) * all, "{name}: {apart} of {all}");
        }
    }
}

#[test]
fn neither_schedule_nor_recomputation_changes_a_bit() {
    let subject = gpt(true, true, 0.1);
    let ends = [2, LAYERS];
    let outcome = |schedule: &str, recompute| {
        let plan = plan(&ends, schedule, 2, recompute);
        let ranks = plan.schedule.ranks.len();
        let precisions = &[Precision::F16, Precision::F32][..ranks];
        let mut pipeline = subject.distribute(&plan, devices(precisions), options());
        pipeline.scale_loss(LossScale::default());
        let losses = subject.train(&mut pipeline, 1..=3);
        let folder = tempfile::tempdir().unwrap();
        (losses, fingerprint(&mut pipeline, &folder.path().join("end")))
    };
    let expected = outcome("gpipe", Recompute::None);
    for schedule in Schedule::names() {
        let two_ranks = Schedule::default_chunks(schedule).unwrap() == 1;
        if two_ranks && splits_for(schedule, LAYERS).any(|it| it == ends) {
            for recompute in [Recompute::None, Recompute::Full] {
                assert_eq!(outcome(schedule, recompute), expected, "{schedule} {recompute:?}");
            }
        }
    }
}

#[test]
fn a_training_in_f16_ends_where_one_in_f32_ends() {
    const STEPS: u64 = 40;
    const LAST: usize = 10;
    let subject = gpt(true, true, 0.0);
    let end = |precisions: &[Precision], ends: &[usize]| {
        let losses = losses(&subject, &mut pipeline(&subject, ends, precisions), STEPS);
        let last = &losses[losses.len() - LAST..];
        (losses[0], last.iter().sum::<f64>() / last.len() as f64)
    };
    let (first, exact) = end(&[Precision::F32], &[LAYERS]);
    assert!(exact < 0.8 * first, "it learns: {first} to {exact}");
    for (precisions, ends) in
        [(&[Precision::F16][..], &[LAYERS][..]), (&[Precision::F32, Precision::F16], &[2, LAYERS])]
    {
        let (_, found) = end(precisions, ends);
        eprintln!("{precisions:?}: {found:.5}, in f32 {exact:.5}");
        assert!((found - exact).abs() <= 0.01 * exact, "{precisions:?}: {found}, not {exact}");
    }
}

#[test]
fn what_is_too_large_for_f16_skips_the_step_and_halves_the_scale() {
    const START: f64 = 1_073_741_824.0;
    let subject = gpt(true, true, 0.0);
    let folder = tempfile::tempdir().unwrap();
    let mut pipeline = pipeline(&subject, &[2, LAYERS], &[Precision::F32, Precision::F16]);
    pipeline.scale_loss(LossScale::new(START));
    let before = fingerprint(&mut pipeline, &folder.path().join("before"));
    let mut step = 0;
    loop {
        step += 1;
        let scale = pipeline.loss_scale().unwrap();
        let result = pipeline.step(step, 0.01, subject.micro_batches(step, 2)).unwrap();
        let after = pipeline.loss_scale().unwrap();
        if !result.skipped {
            assert!(result.gradient_norm.is_finite());
            assert_eq!(after.factor().to_bits(), scale.factor().to_bits());
            break;
        }
        assert!(result.loss.is_finite() && !result.gradient_norm.is_finite());
        assert_eq!((after.factor(), after.skipped()), (scale.factor() / 2.0, step));
        let now = fingerprint(&mut pipeline, &folder.path().join(format!("{step}")));
        assert_eq!(now, before, "step {step} has changed weights");
        assert!(step < 30, "the scale does not come down far enough");
    }
    assert!(step > 1, "nothing was too large");
    let now = fingerprint(&mut pipeline, &folder.path().join("after"));
    assert_ne!(now, before);
    // With the scale and the weights that it has left another pipeline goes on as it does.
    let (place, scale) = (folder.path().join("kept"), pipeline.loss_scale().unwrap());
    pipeline.save(&place, SaveAs { step, ..SaveAs::default() }).unwrap();
    let expected = subject.train(&mut pipeline, step + 1..=step + 3);
    let mut other = self::pipeline(&subject, &[2, LAYERS], &[Precision::F32, Precision::F16]);
    other.load(&place).unwrap();
    other.scale_loss(scale);
    assert_eq!(subject.train(&mut other, step + 1..=step + 3), expected);
}

#[test]
fn a_scale_that_is_not_needed_changes_nothing() {
    let subject = mlp();
    let end = |scale: Option<f64>| {
        let mut pipeline = pipeline(&subject, &[2, LAYERS], &[Precision::F32; 2]);
        if let Some(scale) = scale {
            pipeline.scale_loss(LossScale::new(scale));
        }
        let folder = tempfile::tempdir().unwrap();
        let steps = subject.train(&mut pipeline, 1..=3);
        (steps, fingerprint(&mut pipeline, &folder.path().join("end")))
    };
    assert_eq!(end(Some(1024.0)), end(None));
}

/// On an adapter the whole training is in f16 where it can, beside a CPU device in f32.
#[test]
fn an_adapter_in_f16_beside_a_cpu_in_f32_trains_nearly_as_in_32_bits() {
    let subject = gpt(true, true, 0.0);
    let exact = losses(&subject, &mut pipeline(&subject, &[LAYERS], &[Precision::F32]), 3);
    for (name, info) in adapter::known() {
        if !computes_in(&info, Precision::F16).unwrap() {
            eprintln!("{name}: no f16");
            continue;
        }
        let mut devices = cpus(2);
        devices[1] = Device::open("d1", &info, 1 << 28, 1).unwrap().with_precision(Precision::F16);
        let plan = plan(&[2, LAYERS], "1f1b", 2, Recompute::None);
        let mut pipeline = subject.distribute(&plan, devices, options());
        pipeline.scale_loss(LossScale::default());
        let found = losses(&subject, &mut pipeline, 3);
        assert_near(name, &found, &exact, 2.0 * last_bit(Precision::F16));
    }
}
