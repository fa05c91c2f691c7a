//! Journals of all sorts: growing, torn, garbled, of another version, gone, replaced, huge.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use trainyard_studio::run::{Phase, Program, Session, SessionError, TRACED_STEPS};

use crate::support::{Bell, HEADER, state_line, step_lines, write_run};

fn attach(directory: &std::path::Path) -> (Session, Bell) {
    let bell = Bell::new();
    let session = Session::attach(directory, bell.wake.clone()).unwrap();
    (session, bell)
}

#[test]
fn what_is_no_run_is_refused_in_words() {
    let empty = tempfile::tempdir().unwrap();
    let refused = Session::attach(empty.path(), Bell::new().wake).err().unwrap();
    assert!(matches!(refused, SessionError::NotARun(_)));
    assert!(refused.to_string().contains("no journal"), "{refused}");
}

#[test]
fn a_torn_line_waits_for_its_rest_and_a_garbled_one_is_counted() {
    let run = tempfile::tempdir().unwrap();
    let step = step_lines(1);
    let (start, rest) = step.split_at(step.len() - 9);
    fs::write(run.path().join("journal.jsonl"), format!("{HEADER}\n{start}")).unwrap();
    let (mut session, bell) = attach(run.path());
    bell.read_all(&mut session);
    assert_eq!((session.state().step(), session.remarks()), (0, vec![]));

    let mut journal = File::options().append(true).open(run.path().join("journal.jsonl")).unwrap();
    let news = "{\"type\":\"of tomorrow\",\"x\":1}";
    write!(journal, "{rest}{{\"type\":\"sta\n{news}\n\u{fffd}\u{1}\n{}", step_lines(2)).unwrap();
    bell.until(&mut session, "the second step", |session| session.state().step() == 2);
    let remarks = session.remarks();
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    let line = 2 + step.lines().count();
    assert!(
        remarks[0].starts_with(&format!("2 lines could not be read, the first is line {line}:")),
        "{remarks:?}"
    );
}

#[test]
fn a_journal_of_another_version_or_of_something_else_is_a_clear_error() {
    for (text, words) in [
        (HEADER.replace("\"version\":1", "\"version\":7"), "version 7"),
        (step_lines(1), "a record comes before any header"),
        (HEADER.replace("trainyard-journal", "diary"), "it is a diary"),
    ] {
        let run = tempfile::tempdir().unwrap();
        fs::write(run.path().join("journal.jsonl"), format!("{text}\n")).unwrap();
        let (mut session, bell) = attach(run.path());
        bell.until(&mut session, "the refusal", |s| s.status().phase == Phase::Unreadable);
        assert!(session.status().words.contains(words), "{:?}", session.status());
    }
}

#[test]
fn a_directory_that_vanishes_and_comes_back_is_told() {
    let all = tempfile::tempdir().unwrap();
    let run = all.path().join("run");
    fs::create_dir(&run).unwrap();
    write_run(&run, 3, "");
    let (mut session, bell) = attach(&run);
    bell.read_all(&mut session);
    fs::rename(&run, all.path().join("elsewhere")).unwrap();
    bell.until(&mut session, "its absence", |session| session.status().phase == Phase::Gone);
    assert!(session.status().words.contains("is gone"), "{:?}", session.status());
    assert_eq!(session.state().step(), 3, "what was read stays");

    fs::create_dir(&run).unwrap();
    write_run(&run, 2, &state_line("finished", 2, ""));
    bell.until(&mut session, "its return", |session| session.status().phase == Phase::Finished);
    assert_eq!(session.state().step(), 2);
    assert!(session.remarks()[0].contains("replaced by another"), "{:?}", session.remarks());
}

