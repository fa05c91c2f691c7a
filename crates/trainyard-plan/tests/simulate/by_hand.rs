//! Small cases worked out by hand. Every case gives each rank's timeline in a comment.

use trainyard_plan::simulate::{IdleTime, Simulation, most_held, simulate, simulate_traced};
use trainyard_plan::{
    Action, ActionKind, Api, DeviceProfile, Lane, LayerProfile, LinkCost, LinkProfile, MemoryUse,
    ModelProfile, OptimizerTime, Plan, Profile, Recompute, Schedule, Stage,
};

/// Devices `d0`, `d1`, …: each layer takes 10 µs forward, 12 for the input's gradient and 8 for the
/// weights'. Layers `l0`, `l1`, … have 100 bytes of weights and keep 1000; 40 bytes cross a cut.
pub(crate) fn profile(layers: usize, devices: usize, m: usize) -> Profile {
    let layer = |index| LayerProfile {
        name: format!("l{index}"),
        param_bytes: 100,
        input_bytes: 40,
        output_bytes: 40,
        saved_bytes: 1000,
        ..LayerProfile::default()
    };
    let device = |index| DeviceProfile {
        id: format!("d{index}"),
        memory_bytes: 1 << 20,
        forward_us: vec![10.0; layers],
        input_grad_us: vec![12.0; layers],
        weight_grad_us: vec![8.0; layers],
        ..DeviceProfile::default()
    };
    let model = ModelProfile {
        name: "hand".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: (0..layers).map(layer).collect(),
    };
    Profile { devices: (0..devices).map(device).collect(), ..Profile::new(model, m) }
}

/// Stage i is layer i on device `places[i]`, in this order of actions.
pub(crate) fn plan(places: &[usize], rows: &[&str], m: usize) -> Plan {
    let stage = |(index, place): (usize, &usize)| Stage {
        device: format!("d{place}"),
        layers: (index, index + 1),
        recompute: Recompute::None,
    };
    let row = |row: &&str| row.split_whitespace().map(|text| text.parse().unwrap()).collect();
    let schedule = Schedule::new("hand", rows.iter().map(row).collect());
    Plan::new("hand", places.iter().enumerate().map(stage).collect(), schedule, m)
}

fn link(latency_us: f64, bytes_per_us: f64) -> LinkCost {
    LinkCost { latency_us, bytes_per_us }
}

fn idle(simulation: &Simulation, rank: usize) -> [f64; 4] {
    let IdleTime { warm_up_us, drain_us, neighbour_us, link_us } = simulation.devices[rank].idle_us;
    [warm_up_us, drain_us, neighbour_us, link_us]
}

fn path(simulation: &Simulation) -> Vec<(String, f64, f64)> {
    let item = |item: &trainyard_plan::simulate::CriticalAction| {
        (item.action.to_string(), item.start_us, item.end_us)
    };
    simulation.critical_path.iter().map(item).collect()
}

#[test]
fn nothing_is_kept_and_nothing_goes_back_where_nothing_trains() {
    // A transfer takes 25 µs, and none goes back.
    //   d0: 0F0 0–10, 0F1 10–20; 0B0 at 65 and 0B1 at 95 take no time
    //   0→1: F0 10–35, F1 35–60
    //   d1:      1F0 35–45, 1B0 45–65, 1F1 65–75, 1B1 75–95
    let mut profile = profile(2, 2, 2);
    let first = std::mem::take(&mut profile.model.layers[0]).without_backward();
    profile.model.layers[0] =
        LayerProfile { param_bytes: 0, frozen_bytes: 100, workspace_bytes: 7, ..first };
    for device in &mut profile.devices {
        (device.input_grad_us[0], device.weight_grad_us[0]) = (0.0, 0.0);
    }
    profile.default_link = Some(link(5.0, 2.0));
    assert_eq!(profile.check(), Ok(()));
    let mut plan = plan(&[0, 1], &["0F0 0F1 0B0 0B1", "1F0 1B0 1F1 1B1"], 2);
    for recompute in [Recompute::None, Recompute::Full] {
        plan.stages[0].recompute = recompute;
        let simulation = simulate(&profile, &plan).unwrap();
        assert_eq!(simulation.step_us, 95.0);
        assert_eq!(simulation.devices[0].busy_us, 20.0);
        assert_eq!(simulation.links.len(), 1);
        assert_eq!((simulation.links[0].bytes, simulation.links[0].transfers), (80, 2));
        // Two outputs wait for the link, or one beside the workspace.
        let expected = MemoryUse { weights: 100, buffers: 80, ..MemoryUse::default() };
        assert_eq!(simulation.devices[0].peak_bytes, expected);
    }
    // What trains has a backward.
    profile.model.layers[0].param_bytes = 1;
    assert!(profile.check().unwrap_err().to_string().contains("forward_only"));
}

