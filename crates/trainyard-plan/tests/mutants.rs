//! The validator against the definition of a sound schedule, spelled out plainly: over damaged
//! schedules, with transfers and without.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::named_with_chunks;
use proptest::prelude::*;
use trainyard_plan::validate::validate;
use trainyard_plan::{Action, ActionKind, Schedule};

#[test]
fn named_schedules_run_with_transfers_spelled_out() {
    for (name, chunks) in named_with_chunks() {
        for (ranks, micro_batches) in (1..=6).flat_map(|p| (1..=13).map(move |m| (p, m))) {
            let compute = Schedule::with_chunks(name, ranks, chunks, micro_batches).unwrap();
            let stages = ranks * chunks;
            for schedule in [compute.merged(), compute] {
                let transfers = schedule.with_transfers();
                validate(&transfers, stages, micro_batches).unwrap();
                assert_eq!(transfers.with_transfers(), transfers);
                let boundaries = schedule.owners().windows(2).filter(|w| w[0] != w[1]).count();
                let added = transfers.ranks.iter().flatten().filter(|a| a.kind.is_transfer());
                assert_eq!(added.count(), 4 * boundaries * micro_batches);
                validate(&schedule, stages, micro_batches).unwrap();
                assert!(runs(&transfers));
            }
        }
    }
}

/// Whether each (stage, micro-batch) has one F before one B or before one I before one W, and
/// whether exactly the needed transfers are there in their places, all of a stage on one rank: the
/// definition, spelled out without cleverness.
fn complete(schedule: &Schedule, owners: &[usize], micro_batches: usize) -> bool {
    use ActionKind as K;
    let wanted: Vec<Vec<Vec<Action>>> = (0..owners.len())
        .map(|stage| {
            let before = stage > 0 && owners[stage - 1] != owners[stage];
            let after = stage + 1 < owners.len() && owners[stage + 1] != owners[stage];
            let forward = [(before, K::RecvForward), (true, K::Forward), (after, K::SendForward)];
            let kinds =
                |backward| [(after, K::RecvBackward), (true, backward), (before, K::SendBackward)];
            let chain = |m: usize, kinds: &[(bool, ActionKind)]| -> Vec<Action> {
                kinds.iter().filter(|k| k.0).map(|k| Action::new(stage, k.1, m)).collect()
            };
            (0..micro_batches)
                .flat_map(|m| {
                    let halves = chain(m, &[(true, K::InputGrad), (true, K::WeightGrad)]);
                    let order = chain(m, &[(true, K::Forward), (true, K::Backward)]);
                    let split_order = chain(m, &[(true, K::Forward), (true, K::InputGrad)]);
                    let split = schedule.ranks.iter().flatten().any(|a| *a == halves[0]);
                    if split {
                        vec![
                            chain(m, &forward),
                            chain(m, &kinds(K::InputGrad)),
                            halves,
                            split_order,
                        ]
                    } else {
                        vec![chain(m, &forward), chain(m, &kinds(K::Backward)), order]
                    }
                })
                .collect()
        })
        .collect();
    let mut all: Vec<Action> = wanted.iter().flatten().flatten().copied().collect();
    all.sort();
    all.dedup();
    let mut there: Vec<Action> = schedule.ranks.iter().flatten().copied().collect();
    there.sort();
    let in_order = |stage: usize, chain: &Vec<Action>| {
        let row = &schedule.ranks[owners[stage]];
        let places: Vec<_> = chain.iter().map(|a| row.iter().position(|b| a == b)).collect();
        places.iter().all(Option::is_some) && places.is_sorted()
    };
    all == there
        && wanted
            .iter()
            .enumerate()
            .all(|(stage, chains)| chains.iter().all(|c| in_order(stage, c)))
}

