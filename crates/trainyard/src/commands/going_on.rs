//! What is settled before a run goes on: from which checkpoint, whether there is anything to do, and
//! what changes.

use std::collections::BTreeMap;

use trainyard_config::Document;
use trainyard_plan::journal::{Record, State};

use super::train::GoOn;
use crate::app::App;
use crate::cli::{Sets, program, say};
use crate::config::{LoraSection, RunConfig, TrainMethod};
use crate::error::RunError;
use crate::journal::read_what_is_sound;
use crate::run_dir::{CheckpointChoice, Found, RunDir};
use crate::train::{GoingOn, read_state};

/// What was settled before a run goes on.
#[derive(Default)]
pub(super) struct Settled {
    /// From what; none where the run begins anew.
    pub(super) from: Option<GoingOn>,
    /// What is to be said once it is known that the training can begin.
    pub(super) notes: Vec<String>,
}

/// Settles how a run goes on; `None` where there is nothing to do, which is then said.
///
/// # Errors
/// Whatever forbids to go on.
pub(super) fn settle(
    app: &App,
    directory: &RunDir,
    go_on: &GoOn,
    run_file: &mut (RunConfig, Document),
) -> Result<Option<Settled>, RunError> {
    let Some(found) = checkpoint(directory, go_on)? else { return Ok(Some(Settled::default())) };
    let before = app.config(&directory.run_file(), &Sets::default())?.0;
    if go_on.replan {
        (run_file.0.pipeline.plan, run_file.0.pipeline.schedule_file) = (None, None);
    }
    check_trained(&before, run_file)?;
    let mut notes = changes(&before.to_toml()?, &run_file.0.to_toml()?);
    if nothing_to_do(directory, &found, &run_file.0, notes.is_empty())? {
        return Ok(None);
    }
    check_plan_is_free(&run_file.0, &notes)?;
    notes.extend(start(directory, &found)?);
    let from = Some(with_data(app, directory, found, go_on, &before, run_file)?);
    Ok(Some(Settled { from, notes }))
}

/// Refuses to go on with other weights to be trained than the checkpoint has: another method, but for adapters beside
/// frozen weights of another form, and adapters of another shape or place.
///
/// # Errors
/// [`RunError::BadValue`] with the key that was changed.
fn check_trained(
    before: &RunConfig,
    (now, document): &(RunConfig, Document),
) -> Result<(), RunError> {
    let method = |config: &RunConfig| config.train.method.text().to_owned();
    let are_adapters = [before, now].map(|config| config.train.method != TrainMethod::Full);
    let (was, is) = (&before.lora, &now.lora);
    let layers = |lora: &LoraSection| {
        if lora.layers.is_empty() { "not given".to_owned() } else { format!("{:?}", lora.layers) }
    };
    let changed = if are_adapters[0] != are_adapters[1] {
        Some(("train.method", method(before), method(now)))
    } else if !are_adapters[0] {
        None
    } else {
        let all = [
            ("lora.rank", was.rank.to_string(), is.rank.to_string()),
            ("lora.targets", format!("{:?}", was.targets), format!("{:?}", is.targets)),
            ("lora.layers", layers(was), layers(is)),
        ];
        all.into_iter().find(|(_, was, is)| was != is)
    };
    let Some((key, was, is)) = changed else { return Ok(()) };
    let error = RunError::BadValue {
        key: key.to_owned(),
        value: is,
        must: format!(
            "{was}, as it was when this was saved: leave the change out, or begin a new run with `{} train ... --set \
             run.dir=...`",
            program()
        ),
    };
    Err(error.at(document, key))
}

