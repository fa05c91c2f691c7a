//! Texts and prompts: encodings, lengths, characters.

use std::path::Path;
use std::process::{Command, Stdio};

use trainyard_tests::{Place, assert_says, require, run_fails, run_ok, trainyard, write};

use crate::{between, finished, mended, paste, plan, refused, said};

/// `--set` for a text file.
fn text(path: &Path) -> String {
    format!("data.text={}", path.display())
}

const LINES: &str = "the train leaves when no track is overloaded\n";

/// The text of the run file with something in front, as bytes.
fn after(start: &[u8]) -> Vec<u8> {
    [start, LINES.repeat(50).as_bytes()].concat()
}

#[test]
fn an_encoding_is_named_or_converted_as_told() {
    let place = Place::new();
    let odd = place.path("an odd.txt");
    write(&odd, after(b"caf\xe9 fran\xe7ais\n"));
    let set = text(&odd);
    let stderr = refused(&place.file, &[&set]);
    let encoding = between(&stderr, "set encoding = \"", "\"");
    run_ok(&mut plan(&place.file, &[&set, &format!("data.encoding={encoding}")]));
    paste(between(&stderr, "convert it with `", "`"));
    let to = between(&stderr, "-t UTF-8 ", "`").rsplit_once("> ").unwrap_or_default().1;
    let converted = text(Path::new(to.trim_matches('\'')));
    run_ok(&mut plan(&place.file, &[&converted]));
    // A named encoding that it has not.
    let wrong = [set.as_str(), "data.encoding=utf-8"];
    assert_says(&refused(&place.file, &wrong), &["set encoding = "]);
    write(
        &odd,
        "aαβ"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .chain([0xd8, 0xd8, 0xd8])
            .collect::<Vec<_>>(),
    );
    let wrong = [set.as_str(), "data.encoding=utf-16be"];
    assert_says(&refused(&place.file, &wrong), &["name the encoding it has in data.encoding"]);
}

#[test]
fn what_is_damaged_is_left_out_as_told() {
    let place = Place::new();
    let odd = place.path("odd.txt");
    // Mostly UTF-8, packed or not, and with a character that is cut off at the end.
    for (name, end) in [("odd.txt", &b""[..]), ("odd.txt", b"\xc3")] {
        let bytes = after("é è ü ö ä\nb\u{e9}ad ".as_bytes());
        let bytes = [&bytes, &b"\xff here\n"[..], end].concat();
        write(&place.path(name), &bytes);
        let stderr = refused(&place.file, &[&text(&odd)]);
        let line = between(&stderr, "leave them out with `", "`");
        paste(line);
        let to = line.rsplit_once("> ").unwrap_or_default().1;
        run_ok(&mut plan(&place.file, &[&text(Path::new(to.trim_matches('\'')))]));
        let _removed = std::fs::remove_file(to).is_ok();
    }
    let packed = Command::new("gzip").arg("-k").arg(&odd).status();
    assert!(packed.is_ok_and(|status| status.success()));
    let stderr = refused(&place.file, &[&text(&place.path("odd.txt.gz"))]);
    let line = between(&stderr, "leave them out with `", "`");
    paste(line);
    let to = line.rsplit_once("> ").unwrap_or_default().1;
    run_ok(&mut plan(&place.file, &[&text(Path::new(to.trim_matches('\'')))]));
}

