//! Formulas: schedules with equal stages and free links, and the exact time of `GPipe` with unequal
//! ones.

use proptest::prelude::*;
use trainyard_plan::simulate::{Simulation, simulate};
use trainyard_plan::{LayerProfile, Plan, Profile, Schedule, Stage};

use crate::by_hand;

/// Stage i is layer i, placed by the schedule; each stage takes (F, I, W) on its device.
fn run(schedule: Schedule, m: usize, times: &[[f64; 3]], recompute: bool) -> Simulation {
    let owners = schedule.owners();
    let ranks = schedule.ranks.len();
    let mut profile = by_hand::profile(owners.len(), ranks, m);
    for device in &mut profile.devices {
        device.forward_us = times.iter().map(|time| time[0]).collect();
        device.input_grad_us = times.iter().map(|time| time[1]).collect();
        device.weight_grad_us = times.iter().map(|time| time[2]).collect();
    }
    simulate(&profile, &on_owners(&profile, schedule, m, recompute)).unwrap()
}

pub(crate) fn on_owners(profile: &Profile, schedule: Schedule, m: usize, recompute: bool) -> Plan {
    let recompute =
        if recompute { trainyard_plan::Recompute::Full } else { trainyard_plan::Recompute::None };
    let stage = |(index, rank): (usize, usize)| {
        let device = profile.devices[rank].id.clone();
        Stage { device, layers: (index, index + 1), recompute }
    };
    let stages = schedule.owners().into_iter().enumerate().map(stage).collect();
    Plan::new("hand", stages, schedule, m)
}

proptest! {
    #[test]
    fn equal_stages_and_free_links(
        p in 1_usize..7, m in 1_usize..10, f in 1_u32..9, i in 1_u32..9, w in 1_u32..9,
        recompute in any::<bool>(),
    ) {
        let times = vec![[f64::from(f), f64::from(i), f64::from(w)]; p];
        let again = if recompute { f } else { 0 };
        let [f, b] = [f, i + w + again].map(f64::from);
        for name in ["gpipe", "1f1b"] {
            let schedule = Schedule::named(name, p, m).unwrap();
            let simulation = run(schedule, m, &times, recompute);
            let rounds = (m + p - 1) as f64;
            prop_assert_eq!(simulation.step_us, rounds * (f + b), "{}", name);
            let bubble = (p - 1) as f64 / rounds;
            prop_assert!((simulation.bubble_fraction - bubble).abs() < 1e-12);
            for (rank, device) in simulation.devices.iter().enumerate() {
                prop_assert_eq!(device.busy_us, m as f64 * (f + b));
                prop_assert_eq!(device.idle_us.warm_up_us, rank as f64 * f);
                prop_assert_eq!(device.idle_us.drain_us, rank as f64 * b);
                prop_assert_eq!(device.idle_us.link_us, 0.0);
                let in_flight = if name == "gpipe" { m } else { m.min(p - rank) } as u64;
                // While the forward runs again, the gradient of the output is there, but for the last.
                let gradient = if rank + 1 < p { 40 } else { 0 };
                let again = in_flight * 40 + 1000 + gradient;
                let kept = if recompute { again } else { in_flight * 1000 };
                prop_assert_eq!(device.peak_bytes.activations, kept, "{} rank {}", name, rank);
            }
        }
    }

    /// T = Σf + (m − 1) max f + Σb + (m − 1) max b.
    #[test]
    fn gpipe_with_unequal_stages(
        times in prop::collection::vec(prop::array::uniform3(0_u32..9), 1..7), m in 1_usize..9,
    ) {
        let times: Vec<[f64; 3]> = times.into_iter().map(|time| time.map(f64::from)).collect();
        let schedule = Schedule::named("gpipe", times.len(), m).unwrap();
        let simulation = run(schedule, m, &times, false);
        let phase = |time: fn(&[f64; 3]) -> f64| {
            let longest = times.iter().map(time).fold(0.0, f64::max);
            times.iter().map(time).sum::<f64>() + (m - 1) as f64 * longest
        };
        prop_assert_eq!(simulation.step_us, phase(|t| t[0]) + phase(|t| t[1] + t[2]));
    }

    /// With F = I = W a rank of ZB-H1 idles for (p − 1)(F + I − W) and of ZB-H2, given enough
    /// micro-batches, not at all between its first action and its last.
    #[test]
    fn zero_bubble_schedules(p in 2_usize..6, more in 0_usize..5, t in 1_u32..9) {
        let (m, t) = (2 * p + more, f64::from(t));
        let times = vec![[t, t, t]; p];
        let h1 = run(Schedule::named("zb-h1", p, m).unwrap(), m, &times, false);
        prop_assert_eq!(h1.step_us, (3 * m + p - 1) as f64 * t);
        let h2 = run(Schedule::named("zb-h2", p, m).unwrap(), m, &times, false);
        for device in &h2.devices {
            prop_assert_eq!(device.idle_us.neighbour_us + device.idle_us.link_us, 0.0);
        }
    }

    /// One rank has nobody to wait for, however many stages it has.
    #[test]
    fn one_rank_is_never_idle(
        times in prop::collection::vec(prop::array::uniform3(0_u32..9), 1..5), m in 1_usize..6,
    ) {
        let times: Vec<[f64; 3]> = times.into_iter().map(|time| time.map(f64::from)).collect();
        let schedule = Schedule::with_chunks("interleaved", 1, times.len(), m).unwrap();
        let simulation = run(schedule, m, &times, false);
        let all: f64 = times.iter().flatten().sum();
        prop_assert_eq!(simulation.step_us, m as f64 * all);
        prop_assert_eq!(simulation.bubble_fraction, 0.0);
        prop_assert!(simulation.links.is_empty());
    }
}

#[test]
fn a_pipeline_bound_by_its_link_takes_as_long_as_the_link() {
    // Forwards take 10, transfers 100: the m-th output arrives at 10 + 100 m.
    let m = 6;
    let mut profile = by_hand::profile(2, 2, m);
    let out = &mut profile.model.layers[0];
    *out = LayerProfile { output_bytes: 800, ..out.clone() };
    let cost = trainyard_plan::LinkCost { latency_us: 0.0, bytes_per_us: 8.0 };
    profile.default_link = Some(cost);
    let plan = on_owners(&profile, Schedule::named("gpipe", 2, m).unwrap(), m, false);
    let simulation = simulate(&profile, &plan).unwrap();
    // Then the last forward, m backwards on the second rank, a gradient of 40 ÷ 8, one backward.
    let last_in = 10.0 + 100.0 * m as f64;
    assert_eq!(simulation.step_us, last_in + 10.0 + 20.0 * m as f64 + 5.0 + 20.0);
    assert_eq!(simulation.links[0].busy_us, 100.0 * m as f64);
    // The outputs that wait: made at 10 k, gone at 10 + 100 k. At 60 all six are there.
    assert_eq!(simulation.devices[0].peak_bytes.buffers, 800 * 6);
}
