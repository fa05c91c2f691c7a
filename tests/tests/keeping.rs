//! What a training keeps, however it ends, and that a run directory never says what is not so.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]
#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use trainyard_tests::running::Running;
use trainyard_tests::{
    Place, assert_says, journal_of, losses, read, run_fails, run_ok, set, train, train_command,
    trainyard, write,
};

/// More steps than anybody waits for.
const ENDLESS: &str = "train.steps=1000000";

/// Starts a training and waits for its first step.
fn started(place: &Place, sets: &[&str]) -> (Running, PathBuf) {
    let (run, messages) = (place.path("run"), place.path("messages"));
    let mut running = Running::start(set(&mut train_command(&place.file, &run), sets), &messages);
    running.wait_for(&run.join("journal.jsonl"), r#""type":"step","#);
    (running, run)
}

fn checkpoints(run: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Everything in a directory, by its path.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{error}"));
            found.insert(path, bytes);
        }
    }
    found
}

#[test]
fn a_loss_that_is_not_a_number_leaves_the_weights_before_it() {
    let place = Place::new();
    let run = place.path("run");
    let sets =
        ["train.steps=400", "train.learning_rate=500.0", "train.clip=0.0", "train.warmup=60"];
    let stderr = run_fails(set(&mut train_command(&place.file, &run), &sets), 1);
    assert_says(
        &stderr,
        &["is not finite", "train.learning_rate", "are saved in checkpoints/step-"],
    );
    let made = losses(&run).keys().last().copied().unwrap_or(0);
    assert!(made > 0, "it made no step: {stderr}");
    assert_eq!(read(&run.join("latest")), format!("checkpoints/step-{made:06}\n"));
    assert_says(&stderr, &[&format!("resume {}", run.display()), "begin another run"]);
    // It goes on from there, to where it fails again.
    let again = run_fails(trainyard().arg("resume").arg(&run), 1);
    assert_says(&again, &[&format!("step {}: ", made + 1), "is not finite"]);
    assert_eq!(losses(&run).keys().last(), Some(&made));
}