#[test]
fn a_text_without_a_mark_gets_its_encoding_as_told() {
    let place = Place::new();
    let odd = place.path("odd.txt");
    let greek = "τοτρένοφεύγει".repeat(200);
    write(&odd, greek.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    let stderr = refused(&place.file, &[&text(&odd)]);
    let encoding = between(&stderr, "such as \"", "\"");
    run_ok(&mut plan(&place.file, &[&text(&odd), &format!("data.encoding={encoding}")]));
}

#[test]
fn an_archive_is_unpacked_as_told() {
    let place = Place::new();
    for pack in ["bzip2", "xz", "zstd"] {
        let plain = place.path(&format!("{pack}.txt"));
        write(&plain, after(b""));
        let packed = place.path(&format!("{pack}.packed"));
        let packing = Command::new(pack).arg("-c").arg(&plain).output();
        let Ok(packing) = packing else {
            require::skip(format!("there is no {pack}"));
            continue;
        };
        write(&packed, &packing.stdout);
        let stderr = refused(&place.file, &[&text(&packed)]);
        let line = between(&stderr, "unpack it with `", "`");
        paste(line);
        let to = line.rsplit_once("> ").unwrap_or_default().1;
        run_ok(&mut plan(&place.file, &[&text(Path::new(to))]));
    }
}

/// What is no archive of one file, and what is packed twice, becomes a text in the same way.
#[test]
fn a_file_of_another_kind_is_made_a_text_as_told() {
    let place = Place::new();
    write(&place.path("plain.txt"), after(b""));
    let lines = LINES.trim_end();
    let page = format!("BT /F 9 Tf 12 TL 9 900 Td {} ET", format!("({lines}) Tj T* ").repeat(50));
    // Readers find its parts without the table that a whole one ends with.
    let pdf = format!(
        "%PDF-1.4\n%\u{e9}\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 \
         R]/Count 1>>endobj 3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 999 999]/Contents 4 0 \
         R/Resources<</Font<</F 5 0 R>>>>>>endobj 4 0 obj<</Length {}>>stream\n{page}\nendstream \
         endobj 5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Courier/Encoding/WinAnsiEncoding>>endobj\n\
         trailer<</Root 1 0 R>>\n",
        page.len()
    );
    write(&place.path("packed.pdf"), encoded_as_latin_1(&pdf));
    let folder = place.path("").display().to_string();
    // What packs it, the tool that the message names, and the words around its command line.
    for (pack, tool, name) in [
        ("gzip < plain.txt | gzip > packed.gz", "gzip", "packed.gz"),
        ("7z a -bso0 packed.7z plain.txt", "7z", "packed.7z"),
        ("7z a -bso0 -tzip packed.zip plain.txt", "unzip", "packed.zip"),
        ("true", "pdftotext", "packed.pdf"),
    ] {
        let has = |tool: &str| {
            Command::new("sh").args(["-c", &format!("command -v {tool} >/dev/null")]).status()
        };
        let needed = [tool, pack.split(' ').next().unwrap_or_default()];
        if let Some(tool) = needed.into_iter().find(|it| !has(it).is_ok_and(|it| it.success())) {
            require::skip(format!("there is no {tool}; scripts/test.sh installs it"));
            continue;
        }
        run_ok(Command::new("sh").args(["-c", pack]).current_dir(&folder));
        let stderr = refused(&place.file, &[&text(&place.path(name))]);
        let line = format!("{tool} {}", between(&stderr, &format!("`{tool} "), "`"));
        paste(&line);
        let to = Path::new(line.rsplit_once(" '").unwrap_or_default().1.trim_end_matches('\''));
        run_ok(&mut plan(&place.file, &[&text(to)]));
        let made = std::fs::read(to).unwrap_or_default();
        if tool != "gzip" {
            assert!(String::from_utf8_lossy(&made).contains(lines), "{tool}");
        }
    }
}

/// Each character as one byte.
fn encoded_as_latin_1(text: &str) -> Vec<u8> {
    text.chars().filter_map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

/// What no tool makes a text of is left out, or named where it belongs.
#[test]
fn what_is_no_text_is_left_out_as_told() {
    let place = Place::new();
    let (plain, odd) = (place.path("plain.txt"), place.path("odd.bin"));
    write(&plain, after(b""));
    let both = format!("data.text=[\"{}\",\"{}\"]", plain.display(), odd.display());
    for begin in [&b"\x89PNG\r\n\x1a\n"[..], b"GIF89a\0\0", b"\x7fELF\x02", b"OggS\0"] {
        write(&odd, [begin, &[0, 0xff, 1, 0]].concat());
        mended(&place.file, &[&both], "leave it out", &[&text(&plain)]);
    }
}

/// What only another program opens is a text once that has saved it as one.
#[test]
fn what_another_program_saves_as_text_is_one() {
    let place = Place::new();
    let odd = place.path("odd.bin");
    for (begin, remedy) in [
        (&b"Rar!\x1a\x07\x01\0"[..], "unpack it"),
        (b"PAR1\0\xff", "save it as CSV or JSON lines"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as plain text"),
    ] {
        write(&odd, [begin, &[0, 0xff, 1, 0]].concat());
        assert_says(&refused(&place.file, &[&text(&odd)]), &[remedy]);
        write(&odd, after(b"\"line\",1\n{\"text\": \"a line\"}\n"));
        run_ok(&mut plan(&place.file, &[&text(&odd)]));
    }
}

#[test]
fn of_a_prompt_that_is_too_long_the_end_is_given_as_told() {
    let place = Place::new();
    let (run, prompt) = (finished(&place, "run"), place.path("prompt.txt"));
    let long = LINES.repeat((16 << 20) / LINES.len() + 1);
    write(&prompt, &long);
    let mut generate = trainyard();
    generate.arg("generate").arg(&run).args(["--tokens", "2", "--prompt-file"]).arg(&prompt);
    assert_says(&run_fails(&mut generate, 2), &["give the end of it"]);
    write(&prompt, &long[long.len() - 100..]);
    run_ok(&mut generate);
}

/// A folder that leads to itself is read once.
#[test]
fn a_folder_with_a_circle_of_links_is_read_once() {
    let place = Place::new();
    let folder = place.path("folder");
    std::fs::create_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
    write(&folder.join("a.txt"), after(b""));
    let sizes = |data: &str| {
        let output = run_ok(plan(&place.file, &[data]).arg("--json"));
        assert!(!output.is_empty());
        said(&mut plan(&place.file, &[data]))
    };
    let alone = sizes(&text(&folder));
    for name in ["one", "two"] {
        let linked = std::os::unix::fs::symlink(&folder, folder.join(name));
        linked.unwrap_or_else(|error| panic!("{error}"));
    }
    for pattern in ["", "/**/*.txt"] {
        assert_eq!(sizes(&format!("data.text={}{pattern}", folder.display())), alone);
    }
}

#[test]
fn a_text_that_is_too_short_is_trained_on_as_told() {
    let place = Place::new();
    let short = place.path("short.txt");
    write(&short, "x".repeat(100));
    let set = text(&short);
    let words = "use a longer text, a smaller context, or another validation_fraction";
    for right in ["model.context=8", "data.validation_fraction=0.5"] {
        mended(&place.file, &[&set], words, &[&set, right]);
    }
    let stderr = refused(&place.file, &[&set]);
    let needed = between(&stderr, "needs at least ", ":").parse::<usize>().unwrap_or_default();
    write(&short, "x".repeat(10 * needed));
    run_ok(&mut plan(&place.file, &[&set]));
    write(&short, "");
    mended(&place.file, &[&set], "at least a few thousand characters", &["data.builtin=yard"]);
    write(&short, "x".repeat(2000));
    run_ok(&mut plan(&place.file, &[&set]));
    // A model is evaluated with its own context, and with all of the text.
    write(&short, "x".repeat(10));
    let mut evaluate = trainyard();
    let run = finished(&place, "run");
    evaluate.arg("evaluate").arg(&run).arg("--data").arg(&short);
    write(&short, "tra");
    let stderr = run_fails(&mut evaluate, 2);
    assert_says(&stderr, &["use a longer text"]);
    assert!(!stderr.contains("validation_fraction"), "{stderr}");
    let needed = between(&stderr, "needs at least ", ":").parse::<usize>().unwrap_or_default();
    write(&short, "t".repeat(needed));
    run_ok(&mut evaluate);
}

#[test]
fn files_are_named_as_told() {
    let place = Place::new();
    let folder = place.path("folder");
    std::fs::create_dir_all(folder.join("deep/er")).unwrap_or_else(|error| panic!("{error}"));
    assert_says(&refused(&place.file, &[&text(&folder)]), &["the folder holds none; name another"]);
    write(&folder.join("deep/er/a.txt"), after(b""));
    let pattern = |end: &str| format!("data.text={}/{end}", folder.display());
    let words = "check the pattern; `**` stands for folders at any depth";
    mended(&place.file, &[&pattern("*/*.txt")], words, &[&pattern("**/*.txt")]);
    run_ok(&mut plan(&place.file, &[&text(&folder)]));
    mended(
        &place.file,
        &[&pattern("a[")],
        "a pattern that can be read",
        &[&pattern("deep/er/[a].txt")],
    );
    mended(&place.file, &["data.text=none.txt"], "check the name", &[&pattern("deep/er/a.txt")]);
    let words = "it is not a regular file; name a file or a folder";
    mended(&place.file, &["data.text=/dev/null"], words, &[&text(&folder)]);
}

#[test]
fn characters_that_a_vocabulary_lacks_are_added_or_taken_out_as_told() {
    let place = Place::new();
    let stderr = refused(&place.file, &["data.vocabulary=\"the rain\""]);
    assert_says(&stderr, &["add them at the end of the vocabulary: in data.vocabulary"]);
    run_ok(&mut plan(&place.file, &["data.vocabulary=\"the rainlvswockdu\\n\""]));
    let short = place.path("short.txt");
    write(&short, "the rain ".repeat(100));
    run_ok(&mut plan(&place.file, &["data.vocabulary=\"the rain\"", &text(&short)]));
}

/// What is noted of a text is gone with the key that the note names.
#[test]
fn notes_name_a_key_that_helps() {
    let place = Place::new();
    let odd = place.path("odd.txt");
    for (start, words) in [
        (&b"a\r\nb\r\n"[..], "newlines = \"unix\""),
        (b"a\rb\r", "newlines = \"unix\""),
        ("e\u{301}\n".as_bytes(), "normalize = \"nfc\""),
    ] {
        write(&odd, after(start));
        let set = text(&odd);
        let note = said(&mut plan(&place.file, &[&set]));
        assert_says(&note, &["note: ", words]);
        let key = between(&note, "with ", " in [data]").replace(' ', "");
        let note = said(&mut plan(&place.file, &[&set, &format!("data.{key}")]));
        assert!(!note.contains("note: "), "{note}");
    }
    // What is to be taken out of the file.
    for start in ["a\0b\n", "a\u{feff}b\n"] {
        write(&odd, after(start.as_bytes()));
        let note = said(&mut plan(&place.file, &[&text(&odd)]));
        assert_says(&note, &["take them out of the file"]);
        write(&odd, after(b"ab\n"));
        assert!(!said(&mut plan(&place.file, &[&text(&odd)])).contains("note: "));
    }
}

#[test]
fn a_prompt_is_written_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let generate = |arguments: &[&str]| {
        let mut command = trainyard();
        command.arg("generate").arg(&run).args(["--tokens", "3"]).args(arguments);
        command
    };
    let stderr = run_fails(&mut generate(&["--prompt", "tré"]), 2);
    let meant = between(&stderr, "perhaps \"", "\"");
    run_ok(&mut generate(&["--prompt", &format!("tr{meant}")]));
    assert_says(&stderr, &["leave it out"]);
    run_ok(&mut generate(&["--prompt", "tr"]));
    assert_says(&run_fails(&mut generate(&["--stop", "Z"]), 2), &["leave it out"]);
    assert_says(&run_fails(&mut generate(&["--stop", ""]), 2), &["must be a text"]);
    run_ok(&mut generate(&["--stop", "t"]));
    assert_says(&run_fails(&mut generate(&["--temperature", "-1"]), 2), &["must be 0 or more"]);
    run_ok(&mut generate(&["--temperature", "0"]));
    // In another encoding, from a file and over standard input.
    let prompt = place.path("prompt.txt");
    write(&prompt, b"tr\xe9");
    let file = prompt.display().to_string();
    assert_says(&run_fails(&mut generate(&["--prompt-file", &file]), 2), &["is not UTF-8"]);
    let open = || std::fs::File::open(&prompt).unwrap_or_else(|error| panic!("{error}"));
    let stderr = run_fails(generate(&["--prompt-file", "-"]).stdin(Stdio::from(open())), 2);
    assert_says(&stderr, &["for example with iconv -t UTF-8"]);
    write(&prompt, "tr");
    run_ok(&mut generate(&["--prompt-file", &file]));
    run_ok(generate(&["--prompt-file", "-"]).stdin(Stdio::from(open())));
}