#[test]
fn two_stages_two_micro_batches_and_a_slow_link() {
    // A transfer takes 5 + 40 ÷ 2 = 25 µs, each way.
    //   d0: 0F0 0–10, 0F1 10–20
    //   0→1: F0 10–35, F1 35–60 (queued from 20 on)
    //   d1:      1F0 35–45, 1B0 45–65, 1F1 65–75, 1B1 75–95
    //   1→0: B0 65–90, B1 95–120; so 0B0 is 90–110 and 0B1 120–140.
    let mut profile = profile(2, 2, 2);
    profile.default_link = Some(link(5.0, 2.0));
    let plan = plan(&[0, 1], &["0F0 0F1 0B0 0B1", "1F0 1B0 1F1 1B1"], 2);
    let (simulation, trace) = simulate_traced(&profile, &plan).unwrap();
    assert_eq!(simulation.step_us, 140.0);
    assert_eq!(simulation.devices[0].busy_us, 60.0);
    // d0 waits from 20: B0 is made at 65 (45 for the neighbour), there at 90 (25 for the link); and
    // from 110: B1 was made at 95 already, so all 10 are for the link.
    assert_eq!(idle(&simulation, 0), [0.0, 0.0, 45.0, 35.0]);
    assert_eq!(idle(&simulation, 1), [35.0, 45.0, 0.0, 0.0]);
    assert_eq!(simulation.bubble_fraction, 160.0 / 280.0);
    let path_by_hand = [
        ("0F0", 0.0, 10.0),
        ("0SEND_F0", 10.0, 35.0),
        ("1F0", 35.0, 45.0),
        ("1B0", 45.0, 65.0),
        ("1F1", 65.0, 75.0),
        ("1B1", 75.0, 95.0),
        ("1SEND_B1", 95.0, 120.0),
        ("0B1", 120.0, 140.0),
    ];
    assert_eq!(path(&simulation), path_by_hand.map(|(a, start, end)| (a.to_owned(), start, end)));
    let to: Vec<_> = simulation.critical_path.iter().filter_map(|item| item.to.clone()).collect();
    assert_eq!(to, ["d1", "d0"]);
    for link in &simulation.links {
        assert_eq!((link.busy_us, link.bytes, link.transfers), (50.0, 80, 2));
    }

    // Memory of d0: 400 fixed; two micro-batches of 1000 from 10 on; outputs wait from 10 to 35 and
    // from 20 to 60, two of 40 between 20 and 35. That is the peak, reached at 20.
    let peak = simulation.devices[0].peak_bytes;
    assert_eq!((peak.weights, peak.gradients, peak.optimizer), (100, 100, 200));
    assert_eq!((peak.activations, peak.buffers), (2000, 80));
    assert_eq!(simulation.devices[0].peak_at_us, 20.0);
    // d1 holds one micro-batch at a time. At 60 the input of the second comes and waits until 65.
    let peak = simulation.devices[1].peak_bytes;
    assert_eq!((peak.activations, peak.buffers), (1000, 40));
    assert_eq!(simulation.devices[1].peak_at_us, 60.0);
    let samples = |device| trace.memory.iter().filter(move |sample| sample.device == device);
    assert_eq!(samples(0).map(|sample| sample.in_use_bytes).max(), Some(2480));
    assert_eq!(samples(1).map(|sample| sample.at_ns).next(), Some(0));
    // There is one wherever something came or went; at 140 the tied weight's gradient comes for the
    // optimizer step, which takes no time.
    let at: Vec<_> = samples(0).map(|sample| sample.at_ns / 1000).collect();
    assert_eq!(at, [0, 10, 20, 35, 60, 90, 110, 120, 140, 140]);
}

