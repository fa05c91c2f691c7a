//! Encoders, without the heads that differ by task.

use super::{List, prefix};

/// BERT and `RoBERTa`.
pub(super) fn bert(list: &mut List<'_>) {
    let config = list.config;
    let before = prefix(config.architecture);
    let (width, inside) = (config.width, config.feed_forward);
    let embeddings = format!("{before}embeddings");
    list.add(format!("{embeddings}.word_embeddings.weight"), &[config.vocabulary, width]);
    list.add(format!("{embeddings}.position_embeddings.weight"), &[config.context, width]);
    list.add(format!("{embeddings}.token_type_embeddings.weight"), &[config.segments, width]);
    list.norm(&format!("{embeddings}.LayerNorm"), width, true);
    for block in 0..config.blocks {
        let name = |end: &str| format!("{before}encoder.layer.{block}.{end}");
        for of in ["query", "key", "value"] {
            list.linear(&name(&format!("attention.self.{of}")), width, width, true);
        }
        list.linear(&name("attention.output.dense"), width, width, true);
        list.norm(&name("attention.output.LayerNorm"), width, true);
        list.linear(&name("intermediate.dense"), inside, width, true);
        list.linear(&name("output.dense"), width, inside, true);
        list.norm(&name("output.LayerNorm"), width, true);
    }
}

/// `DistilBERT`.
pub(super) fn distilbert(list: &mut List<'_>) {
    let config = list.config;
    let (width, inside) = (config.width, config.feed_forward);
    list.add("distilbert.embeddings.word_embeddings.weight", &[config.vocabulary, width]);
    list.add("distilbert.embeddings.position_embeddings.weight", &[config.context, width]);
    list.norm("distilbert.embeddings.LayerNorm", width, true);
    for block in 0..config.blocks {
        let name = |end: &str| format!("distilbert.transformer.layer.{block}.{end}");
        for of in ["q_lin", "k_lin", "v_lin", "out_lin"] {
            list.linear(&name(&format!("attention.{of}")), width, width, true);
        }
        list.norm(&name("sa_layer_norm"), width, true);
        list.linear(&name("ffn.lin1"), inside, width, true);
        list.linear(&name("ffn.lin2"), width, inside, true);
        list.norm(&name("output_layer_norm"), width, true);
    }
}
