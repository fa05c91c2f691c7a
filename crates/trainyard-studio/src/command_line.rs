//! What to type to run a plan without the studio.

use std::path::Path;

use crate::desk::Desk;
use crate::run_file::quoted;

/// What of the run file the arrangement changes, as `--set` takes it: `train.micro_batches=8`.
#[must_use]
pub(crate) fn sets(desk: &Desk) -> Vec<String> {
    let (profile, arrangement) = (desk.profile(), desk.arrangement());
    let mut sets = Vec::new();
    if arrangement.micro_batches != profile.micro_batches {
        sets.push(format!("train.micro_batches={}", arrangement.micro_batches));
    }
    for (device, bytes) in profile.devices.iter().zip(&arrangement.memory_bytes) {
        if device.memory_bytes != *bytes {
            sets.push(format!("device.{}.memory={}", device.id, quoted(&format!("{bytes} B"))));
        }
    }
    sets
}

/// The command line that trains the desk's plan from its file, ready for a POSIX shell.
#[must_use]
pub(crate) fn command_line(desk: &Desk, plan: &Path) -> String {
    let run_file = desk.run_file.as_deref().unwrap_or_else(|| Path::new("run.toml"));
    let mut words = vec!["trainyard".to_owned(), "train".to_owned()];
    words.push(shell_word(&run_file.to_string_lossy()));
    words.push("--plan".to_owned());
    words.push(shell_word(&plan.to_string_lossy()));
    for set in sets(desk) {
        words.extend(["--set".to_owned(), shell_word(&set)]);
    }
    words.join(" ")
}

/// A word as a POSIX shell reads it.
fn shell_word(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_./:=,@%+".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Edit;

    #[test]
    fn edits_that_the_run_file_does_not_have_are_set() {
        let mut desk = Desk::example().unwrap();
        desk.run_file = Some("/my runs/it's.toml".into());
        let line = command_line(&desk, Path::new("plan.json"));
        assert_eq!(line, r"trainyard train '/my runs/it'\''s.toml' --plan plan.json");
        let count = desk.profile().micro_batches * 2;
        desk.edit(&Edit::MicroBatches(count)).unwrap();
        let id = desk.profile().devices[0].id.clone();
        desk.edit(&Edit::Memory { device: 0, bytes: 1 << 40 }).unwrap();
        let sets = sets(&desk);
        assert_eq!(sets[0], format!("train.micro_batches={count}"));
        assert_eq!(sets[1], format!("device.{id}.memory=\"1099511627776 B\""));
    }
}