#[test]
fn a_receive_keeps_back_what_comes_after_it() {
    // As before, but with halves, and with W0 behind the receive of the second gradient:
    //   d0: 0F0 0–10, 0F1 10–20, 0I0 90–102, [1SEND_B1 95–120], 0W0 120–128, 0I1 –140, 0W1 –148
    let mut profile = profile(2, 2, 2);
    profile.default_link = Some(link(5.0, 2.0));
    let rows = [
        "0F0 0SEND_F0 0F1 0SEND_F1 0RECV_B0 0I0 0RECV_B1 0W0 0I1 0W1",
        "1RECV_F0 1F0 1B0 1SEND_B0 1RECV_F1 1F1 1B1 1SEND_B1",
    ];
    assert_eq!(simulate(&profile, &plan(&[0, 1], &rows, 2)).unwrap().step_us, 148.0);

    // A transfer takes 65 µs, and B0 is sent only when F1 has come, at 140; it was made at 105.
    profile.default_link = Some(link(45.0, 2.0));
    let rows = [
        "0F0 0SEND_F0 0F1 0SEND_F1 0RECV_B0 0B0 0RECV_B1 0B1",
        "1RECV_F0 1F0 1B0 1RECV_F1 1SEND_B0 1F1 1B1 1SEND_B1",
    ];
    let simulation = simulate(&profile, &plan(&[0, 1], &rows, 2)).unwrap();
    let path_by_hand = [
        ("0F0", 0.0, 10.0),
        ("0SEND_F0", 10.0, 75.0),
        ("0SEND_F1", 75.0, 140.0),
        ("1SEND_B0", 140.0, 205.0),
        ("1SEND_B1", 205.0, 270.0),
        ("0B1", 270.0, 290.0),
    ];
    assert_eq!(path(&simulation), path_by_hand.map(|(a, start, end)| (a.to_owned(), start, end)));
}

#[test]
fn recompute_adds_a_forward_and_keeps_the_input() {
    // B = 12 + 8 + 10 = 30. One device: 0F0 0–10, 0F1 10–20, 0B0 20–50, 0B1 50–80.
    let profile = profile(1, 1, 2);
    let mut plan = plan(&[0], &["0F0 0F1 0B0 0B1"], 2);
    plan.stages[0].recompute = Recompute::Full;
    let simulation = simulate(&profile, &plan).unwrap();
    assert_eq!((simulation.step_us, simulation.bubble_fraction), (80.0, 0.0));
    // At 20 there are two inputs of 40, and 1000 while the backward runs.
    let device = &simulation.devices[0];
    assert_eq!((device.peak_bytes.activations, device.peak_at_us), (80 + 1000, 20.0));
    assert_eq!(device.peak_bytes.total(), 400 + 1080);
}

