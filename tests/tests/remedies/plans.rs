//! Plans that are given, and files that would be replaced.

use trainyard_tests::{Place, assert_says, run_fails, run_ok, train_command, trainyard, write};

use crate::resume;

#[test]
fn a_plan_of_its_own_is_given_up_as_told() {
    let place = Place::new();
    let plan = place.path("plan.json");
    run_ok(trainyard().arg("plan").arg(&place.file).arg("-o").arg(&plan));
    let run = place.path("run");
    run_ok(train_command(&place.file, &run).arg("--plan").arg(&plan));
    let sets = ["train.steps=6", "pipeline.recompute=full"];
    assert_says(&run_fails(&mut resume(&run, &[], &sets), 2), &["say --replan to plan anew"]);
    run_ok(&mut resume(&run, &["--replan"], &sets));
    // A file that was edited is replaced as told.
    write(&plan, "edited");
    let mut again = trainyard();
    again.arg("plan").arg(&place.file).arg("-o").arg(&plan);
    assert_says(&run_fails(&mut again, 2), &["say --force to replace it"]);
    run_ok(again.arg("--force"));
}