#[test]
fn a_journal_that_shrinks_is_read_again() {
    let run = tempfile::tempdir().unwrap();
    write_run(run.path(), 9, "");
    let (mut session, bell) = attach(run.path());
    bell.read_all(&mut session);
    assert_eq!(session.state().step(), 9);
    // In place, so that it stays the same file.
    let mut journal =
        File::options().write(true).truncate(true).open(run.path().join("journal.jsonl"));
    let text = format!("{HEADER}\n{}", step_lines(1));
    journal.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    bell.until(&mut session, "the shorter journal", |session| session.state().step() == 1);
    assert!(session.remarks()[0].contains("shortened"), "{:?}", session.remarks());
    assert_eq!(session.state().loss().points().len(), 1);
}

#[test]
fn a_journal_that_is_closed_in_parts_is_followed_and_read_as_one() {
    let run = tempfile::tempdir().unwrap();
    let path = |name: &str| run.path().join(name);
    let lines = |steps: std::ops::RangeInclusive<u64>| steps.map(step_lines).collect::<String>();
    let goes_on = |number: u64| {
        let segment = format!("\"segment\":{number},\"devices\":");
        HEADER.replacen("\"devices\":", &segment, 1)
    };
    write_run(run.path(), 5, "");
    let (mut session, bell) = attach(run.path());
    bell.read_all(&mut session);
    assert_eq!(session.state().step(), 5);
    // The last step of a part may come just before it is closed.
    let mut journal = File::options().append(true).open(path("journal.jsonl")).unwrap();
    write!(journal, "{}", lines(6..=6)).unwrap();
    fs::rename(path("journal.jsonl"), path("journal-000001.jsonl")).unwrap();
    fs::write(path("journal.jsonl"), format!("{}\n{}", goes_on(1), lines(7..=9))).unwrap();
    bell.until(&mut session, "the next part", |session| session.state().step() == 9);
    fs::rename(path("journal.jsonl"), path("journal-000002.jsonl")).unwrap();
    fs::rename(path("journal-000001.jsonl"), path("journal-000001-000001.jsonl")).unwrap();
    fs::write(path("journal.jsonl"), format!("{}\n{}", goes_on(2), lines(10..=12))).unwrap();
    bell.until(&mut session, "the part after that", |session| session.state().step() == 12);
    let points = |session: &Session| session.state().loss().points().len();
    assert_eq!((points(&session), session.state().parts()), (12, 1));
    assert!(session.remarks().is_empty(), "{:?}", session.remarks());
    // Whoever comes later reads them all, too.
    let (mut later, bell) = attach(run.path());
    bell.until(&mut later, "all parts", |session| session.state().step() == 12);
    assert_eq!((points(&later), later.state().parts()), (12, 1));
}

#[test]
fn a_resumed_run_has_one_curve() {
    let run = tempfile::tempdir().unwrap();
    let again = HEADER.replace("\"first_step\":0", "\"first_step\":50");
    let mut end = format!("{again}\n");
    (51..=60).for_each(|step| end.push_str(&step_lines(step)));
    write_run(run.path(), 75, &end);
    let (mut session, bell) = attach(run.path());
    bell.read_all(&mut session);
    let state = session.state();
    assert_eq!((state.parts(), state.step()), (2, 60));
    let steps: Vec<u64> = state.loss().points().iter().map(|point| point.step).collect();
    assert_eq!(steps, (1..=60).collect::<Vec<_>>());
    assert_eq!(state.checkpoints().count(), 1);
}

#[test]
fn a_dead_run_says_from_where_it_can_be_resumed() {
    let run = tempfile::tempdir().unwrap();
    write_run(run.path(), 120, "");
    fs::write(run.path().join("output.log"), "thread panicked\nabc\n").unwrap();
    let (mut session, bell) = attach(run.path());
    bell.read_all(&mut session);
    let status = session.status();
    assert_eq!(status.phase, Phase::Failed);
    assert!(status.words.contains("resumed after step 100"), "{}", status.words);
    assert_eq!(status.last_lines, ["thread panicked", "abc"]);
}

