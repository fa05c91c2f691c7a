//! Schedules of one's own and by name: each cell is mended as told.

use serde_json::{Value, json};
use trainyard_tests::{
    NO_LOCK, Place, assert_says, read, run_fails, run_ok, train, train_command, trainyard, write,
};

use crate::{Sets, between, plan};

/// A schedule that is refused, how, and the one that is what the message says.
const CELLS: &[(&str, &str, &str)] = &[
    ("0F0,0X0\n1F0,1B0\n", "actions look like 0F3, 1B0", "0F0,0B0\n1F0,1B0\n"),
    ("0F0,0B0\n,,\n1F0,1B0\n", "remove the row", "0F0,0B0\n1F0,1B0\n"),
    (",,\n", "write a row a rank, such as 0F0,0B0", "0F0,0B0\n"),
    ("0F0,0B0,1F0\n1B0\n", "keep it on one", "0F0,0B0\n1F0,1B0\n"),
    ("0F0,0B0,0B0\n1F0,1B0\n", "0B0: it is there twice", "0F0,0B0\n1F0,1B0\n"),
    ("0F0\n1F0,1B0\n", "0B0: it is missing", "0F0,0B0\n1F0,1B0\n"),
    ("0B0,0F0\n1F0,1B0\n", "it comes before its forward", "0F0,0B0\n1F0,1B0\n"),
    ("0F0,0I0,0B0\n1F0,1B0\n", "either a full B, or an I and a W", "0F0,0I0,0W0\n1F0,1B0\n"),
    ("0F0,0W0,0I0\n1F0,1B0\n", "it comes before its I", "0F0,0I0,0W0\n1F0,1B0\n"),
    ("0F0,0OPT0,0B0\n1F0,1B0\n", "only F, B, I, W and transfers", "0F0,0B0\n1F0,1B0\n"),
    ("0F0,0RECV_F0,0B0\n1F0,1B0\n", "leave it out", "0F0,0B0\n1F0,1B0\n"),
    (
        "0F0,0F1,0B1,0B0\n1F1,1B1,1F0,1B0\n",
        "0B1: deadlock: it waits for 1B1",
        "0F0,0F1,0B1,0B0\n1F0,1F1,1B1,1B0\n",
    ),
    (
        "0F0,0RECV_B0,0B0,0SEND_F0\n1RECV_F0,1F0,1B0,1SEND_B0\n",
        "stuck at 1RECV_F0",
        "0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n",
    ),
    ("1F0,0F0,1B0,0B0\n", "on this very rank: move it before this", "0F0,1F0,1B0,0B0\n"),
    // What is sent, is received in the same order.
    (
        "0F0,0F1,0B0,0B1\n1F0,1F1,1B1,1B0\n",
        "keep to one order",
        "0F0,0F1,0B1,0B0\n1F0,1F1,1B1,1B0\n",
    ),
    ("0F0,0B0\n1F0,1B0\n2F0,2B0\n", "give one of as many ranks", "0F0,0B0\n1F0,1B0\n"),
];

/// A place with what its layers cost, in `profile.json`.
fn measured() -> Place {
    let place = Place::new();
    let profile = place.path("profile.json");
    run_ok(plan(&place.file, &[]).arg("--save-profile").arg(&profile));
    // As a measurement does, it says how times depend on the rows.
    let mut costs: Value = serde_json::from_str(&read(&profile)).unwrap_or_default();
    costs["rows"] = json!(2);
    for device in costs["devices"].as_array_mut().into_iter().flatten() {
        let none = json!([0, 0, 0, 0]);
        device["fixed_us"] = json!({"forward": none, "input_grad": none, "weight_grad": none});
    }
    write(&profile, costs.to_string());
    place
}

#[test]
fn a_cell_is_mended_as_told() {
    let place = measured();
    let (profile, csv) = (place.path("profile.json"), place.path("own.csv"));
    let mut simulate = trainyard();
    simulate.arg("simulate").arg("--profile").arg(&profile).arg("--schedule").arg(&csv);
    for (wrong, words, right) in CELLS {
        write(&csv, wrong);
        assert_says(&run_fails(&mut simulate, 2), &[words]);
        write(&csv, right);
        run_ok(&mut simulate);
    }
}

