//! Options of the source `sentences`.

use std::path::PathBuf;

use trainyard_config::{BadKey, choices, keys, must};

use crate::kind::named_twice;
use crate::plain_text::is_encoding;
use crate::table::{TableOptions, is_delimiter};

choices! {
    /// What becomes of texts that are longer than the context.
    pub enum TooLongText {
        /// The end is left out, of two texts that of the longer one.
        Cut = "cut",
        /// It is an error.
        Refuse = "refuse",
    }
}

keys! {
    /// Texts of tables as an encoder reads them, one or two a row, filled up to the context; and what is to be
    /// learned of them: classes, or how alike the two of a row are.
    pub struct SentencesOptions in "data", check = check {
        /// Files, folders (all tables in them and below) and patterns. `.jsonl` and `.ndjson` have an
        /// object a line, `.tsv` and `.tab` are separated by tabs, all others by commas; gzip is
        /// unpacked.
        sentences: Vec<PathBuf>;
        /// Column of the text. A table without a header has the columns 1, 2, ….
        column: String = "text".into();
        /// Column of a second text of each row: the tokenizer puts its mark between the two, or, where there are
        /// scores, each is read by itself, with half of the context.
        second: Option<String>;
        /// Column of classes to be learned.
        label: Option<String>;
        /// Column of scores to be learned, how alike the two texts are.
        score: Option<String>;
        /// The score of texts that say the same; scores are divided by it.
        full_score: f64 = 1.0, must("a finite number above 0", |it| it.is_finite() && *it > 0.0);
        /// Classes in the order of their numbers; those found, sorted, where not given.
        classes: Vec<String>;
        /// Tokenizer that makes the tokens: a model's folder or its tokenizer.json; an hf model has its own.
        tokenizer: Option<PathBuf>;
        /// What becomes of texts that are longer than the context.
        too_long: TooLongText = TooLongText::Cut;
        /// Tokens of a row. gpt and hf models have their own: `model.context`.
        context: usize, derived("64, or model.context where the model has one", |_| 64), in 1..=1_000_000;
        /// Encoding of files that have no byte order mark, such as "windows-1252"; UTF-8 where not given,
        /// or UTF-16 and UTF-32 where that is certain.
        encoding: Option<String>,
            must("the name of an encoding, such as \"utf-16le\" or \"windows-1252\"", |it| is_encoding(it));
        /// Whether the first row has the names of the columns; it has if no cell of it is a number.
        header: Option<bool>;
        /// Character between the cells; by the name of the file where not given.
        delimiter: Option<String>,
            must("one ASCII character, no quote and no line end", |it| is_delimiter(it));
        /// Whether a cell may stand in double quotes.
        quotes: bool = true;
    }
}

impl SentencesOptions {
    /// How its tables are read.
    pub(super) fn of_table(&self) -> TableOptions {
        TableOptions {
            encoding: self.encoding.clone(),
            header: self.header,
            delimiter: self.delimiter.clone(),
            quotes: self.quotes,
            ..TableOptions::default()
        }
    }

    /// The column of what is to be learned.
    pub(super) fn target(&self) -> Option<&String> {
        self.label.as_ref().or(self.score.as_ref())
    }
}

fn check(options: &SentencesOptions) -> Result<(), BadKey> {
    let SentencesOptions { sentences, column, second, label, score, classes, .. } = options;
    must(
        !sentences.is_empty(),
        "sentences",
        &"missing",
        "the path of a table (.csv, .tsv, .jsonl)",
    )?;
    let given = score.clone().unwrap_or_default();
    must(label.is_none() || score.is_none(), "score", &given, "left out where there is a label")?;
    let words = "left out, or with data.second: it says how alike two texts are";
    must(score.is_none() || second.is_some(), "score", &given, words)?;
    let words = "given where there is a label alone";
    must(classes.is_empty() || label.is_some(), "classes", &classes.join(", "), words)?;
    if let Some(twice) = named_twice(classes) {
        must(false, "classes", twice, "named once")?;
    }
    for (key, name) in [("second", second), ("label", label), ("score", score)] {
        let name = name.clone().unwrap_or_default();
        must(name != *column, key, &name, "another column than the text's")?;
    }
    Ok(())
}