/// The checkpoint to go on from; `None` where the run begins anew.
///
/// # Errors
/// [`RunError::NothingToResume`], [`RunError::Mismatch`] where a run with checkpoints is to begin anew;
/// as [`RunDir::find`].
fn checkpoint(
    directory: &RunDir,
    &GoOn { checkpoint, restart, .. }: &GoOn,
) -> Result<Option<Found>, RunError> {
    let found = match directory.find(checkpoint) {
        Err(RunError::NoCheckpoint { .. }) if restart => return Ok(None),
        Err(RunError::NoCheckpoint { .. }) if checkpoint == CheckpointChoice::Latest => {
            let steps = steps_made(directory)?.0;
            return Err(RunError::NothingToResume { path: directory.path().to_owned(), steps });
        }
        found => found?,
    };
    if restart {
        let what = format!(
            "{} has checkpoints, and --restart would begin without them",
            directory.path().display()
        );
        let remedy = "leave --restart out, or train into another directory with --set run.dir=...";
        return Err(RunError::Mismatch { what, remedy });
    }
    found.note.iter().for_each(say);
    Ok(Some(found))
}

/// The checkpoint with what may be others in the data that the run goes on with. Tokens and classes mean
/// what they meant, whichever data those are.
///
/// # Errors
/// As [`read_state`]; whatever is wrong with the data.
fn with_data(
    app: &App,
    directory: &RunDir,
    checkpoint: Found,
    go_on: &GoOn,
    before: &RunConfig,
    run_file: &mut (RunConfig, Document),
) -> Result<GoingOn, RunError> {
    let is_other = before.data != run_file.0.data;
    let state = read_state(directory, &checkpoint)?;
    let mut grown = false;
    if is_other || go_on.other_data {
        let known = state.vocabulary.concat();
        let given = run_file.0.data.options.get("vocabulary").and_then(toml::Value::as_str);
        let longer = given.filter(|given| given.len() > known.len() && given.starts_with(&known));
        let longer = longer.map(|given| given.chars().map(String::from).collect::<Vec<_>>());
        grown = longer.is_some();
        let vocabulary = longer.as_ref().unwrap_or(&state.vocabulary);
        app.keep_meanings(run_file, vocabulary, &state.classes)?;
        if go_on.grow_vocabulary && !grown {
            grown = app.grow_vocabulary(run_file, &state.vocabulary)?;
        }
    }
    Ok(GoingOn { checkpoint, other_data: is_other || go_on.other_data, grown })
}

