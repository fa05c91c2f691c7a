//! The keys of `[data]`: what a run file may say for each data source.
//!
//! They have the names and meanings of the sources' own options in `trainyard-data`, which opens
//! them; a test holds the two against each other.

use std::path::PathBuf;

use trainyard_config::{BadKey, KeyGroup, choices, keys, must};
use trainyard_data::SOURCES;

keys! {
    /// Windows of UTF-8 text files, a token a character; or of a text that the program makes itself.
    struct TextKeys in "data", check = check_text {
        /// Files, folders (all files in them and below) and patterns such as `books/**/*.txt`, in this
        /// order one text; `.gz` is unpacked.
        text: Vec<PathBuf>;
        /// Name of a text that the program makes itself, instead of files.
        builtin: Option<String>;
        /// Tokens of a row; a gpt has its own `model.context`.
        context: usize = 64, in 1..=1_000_000;
    }
}

fn check_text(text: &TextKeys) -> Result<(), BadKey> {
    let both = text.builtin.is_some() && !text.text.is_empty();
    let words = "given either as data.text or as data.builtin, not both";
    must(!both, "text", &"given twice", words)
}

choices! {
    /// Meaning of a target column.
    enum TaskChoice {
        /// Classes where a single target column holds words or whole numbers.
        Auto = "auto",
        /// Each distinct value is a class.
        Classes = "classes",
        /// Values are numbers.
        Numbers = "numbers",
    }
}

keys! {
    /// Rows of CSV, TSV and JSON-lines files: numbers, and classes or numbers to be learned.
    struct TableKeys in "data" {
        /// Files, folders (all tables in them and below) and patterns. `.jsonl` and `.ndjson` have an
        /// object a line, `.tsv` and `.tab` are separated by tabs, all others by commas; `.gz` is
        /// unpacked.
        table: Vec<PathBuf>;
        /// Columns to be learned. A table without a header has the columns 1, 2, ….
        target: Vec<String>;
        /// Columns to learn from; all others that have a number in the first row where not given.
        features: Vec<String>;
        /// Meaning of the target.
        task: TaskChoice = TaskChoice::Auto;
        /// Classes in the order of their numbers; those found, sorted, where not given.
        classes: Vec<String>;
        /// Whether the first row has the names of the columns; it has if no cell of it is a number.
        header: Option<bool>;
        /// Character between the cells; by the name of the file where not given.
        delimiter: Option<String>, must("one ASCII character", |it| it.len() == 1);
        /// Whether a cell may stand in double quotes.
        quotes: bool = true;
    }
}

keys! {
    /// Images and labels in IDX files, the format of MNIST.
    struct IdxKeys in "data" {
        /// The images, as `[samples, height, width]` or `[samples, channels, height, width]`; `.gz` is
        /// unpacked.
        idx: Option<PathBuf>;
        /// The labels, as `[samples]`; `.gz` is unpacked.
        labels: Option<PathBuf>;
        /// Names of the classes 0, 1, …; their numbers where not given.
        classes: Vec<String>;
    }
}

choices! {
    /// Channels of an image.
    enum ColorChoice {
        /// Red, green, blue.
        Rgb = "rgb",
        /// One channel.
        Gray = "gray",
    }
}

keys! {
    /// A folder with a folder of PNG and JPEG images for each class.
    struct ImagesKeys in "data" {
        /// The folder.
        images: Option<PathBuf>;
        /// `[height, width]` in pixels, to which all images are resized; not kept in proportion. Where
        /// not given, all images have one size already.
        size: Vec<u32>, in 1..=16_384;
        /// Channels.
        color: ColorChoice = ColorChoice::Rgb;
    }
}

keys! {
    /// Tensors of a safetensors file, a sample a row.
    struct TensorsKeys in "data" {
        /// The file; `.gz` is unpacked.
        tensors: Option<PathBuf>;
        /// Names of the tensors to take; all where not given.
        only: Vec<String>;
    }
}

keys! {
    /// Endless rows of numbers, made by the program itself.
    struct RowsKeys in "data" {
        /// Which task: spiral or waves.
        builtin: String = "waves".into();
        /// Numbers to learn from; a model may say its own.
        inputs: usize = 2, in 1..=65_536;
        /// Numbers to be learned; a model may say its own.
        outputs: usize = 2, in 1..=65_536;
    }
}

/// The keys of every data source.
pub(crate) fn groups() -> Vec<KeyGroup> {
    let groups = [
        KeyGroup::of::<TextKeys>("text"),
        KeyGroup::of::<TableKeys>("table"),
        KeyGroup::of::<IdxKeys>("idx"),
        KeyGroup::of::<ImagesKeys>("images"),
        KeyGroup::of::<TensorsKeys>("tensors"),
        KeyGroup::of::<RowsKeys>("rows"),
    ];
    let with_names = |group: KeyGroup| {
        let source = SOURCES.iter().find(|source| source.name == group.kind);
        let builtins = source.map_or(&[][..], |source| source.builtins);
        let named = (group.keys)().iter().any(|key| key.name == group.kind);
        let group = group.builtins(builtins);
        if named { group.named_by(group.kind) } else { group }
    };
    groups.into_iter().map(with_names).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use trainyard_config::RunConfig;

    use super::*;

    #[test]
    fn every_source_has_keys_and_takes_them() {
        let kinds: Vec<&str> = groups().iter().map(|group| group.kind).collect();
        let sources: Vec<&str> = SOURCES.iter().map(|source| source.name).collect();
        assert_eq!(kinds, sources);
        for kind in kinds {
            let text = format!("[model]\nkind = \"x\"\n[data]\nkind = \"{kind}\"");
            let read = RunConfig::from_text(&text, Path::new("/run.toml"), &[], &groups());
            let options = serde_json::to_value(read.unwrap().0.data.options).unwrap();
            let source = SOURCES.iter().find(|source| source.name == kind).unwrap();
            // Missing files are found out by the source: no key is unknown to it.
            if let Err(error) = (source.open)(options) {
                let error = error.to_string();
                assert!(error.contains("missing"), "{kind}: {error}");
            }
        }
    }
}
