//! Memory and micro-batches: what fits as the message says does.

use trainyard_tests::{NO_LOCK, Place, assert_says, run_fails, run_ok, set, trainyard};

use crate::{Sets, between, plan};

#[test]
fn budgets_and_batches_are_mended_as_told() {
    let place = Place::new();
    let plan = |sets: &[&str], more: &[&str]| {
        let mut command = trainyard();
        command.arg("plan").arg(&place.file).args(more);
        set(&mut command, sets);
        command
    };
    let stderr = run_fails(&mut plan(&["device.left.memory=64"], &[]), 2);
    let size = between(&stderr, "such as \"", "\"");
    run_ok(&mut plan(&[&format!("device.left.memory={size}")], &[]));
    let stderr = run_fails(&mut plan(&["train.micro_batches=3"], &[]), 2);
    let count = between(&stderr, "equal micro-batches; ", " can").split(", ").next();
    run_ok(&mut plan(&[&format!("train.micro_batches={}", count.unwrap_or_default())], &[]));
    // Together more than there is.
    let most =
        between(&run_fails(&mut plan(&["device.left.memory=900 TiB"], &[]), 2), "at most ", ",")
            .to_owned();
    let both = [format!("device.left.memory={most}"), format!("device.right.memory={most}")];
    let both = both.each_ref().map(String::as_str);
    let stderr = run_fails(&mut plan(&both, &[]), 2);
    assert_says(&stderr, &["together at most", "--overcommit allows more"]);
    run_ok(&mut plan(&both, &["--overcommit"]));
    // The least change that fits does.
    let tight = ["device.left.memory=3072 KiB", "device.right.memory=1024 KiB"];
    let stderr = run_fails(&mut plan(&tight, &[]), 3);
    let device = between(&stderr, "more, '", "'");
    let more = between(&stderr, "with ", " more, '");
    let (had, other) = if device == "left" { (3072.0, tight[1]) } else { (1024.0, tight[0]) };
    let mut words = more.rsplit_once("with ").map_or(more, |(_, last)| last).split(' ');
    let number: f64 = words.next().and_then(|it| it.parse().ok()).unwrap_or(f64::NAN);
    let unit = if words.next() == Some("MiB") { 1024.0 } else { 1.0 };
    let memory = format!("device.{device}.memory={} KiB", (had + number * unit).ceil() + 1.0);
    run_ok(&mut plan(&[&memory, other], &[]));
}

#[test]
fn a_layer_that_fits_nowhere_is_made_smaller_as_told() {
    let place = Place::new();
    let wide = "model.width=1000000";
    let stderr = run_fails(&mut plan(&place.file, &[wide]), 3);
    assert_says(&stderr, &["alone has weights of that size: make it smaller"]);
    run_ok(&mut plan(&place.file, &["model.width=16"]));
}

/// Each change that is said to fit does.
#[test]
fn what_would_fit_fits() {
    let place = Place::new();
    let file = &place.file;
    let locks = "pipeline.lock=[\"head=left\",\"block1=left\",\"block0=left\"]";
    let out = "pipeline.exclude=[\"left\"]";
    let (left, right) = ("device.left.memory=2200 KiB", "device.right.memory=2400 KiB");
    let cases: &[(Sets<'_>, &str, Sets<'_>)] = &[
        (&[left, locks], "without its locks it would fit", &[left, NO_LOCK]),
        (&[NO_LOCK, out, right], "with 'left' no longer excluded it would fit", &[NO_LOCK, right]),
        (
            &[NO_LOCK, right, "pipeline.split=[1,3]"],
            "without a split by hand it would fit",
            &[NO_LOCK, right],
        ),
    ];
    for (wrong, words, right) in cases {
        assert_says(&run_fails(&mut plan(file, wrong), 3), &[words]);
        run_ok(&mut plan(file, right));
    }
    // Fewer micro-batches of the same rows: the batch is smaller by as much.
    let both = ["device.left.memory=2550 KiB", "device.right.memory=2550 KiB"];
    let gpipe = ["pipeline.recompute=none", "pipeline.schedule=gpipe"];
    let many = ["train.batch=64", "train.micro_batches=32"];
    let wrong = [both, gpipe, many].concat();
    let stderr = run_fails(&mut plan(file, &wrong), 3);
    let count = between(&stderr, "micro_batches = ", ",");
    let rows = 2 * count.parse::<usize>().unwrap_or_default();
    let (count, batch) = (format!("train.micro_batches={count}"), format!("train.batch={rows}"));
    run_ok(&mut plan(file, &[&wrong, &[count.as_str(), &batch][..]].concat()));
    assert_says(&stderr, &["with a batch of ", " of the rows, would fit"]);
}