/// Whether a run has made all its steps already, which is then said.
///
/// # Errors
/// [`RunError::BadValue`] where it has made more than it is to have; as [`read_what_is_sound`].
fn nothing_to_do(
    directory: &RunDir,
    found: &Found,
    config: &RunConfig,
    unchanged: bool,
) -> Result<bool, RunError> {
    let (wanted, made) = (config.train.steps, found.step);
    if made > wanted {
        return Err(RunError::BadValue {
            key: "train.steps".to_owned(),
            value: wanted.to_string(),
            must: format!(
                "{made} or more: so many steps the checkpoint has; --checkpoint names an earlier one"
            ),
        });
    }
    let is_finished = steps_made(directory)?.1 == Some(made);
    let path = directory.path().display();
    if is_finished && made == wanted {
        say(format_args!(
            "{path} has made all its {made} steps, and stays as it is; --set train.steps=... gives it more"
        ));
    } else if is_finished && unchanged && config.train.early_stop > 0 {
        say(format_args!(
            "{path} was stopped early after step {made}, and stays as it is; --set train.early_stop=0 goes on"
        ));
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// The most steps that a journal has, and the step after which the run was finished, if it was.
fn steps_made(directory: &RunDir) -> Result<(u64, Option<u64>), RunError> {
    let (mut made, mut finished) = (0, None);
    read_what_is_sound(directory.path(), |record| match record {
        Record::Step { step, .. } => made = made.max(step),
        Record::State { state, step, .. } => {
            finished = (state == State::Finished).then_some(step).or(finished);
        }
        _ => {}
    })?;
    Ok((made, finished))
}

/// Refuses changes of what a run's own plan has settled.
///
/// # Errors
/// [`RunError::Mismatch`].
fn check_plan_is_free(config: &RunConfig, changes: &[String]) -> Result<(), RunError> {
    let has_plan = config.pipeline.plan.is_some();
    match changes.iter().find(|change| has_plan && change.starts_with("pipeline.")) {
        None => Ok(()),
        Some(change) => Err(RunError::Mismatch {
            what: format!("{change}, and the run has a plan of its own, which settles that"),
            remedy: "say --replan to plan anew",
        }),
    }
}

/// From where it goes on, in words, and which later checkpoints of the same run are given up by that.
///
/// # Errors
/// As [`RunDir::checkpoints`].
fn start(directory: &RunDir, found: &Found) -> Result<Vec<String>, RunError> {
    let mut words = vec![format!("going on from {}", RunDir::checkpoint_name(found.step))];
    let later = directory.checkpoints()?.into_iter().map(|(step, _)| step);
    let later: Vec<String> =
        later.filter(|step| *step > found.step).map(|step| step.to_string()).collect();
    if !later.is_empty() {
        words.push(format!(
            "note: the checkpoints after the steps {} are replaced when these steps are made anew; copy \
             the run directory to keep them",
            later.join(", ")
        ));
    }
    Ok(words)
}

/// Keys that say where the run lies, and not what it does.
const PLACES: [&str; 2] = ["run.dir", "pipeline.plan"];

/// The differences between two resolved run files, in words.
fn changes(before: &str, now: &str) -> Vec<String> {
    let (before, now) = (settings(before), settings(now));
    let keys = before.keys().chain(now.keys().filter(|key| !before.contains_key(*key)));
    let keys = keys.filter(|key| !PLACES.contains(&key.as_str()));
    let change = |key: &String| match (before.get(key), now.get(key)) {
        (Some(was), Some(is)) if was != is => Some(format!("{key} is now {is}, it was {was}")),
        (Some(was), None) => Some(format!("{key} is not given any more, it was {was}")),
        (None, Some(is)) => Some(format!("{key} is now {is}, it was not given")),
        _ => None,
    };
    keys.filter_map(change).collect()
}

/// The settings of a resolved run file by their dotted keys; those that follow from others too, which
/// stand there as comments.
fn settings(resolved: &str) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    flatten(&mut settings, "", &toml::Value::Table(resolved.parse().unwrap_or_default()));
    let mut section = "";
    for line in resolved.lines() {
        if let Some(heading) = line.strip_prefix('[') {
            section = heading.trim_matches(['[', ']']);
        } else if let Some((key, value)) =
            line.strip_prefix("# ").and_then(|line| line.split_once(" = "))
        {
            settings.insert(format!("{section}.{key}"), value.to_owned());
        }
    }
    settings
}

/// Every value under a dotted key. Devices are told apart by their ids.
fn flatten(settings: &mut BTreeMap<String, String>, key: &str, value: &toml::Value) {
    let under = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        toml::Value::Table(table) => {
            table.iter().for_each(|(name, value)| flatten(settings, &under(name), value));
        }
        toml::Value::Array(entries) if entries.iter().all(toml::Value::is_table) => {
            for (number, entry) in entries.iter().enumerate() {
                let id = entry.get("id").and_then(toml::Value::as_str);
                flatten(settings, &under(id.unwrap_or(&number.to_string())), entry);
            }
        }
        toml::Value::String(text) => {
            settings.insert(key.to_owned(), format!("{text:?}"));
        }
        other => {
            settings.insert(key.to_owned(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_a_line() {
        let before = "[train]\nsteps = 20\n# decay_steps = 20, from steps\nclip = 1.0\n\n\
                      [run]\ndir = \"a\"\n\n[[device]]\nid = \"x\"\n";
        let now = "[train]\nsteps = 40\n# decay_steps = 40, from steps\nclip = 1.0\n\n\
                   [run]\ndir = \"b\"\n\n[[device]]\nid = \"x\"\n\n[[device]]\nid = \"y\"\n";
        assert_eq!(
            changes(before, now),
            [
                "train.decay_steps is now 40, from steps, it was 20, from steps",
                "train.steps is now 40, it was 20",
                "device.y.id is now \"y\", it was not given",
            ]
        );
        assert!(changes(now, now).is_empty());
    }
}
