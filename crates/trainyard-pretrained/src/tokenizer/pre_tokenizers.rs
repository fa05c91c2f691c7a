//! How texts are cut into words before pairs of bytes are merged, by the names of llama.cpp
//! (`llama-vocab.cpp`) that GGUF files have.

use serde_json::{Value, json};

use super::parts::byte_level;

/// A way to cut texts into words.
pub(super) struct Words {
    /// What is done with a text before.
    pub(super) normalizer: Value,
    pub(super) pre_tokenizer: Value,
    /// Whether a word that is a token is not put together from its parts.
    pub(super) whole: bool,
    /// Whether the token that begins a text is added where the file does not say.
    pub(super) adds_bos: bool,
}

/// Names, and what they have in common.
const GPT_2: &[&str] = &[
    "default",
    "gpt-2",
    "phi-2",
    "jina-es",
    "jina-de",
    "jina-v2-es",
    "jina-v2-de",
    "jina-v2-code",
    "jina-v1-en",
    "roberta-bpe",
    "mpt",
    "gigachat",
    "a.x-4.0",
    "mellum",
    "modern-bert",
    "trillion",
    "granite-docling",
];
const SINGLE_DIGITS: &[&str] =
    &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"];
const LLAMA_3: &[&str] =
    &["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"];
const CL_100K: &[&str] = &["dbrx", "smaug-bpe", "chatglm-bpe", "glm4", "gpt-4"];
const QWEN_2: &[&str] = &["qwen2", "deepseek-r1-qwen", "kormo", "megrez"];
const STABLE_LM: &[&str] = &["stablelm2", "solar-10.7b"];

/// Contractions, words with one mark before them, up to so many digits, marks with the line ends after
/// them, line ends, spaces.
fn tiktoken(digits: &str) -> String {
    let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    let rest = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    format!(r"{contractions}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}|{rest}")
}

/// The same with words that begin anew at a capital letter.
fn tekken(contractions: &str, digits: &str) -> String {
    let (upper, lower) = (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]");
    let mark = r"[^\r\n\p{L}\p{N}]?";
    let rest = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    format!(
        "{mark}{upper}*{lower}+{contractions}|{mark}{upper}+{lower}*{contractions}|{digits}|{rest}"
    )
}

/// The way of a name; GPT-2's where a file has none. None for one that is not known.
pub(super) fn words(name: Option<&str>) -> Option<Words> {
    let name = name.unwrap_or("default");
    let cut = |pattern: &str| {
        let split = json!({
            "type": "Split",
            "pattern": { "Regex": pattern },
            "behavior": "Isolated",
            "invert": false,
        });
        json!({ "type": "Sequence", "pretokenizers": [split, byte_level(false, false)] })
    };
    let plain = |pre_tokenizer| Words {
        normalizer: Value::Null,
        pre_tokenizer,
        whole: false,
        adds_bos: false,
    };
    let is = |names: &[&str]| names.contains(&name);
    // What makes letters of their parts first does so in the tokenizer.json of its own models.
    let composed = || json!({ "type": "NFC" });
    Some(if is(GPT_2) {
        plain(byte_level(false, true))
    } else if is(&["olmo"]) {
        // OLMo's, and GPT-NeoX's, which it began with.
        Words { normalizer: composed(), ..plain(byte_level(false, true)) }
    } else if is(SINGLE_DIGITS) {
        let digits = json!({ "type": "Digits", "individual_digits": true });
        let both = [digits, byte_level(false, true)];
        plain(json!({ "type": "Sequence", "pretokenizers": both }))
    } else if is(LLAMA_3) {
        Words { whole: true, adds_bos: true, ..plain(cut(&tiktoken(r"\p{N}{1,3}"))) }
    } else if is(CL_100K) {
        plain(cut(&tiktoken(r"\p{N}{1,3}")))
    } else if is(QWEN_2) {
        Words { normalizer: composed(), ..plain(cut(&tiktoken(r"\p{N}"))) }
    } else if is(STABLE_LM) {
        plain(cut(&tiktoken(r"\p{N}")))
    } else if is(&["tekken"]) {
        Words { whole: true, ..plain(cut(&tekken("", r"\p{N}"))) }
    } else if is(&["gpt-4o", "llama4", "kanana2"]) {
        plain(cut(&tekken("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", r"\p{N}{1,3}")))
    } else {
        return None;
    })
}

/// The names that are known, for messages.
pub(super) fn known() -> String {
    let others = [&["olmo", "tekken", "gpt-4o", "llama4", "kanana2"][..]];
    let all = [GPT_2, SINGLE_DIGITS, LLAMA_3, CL_100K, QWEN_2, STABLE_LM];
    all.into_iter().chain(others).flatten().copied().collect::<Vec<_>>().join(", ")
}

/// llama.cpp's name for the way in which a `tokenizer.json` cuts texts, of several that with its normalizer; None where
/// there is none.
pub(crate) fn name_of_words(pre_tokenizer: &Value, normalizer: &Value) -> Option<&'static str> {
    let steps = steps(pre_tokenizer);
    let names =
        ["gpt-2", "olmo", "smollm", "llama-bpe", "gpt-4", "qwen2", "stablelm2", "tekken", "gpt-4o"];
    let alike: Vec<(&str, Words)> = names
        .into_iter()
        .filter_map(|name| Some((name, words(Some(name))?)))
        .filter(|(_, words)| self::steps(&words.pre_tokenizer) == steps)
        .collect();
    let same = alike.iter().find(|(_, words)| words.normalizer["type"] == normalizer["type"]);
    same.or_else(|| alike.first()).map(|(name, _)| *name)
}

/// What matters of a pre-tokenizer, step by step.
fn steps(pre_tokenizer: &Value) -> Vec<Value> {
    if let Some(all) = pre_tokenizer["pretokenizers"].as_array() {
        return all.iter().flat_map(steps).collect();
    }
    // A split by the byte level's own pattern, and what it does to spaces, count; offsets do not.
    let keys = ["type", "pattern", "behavior", "invert", "individual_digits", "use_regex"];
    let flag = |key: &str| pre_tokenizer[key].as_bool();
    let is_prefixing = flag("add_prefix_space").unwrap_or(false);
    let known = keys.into_iter().map(|key| pre_tokenizer[key].clone());
    vec![known.chain([is_prefixing.into()]).collect()]
}