#[test]
fn an_idle_run_wakes_nobody() {
    let run = tempfile::tempdir().unwrap();
    write_run(run.path(), 3, &state_line("finished", 3, ""));
    let (mut session, bell) = attach(run.path());
    bell.read_all(&mut session);
    // What rings for the last batch may do so after that was taken.
    let _last = bell.rings_within(Duration::from_millis(200));
    assert!(!bell.rings_within(Duration::from_millis(400)));
    assert!(!session.poll());
}

#[test]
fn a_huge_journal_is_read_in_bounded_memory_with_progress() {
    read_huge(20_000, 20 << 20);
}

#[test]
#[ignore = "a gibibyte"]
fn a_journal_of_a_gibibyte_is_read_like_any_other() {
    read_huge(850_000, 1 << 30);
}

/// Reads a journal of so many steps, which has at least so many bytes.
fn read_huge(steps: u64, least: u64) {
    let run = tempfile::tempdir().unwrap();
    let mut journal =
        std::io::BufWriter::new(File::create(run.path().join("journal.jsonl")).unwrap());
    writeln!(journal, "{}", HEADER.replace("\"steps\":500", &format!("\"steps\":{}", 2 * steps)))
        .unwrap();
    (1..=steps).for_each(|step| journal.write_all(step_lines(step).as_bytes()).unwrap());
    drop(journal);
    let length = fs::metadata(run.path().join("journal.jsonl")).unwrap().len();
    assert!(length > least, "{length}");
    let (mut session, bell) = attach(run.path());
    let mut seen = Vec::new();
    let (began, mut longest) = (Instant::now(), Duration::ZERO);
    while session.state().step() < steps {
        let asked = Instant::now();
        session.poll();
        longest = longest.max(asked.elapsed());
        seen.push(session.progress().read_bytes);
        // What was there before is read beside the window, and shown as a whole.
        let step = session.state().step();
        assert!(step == 0 || step == steps, "{step}");
        let trace = session.state().trace();
        assert!(trace.events.len() <= (TRACED_STEPS as usize + 20) * 8, "{}", trace.events.len());
        if session.state().step() < steps {
            if session.progress().file_bytes > 0 {
                assert_eq!(session.status().phase, Phase::Loading);
            }
            bell.wait("the next piece");
        }
    }
    println!("{length} bytes in {:?}, a frame waited {longest:?} at most", began.elapsed());
    assert!(seen.windows(2).all(|pair| pair[0] <= pair[1]));
    assert!(seen.iter().any(|&read| read > length / 4 && read < 3 * length / 4), "{seen:?}");
    let state = session.state();
    assert!(state.loss().points().len() <= 4096);
    assert_eq!(state.loss().points().last().unwrap().step, steps);
    assert!(state.forgotten_steps() >= steps - TRACED_STEPS - 16, "{}", state.forgotten_steps());
}

/// A program that leaves a whole run and ends, however far its journal is read by then.
#[cfg(unix)]
#[test]
fn what_a_child_did_last_is_read_before_it_is_told_to_have_ended() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (made, run) = (folder.path().join("made"), folder.path().join("run"));
    std::fs::create_dir(&made).unwrap();
    write_run(&made, 500, &state_line("finished", 500, ""));
    let (from, to) = (made.join("journal.jsonl"), run.join("journal.jsonl"));
    let script = format!("#!/bin/sh\ncp '{}' '{}'\n", from.display(), to.display());
    let program = folder.path().join("program");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = Program::find_in(None, Some(program.as_os_str()), None).unwrap();
    let bell = Bell::new();
    let run_file = folder.path().join("run.toml");
    let start = Session::start(&program, &run_file, None, &run, Vec::new(), bell.wake.clone());
    let mut session = start.unwrap();
    bell.until(&mut session, "its end", |session| {
        let (phase, step) = (session.status().phase, session.state().step());
        assert!(phase != Phase::Failed, "{:?}", session.status());
        assert!(phase != Phase::Finished || step == 500, "finished at step {step}");
        assert_eq!(phase == Phase::Finished, !session.is_running());
        phase == Phase::Finished
    });
}
