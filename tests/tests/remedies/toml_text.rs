//! What is said of a run file that is not TOML.

use trainyard_tests::{Place, assert_says, read, run_ok, write};

use crate::{plan, refused};

/// What is replaced, by what, how that is refused, and what a person makes of it then.
const SLIPS: &[(&str, &str, &str, &str)] = &[
    ("steps = 4", "steps = ", "a value is missing after '='", "steps = 4"),
    ("steps = 4", "steps == 4", "one '=' is enough", "steps = 4"),
    ("steps = 4", "steps: 4", "a line is NAME = VALUE", "steps = 4"),
    ("steps = 4", "steps", "a line is NAME = VALUE", "steps = 4"),
    ("steps = 4", "steps = 4\n// soon", "a comment that begins with '#'", "steps = 4\n# soon"),
    ("steps = 4", "steps = 04", "a number does not begin with 0", "steps = 4"),
    ("steps = 4", "steps = 4_", "only between the digits of a number", "steps = 1_0"),
    ("steps = 4", "steps = 99999999999999999999", "the number is too large", "steps = 9999"),
    ("steps = 4", "steps = 0X4", "begins with 0x, 0o or 0b in small letters", "steps = 0x4"),
    ("steps = 4", "steps = +0x4", "a number in this form has no sign", "steps = 0x4"),
    ("steps = 4", "steps = 4 // soon", "a comment begins with '#'", "steps = 4 # soon"),
    ("steps = 4", "steps = 4\nsteps = 5", "keep one of the two", "steps = 5"),
    ("steps = 4", "= 4", "a name is missing here", "steps = 4"),
    ("steps = 4", "\"\"\"steps\"\"\" = 4", "a name stands in one pair of quotes", "\"steps\" = 4"),
    (
        "steps = 4",
        "steps = 4\rseed = 1\n",
        "let lines end in LF or CRLF",
        "steps = 4\r\nseed = 1\n",
    ),
    ("steps = 4", "clip = 0,5\nsteps = 4", "a decimal point as '.'", "clip = 0.5\nsteps = 4"),
    ("steps = 4", "clip = .5\nsteps = 4", "digits on both sides of a '.'", "clip = 0.5\nsteps = 4"),
    (
        "steps = 4",
        "validate_whole_at_end = yes\nsteps = 4",
        "yes and no are written true and false",
        "validate_whole_at_end = true\nsteps = 4",
    ),
    ("steps = 4", "early_stop = none\nsteps = 4", "leave the line out", "steps = 4"),
    ("steps = 4", "steps = 4 seed = 1", "write one NAME = VALUE a line", "steps = 4\nseed = 1"),
    ("\"input.txt\"", "“input.txt”", "write straight ones: \"…\"", "\"input.txt\""),
    ("\"input.txt\"", "\"input.txt", "begins and ends with the same quote", "\"input.txt\""),
    ("\"input.txt\"", "'input.txt\"", "begins and ends with the same quote", "'input.txt'"),
    ("\"input.txt\"", "\"./input.txt\" // it", "a comment after '#'", "\"./input.txt\" # it"),
    ("\"input.txt\"", "\".\\input.txt\"", "with forward slashes", "\"./input.txt\""),
    ("\"input.txt\"", "\".\\text.txt\"", "single quotes or forward slashes", "\"./input.txt\""),
    ("[train]", "[train", "ends in ']', as in [train]", "[train]"),
    ("[[device]]", "[[device]", "ends in ']]', as in [[device]]", "[[device]]"),
    ("[[device]]", "[device]", "double brackets: [[device]]", "[[device]]"),
    ("[train]", "[train]\nseed = 1\n[train]", "keep one of the two", "[train]\nseed = 1"),
    ("\"head=right\"]", "\"head=right\"", "the bracket that closes the list", "\"head=right\"]"),
    ("left\", \"head", "left\" \"head", "a comma is missing", "left\", \"head"),
    ("left\", \"head", "left\",, \"head", "a comma is too much", "left\", \"head"),
    (
        "[train]",
        "[optimizer]\ngroup = [{pattern \"head/*\"}]\n[train]",
        "inside of braces write NAME = VALUE",
        "[optimizer]\ngroup = [{pattern = \"head/*\"}]\n[train]",
    ),
];

#[test]
fn a_run_file_becomes_toml_as_told() {
    let place = Place::new();
    let good = read(&place.file);
    let file = place.path("odd.toml");
    for (text, wrong, words, right) in SLIPS {
        assert!(good.contains(text), "{text:?} is not in {good}");
        write(&file, good.replacen(text, wrong, 1));
        assert_says(&refused(&file, &[]), &[words]);
        write(&file, good.replacen(text, right, 1));
        run_ok(&mut plan(&file, &[]));
    }
}

/// The message has the text in its quotes.
#[test]
fn a_text_stands_in_the_quotes_that_are_given() {
    let place = Place::new();
    let good = read(&place.file);
    let file = place.path("odd.toml");
    write(&file, good.replacen("\"input.txt\"", "input.txt", 1));
    let stderr = refused(&file, &[]);
    let quoted = crate::between(&stderr, "a text stands in quotes: ", ";");
    write(&file, good.replacen("\"input.txt\"", quoted, 1));
    run_ok(&mut plan(&file, &[]));
}

#[test]
fn a_run_file_is_saved_as_told() {
    let place = Place::new();
    let good = read(&place.file);
    let file = place.path("odd.toml");
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin = [b"# caf\xe9\n".as_slice(), good.as_bytes()].concat();
    for (bytes, words) in [(utf16, "save it as UTF-8 text"), (latin, "save it as UTF-8")] {
        write(&file, bytes);
        assert_says(&refused(&file, &[]), &[words]);
        write(&file, format!("# café\n{good}"));
        run_ok(&mut plan(&file, &[]));
    }
}
