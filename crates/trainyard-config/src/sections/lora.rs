//! `[lora]`: low-rank adapters beside frozen weights.

use crate::error::{BadKey, must};

crate::choices! {
    /// Which weights a training changes.
    pub enum TrainMethod {
        /// All.
        Full = "full",
        /// Low-rank adapters beside the weights of a pretrained model, as `[lora]` says; all else is frozen.
        Lora = "lora",
        /// The same, with the frozen weights in fewer bits.
        Qlora = "qlora",
    }
}

crate::choices! {
    /// Numbers in blocks of 32 that share a scale, as GGUF files have them.
    pub enum BlockFormat {
        /// 8 bits a number: 34 bytes a block.
        Q8_0 = "q8_0",
        /// 4 bits, and as many numbers below 0 as above: 18 bytes.
        Q4_0 = "q4_0",
        /// 4 bits from the smallest number to the largest: 20 bytes.
        Q4_1 = "q4_1",
    }
}

crate::keys! {
    /// Low-rank adapters (arXiv 2106.09685), for `train.method` "lora" and "qlora": a frozen weight W counts as
    /// W + alpha ÷ rank · B·A.
    pub struct LoraSection in "lora", check = check_targets {
        /// Rows of A and columns of B.
        rank: usize = 16, in 1..=65_536;
        /// The adapters count alpha ÷ rank times.
        alpha: f64 = 32.0, must("a number above 0", |alpha| alpha.is_finite() && *alpha > 0.0);
        /// Share of an adapter's input dropped in training.
        dropout: f64 = 0.0, must("at least 0 and below 1", |share| (0.0..1.0).contains(share));
        /// Products of the blocks that get an adapter: "all", "attention", "mlp", or names such as "q" and "v",
        /// which the model lists where it does not know one.
        targets: Vec<String> = vec!["all".into()],
            must("\"all\", \"attention\", \"mlp\" or names of products", |name| !name.trim().is_empty());
        /// Blocks that get adapters, by their numbers from 0; all where it is empty or not given.
        layers: Vec<u32>;
        /// How "qlora" holds the frozen products of blocks. Those that a GGUF file has in blocks stay as they are, of
        /// whichever kind, and those whose rows are no whole blocks stay numbers.
        packing: BlockFormat = BlockFormat::Q4_1;
        /// How "qlora" holds the vectors of tokens and the head's weights where the file has them as numbers, which they
        /// stay where it is not given.
        embedding_packing: Option<BlockFormat>;
    }
}

fn check_targets(lora: &LoraSection) -> Result<(), BadKey> {
    let words = "\"all\", \"attention\", \"mlp\" or names of products";
    must(!lora.targets.is_empty(), "targets", &"empty", words)
}

/// A product of a block with a weight, as `[lora] targets` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoraTarget<'a> {
    /// Its names, such as `q` and `q_proj`.
    pub names: &'a [&'a str],
    /// Whether it is a part of attention, or else of the feed-forward part.
    pub is_attention: bool,
}

impl LoraTarget<'_> {
    fn is_named(&self, name: &str) -> bool {
        match name {
            "all" => true,
            "attention" => self.is_attention,
            "mlp" => !self.is_attention,
            name => self.names.contains(&name),
        }
    }
}

impl LoraSection {
    /// Whether a product of a block, counted from 0, gets an adapter.
    #[must_use]
    pub fn adapts(&self, block: usize, target: &LoraTarget<'_>) -> bool {
        let is_chosen = |number: &u32| usize::try_from(*number) == Ok(block);
        (self.layers.is_empty() || self.layers.iter().any(is_chosen))
            && self.targets.iter().any(|name| target.is_named(name))
    }

    /// Refuses targets and blocks that a model does not have. `known` are the products of its blocks.
    ///
    /// # Errors
    /// [`BadKey`] with the first of them.
    pub fn check_model(&self, blocks: usize, known: &[LoraTarget<'_>]) -> Result<(), BadKey> {
        for name in &self.targets {
            let is_known = known.iter().any(|target| target.is_named(name));
            let names: Vec<&str> =
                known.iter().filter_map(|target| target.names.first().copied()).collect();
            let words = format!(
                "\"all\", \"attention\", \"mlp\" or products of this model: {}",
                names.join(", ")
            );
            must(is_known, "targets", &format!("{name:?}"), words)?;
        }
        for number in &self.layers {
            let is_known = usize::try_from(*number).is_ok_and(|number| number < blocks);
            let words = format!("numbers of this model's {blocks} blocks, from 0");
            must(is_known, "layers", number, words)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [LoraTarget<'static>; 3] = [
        LoraTarget { names: &["q", "q_proj"], is_attention: true },
        LoraTarget { names: &["v", "v_proj"], is_attention: true },
        LoraTarget { names: &["up", "up_proj"], is_attention: false },
    ];

    fn lora(targets: &[&str], layers: &[u32]) -> LoraSection {
        let targets = targets.iter().map(|&name| name.to_owned()).collect();
        LoraSection { targets, layers: layers.to_vec(), ..LoraSection::default() }
    }

    #[test]
    fn targets_are_groups_and_names() {
        let adapted = |targets: &[&str], block| {
            let lora = lora(targets, &[1, 3]);
            KNOWN.map(|target| lora.adapts(block, &target))
        };
        assert_eq!(adapted(&["all"], 1), [true; 3]);
        assert_eq!(adapted(&["all"], 0), [false; 3]);
        assert_eq!(adapted(&["attention"], 3), [true, true, false]);
        assert_eq!(adapted(&["mlp"], 3), [false, false, true]);
        assert_eq!(adapted(&["q_proj", "up"], 3), [true, false, true]);
        assert!(lora(&["all"], &[]).adapts(17, &KNOWN[0]));
    }

    #[test]
    fn adapters_of_nothing_are_refused() {
        let refused = |lora: LoraSection| check_targets(&lora).err().map(|bad| bad.key);
        assert_eq!(refused(lora(&[], &[1])).as_deref(), Some("targets"));
        assert_eq!(refused(lora(&["q"], &[])), None);
    }

    #[test]
    fn what_a_model_does_not_have_is_refused() {
        let refused = |targets: &[&str], layers: &[u32]| {
            lora(targets, layers).check_model(2, &KNOWN).err().map(|bad| (bad.key, bad.value))
        };
        assert_eq!(refused(&["attention", "up"], &[0, 1]), None);
        let bad = |key: &str, value: &str| Some((key.to_owned(), value.to_owned()));
        assert_eq!(refused(&["q", "gate"], &[]), bad("targets", "\"gate\""));
        assert_eq!(refused(&["q"], &[0, 2]), bad("layers", "2"));
    }
}
