//! A pretrained model's sizes, as `trainyard_plan::fit` takes them.

use std::collections::BTreeMap;

use trainyard_plan::fit::{Product, Transformer, TransformerLayer, TransformerPart};
use trainyard_pretrained::{Architecture, Part, Pretrained, Role, Weight};

/// Numbers of a block of four bits with a scale, and its bytes: those of `Q4_0`.
const FOUR_BITS: (u64, u64) = (32, 18);

/// The sizes of a model.
pub(super) fn transformer(model: &Pretrained) -> Transformer {
    let config = &model.config;
    let is_encoder = config.architecture.is_encoder();
    let first: Vec<&Weight> =
        model.weights.iter().filter(|weight| weight.part == Part::Block(0)).collect();
    let norms =
        first.iter().filter(|weight| weight.role == Role::Norm && weight.name.ends_with("weight"));
    let inside = first.iter().filter(|weight| weight.role == Role::Mlp && weight.shape.len() == 2);
    let heads = |heads: u64| heads.saturating_mul(config.head_width);
    Transformer {
        name: model.name.clone(),
        width: config.width,
        heads: config.heads,
        queries: heads(config.heads),
        keys_and_values: heads(config.key_value_heads).saturating_mul(2),
        feed_forward: config.feed_forward,
        gated: inside.count() > 2 || config.architecture == Architecture::Phi3,
        norms: norms.clone().filter(|weight| weight.numbers() == config.width).count() as u64,
        norms_heads: norms.clone().any(|weight| weight.numbers() != config.width),
        causal: !is_encoder,
        // An encoder's head gives a few numbers a row.
        logits: if is_encoder { 0 } else { config.vocabulary },
        context: config.context,
        layers: layers(model),
    }
}

fn layers(model: &Pretrained) -> Vec<TransformerLayer> {
    let mut layers = BTreeMap::<Part, TransformerLayer>::new();
    let ends = [(Part::Embed, TransformerPart::Embedding), (Part::Head, TransformerPart::Head)];
    for (part, kind) in ends {
        let name = if part == Part::Embed { "embed" } else { "head" };
        let name = name.to_owned();
        layers.insert(part, TransformerLayer { name, kind, ..TransformerLayer::default() });
    }
    for weight in &model.weights {
        let layer = layers.entry(weight.part).or_insert_with(|| TransformerLayer {
            name: if let Part::Block(block) = weight.part {
                format!("block{block}")
            } else {
                String::new()
            },
            ..TransformerLayer::default()
        });
        let of_block = matches!(weight.part, Part::Block(_));
        match weight.shape.as_slice() {
            [outputs, inputs] if of_block => {
                let (packed_bytes, packed_as) = packed(weight);
                if !layer.packed_as.split(", ").any(|known| known == packed_as) {
                    let gap = if layer.packed_as.is_empty() { "" } else { ", " };
                    layer.packed_as.extend([gap, packed_as]);
                }
                layer.products.push(Product { inputs: *inputs, outputs: *outputs, packed_bytes });
            }
            _ => add(layer, weight.numbers()),
        }
    }
    if model.config.tied {
        let shared = model.config.vocabulary.saturating_mul(model.config.width);
        if let Some(head) =
            layers.get_mut(&Part::Head).filter(|_| !model.config.architecture.is_encoder())
        {
            add(head, shared);
            head.tied_to = Some("embed".to_owned());
        }
    }
    layers.into_values().collect()
}

fn add(layer: &mut TransformerLayer, numbers: u64) {
    layer.others = layer.others.saturating_add(numbers);
    layer.largest_other = layer.largest_other.max(numbers);
}

/// What a weight takes in few bits, and in which: those of its file where it is stored so.
fn packed(weight: &Weight) -> (u64, &'static str) {
    if weight.element.block_numbers() > 1 {
        return (weight.bytes, weight.element.name());
    }
    let (numbers, bytes) = FOUR_BITS;
    (weight.numbers().div_ceil(numbers).saturating_mul(bytes), "q4_0")
}