#[test]
fn what_simulate_is_given_goes_together_as_told() {
    let place = measured();
    let (made, csv) = (place.path("plan.json"), place.path("own.csv"));
    run_ok(plan(&place.file, &[]).arg("-o").arg(&made));
    write(&csv, "0F0,0B0\n1F0,1B0\n");
    let (made, csv) = (made.display().to_string(), csv.display().to_string());
    let profile = place.path("profile.json").display().to_string();
    let command = |command: &str, arguments: Sets<'_>| {
        let mut program = trainyard();
        program.arg(command).arg("--profile").arg(&profile).args(arguments);
        program
    };
    let cases: &[(&str, Sets<'_>, &str, Sets<'_>)] = &[
        (
            "simulate",
            &["--plan", &made, "--schedule", "gpipe"],
            "a CSV file",
            &["--plan", &made, "--schedule", &csv],
        ),
        ("simulate", &["--schedule", &csv, "--chunks", "2"], "left out", &["--schedule", &csv]),
        (
            "simulate",
            &["--micro-batches", "3"],
            "a divisor of the 2 × 4 rows",
            &["--micro-batches", "2"],
        ),
        (
            "simulate",
            &["--micro-batches", "0"],
            "a whole number of at least 1",
            &["--micro-batches", "1"],
        ),
        ("simulate", &["--chunks", "2"], "must be 1 for the schedule 1f1b", &["--chunks", "1"]),
        (
            "simulate",
            &["--schedule", "interleaved", "--chunks", "9"],
            "give fewer --chunks",
            &["--schedule", "interleaved", "--chunks", "2"],
        ),
        (
            "simulate",
            &["--schedule", &csv, "--plan", &made, "--chunks", "2"],
            "cannot be used",
            &["--schedule", &csv, "--plan", &made],
        ),
        (
            "plan",
            &["--micro-batches", "x"],
            "a number of at least 1, or auto",
            &["--micro-batches", "auto"],
        ),
        ("plan", &["--schedule", &csv, "--micro-batches", "2"], "left out", &["--schedule", &csv]),
    ];
    for (name, wrong, words, right) in cases {
        assert_says(&run_fails(&mut command(name, wrong), 2), &[words]);
        run_ok(&mut command(name, right));
    }
    // The command for a schedule by its name, which the message gives.
    let by_name = command("plan", &["--schedule", "gpipe"]);
    run_ok(&mut { by_name });
    let stderr = run_fails(&mut command("simulate", &["--schedule", "1f1x"]), 2);
    let meant = between(&stderr, "did you mean '", "'");
    run_ok(&mut command("simulate", &["--schedule", meant]));
    // A file of one kind that is taken for another.
    let stderr = run_fails(plan(csv.as_ref(), &[]).arg("--top=1"), 2);
    let line = between(&stderr, "hand it to ", "\n").replace("PROFILE.json", &profile);
    crate::paste(&line.replace("FILE.csv", &csv));
}

#[test]
fn where_equal_shares_do_not_fit_others_are_found_as_told() {
    let place = Place::new();
    let profile = place.path("profile.json");
    let small = [NO_LOCK, "device.right.memory=2000 KiB"];
    run_ok(plan(&place.file, &small).arg("--save-profile").arg(&profile));
    let mut simulate = trainyard();
    simulate.arg("simulate").arg("--profile").arg(&profile).args(["--schedule", "auto"]);
    let stderr = run_fails(&mut simulate, 2);
    let line = between(&stderr, "let `", "`");
    crate::paste(&format!("{line} --profile '{}'", profile.display()));
}

#[test]
fn a_schedule_of_ones_own_is_trained_with_as_told() {
    let place = Place::new();
    let csv = place.path("own.csv");
    write(&csv, "0F0,0B0\n1F0,1B0\n");
    let own = format!("pipeline.schedule_file={}", csv.display());
    let auto = "pipeline.schedule=auto";
    let stderr = run_fails(&mut plan(&place.file, &[&own, auto]), 2);
    let count = between(&stderr, "must be ", ",");
    train(&place.file, "run", &[&own, auto, &format!("train.micro_batches={count}")]);
    write(&csv, "0F0,0B0\n1F0,1B0\n2F0,2B0\n");
    let one = "train.micro_batches=1";
    let mut wrong = train_command(&place.file, &place.path("other"));
    trainyard_tests::set(&mut wrong, &[&own, auto, one]);
    assert_says(&run_fails(&mut wrong, 2), &["give one of as many ranks, or add devices"]);
    let three = "device=[{id=\"left\"},{id=\"right\"},{id=\"third\"}]";
    run_ok(&mut plan(&place.file, &[&own, auto, one, three]));
    write(&csv, "0F0,0B0\n1F0,1B0\n");
    run_ok(&mut wrong);
    // A plan for another number of micro-batches.
    let made = place.path("plan.json");
    run_ok(plan(&place.file, &[]).arg("-o").arg(&made));
    let mut given = train_command(&place.file, &place.path("given"));
    given.arg("--plan").arg(&made).args(["--set", "train.micro_batches=2"]);
    let stderr = run_fails(&mut given, 2);
    let count = between(&stderr, "must be ", ",");
    run_ok(given.args(["--set", &format!("train.micro_batches={count}")]));
}
