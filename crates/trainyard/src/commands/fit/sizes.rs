//! A pretrained model's sizes, as `trainyard_plan::fit` takes them.

use std::collections::BTreeMap;

use trainyard_plan::fit::{Product, Transformer, TransformerLayer, TransformerPart};
use trainyard_pretrained::{
    Architecture, Element, Part, Pretrained, PretrainedError, Role, SaidTask, Weight,
};

/// The sizes of a model. Of an encoder they depend on what it is to learn: that is what its files say, or else masked
/// tokens, which take the most.
///
/// # Errors
/// [`PretrainedError`] for a config that cannot be read.
pub(super) fn transformer(model: &Pretrained) -> Result<Transformer, PretrainedError> {
    let config = &model.config;
    let is_encoder = config.architecture.is_encoder();
    let task = if is_encoder { model.said_task()? } else { None };
    let is_masked = is_encoder && matches!(task, None | Some(SaidTask::Masked(_)));
    let gives_tokens = !is_encoder || is_masked;
    let first: Vec<&Weight> =
        model.weights.iter().filter(|weight| weight.part == Part::Block(0)).collect();
    let norms =
        first.iter().filter(|weight| weight.role == Role::Norm && weight.name.ends_with("weight"));
    let inside = first.iter().filter(|weight| weight.role == Role::Mlp && weight.shape.len() == 2);
    let heads = |heads: u64| heads.saturating_mul(config.head_width);
    Ok(Transformer {
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
        logits: match (gives_tokens, is_masked) {
            // An encoder's other heads give a few numbers a row.
            (false, _) => 0,
            (true, false) => config.vocabulary,
            // What is kept of the product and the norm before them counts as logits, too.
            (true, true) => config.vocabulary.saturating_add(config.width.saturating_mul(2)),
        },
        context: config.context.saturating_sub(config.first_position),
        layers: layers(model, gives_tokens),
        assumes: is_encoder.then(|| assumed(task)),
    })
}

/// What an encoder is taken to learn, in words.
fn assumed(task: Option<SaidTask>) -> String {
    let less = "classes and vectors of texts need less";
    let more = "masked tokens need more";
    match task {
        Some(SaidTask::Masked(class)) => {
            format!("to learn masked tokens, as {class} does; {less}")
        }
        Some(SaidTask::Classes(class)) => format!("to learn classes, as {class} does; {more}"),
        Some(SaidTask::Vectors(file)) => {
            format!("to learn vectors of texts, as {file} says; {more}")
        }
        None => {
            format!("to learn masked tokens, since its files do not say what it learns; {less}")
        }
    }
}

/// The layers; `gives_tokens` says whether the last one gives a number for every token.
fn layers(model: &Pretrained, gives_tokens: bool) -> Vec<TransformerLayer> {
    let config = &model.config;
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
        let (packed_bytes, packed_as) = packed(weight);
        let product = match *weight.shape.as_slice() {
            [outputs, inputs] => Some(Product { inputs, outputs, packed_bytes }),
            _ => None,
        };
        let of_tokens = |it: &Product| it.outputs == config.vocabulary && is_packed(weight);
        match product {
            Some(product) if of_block => {
                layer.products.push(product);
                say_packed(layer, packed_as);
            }
            product => {
                add(layer, weight.numbers());
                if let Some(product) = product.filter(of_tokens) {
                    layer.packed = Some(product);
                    say_packed(layer, packed_as);
                }
            }
        }
    }
    let of_tokens = layers.get(&Part::Embed).map(|it| (it.packed, it.packed_as.clone()));
    let shared = config.vocabulary.saturating_mul(config.width);
    if let Some(head) = layers.get_mut(&Part::Head).filter(|_| gives_tokens) {
        // The config alone does not name what comes before the logits of masked tokens.
        if config.architecture.is_encoder() && head.others == 0 {
            add(head, config.width.saturating_mul(config.width));
            add(head, config.width.saturating_mul(3));
            add(head, config.vocabulary);
        }
        if head.largest_other < shared {
            add(head, shared);
        }
        if config.tied {
            (head.packed, head.packed_as) = of_tokens.unwrap_or_default();
            head.tied_to = Some("embed".to_owned());
        }
    }
    layers.into_values().collect()
}

fn add(layer: &mut TransformerLayer, numbers: u64) {
    layer.others = layer.others.saturating_add(numbers);
    layer.largest_other = layer.largest_other.max(numbers);
}

/// Names the blocks that a layer is packed in, each once.
fn say_packed(layer: &mut TransformerLayer, packed_as: &str) {
    if !layer.packed_as.iter().any(|known| known == packed_as) {
        layer.packed_as.push(packed_as.to_owned());
    }
}

/// What a weight takes in few bits, and in which: as in its file where that has it in blocks, else as `lora.packing`
/// has it where it is not given, but where its rows are no whole blocks and it stays numbers.
fn packed(weight: &Weight) -> (u64, &'static str) {
    if is_packed(weight) {
        return (weight.bytes, weight.element.name());
    }
    match Element::Q4_1.bytes_of(&weight.shape) {
        Some(bytes) => (bytes, Element::Q4_1.name()),
        None => (weight.numbers().saturating_mul(4), Element::F32.name()),
    }
}

/// Whether a file has a weight in blocks of few bits.
fn is_packed(weight: &Weight) -> bool {
    weight.element.block_numbers() > 1
}