/// Whether the ranks get to the end, by trying every rank over and over; transfers are spelled out.
fn runs(schedule: &Schedule) -> bool {
    use ActionKind as K;
    let mut links: BTreeMap<(usize, ActionKind), Vec<usize>> = BTreeMap::new();
    let mut done = BTreeSet::new();
    let mut next = vec![0; schedule.ranks.len()];
    let owners = schedule.owners();
    let here = |a: usize, b: usize| owners.get(a).is_some_and(|rank| Some(rank) == owners.get(b));
    loop {
        let mut progress = false;
        for (rank, row) in schedule.ranks.iter().enumerate() {
            while let Some(&Action { stage, kind, micro_batch }) = row.get(next[rank]) {
                let link = match kind {
                    K::RecvForward => (stage - 1, K::SendForward),
                    K::RecvBackward => (stage + 1, K::SendBackward),
                    _ => (stage, kind),
                };
                let queue = links.entry(link).or_default();
                let ready = match kind {
                    K::RecvForward | K::RecvBackward => queue.first() == Some(&micro_batch),
                    K::Forward if stage > 0 && here(stage - 1, stage) => {
                        done.contains(&(stage - 1, true, micro_batch))
                    }
                    K::Backward | K::InputGrad if here(stage, stage + 1) => {
                        done.contains(&(stage + 1, false, micro_batch))
                    }
                    _ => true,
                };
                if !ready {
                    break;
                }
                match kind {
                    K::SendForward | K::SendBackward => queue.push(micro_batch),
                    K::RecvForward | K::RecvBackward => drop(queue.remove(0)),
                    K::WeightGrad => {}
                    _ => drop(done.insert((stage, kind == K::Forward, micro_batch))),
                }
                next[rank] += 1;
                progress = true;
            }
        }
        if !progress {
            return next.iter().zip(&schedule.ranks).all(|(next, row)| *next == row.len());
        }
    }
}

fn any_named() -> impl Strategy<Value = (Schedule, usize, usize)> {
    (prop::sample::select(named_with_chunks()), 1_usize..5, 1_usize..6, 0..3).prop_map(
        |((name, chunks), ranks, micro_batches, form)| {
            let schedule = Schedule::with_chunks(name, ranks, chunks, micro_batches).unwrap();
            let schedule = match form {
                0 => schedule,
                1 => schedule.merged(),
                _ => schedule.with_transfers(),
            };
            (schedule, ranks * chunks, micro_batches)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn mutants_are_refused_or_sound_by_definition(
        (named, stages, micro_batches) in any_named(),
        mutations in prop::collection::vec((0_u8..6, any::<usize>(), any::<usize>(), any::<usize>()), 1..3),
    ) {
        let mut schedule = named.clone();
        let ranks = schedule.ranks.len();
        for (mutation, a, b, c) in mutations {
            let rank = a % ranks;
            let row = &mut schedule.ranks[rank];
            if row.is_empty() { continue }
            let (i, j) = (b % row.len(), c % row.len());
            match mutation {
                0 => { row.remove(i); }
                1 => { let action = row[i]; row.insert(j, action); }
                2 => row.swap(i, j),
                3 => { let next = (i + 1) % row.len(); row.swap(i, next); }
                4 => row[i].kind = if row[i].kind == ActionKind::Forward {
                    ActionKind::Backward
                } else {
                    ActionKind::Forward
                },
                _ => { let action = row.remove(i); schedule.ranks[c % ranks].push(action); }
            }
        }
        let owners = named.owners();
        let spelled_out = schedule.with_transfers();
        let sound = schedule.ranks.iter().all(|row| !row.is_empty())
            && complete(&spelled_out, &owners, micro_batches)
            && runs(&spelled_out);
        let result = validate(&schedule, stages, micro_batches);
        prop_assert_eq!(result.is_ok(), sound, "{:?}: {:?}", schedule, result);
    }

    #[test]
    fn what_is_dropped_doubled_moved_or_swapped_is_refused(
        (named, stages, micro_batches) in any_named(),
        place in any::<(usize, usize, usize)>(),
    ) {
        let (rank, i) = (place.0 % named.ranks.len(), place.1);
        let i = i % named.ranks[rank].len();
        let refused = |change: &dyn Fn(&mut Vec<Vec<Action>>)| {
            let mut mutant = named.clone();
            change(&mut mutant.ranks);
            validate(&mutant, stages, micro_batches).is_err()
        };
        let action = named.ranks[rank][i];
        let elsewhere = place.2 % (named.ranks[rank].len() + 1);
        prop_assert!(refused(&|ranks| ranks[rank].retain(|a| *a != action)));
        prop_assert!(refused(&|ranks| ranks[rank].insert(elsewhere, action)));
        let other = (rank + 1) % named.ranks.len();
        if other != rank {
            let moved = refused(&|ranks| {
                let action = ranks[rank].remove(i);
                ranks[other].push(action);
            });
            prop_assert!(moved);
        }
        // In a cell every action needs those before it, but for a W, which needs no send.
        let of_cell = |a: &Action| (a.stage, a.micro_batch) == (action.stage, action.micro_batch);
        let row = &named.ranks[rank];
        if let Some(j) = (i + 1..row.len()).find(|&j| of_cell(&row[j]))
            && row[i].kind != ActionKind::SendBackward
        {
            prop_assert!(refused(&|ranks| ranks[rank].swap(i, j)));
        }
    }
}
