//! What holds of every simulation, whatever the numbers.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trainyard_plan::simulate::{check_memory, most_held, needs, score, simulate, simulate_traced};
use trainyard_plan::{Lane, LinkCost, OptimizerTime, Plan, Profile, Trace, chrome, costs};

use crate::random::{self, Dice};

/// A case whose times are not whole: divided by 7, so that sums round.
fn case(seed: u64, ranks: usize, more: usize, m: usize) -> (Profile, Plan) {
    let mut dice = Dice(seed);
    let mut profile = random::profile(&mut dice, ranks + more, ranks, m);
    for device in &mut profile.devices {
        let times = [&mut device.forward_us, &mut device.input_grad_us, &mut device.weight_grad_us];
        times.into_iter().flatten().for_each(|time| *time /= 7.0);
    }
    let plan = random::plan(&mut dice, &profile, ranks, ranks + more);
    (profile, plan)
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
}

/// The spans of one lane of one device, or of one link, in order.
fn overlaps(spans: &mut [(u64, u64)]) -> bool {
    spans.sort_unstable();
    spans.windows(2).any(|two| two[0].1 > two[1].0)
}

fn lane(trace: &Trace, device: usize, lane: Lane) -> Vec<(u64, u64)> {
    let of_lane = trace.events.iter().filter(|e| e.device == device && e.lane == lane);
    of_lane.map(|event| (event.start_ns, event.end_ns)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn times_add_up(seed in any::<u64>(), ranks in 1_usize..5, more in 0_usize..4, m in 1_usize..6) {
        let (profile, plan) = case(seed, ranks, more, m);
        let (simulation, trace) = simulate_traced(&profile, &plan).unwrap();
        let mut idle_of_all = 0.0;
        for (rank, device) in simulation.devices.iter().enumerate() {
            let idle = device.idle_us;
            let parts = [idle.warm_up_us, idle.drain_us, idle.neighbour_us, idle.link_us];
            prop_assert!(parts.iter().all(|part| *part >= 0.0), "{:?}", idle);
            let all = device.busy_us + device.optimizer_us + idle.total_us();
            prop_assert!(close(all, simulation.step_us), "{} {}", all, simulation.step_us);
            idle_of_all += idle.total_us();

            let busy_ns = (device.busy_us + device.optimizer_us) * 1000.0;
            let events = lane(&trace, rank, Lane::Compute).len() as f64;
            prop_assert!((trace.busy_ns(rank) as f64 - busy_ns).abs() <= events);
            prop_assert!(!overlaps(&mut lane(&trace, rank, Lane::Compute)));
        }
        let bubble = idle_of_all / (ranks as f64 * simulation.step_us);
        prop_assert!(close(bubble, simulation.bubble_fraction));
        let of_trace = trace.bubble_fraction(1).unwrap();
        let events = trace.events.len() as f64;
        prop_assert!((of_trace - bubble).abs() <= 2.0 * events / (simulation.step_us * 1000.0));
        let (start_ns, end_ns) = trace.step_range(1).unwrap();
        prop_assert_eq!((start_ns, end_ns), (0, (simulation.step_us * 1000.0).round() as u64));
        prop_assert!(serde_json::from_str::<serde_json::Value>(&chrome::to_string(&trace)).is_ok());
        // The same again says the same, with and without a trace.
        prop_assert_eq!(&simulate(&profile, &plan).unwrap(), &simulation);
        let back: trainyard_plan::simulate::Simulation =
            serde_json::from_str(&serde_json::to_string(&simulation).unwrap()).unwrap();
        prop_assert_eq!(back.devices.len(), simulation.devices.len());
    }

    /// Whatever the times are, where messages take none.
    #[test]
    fn no_device_holds_more_than_where_all_others_are_quicker(
        seed in any::<u64>(), other in any::<u64>(), ranks in 2_usize..5, more in 0_usize..4,
        m in 1_usize..6,
    ) {
        let (mut profile, mut plan) = case(seed, ranks, more, m);
        if other % 2 == 0 {
            plan.schedule = plan.schedule.with_transfers();
        }
        profile.links.clear();
        profile.default_link = None;
        let peaks = |profile: &Profile| {
            let devices = simulate(profile, &plan).unwrap().devices;
            devices.into_iter().map(|device| device.peak_bytes.total()).collect::<Vec<_>>()
        };
        let most = most_held(&profile, &plan).unwrap();
        let mut dice = Dice(other);
        for device in &mut profile.devices {
            let quick = 1.0 / (1 + dice.below(40)) as f64;
            let times =
                [&mut device.forward_us, &mut device.input_grad_us, &mut device.weight_grad_us];
            for time in times.into_iter().flatten() {
                *time = quick * dice.below(9) as f64;
            }
        }
        for (found, most) in peaks(&profile).into_iter().zip(most) {
            prop_assert!(found <= most.total(), "{found} of {most:?}");
        }
    }

    #[test]
    fn the_critical_path_leads_from_the_start_to_the_end(
        seed in any::<u64>(), ranks in 1_usize..5, more in 0_usize..4, m in 1_usize..6,
    ) {
        let (profile, plan) = case(seed, ranks, more, m);
        let simulation = simulate(&profile, &plan).unwrap();
        let path = &simulation.critical_path;
        prop_assert_eq!(path.first().unwrap().start_us, 0.0);
        prop_assert_eq!(path.last().unwrap().end_us, simulation.step_us);
        for two in path.windows(2) {
            prop_assert_eq!(two[0].end_us, two[1].start_us);
            // What follows is on the same device, or waited for a transfer to it, or is a transfer
            // from it (perhaps behind another on the same link), or is the neighbouring stage's
            // with nothing to send between them.
            let at = two[0].to.as_ref().unwrap_or(&two[0].device);
            let same_link = two[0].to.is_some() && two[0].to == two[1].to;
            let [before, after] = [two[0].action.stage, two[1].action.stage];
            let neighbours = two[0].to.is_none() && before.abs_diff(after) == 1;
            prop_assert!(*at == two[1].device || same_link || neighbours, "{:?}", two);
        }
    }

    #[test]
    fn a_link_carries_one_transfer_at_a_time(
        seed in any::<u64>(), ranks in 2_usize..5, more in 0_usize..4, m in 1_usize..6,
    ) {
        let (profile, plan) = case(seed, ranks, more, m);
        let (simulation, trace) = simulate_traced(&profile, &plan).unwrap();
        // Sends and receives are listed in pairs.
        let transfers: Vec<_> = trace.events.iter().filter(|e| e.lane != Lane::Compute).collect();
        let mut links: BTreeMap<(usize, usize), Vec<(u64, u64)>> = BTreeMap::new();
        for pair in transfers.chunks(2) {
            let (sent, received) = (pair[0], pair[1]);
            prop_assert_eq!((sent.lane, received.lane), (Lane::TransferOut, Lane::TransferIn));
            let span = (sent.start_ns, sent.end_ns);
            prop_assert_eq!(span, (received.start_ns, received.end_ns));
            links.entry((sent.device, received.device)).or_default().push(span);
        }
        for (link, spans) in &mut links {
            prop_assert!(!overlaps(spans), "{:?} {:?}", link, spans);
        }
        let count = simulation.links.iter().filter(|link| link.transfers > 0).count();
        prop_assert_eq!(count, links.len());
        for link in &simulation.links {
            prop_assert!(link.busy_us <= simulation.step_us * (1.0 + 1e-9));
        }
    }

    #[test]
    fn memory_ends_where_it_began(
        seed in any::<u64>(), ranks in 1_usize..5, more in 0_usize..4, m in 1_usize..6,
    ) {
        let (profile, plan) = case(seed, ranks, more, m);
        let (simulation, trace) = simulate_traced(&profile, &plan).unwrap();
        for (rank, device) in simulation.devices.iter().enumerate() {
            let peak = device.peak_bytes;
            let samples: Vec<_> = trace.memory.iter().filter(|s| s.device == rank).collect();
            prop_assert!(samples.windows(2).all(|two| two[0].at_ns <= two[1].at_ns));
            let bytes: Vec<_> = samples.iter().map(|sample| sample.in_use_bytes).collect();
            prop_assert!(bytes.iter().all(|bytes| *bytes >= peak.weights + peak.optimizer));
            let owners = plan.schedule.owners();
            let own = plan.stages.iter().zip(owners).filter(|(_, owner)| *owner == rank);
            let layers = own.flat_map(|(stage, _)| &profile.model.layers[stage.layers.0..stage.layers.1]);
            let sums: u64 = layers.map(|layer| layer.param_bytes).sum();
            prop_assert_eq!(*bytes.last().unwrap(), peak.weights + peak.optimizer + sums);
            prop_assert_eq!(bytes.into_iter().max().unwrap(), peak.total());
            let at_peak = samples.iter().find(|sample| sample.in_use_bytes == peak.total());
            let at_ns = (device.peak_at_us * 1000.0).round() as u64;
            prop_assert_eq!(at_peak.unwrap().at_ns, at_ns);
        }
        let needs = needs(&profile, &plan).unwrap();
        let fits = needs.iter().all(|need| need.deficit_bytes() == 0);
        prop_assert_eq!(check_memory(&profile, &plan).is_ok(), fits);
        let owners = plan.schedule.owners();
        let costs = costs::PipelineCosts::of(&profile, &plan.stages, &owners).unwrap();
        let score = score(&costs, &plan.schedule, m).unwrap();
        prop_assert_eq!(score.step_us, simulation.step_us);
        prop_assert_eq!(score.fits, fits);
        let peaks: Vec<_> = needs.iter().map(|need| need.needed_bytes).collect();
        prop_assert_eq!(score.peak_bytes, peaks);
    }

    /// With free links nothing queues, so less work cannot take longer. (With slow links it can:
    /// what comes earlier may take the link from what is waited for.)
    #[test]
    fn on_free_links_faster_layers_never_slow_a_step_down(
        seed in any::<u64>(), ranks in 1_usize..5, more in 0_usize..4, m in 1_usize..5,
        pick in any::<prop::sample::Index>(),
    ) {
        let (mut profile, plan) = case(seed, ranks, more, m);
        (profile.links, profile.default_link) = (Vec::new(), None);
        let before = simulate(&profile, &plan).unwrap().step_us;
        let device = pick.index(ranks);
        let device = &mut profile.devices[device];
        let layer = pick.index(ranks + more);
        device.forward_us[layer] /= 2.0;
        device.weight_grad_us[layer] /= 3.0;
        let after = simulate(&profile, &plan).unwrap().step_us;
        prop_assert!(after <= before * (1.0 + 1e-12), "{} {}", before, after);
    }

    /// No step is shorter than the work of its busiest rank or the load of its busiest link, and
    /// free links are never worse than others.
    #[test]
    fn bounds(seed in any::<u64>(), ranks in 1_usize..5, more in 0_usize..4, m in 1_usize..5) {
        let (mut profile, plan) = case(seed, ranks, more, m);
        let simulation = simulate(&profile, &plan).unwrap();
        let work = simulation.devices.iter().map(|d| d.busy_us + d.optimizer_us);
        let load = simulation.links.iter().map(|link| link.busy_us);
        let least = work.chain(load).fold(0.0, f64::max);
        prop_assert!(simulation.step_us >= least * (1.0 - 1e-12));
        (profile.links, profile.default_link) = (Vec::new(), Some(LinkCost::FREE));
        let free = simulate(&profile, &plan).unwrap();
        prop_assert!(free.step_us <= simulation.step_us * (1.0 + 1e-12));
        prop_assert!(free.devices.iter().all(|device| device.peak_bytes.buffers <= 12 * 8 * 64));
        for (device, profile) in free.devices.iter().zip(&profile.devices) {
            if let OptimizerTime::Device(_) = profile.optimizer_us {
                prop_assert!(device.optimizer_us >= 0.0);
            }
        }
    }

    /// Twice as fast everywhere is twice as fast, exactly: all times scale.
    #[test]
    fn times_scale(seed in any::<u64>(), ranks in 1_usize..5, more in 0_usize..4, m in 1_usize..5) {
        let (mut profile, plan) = case(seed, ranks, more, m);
        let before = simulate(&profile, &plan).unwrap();
        for device in &mut profile.devices {
            let times = [&mut device.forward_us, &mut device.input_grad_us, &mut device.weight_grad_us];
            times.into_iter().flatten().for_each(|time| *time *= 2.0);
            match &mut device.optimizer_us {
                OptimizerTime::Device(time) => *time *= 2.0,
                OptimizerTime::Layers(times) => times.iter_mut().for_each(|time| *time *= 2.0),
            }
        }
        for link in &mut profile.links {
            (link.latency_us, link.bytes_per_us) = (link.latency_us * 2.0, link.bytes_per_us / 2.0);
        }
        if let Some(link) = &mut profile.default_link {
            (link.latency_us, link.bytes_per_us) = (link.latency_us * 2.0, link.bytes_per_us / 2.0);
        }
        let after = simulate(&profile, &plan).unwrap();
        prop_assert_eq!(after.step_us, before.step_us * 2.0);
        prop_assert_eq!(after.critical_path.len(), before.critical_path.len());
        for (after, before) in after.devices.iter().zip(&before.devices) {
            prop_assert_eq!(after.peak_bytes, before.peak_bytes);
        }
    }
}