#[test]
fn halves_of_a_backward_run_apart_and_hold_what_they_need() {
    // d0: 0F0 0–10, 0F1 10–20; its I takes 12 + 10, as it recomputes.
    // d1: 1F0 10–20, 1I0 20–32, 1F1 32–42, 1I1 42–54, 1W0 54–62, 1W1 62–70
    // d0: 0I0 32–54, 0W0 54–62, 0I1 62–84 (there since 54), 0W1 84–92
    let mut profile = profile(2, 2, 2);
    profile.model.layers[1].weight_saved_bytes = Some(300);
    let rows = ["0F0 0F1 0I0 0W0 0I1 0W1", "1F0 1I0 1F1 1I1 1W0 1W1"];
    let mut plan = plan(&[0, 1], &rows, 2);
    plan.stages[0].recompute = Recompute::Full;
    let simulation = simulate(&profile, &plan).unwrap();
    assert_eq!(simulation.step_us, 92.0);
    assert_eq!(idle(&simulation, 0), [0.0, 0.0, 12.0, 0.0]);
    assert_eq!(idle(&simulation, 1), [10.0, 22.0, 0.0, 0.0]);
    // d1: F0's 1000 go at 32 but for 300; with F1's that makes 1300 from 32 to 54.
    let peak = simulation.devices[1].peak_bytes;
    assert_eq!((peak.activations, peak.buffers), (1300, 0));
    // d0: I0 runs with two inputs, 1000 and the gradient of its output; afterwards all 1000 stay for W0, beside the input of
    // the second and, from 54 to 62, its gradient, which has come and is not used yet.
    let peak = simulation.devices[0].peak_bytes;
    assert_eq!((peak.activations, peak.buffers), (1120, 0));
    assert_eq!(simulation.devices[0].peak_at_us, 32.0);
}

#[test]
fn a_skip_is_a_transfer_of_its_own() {
    // l0 also feeds l2 with 40 bytes: d0→d2, 4 + 40 ÷ 1 = 44 µs. The others are free.
    //   d0: 0F 0–10;            d1: 1F 10–20;      d2: 2F waits for the skip: 54–64, 2B 64–84
    //   back: d1 has its gradient at once, 1B 84–104; d0 needs 1B's (104) and the skip's (128).
    let mut profile = profile(3, 3, 1);
    profile.model.layers[0].skips_to = vec!["l2".into()];
    let link = |from: &str, to: &str| LinkProfile {
        from: from.into(),
        to: to.into(),
        latency_us: 4.0,
        bytes_per_us: 1.0,
    };
    profile.links = vec![link("d0", "d2"), link("d2", "d0")];
    let plan = plan(&[0, 1, 2], &["0F0 0B0", "1F0 1B0", "2F0 2B0"], 1);
    let (simulation, trace) = simulate_traced(&profile, &plan).unwrap();
    assert_eq!(simulation.step_us, 148.0);
    // d0 waits from 10 to 128: the last input to come was made at 84.
    assert_eq!(idle(&simulation, 0), [0.0, 0.0, 74.0, 44.0]);
    assert_eq!(idle(&simulation, 1), [10.0, 44.0, 64.0, 0.0]);
    assert_eq!(idle(&simulation, 2), [54.0, 64.0, 0.0, 0.0]);
    let sends = trace.events.iter().filter(|event| event.lane == Lane::TransferOut);
    assert_eq!(sends.count(), 6);
    // d0 holds the output for l2 from 10 to 54.
    assert_eq!(simulation.devices[0].peak_bytes.buffers, 40);
    // In Perfetto, 2RECV_F0 by the skip from 10 to 54 is not what 1SEND_F0, at 20, leads to: each
    // send has the arrow of its own transfer.
    let chrome: serde_json::Value =
        serde_json::from_str(&trainyard_plan::chrome::to_string(&trace)).unwrap();
    let arrows = chrome["traceEvents"].as_array().unwrap().iter().filter(|e| e["ph"] == "f");
    let end = |e: &serde_json::Value| (e["pid"].as_u64(), e["ts"].as_f64(), e["tid"].as_u64());
    let mut ends: Vec<_> = arrows.map(end).collect();
    ends.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let at = |pid, ts, tid| (Some(pid), Some(ts), Some(tid));
    let d0 = [at(1, 84.0, 3), at(1, 104.0, 100)];
    let d1 = [at(2, 10.0, 3), at(2, 84.0, 3)];
    let d2 = [at(3, 10.0, 3), at(3, 20.0, 100)];
    assert_eq!(ends, [d0, d1, d2].concat());
}

