//! Locks, splits and excluded devices: what cannot be kept together is given up as told.

use trainyard_tests::{NO_LOCK, Place, assert_says, run_fails, run_ok, write};

use crate::{Sets, between, mended, plan, refused};

#[test]
fn layers_and_devices_are_named_as_told() {
    let place = Place::new();
    let lock = |lock: &str| format!("pipeline.lock=[\"{lock}\"]");
    let stderr = refused(&place.file, &[&lock("embed")]);
    assert_says(&stderr, &["LAYERS=DEVICE, such as"]);
    for form in between(&stderr, "such as ", "\n").replace(" or ", ", ").split(", ") {
        let form = form.replace("dgpu", "left").replace("0-5", "0-1");
        run_ok(&mut plan(&place.file, &[&lock(&form)]));
    }
    let stderr = refused(&place.file, &[&lock("nope=left")]);
    let first = between(&stderr, "a layer: ", " …").to_owned();
    let pattern = between(&stderr, "a pattern such as ", "\n").to_owned();
    let range = between(&stderr, "a range such as ", ",").to_owned();
    for layers in [&first, &pattern, &range, "0"] {
        run_ok(&mut plan(&place.file, &[&lock(&format!("{layers}=left"))]));
    }
    let stderr = refused(&place.file, &["pipeline.exclude=[\"x\"]"]);
    let device = between(&stderr, "a device: ", ",");
    let sets = [NO_LOCK, &format!("pipeline.exclude=[\"{device}\"]")];
    run_ok(&mut plan(&place.file, &sets));
    for flag in ["--lock", "--exclude"] {
        let stderr = run_fails(plan(&place.file, &[]).args([flag, "nope"]), 2);
        assert_says(&stderr, &[flag, "must be"]);
    }
}

#[test]
fn one_of_two_wishes_is_dropped_as_told() {
    let place = Place::new();
    let out = "pipeline.exclude=[\"left\"]";
    let both = "pipeline.lock=[\"embed=left\",\"embed=right\"]";
    let one = "pipeline.lock=[\"embed=right\"]";
    let between_two = "pipeline.lock=[\"embed=left\",\"block0=right\",\"head=left\"]";
    let none = "pipeline.exclude=[\"left\",\"right\"]";
    let cases: &[(Sets<'_>, &str, &[Sets<'_>])] = &[
        (&[out], "drop one of the two", &[&[], &[out, NO_LOCK]]),
        (&[both], "drop one of the two", &[&[one]]),
        (&[none, NO_LOCK], "leave one to plan with", &[&[out, NO_LOCK]]),
        (
            &[between_two],
            "as many runs of them as the schedule",
            &[
                &["pipeline.lock=[\"embed=left\",\"block0=left\"]"],
                &[between_two, "pipeline.schedule=zb-v"],
            ],
        ),
        (
            &["pipeline.split=[0,4]"],
            "drop the one or the other",
            &[&[], &["pipeline.split=[0,4]", NO_LOCK]],
        ),
        (
            &[out, NO_LOCK, "pipeline.split=[2,2]"],
            "must be 0 for 'left'",
            &[&[out, NO_LOCK, "pipeline.split=[0,4]"]],
        ),
        (
            &["pipeline.split=[1,1,2]"],
            "a number for each device",
            &[
                &["pipeline.split=[1,3]"],
                &["pipeline.split=[0,4]", NO_LOCK],
                &["pipeline.split=[1,1,1,1]", "pipeline.schedule=interleaved", NO_LOCK],
            ],
        ),
    ];
    for (wrong, words, rights) in cases {
        for right in *rights {
            mended(&place.file, wrong, words, right);
        }
    }
}

#[test]
fn a_plan_and_what_it_settles_are_not_both_given() {
    let place = Place::new();
    let made = place.path("plan.json");
    run_ok(plan(&place.file, &[]).arg("-o").arg(&made));
    let given = format!("pipeline.plan={}", made.display());
    let schedule = place.path("own.csv");
    write(&schedule, "0F0,0B0\n,1F0,1B0\n");
    let own = format!("pipeline.schedule_file={}", schedule.display());
    let auto = "pipeline.schedule=auto";
    let whole = "train.micro_batches=1";
    let words = "left out where pipeline.plan is given";
    let split = "pipeline.split=[2,2]";
    mended(&place.file, &[&given, split], words, &[&given]);
    mended(&place.file, &[&given, &own, auto], words, &[&own, auto, whole]);
    let words = "left out where pipeline.schedule is given";
    mended(&place.file, &[&own, whole], words, &[&own, auto, whole]);
    let stderr = run_fails(plan(&place.file, &[&given]).args(["--schedule", "gpipe"]), 2);
    assert_says(&stderr, &["left out where a plan is given"]);
    run_ok(plan(&place.file, &[]).args(["--schedule", "gpipe"]));
}
