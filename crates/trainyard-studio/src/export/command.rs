//! The command line that trains a plan without the studio.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

/// Whose quoting a command line has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// sh, bash, zsh, dash and their like.
    Posix,
    /// The usual one on Windows.
    PowerShell,
}

impl Shell {
    /// The one of the system that this runs on.
    #[must_use]
    pub fn of_system() -> Self {
        if cfg!(windows) { Self::PowerShell } else { Self::Posix }
    }
}

/// What to train. Paths are best absolute: the command may be run anywhere.
#[derive(Clone, Copy, Debug)]
pub struct Training<'a> {
    /// The program; plain `trainyard` where the shell finds it by itself.
    pub program: &'a Path,
    /// The run file.
    pub run_file: &'a Path,
    /// The plan; `None` to let the program plan.
    pub plan: Option<&'a Path>,
    /// Changes to the run file, as `--set` takes them.
    pub sets: &'a [String],
}

/// The command, ready to be pasted: `trainyard train RUN.toml --plan PLAN.json`.
#[must_use]
pub fn command_line(shell: Shell, training: Training<'_>) -> String {
    let mut line = on_run_file(shell, training.program, "train", training.run_file);
    if let Some(plan) = training.plan {
        line.push_str(" --plan ");
        line.push_str(&quote(shell, &no_option(plan)));
    }
    for set in training.sets {
        line.push_str(" --set ");
        line.push_str(&quote(shell, Path::new(set)));
    }
    line
}

/// A command of the program on a run file, ready to be pasted: `trainyard plan RUN.toml`.
#[must_use]
pub fn on_run_file(shell: Shell, program: &Path, command: &str, run_file: &Path) -> String {
    let program = quote(shell, program);
    // PowerShell takes a quoted word for a value unless `&` calls it.
    let call = if shell == Shell::PowerShell && program.starts_with('\'') { "& " } else { "" };
    format!("{call}{program} {command} {}", quote(shell, &no_option(run_file)))
}

fn quote(shell: Shell, path: &Path) -> String {
    match shell {
        Shell::Posix => posix(path.as_os_str()),
        Shell::PowerShell => power_shell(path.as_os_str()),
    }
}

/// A path that the program does not take for an option.
fn no_option(path: &Path) -> std::borrow::Cow<'_, Path> {
    if path.as_os_str().as_encoded_bytes().starts_with(b"-") {
        Path::new(".").join(path).into()
    } else {
        path.into()
    }
}

/// Whether a word needs no quotes in any shell.
fn is_plain(word: &str, also: &[char]) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c) || also.contains(&c);
    !word.is_empty() && word.chars().all(plain)
}

/// One word for a POSIX shell. Bytes that are no UTF-8 are spelled out, as POSIX has it since 2024
/// and bash and zsh have long had it.
fn posix(word: &OsStr) -> String {
    match word.to_str() {
        Some(text) if is_plain(text, &['+', ',', '@', '%']) => text.to_owned(),
        Some(text) => format!("'{}'", text.replace('\'', r"'\''")),
        None => {
            let mut quoted = String::from("$'");
            for chunk in word.as_encoded_bytes().utf8_chunks() {
                quoted.push_str(&chunk.valid().replace('\\', r"\\").replace('\'', r"\'"));
                for byte in chunk.invalid() {
                    // Three octal digits: what follows cannot be taken for a fourth.
                    let _ = write!(quoted, "\\{byte:03o}");
                }
            }
            quoted + "'"
        }
    }
}

/// One word for PowerShell, to which the typographic quotes are quotes too.
fn power_shell(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    if is_plain(&text, &['\\']) {
        return text.into_owned();
    }
    let mut quoted = String::from("'");
    for c in text.chars() {
        if matches!(c, '\'' | '\u{2018}'..='\u{201B}') {
            quoted.push(c);
        }
        quoted.push(c);
    }
    quoted + "'"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(shell: Shell, program: &str, run_file: &str, plan: Option<&str>) -> String {
        let training = Training {
            program: Path::new(program),
            run_file: Path::new(run_file),
            plan: plan.map(Path::new),
            sets: &[],
        };
        command_line(shell, training)
    }

    #[test]
    fn plain_paths_are_not_quoted() {
        let plain = line(Shell::Posix, "trainyard", "/a/run.toml", Some("/a/plan-2.json"));
        assert_eq!(plain, "trainyard train /a/run.toml --plan /a/plan-2.json");
        let plain = line(Shell::PowerShell, "trainyard", r"C:\a\run.toml", None);
        assert_eq!(plain, r"trainyard train C:\a\run.toml");
    }

    #[test]
    fn power_shell_quotes_and_calls() {
        let quoted =
            line(Shell::PowerShell, r"C:\Program Files\t.exe", "$x.toml", Some("it’s'.json"));
        assert_eq!(quoted, r"& 'C:\Program Files\t.exe' train '$x.toml' --plan 'it’’s''.json'");
    }

    #[test]
    fn a_path_is_not_taken_for_an_option() {
        assert_eq!(line(Shell::Posix, "trainyard", "-x", None), "trainyard train ./-x");
    }

    #[cfg(unix)]
    #[test]
    fn a_shell_hands_on_exactly_the_paths() {
        use std::os::unix::ffi::OsStrExt;
        let odd: [&[u8]; 6] = [
            b"it's \"odd\" $HOME `id` \\ * ?.toml",
            b"two\nlines.toml",
            "größe 層 🚂.toml".as_bytes(),
            b"~/%x!#&;|<>(){}[].toml",
            b"no\xFFutf8'\\7.toml",
            b"",
        ];
        for name in odd {
            let path = Path::new(OsStr::from_bytes(name));
            let training = Training {
                program: Path::new("printf"),
                run_file: path,
                plan: Some(path),
                sets: &[],
            };
            // `printf train …` would take it as a format, so a function stands in for the program.
            let script = format!(
                "p() {{ for w in \"$@\"; do printf '%s\\0' \"$w\"; done; }}\n{}",
                command_line(Shell::Posix, training).replacen("printf", "p", 1)
            );
            let output = std::process::Command::new("bash").arg("-c").arg(&script).output();
            let Ok(output) = output else { return };
            let expected = [b"train", name, b"--plan", name, b""].join(&b"\0"[..]);
            assert_eq!(output.stdout, expected, "{script}");
        }
    }
}