#[test]
fn both_ends_of_a_skip_on_one_rank_move_nothing() {
    let mut profile = profile(3, 2, 1);
    profile.model.layers[0].skips_to = vec!["l2".into()];
    profile.default_link = Some(link(7.0, 8.0));
    // Stages 0 and 2 on d0: 0F 0–10, 12 to d1, 1F 22–32, 12 back, 2F 44–54, 2B 54–74, …
    let plan = plan(&[0, 1, 0], &["0F0 2F0 2B0 0B0", "1F0 1B0"], 1);
    let simulation = simulate(&profile, &plan).unwrap();
    assert_eq!(simulation.step_us, 54.0 + 20.0 + 12.0 + 20.0 + 12.0 + 20.0);
    assert_eq!(simulation.links.iter().map(|link| link.transfers).sum::<usize>(), 4);
}

#[test]
fn tied_weights_go_there_and_back() {
    // l1 has l0's weights, 100 bytes: 5 + 100 ÷ 2 = 55 µs; an activation takes 5 + 40 ÷ 2 = 25.
    //   d0: 0F 0–10                                  0B 90–110, optimizer 3
    //   d1:    1F 35–45, 1B 45–65, optimizer 65–72
    //   1→0: gradient of the activation 65–90, of the weights 90–145 (it was made at 65 too).
    //   d0's optimizer waits for it: 145–148. The weights come back 148–203.
    let mut profile = profile(2, 2, 1);
    profile.model.layers[1].tied_to = Some("l0".into());
    profile.default_link = Some(link(5.0, 2.0));
    profile.devices[0].optimizer_us = OptimizerTime::Layers(vec![3.0, 100.0]);
    profile.devices[1].optimizer_us = OptimizerTime::Device(7.0);
    let plan = plan(&[0, 1], &["0F0 0B0", "1F0 1B0"], 1);
    let (simulation, trace) = simulate_traced(&profile, &plan).unwrap();
    assert_eq!(simulation.step_us, 203.0);
    let sends = trace.events.iter().filter(|event| event.lane == Lane::TransferOut);
    let sends: Vec<_> = sends.map(|e| (e.action.to_string(), e.end_ns / 1000)).collect();
    let by_hand = [("0SEND_F0", 35), ("1SEND_B0", 90), ("1SEND_B0", 145), ("0SEND_F0", 203)];
    assert_eq!(sends, by_hand.map(|(name, end)| (name.to_owned(), end)));
    assert_eq!(idle(&simulation, 0), [0.0, 55.0, 55.0, 25.0 + 35.0]);
    assert_eq!(idle(&simulation, 1), [35.0, 131.0, 0.0, 0.0]);
    assert_eq!(simulation.devices[0].optimizer_us, 3.0);
    assert_eq!(simulation.devices[1].optimizer_us, 7.0);
    // The follower keeps weights and gradients, and no optimizer state.
    assert_eq!(simulation.devices[1].peak_bytes.optimizer, 0);
    assert_eq!(simulation.devices[0].peak_bytes.optimizer, 200);
    let last = simulation.critical_path.last().unwrap();
    assert_eq!((last.device.as_str(), last.to.as_deref()), ("d0", Some("d1")));
    // On one device nothing moves.
    let one = Plan {
        stages: vec![Stage { device: "d0".into(), layers: (0, 2), recompute: Recompute::None }],
        schedule: Schedule::named("1f1b", 1, 1).unwrap(),
        ..plan
    };
    let simulation = simulate(&profile, &one).unwrap();
    assert_eq!((simulation.step_us, simulation.links.len()), (20.0 + 40.0 + 103.0, 0));
}

