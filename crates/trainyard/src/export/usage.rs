//! How an exported model is opened by other programs, for its card.

use trainyard_pretrained::{NewModel, Pooling, Purpose};

use super::Base;

/// What is to be opened.
pub(super) struct Usage<'a> {
    /// The model that it was trained from.
    pub(super) base: &'a Base,
    pub(super) new: &'a NewModel,
    pub(super) is_adapter: bool,
}

impl Usage<'_> {
    fn purpose(&self) -> Option<&Purpose> {
        self.new.purpose.as_ref()
    }

    /// The name of the library that opens it.
    pub(super) fn library(&self) -> &'static str {
        match self.purpose() {
            _ if self.is_adapter => "peft",
            Some(purpose) if purpose.is_of_modules() => "sentence-transformers",
            _ => "transformers",
        }
    }

    /// Hugging Face's name of what it does.
    pub(super) fn pipeline(&self) -> &'static str {
        match self.purpose() {
            None => "text-generation",
            Some(Purpose::Masked) => "fill-mask",
            Some(Purpose::Classes { .. }) => "text-classification",
            Some(Purpose::Vectors { .. }) => "sentence-similarity",
        }
    }

    /// A part of the card with programs that use it; empty for a whole decoder, which is opened as any.
    pub(super) fn text(&self) -> String {
        let opened = match self.purpose() {
            None if self.is_adapter => self.alone("AutoModelForCausalLM", ", dtype=torch.float32"),
            None => return String::new(),
            Some(purpose) if self.is_adapter => self.adapter(purpose),
            Some(purpose) => self.whole(purpose),
        };
        format!("\n## Use\n\n`FOLDER` is where this file lies.\n\n{opened}")
    }

    fn whole(&self, purpose: &Purpose) -> String {
        match purpose {
            Purpose::Masked => pipeline("fill-mask", "[MASK]"),
            Purpose::Classes { .. } if !purpose.is_of_modules() => {
                pipeline("text-classification", "a text")
            }
            Purpose::Classes { .. } => format!(
                "Its classes follow from the mean of a text's tokens, for which `transformers` has no class: the \
                 folder is one of `sentence-transformers`, whose vector of a text here is its logits.\n\n{}\n\n\
                 With `transformers` alone:\n\n{}",
                python(
                    "from sentence_transformers import SentenceTransformer\n\
                     from transformers import AutoConfig\n\n\
                     names = AutoConfig.from_pretrained(\"FOLDER\").id2label\n\
                     logits = SentenceTransformer(\"FOLDER\").encode([\"a text\"])\n\
                     print(names[int(logits[0].argmax())])"
                ),
                self.by_hand("AutoModel.from_pretrained(\"FOLDER\")", ""),
            ),
            Purpose::Vectors { .. } => python(
                "from sentence_transformers import SentenceTransformer\n\n\
                 vectors = SentenceTransformer(\"FOLDER\").encode([\"a text\", \"another\"])",
            ),
        }
    }

    fn adapter(&self, purpose: &Purpose) -> String {
        match purpose {
            Purpose::Masked => self.alone("AutoModelForMaskedLM", ""),
            Purpose::Classes { names, .. } if !purpose.is_of_modules() => {
                let more = format!(", num_labels={}", names.len());
                self.alone("AutoModelForSequenceClassification", &more)
            }
            Purpose::Classes { .. } | Purpose::Vectors { .. } => {
                let base = self.base.arguments();
                let opened = format!(
                    "PeftModel.from_pretrained(AutoModel.from_pretrained({base}),\n    \"FOLDER\")"
                );
                self.by_hand(&opened, "from peft import PeftModel\n")
            }
        }
    }

    /// The adapter on its base, of a class that is opened with more options.
    fn alone(&self, class: &str, more: &str) -> String {
        let base = self.base.arguments();
        let torch = if more.contains("torch.") { "import torch\n" } else { "" };
        python(&format!(
            "{torch}from peft import PeftModel\nfrom transformers import {class}\n\n\
             base = {class}.from_pretrained({base}{more})\n\
             model = PeftModel.from_pretrained(base, \"FOLDER\")"
        ))
    }

    /// The vector of a text, and its logits where there are classes.
    fn by_hand(&self, opened: &str, import: &str) -> String {
        let (context, of_classes) = (self.new.context, self.purpose());
        let is_first = matches!(of_classes, Some(Purpose::Vectors { pooling: Pooling::First }));
        let pooled = if is_first {
            "vectors = hidden[:, 0]"
        } else {
            "mask = texts[\"attention_mask\"][:, :, None]\n\
             vectors = (hidden * mask).sum(1) / mask.sum(1)"
        };
        let (load, logits) = match of_classes {
            Some(Purpose::Classes { .. }) => (
                "import safetensors.torch\n",
                "\nhead = safetensors.torch.load_file(\"FOLDER/2_Dense/model.safetensors\")\n\
                 logits = vectors @ head[\"linear.weight\"].T + head[\"linear.bias\"]",
            ),
            _ => ("", ""),
        };
        python(&format!(
            "{load}{import}from transformers import AutoModel, AutoTokenizer\n\n\
             tokenizer = AutoTokenizer.from_pretrained(\"FOLDER\")\n\
             encoder = {opened}\n\
             texts = tokenizer([\"a text\"], padding=True, truncation=True, max_length={context},\n    \
             return_tensors=\"pt\")\n\
             hidden = encoder(**texts).last_hidden_state\n\
             {pooled}{logits}"
        ))
    }
}

fn pipeline(task: &str, text: &str) -> String {
    python(&format!(
        "from transformers import pipeline\n\nprint(pipeline(\"{task}\", \"FOLDER\")(\"{text}\"))"
    ))
}

fn python(program: &str) -> String {
    format!("```python\n{program}\n```")
}
