//! Memory and micro-batches: what fits as the message says does.

use trainyard_tests::{Place, assert_says, run_fails, run_ok, set, trainyard};

use crate::between;

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