#[test]
fn an_optimizer_step_follows_the_last_action_of_its_device() {
    // GPipe on free links: d0 0F 0–10, 0B 40–60; d1 1F 10–20, 1B 20–40.
    let mut profile = profile(2, 2, 1);
    profile.devices[0].optimizer_us = OptimizerTime::Layers(vec![5.0, 9.0]);
    profile.devices[1].optimizer_us = OptimizerTime::Device(50.0);
    let plan = plan(&[0, 1], &["0F0 0B0", "1F0 1B0"], 1);
    let (simulation, trace) = simulate_traced(&profile, &plan).unwrap();
    assert_eq!(simulation.step_us, 90.0);
    assert_eq!(idle(&simulation, 0), [0.0, 25.0, 30.0, 0.0]);
    assert_eq!(idle(&simulation, 1), [10.0, 0.0, 0.0, 0.0]);
    assert_eq!(simulation.bubble_fraction, 65.0 / 180.0);
    let optimizer = trace.events.iter().filter(|e| e.action.kind == ActionKind::Optimizer);
    let spans: Vec<_> = optimizer.map(|e| (e.device, e.start_ns, e.end_ns)).collect();
    assert_eq!(spans, [(1, 40_000, 90_000), (0, 60_000, 65_000)]);
    // In a plan it counts as work, with the 30 µs of actions.
    let predicted = plan.predicted(&profile).unwrap().predicted.unwrap();
    let busy: Vec<_> = predicted.devices.iter().map(|device| device.busy_us).collect();
    assert_eq!(busy, [35.0, 80.0]);
}

#[test]
fn messages_wait_where_a_device_is_slower_than_predicted() {
    //   d0: 0F0 0–100, 0F1 100–200, 0B0 200–220, 0F2 220–320, …
    //   d1: 1F0 100–110, 1B0 110–130, 1F1 200–210, …
    // Nothing waits for d1; were it slower, 0F1 would come before 1F0 is done.
    let mut profile = profile(2, 2, 3);
    profile.devices[0].forward_us = vec![100.0; 2];
    let rows = ["0F0 0F1 0B0 0F2 0B1 0B2", "1F0 1B0 1F1 1B1 1F2 1B2"];
    let plan = plan(&[0, 1], &rows, 3);
    let peak = simulate(&profile, &plan).unwrap().devices[1].peak_bytes;
    assert_eq!((peak.total(), peak.activations, peak.buffers), (1400, 1000, 0));
    let most = MemoryUse { buffers: 40, ..peak };
    assert_eq!(most_held(&profile, &plan).unwrap()[1], most);
    // Between other kinds of devices it waits elsewhere.
    for device in 0..2 {
        let mut profile = profile.clone();
        profile.devices[device].api = Some(Api::Vulkan);
        assert_eq!(most_held(&profile, &plan).unwrap()[1], peak);
    }
}

#[test]
fn links_are_served_in_the_order_of_arrival_and_not_of_use() {
    // A transfer takes 30 + 40 ÷ 8 = 35 µs, the forwards 10, so the second and third queue.
    let mut profile = profile(2, 2, 3);
    profile.default_link = Some(link(30.0, 8.0));
    let plan = plan(&[0, 1], &["0F2 0F1 0F0 0B2 0B1 0B0", "1F2 1F1 1F0 1B2 1B1 1B0"], 3);
    let (_, trace) = simulate_traced(&profile, &plan).unwrap();
    let of_link = |action: Action| {
        let sent = trace.events.iter().find(|e| e.lane == Lane::TransferOut && e.action == action);
        (sent.unwrap().start_ns / 1000, sent.unwrap().end_ns / 1000)
    };
    let sent = ["0SEND_F2", "0SEND_F1", "0SEND_F0"].map(|text| of_link(text.parse().unwrap()));
    assert_eq!(sent, [(10, 45), (45, 80), (80, 115)]);
}
