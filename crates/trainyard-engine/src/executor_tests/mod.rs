//! The executor (pipeline, workers, links and ties) in random orders of its threads, with devices that
//! take their time, fail, get lost, hang and refuse memory.
//!
//! [`shuttle`] runs all threads of a case on one, in an order that follows from a seed, as everything else
//! of the case does. Each step must give what a formula gives, which it does only if every message came
//! exactly once, or end in an error that names device, stage and action. No thread may be left over: shuttle
//! waits for all of them.
//!
//! `scripts/long.sh executor` runs them for long: `EXECUTOR_SCHEDULES` orders without faults,
//! `EXECUTOR_STEPS` steps with faults. A failure says its seed, with which `SHUTTLE_RANDOM_SEED` runs it again, or
//! its schedule, for `shuttle::replay`.

mod case;
mod channel;
mod draw;
mod model;
mod queue;
mod run;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use shuttle::rand::RngCore;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

use crate::mix;
use case::{Case, Fault};
use run::Outcome;

/// From which the seeds of all cases follow.
const SEED: u64 = 11;
/// Burn's kernels need more than shuttle gives a thread.
const STACK_BYTES: usize = 1 << 20;

/// Runs cases, one an execution; `of` makes one from a seed. Gives each with its outcome to `done`.
fn run_all(
    scheduler: impl Scheduler + 'static,
    of: impl Fn(u64) -> Case + Send + Sync + 'static,
    done: impl Fn(Fault, Outcome) + Send + Sync + 'static,
) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    Runner::new(scheduler, config).run(move || {
        let case = of(shuttle::rand::thread_rng().next_u64());
        let fault = case.fault;
        done(fault, case.run());
    });
}

/// A number from the environment, where it is there.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Runs `part` with a seed of its own and a share of a number, on each of the system's threads that
/// `EXECUTOR_THREADS` asks for.
fn in_parts(total: u64, part: impl Fn(u64, u64) + Sync) {
    let threads = number("EXECUTOR_THREADS", 1);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let share = total / threads + u64::from(thread < total % threads);
            let part = &part;
            scope.spawn(move || part(mix(&[SEED, thread]), share));
        }
    });
}

#[test]
fn any_order_of_the_threads_gives_the_right_steps() {
    let schedules = number("EXECUTOR_SCHEDULES", 1500);
    let steps = Arc::new(Mutex::new(Vec::new()));
    in_parts(schedules, |seed, share| {
        let count = || {
            let steps = Arc::clone(&steps);
            move |_, outcome: Outcome| {
                assert_eq!(outcome.error, None);
                steps.lock().unwrap().push(outcome.steps);
            }
        };
        let (of, half) = (|seed| Case::drawn(seed, false), share / 2);
        run_all(RandomScheduler::new_from_seed(seed, (share - half) as usize), of, count());
        run_all(PctScheduler::new_from_seed(seed, 3, half as usize), of, count());
    });
    let steps = steps.lock().unwrap();
    assert_eq!(steps.len() as u64, schedules);
    let steps: u64 = steps.iter().sum();
    println!("executor: {schedules} orders of the threads, {steps} steps, all right");
}

#[test]
fn steps_with_faults_end_right_or_name_the_fault() {
    let total = number("EXECUTOR_STEPS", 3000);
    let seen: Mutex<BTreeMap<&str, [u64; 3]>> = Mutex::default();
    in_parts(total, |mut seed, share| {
        let mut done = 0;
        while done < share {
            let outcomes: Arc<Mutex<Vec<(Fault, Outcome)>>> = Arc::default();
            let came = Arc::clone(&outcomes);
            run_all(
                RandomScheduler::new_from_seed(seed, 500),
                |seed| Case::drawn(seed, true),
                move |fault, outcome| came.lock().unwrap().push((fault, outcome)),
            );
            for (fault, outcome) in outcomes.lock().unwrap().drain(..) {
                let mut seen = seen.lock().unwrap();
                let [cases, steps, errors] = seen.entry(fault.name()).or_default();
                *cases += 1;
                *steps += outcome.steps;
                *errors += u64::from(outcome.error.is_some());
                done += outcome.steps;
            }
            seed = mix(&[seed]);
        }
    });
    let seen = seen.lock().unwrap();
    for (fault, [cases, steps, errors]) in &*seen {
        println!(
            "executor: {fault}: {cases} pipelines, {steps} steps, {errors} ended in its error"
        );
        assert!(*errors > 0 || *fault == "not a number", "{fault}");
    }
    let steps: u64 = seen.values().map(|[_, steps, _]| steps).sum();
    println!("executor: {steps} steps with faults, each right or an error that names its place");
}

#[test]
fn a_case_comes_again_from_its_seed() {
    for seed in 0..40 {
        let said = [(); 2].map(|()| {
            let said: Arc<Mutex<Vec<(Outcome, usize)>>> = Arc::default();
            let seen = Arc::clone(&said);
            run_all(
                RandomScheduler::new_from_seed(seed, 1),
                |seed| Case::drawn(seed, true),
                move |_, outcome| {
                    // How often another thread had its turn until here.
                    let turns = shuttle::current::context_switches();
                    seen.lock().unwrap().push((outcome, turns));
                },
            );
            let said = said.lock().unwrap();
            assert_eq!(said.len(), 1);
            said[0].clone()
        });
        assert_eq!(said[0], said[1], "seed {seed}");
    }
}

#[test]
fn a_message_that_does_not_come_is_noticed() {
    let errors: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&errors);
    let of = |seed| Case::drawn(seed, false).with(Fault::HeldBack(seed as usize % 2));
    run_all(RandomScheduler::new_from_seed(SEED, 100), of, move |_, outcome| {
        seen.lock().unwrap().extend(outcome.error);
    });
    let errors = errors.lock().unwrap();
    assert_eq!(errors.len(), 100);
    for error in &*errors {
        assert!(error.contains("waits for the input of"), "{error}");
        assert!(error.contains("a message is missing"), "{error}");
    }
}