#[test]
fn checkpoints_come_by_themselves_and_a_kill_loses_only_what_came_after() {
    let place = Place::new();
    let (mut running, run) = started(&place, &["train.steps=30000", "train.decay_steps=400"]);
    running.wait_for(&run.join("journal.jsonl"), r#""path":"checkpoints/step-"#);
    running.signal("KILL");
    assert_eq!(running.end(), None);
    let saved = read(&run.join("latest")).trim().replace("checkpoints/step-", "");
    let saved: u64 = saved.parse().unwrap_or_else(|error| panic!("{error}: {saved}"));
    let until = format!("train.steps={}", saved + 2);
    run_ok(set(trainyard().arg("resume").arg(&run), &[&until]));
    let first = journal_of(&run, "header").last().and_then(|it| it["first_step"].as_u64());
    assert_eq!(first, Some(saved));
}

#[test]
fn a_terminal_that_closes_is_like_ctrl_c_unless_it_is_ignored() {
    let place = Place::new();
    let (running, run) = started(&place, &[ENDLESS]);
    running.signal("HUP");
    assert_eq!(running.end(), Some(130));
    assert!(run.join("latest").is_file());

    let run = place.path("nohup");
    let command = train_command(&place.file, &run);
    let mut nohup = Command::new("nohup");
    nohup.arg(command.get_program()).args(command.get_args()).args(["--set", ENDLESS]);
    nohup.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut running = Running::start(&mut nohup, &place.path("messages"));
    running.wait_for(&run.join("journal.jsonl"), r#""type":"step","#);
    running.signal("HUP");
    let before = losses(&run).len();
    while losses(&run).len() < before + 3 {
        std::thread::yield_now();
    }
    running.signal("INT");
    assert_eq!(running.end(), Some(130));
}

/// A text so long that looking at all of its validation data takes minutes.
fn with_a_long_text(place: &Place) {
    write(
        &place.path("input.txt"),
        "the train leaves when no track is overloaded\n".repeat(200_000),
    );
}

#[test]
fn the_last_checkpoint_comes_before_the_last_validation_which_a_signal_ends() {
    let place = Place::new();
    with_a_long_text(&place);
    let sets = ["train.validate_whole_at_end=true", "train.validate_every=0"];
    let (mut running, run) = started(&place, &sets);
    running.wait_for(&run.join("journal.jsonl"), r#""path":"checkpoints/step-000004""#);
    let asked = Instant::now();
    running.signal("TERM");
    assert_eq!(running.end(), Some(130));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(20), "it took {took:?}, and the validation minutes");
    assert_eq!(read(&run.join("latest")), "checkpoints/step-000004\n");
    assert!(journal_of(&run, "validation").is_empty());
    let state = journal_of(&run, "state").pop().unwrap_or_default();
    assert_eq!(state["state"], "stopped");
    // What is left to do is the validation, here a short one.
    run_ok(set(trainyard().arg("resume").arg(&run), &["train.validate_whole_at_end=false"]));
    assert_eq!(journal_of(&run, "validation").len(), 1);
    assert_eq!(losses(&run).len(), 4);
}

#[test]
fn a_validation_looks_at_a_share_of_the_run_unless_asked_for_whole() {
    let place = Place::new();
    with_a_long_text(&place);
    let run = train(&place.file, "share", &["train.steps=8"]);
    let validation = journal_of(&run, "validation").pop().unwrap_or_default();
    // Two batches of eight rows for eight steps.
    assert_eq!((&validation["rows"], &validation["whole"]), (&16.into(), &false.into()));
}

#[test]
fn what_is_refused_or_has_nothing_to_do_leaves_a_run_as_it_is() {
    let place = Place::new();
    let run = train(&place.file, "run", &["train.checkpoint_every=2"]);
    let compare = || run_ok(trainyard().arg("compare").arg(&run).arg("--json"));
    let (before, compared) = (contents(&run), compare());
    let resume = |sets: &[&str], code: i32, says: &[&str]| {
        let mut command = trainyard();
        set(command.arg("resume").arg(&run), sets);
        let output = command.output().unwrap_or_else(|error| panic!("{error}"));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{sets:?}: {stderr}");
        assert_says(&stderr, says);
        let after = contents(&run);
        let changed: Vec<_> =
            after.iter().filter(|(path, it)| before.get(*path) != Some(it)).collect();
        assert!(after.len() == before.len() && changed.is_empty(), "{sets:?} changed {changed:?}");
        assert_eq!(compare(), compared, "{sets:?}");
    };
    resume(&[], 0, &["has made all its 4 steps", "train.steps="]);
    resume(&["train.steps=3"], 2, &["train.steps", "4 or more"]);
    resume(&["model.width=64", "train.steps=6"], 2, &["[17, 32]"]);
    resume(&["train.steps=6", "device.left.memory=1 KiB"], 3, &["left"]);
    resume(&["data.text=none.txt", "train.steps=6"], 2, &["none.txt"]);
    for arguments in [&["--checkpoint", "3"][..], &["--restart"], &["--checkpoint", "sometimes"]] {
        let mut command = trainyard();
        command.arg("resume").arg(&run).args(arguments).args(["--set", "train.steps=6"]);
        run_fails(&mut command, 2);
        assert_eq!(contents(&run), before, "{arguments:?}");
    }
    // A new run that is refused leaves no directory.
    let other = place.path("other");
    run_fails(
        set(
            &mut train_command(&place.file, &other),
            &["device.left.memory=1 KiB", "device.right.memory=1 KiB"],
        ),
        3,
    );
    assert!(!other.exists());
}

#[test]
fn a_run_without_a_checkpoint_begins_anew_only_when_told() {
    let place = Place::new();
    let (running, run) = started(&place, &[ENDLESS, "train.checkpoint_every=0"]);
    running.signal("KILL");
    assert_eq!(running.end(), None);
    let before = contents(&run);
    let stderr = run_fails(trainyard().arg("resume").arg(&run), 2);
    assert_says(&stderr, &["has no checkpoint to go on from", "are lost", "--restart"]);
    assert_eq!(contents(&run), before);
    run_ok(set(trainyard().arg("resume").arg(&run).arg("--restart"), &["train.steps=3"]));
    assert_eq!(read(&run.join("latest")), "checkpoints/step-000003\n");
    // What was saved since is of this run.
    run_ok(trainyard().arg("evaluate").arg(&run));
    run_ok(set(trainyard().arg("resume").arg(&run), &["train.steps=5"]));
    assert_eq!(read(&run.join("latest")), "checkpoints/step-000005\n");
}

#[test]
fn a_journal_that_is_lost_or_damaged_takes_no_weights_with_it() {
    let place = Place::new();
    let journal = |run: &Path| run.join("journal.jsonl");
    for (name, damage) in [
        ("gone", &(|run: &Path| std::fs::remove_file(journal(run))) as &dyn Fn(&Path) -> _),
        ("empty", &|run| std::fs::write(journal(run), "")),
        ("garbled", &|run| std::fs::write(journal(run), read(&journal(run)).replacen('{', "(", 1))),
    ] {
        let run = train(&place.file, name, &[]);
        damage(&run).unwrap_or_else(|error| panic!("{error}"));
        run_ok(trainyard().arg("generate").arg(&run).args(["--tokens", "3"]));
        run_ok(set(trainyard().arg("resume").arg(&run), &["train.steps=6"]));
        assert_eq!(losses(&run).keys().last(), Some(&6), "{name}");
        run_ok(trainyard().arg("compare").arg(&run));
    }
}

#[test]
fn a_run_that_goes_back_keeps_to_its_new_way() {
    let place = Place::new();
    let run = train(
        &place.file,
        "run",
        &["train.steps=8", "train.checkpoint_every=2", "train.keep_checkpoints=9"],
    );
    let mut back = trainyard();
    back.arg("resume").arg(&run).args(["--checkpoint", "2"]);
    let sets = ["train.steps=5", "train.keep_checkpoints=2", "train.learning_rate=0.01"];
    let output = set(&mut back, &sets).output().unwrap_or_else(|error| panic!("{error}"));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_says(&stderr, &["going on from checkpoints/step-000002", "after the steps 4, 6, 8"]);
    // Two of the new way are kept; the old way's stay, and are not taken for newer ones.
    assert_eq!(checkpoints(&run), ["step-000004", "step-000005", "step-000006", "step-000008"]);
    std::fs::remove_file(run.join("latest")).unwrap_or_else(|error| panic!("{error}"));
    let output = set(trainyard().arg("resume").arg(&run), &["train.steps=6"]).output();
    let stderr = output.map(|it| String::from_utf8_lossy(&it.stderr).into_owned());
    let stderr = stderr.unwrap_or_else(|error| panic!("{error}"));
    assert_says(
        &stderr,
        &["taking checkpoints/step-000005", "going on from checkpoints/step-000005"],
    );
}

#[test]
fn a_plan_that_the_run_was_given_settles_what_it_settles_until_it_is_planned_anew() {
    let place = Place::new();
    let plan = place.path("plan.json");
    run_ok(trainyard().arg("plan").arg(&place.file).arg("-o").arg(&plan));
    let run = place.path("run");
    run_ok(train_command(&place.file, &run).arg("--plan").arg(&plan));
    let sets = ["train.steps=6", "pipeline.schedule=gpipe"];
    let stderr = run_fails(set(trainyard().arg("resume").arg(&run), &sets), 2);
    assert_says(&stderr, &["pipeline.schedule is now", "a plan of its own", "--replan"]);
    run_ok(set(trainyard().arg("resume").arg(&run).arg("--replan"), &sets));
    assert_says(&read(&run.join("plan.json")), &["gpipe"]);
}

#[test]
fn where_latest_is_missing_or_broken_the_newest_whole_checkpoint_is_found() {
    let place = Place::new();
    let run = train(&place.file, "run", &["train.steps=6", "train.checkpoint_every=2"]);
    assert_eq!(checkpoints(&run), ["step-000002", "step-000004", "step-000006"]);
    let generate = || {
        let output = trainyard().arg("generate").arg(&run).args(["--tokens", "5"]).output();
        let output = output.unwrap_or_else(|error| panic!("{error}"));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        stderr
    };
    std::fs::remove_file(run.join("latest")).unwrap_or_else(|error| panic!("{error}"));
    assert_says(
        &generate(),
        &["latest is missing", "checkpoints/step-000006, the newest whole one"],
    );
    write(&run.join("latest"), "checkpoints/step-000008\n");
    assert_says(&generate(), &["does not exist", "taking checkpoints/step-000006"]);
    let newest = run.join("checkpoints/step-000006");
    let layer = std::fs::read_dir(&newest).into_iter().flatten().flatten();
    let layer =
        layer.map(|it| it.path()).find(|it| it.extension().is_some_and(|it| it == "safetensors"));
    write(&layer.unwrap_or_default(), "no layer");
    assert_says(&generate(), &["taking checkpoints/step-000004"]);
    // Where it is named, it is refused, and the way out works.
    write(&run.join("latest"), "checkpoints/step-000006\n");
    let stderr = run_fails(trainyard().arg("generate").arg(&run), 2);
    assert_says(&stderr, &["damaged or cut short", "--checkpoint 4"]);
    run_ok(trainyard().arg("generate").arg(&run).args(["--tokens", "5", "--checkpoint", "4"]));
    run_ok(set(
        trainyard().arg("resume").arg(&run).args(["--checkpoint", "4"]),
        &["train.steps=7"],
    ));
    assert_eq!(losses(&run).len(), 7);
}

#[test]
fn the_best_stay_and_no_gain_ends_it() {
    let place = Place::new();
    // A learning rate that soon makes it worse.
    let sets = [
        "train.steps=60",
        "train.learning_rate=0.3",
        "train.warmup=20",
        "train.validate_every=2",
        "train.keep_best=1",
        "train.keep_checkpoints=1",
        "train.early_stop=4",
        "train.checkpoint_every=0",
    ];
    let run = train(&place.file, "run", &sets);
    let validations = journal_of(&run, "validation");
    let of =
        |it: &serde_json::Value| (it["loss"].as_f64().unwrap_or(f64::NAN), it["step"].as_u64());
    let best = validations.iter().map(of).min_by(|(one, _), (two, _)| one.total_cmp(two));
    let best = best.and_then(|(_, step)| step).unwrap_or(0);
    let last = losses(&run).keys().last().copied().unwrap_or(0);
    assert!(last < 60, "it went on to the end");
    assert_eq!(last, best + 8, "four validations without gain");
    let state = journal_of(&run, "state").pop().unwrap_or_default();
    assert_says(state["message"].as_str().unwrap_or(""), &["stopped early", "4 validations"]);
    assert_eq!(checkpoints(&run), [format!("step-{best:06}"), format!("step-{last:06}")]);
    let evaluate = |choice: &str| {
        let mut command = trainyard();
        run_ok(command.arg("evaluate").arg(&run).args(["--json", "--checkpoint", choice]))
    };
    let before = contents(&run);
    let output = trainyard().arg("resume").arg(&run).output();
    let stderr = output.map(|it| String::from_utf8_lossy(&it.stderr).into_owned());
    assert_says(&stderr.unwrap_or_default(), &["was stopped early", "train.early_stop=0 goes on"]);
    assert_eq!(contents(&run), before);
    assert_eq!(evaluate("best"), evaluate(&best.to_string()));
    assert_ne!(evaluate("best"), evaluate("latest"));
}

/// A limit on the size of files stands for a full disk: SIGXFSZ at first, then an error.
#[test]
fn a_disk_that_takes_no_more_does_not_end_a_training() {
    let place = Place::new();
    let run = place.path("run");
    let mut command = train_command(&place.file, &run);
    let arguments = set(&mut command, &["train.steps=60"]).get_args();
    let arguments: Vec<_> = arguments.map(|it| it.to_string_lossy().into_owned()).collect();
    let program = trainyard();
    let mut limited = Command::new("sh");
    // In blocks of 512 bytes: what is written before the first step fits, the journal soon does not.
    limited.args(["-c", "ulimit -f 96; exec \"$0\" \"$@\""]).arg(program.get_program());
    limited.args(&arguments).stdout(Stdio::null());
    limited.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = limited.output().unwrap_or_else(|error| panic!("{error}"));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_says(&stderr, &["the journal: cannot write", "The training goes on", "step 60/60"]);
    assert_says(&stderr, &["not all could be written"]);
    assert!(!stderr.contains("everything is in"), "{stderr}");
}

#[test]
fn a_run_directory_that_is_renamed_keeps_its_weights() {
    let place = Place::new();
    let (mut running, run) = started(&place, &[ENDLESS, "train.checkpoint_every=0"]);
    let away = place.path("away");
    std::fs::rename(&run, &away).unwrap_or_else(|error| panic!("{error}"));
    // It is said at once, not when the next checkpoint is due or somebody stops it.
    let messages = place.path("messages");
    running.wait_for(&messages, "go on with: ");
    assert_eq!(running.end(), Some(1));
    let rescued = place.path("run-rescued-1");
    let said = read(&place.path("messages"));
    assert_says(
        &said,
        &["is not the run directory any more", &format!("resume {}", rescued.display())],
    );
    assert!(!run.exists(), "it was made anew");
    // One error and no other; the old journal says it too.
    assert!(!said.contains("the journal: "), "{said}");
    assert!(read(&away.join("journal.jsonl")).contains(r#""state":"failed""#), "{said}");
    let saved = read(&rescued.join("latest")).trim().replace("checkpoints/step-", "");
    let until = format!("train.steps={}", saved.parse::<u64>().unwrap_or(0) + 2);
    run_ok(set(trainyard().arg("resume").arg(&rescued), &[&until]));
}

#[test]
fn generate_reads_whole_checkpoints_beside_a_training_that_removes_them() {
    let place = Place::new();
    let (mut running, run) =
        started(&place, &[ENDLESS, "train.checkpoint_every=1", "train.keep_checkpoints=1"]);
    running.wait_for(&run.join("journal.jsonl"), r#""type":"checkpoint""#);
    for _ in 0..5 {
        run_ok(trainyard().arg("generate").arg(&run).args(["--tokens", "2"]));
    }
    running.signal("INT");
    assert_eq!(running.end(), Some(130));
}

#[test]
fn both_ways_of_going_on_are_one() {
    let place = Place::new();
    let [one, other] = ["run-one", "run-two"].map(|name| train(&place.file, name, &[]));
    let sets = ["train.steps=8", "train.learning_rate=0.002"];
    let mut resume = trainyard();
    let mut again = train_command(&place.file, &other);
    for (run, command) in [(&one, resume.arg("resume").arg(&one)), (&other, again.arg("--resume"))]
    {
        let output = set(command, &sets).output().unwrap_or_else(|error| panic!("{error}"));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        for change in [
            "train.steps is now 8, it was 4",
            "train.learning_rate is now 0.002, it was 0.001",
            "train.decay_steps is now 8, from steps, it was 4, from steps",
        ] {
            assert_says(&stderr, &[change]);
        }
        assert_says(&read(&run.join("run.toml")), &["# decay_steps = 8, from steps"]);
    }
    assert_eq!(losses(&one), losses(&other));
    let neutral = |run: &Path, name: &str| read(&run.join("run.toml")).replace(name, "run");
    assert_eq!(neutral(&one, "run-one"), neutral(&other, "run-two"));
}
