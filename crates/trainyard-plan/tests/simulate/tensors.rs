//! Named tensors by hand: a U-Net, a mask that all layers take, two towers, and what of them
//! crosses which cut.

use trainyard_plan::costs::PipelineCosts;
use trainyard_plan::memory::StageMemory;
use trainyard_plan::simulate::{simulate, simulate_traced};
use trainyard_plan::{
    BatchTensor, Lane, LayerProfile, LinkProfile, Plan, PlanError, Profile, Recompute,
    TensorProfile, Trace, chrome,
};

use crate::by_hand;

fn tensor(name: &str, bytes: u64, gradient_bytes: u64, to: &[&str]) -> TensorProfile {
    let to = to.iter().map(|to| (*to).to_owned()).collect();
    TensorProfile { name: name.into(), bytes, gradient_bytes, to }
}

/// Makes the sums of sizes go with the tensors; `from_batch` are taken by the first layer.
fn add_up(layers: &mut [LayerProfile], from_batch: u64) {
    for index in 0..layers.len() {
        let name = layers[index].name.clone();
        let given = layers.iter().flat_map(|layer| &layer.gives);
        let given: u64 = given.filter(|t| t.to.contains(&name)).map(|t| t.bytes).sum();
        let batch: u64 = layers[index].batch.iter().map(|tensor| tensor.bytes).sum();
        layers[index].input_bytes = given + batch + if index == 0 { from_batch } else { 0 };
        layers[index].output_bytes = layers[index].gives.iter().map(|tensor| tensor.bytes).sum();
    }
}

/// Six layers; each gives 40 bytes to the next, and the first three give 8 bytes across.
fn u_net(devices: usize, m: usize) -> Profile {
    let mut profile = by_hand::profile(6, devices, m);
    let layers = &mut profile.model.layers;
    for (index, layer) in layers.iter_mut().enumerate().take(5) {
        let next = format!("l{}", index + 1);
        layer.gives.push(tensor("x", 40, 40, &[&next]));
        if index < 3 {
            let across = format!("l{}", 5 - index);
            layer.gives.push(tensor(&format!("skip{index}"), 8, 8, &[&across]));
        }
    }
    add_up(layers, 40);
    profile.check().unwrap();
    profile
}

/// Stages of two layers on three devices, where d0 → d2 and back take 4 + 4 µs a byte and all else
/// is free.
fn three_stages(m: usize, rows: &[&str]) -> (Profile, Plan) {
    let mut profile = u_net(3, m);
    let link = |from: &str, to: &str| LinkProfile {
        from: from.into(),
        to: to.into(),
        latency_us: 4.0,
        bytes_per_us: 0.25,
    };
    profile.links = vec![link("d0", "d2"), link("d2", "d0")];
    let mut plan = by_hand::plan(&[0, 1, 2], rows, m);
    for (index, stage) in plan.stages.iter_mut().enumerate() {
        stage.layers = (2 * index, 2 * index + 2);
    }
    (profile, plan)
}

/// By sample of a device: µs, and bytes in buffers.
fn buffers(trace: &Trace, device: usize) -> Vec<(u64, u64)> {
    let samples = trace.memory.iter().filter(|sample| sample.device == device);
    samples.map(|s| (s.at_ns / 1000, s.by_category.unwrap().buffers)).collect()
}

#[test]
fn what_a_stage_takes_from_another_goes_in_one_message() {
    // Stage 0 → 1: x, 40 bytes. Stage 0 → 2: skip0 and skip1 together, 4 + 16 × 4 = 68 µs.
    //   d0: 0F 0–20;   d1: 1F 20–40;   d2: 2F waits for the skips, 88–108, 2B 108–148
    //   back: 1B 148–188; d0 needs 1B's (188) and the skips' gradients (148 + 68 = 216), 0B 216–256
    let (profile, plan) = three_stages(1, &["0F0 0B0", "1F0 1B0", "2F0 2B0"]);
    let (simulation, trace) = simulate_traced(&profile, &plan).unwrap();
    assert_eq!(simulation.step_us, 256.0);
    // d0 holds both skips from 20 to 88, and x for no time.
    let until_88 = |device| {
        let mut buffers = buffers(&trace, device);
        buffers.retain(|(at, _)| *at <= 88);
        buffers
    };
    assert_eq!(until_88(0), [(0, 0), (20, 16), (88, 0)]);
    // d2 holds x from 40 on, and uses it when the skips come.
    assert_eq!(until_88(2), [(0, 0), (40, 40), (88, 0)]);
    let sizes: Vec<_> =
        simulation.links.iter().map(|l| (&l.from[..], &l.to[..], l.bytes, l.transfers)).collect();
    let expected = [
        ("d0", "d1", 40, 1),
        ("d1", "d0", 40, 1),
        ("d0", "d2", 16, 1),
        ("d2", "d0", 16, 1),
        ("d1", "d2", 40, 1),
        ("d2", "d1", 40, 1),
    ];
    assert_eq!(sizes, expected);
    let path: Vec<_> = simulation
        .critical_path
        .iter()
        .map(|item| (item.action.to_string(), item.to_stage))
        .collect();
    let path: Vec<_> = path.iter().map(|(action, to)| (action.as_str(), *to)).collect();
    let expected =
        [("0F0", None), ("0SEND_F0", Some(2)), ("2F0", None), ("2B0", None), ("2SEND_B0", Some(0))];
    assert_eq!(path[..5], expected);
}

#[test]
fn traces_tell_the_transfers_of_one_output_apart() {
    let (profile, plan) = three_stages(1, &["0F0 0B0", "1F0 1B0", "2F0 2B0"]);
    let (_, trace) = simulate_traced(&profile, &plan).unwrap();
    let of = |lane, action: &str| {
        let events = trace.events.iter().filter(move |e| e.lane == lane);
        let events = events.filter(|event| event.action.to_string() == action);
        let mut found: Vec<_> = events.map(|event| (event.peer, event.bytes)).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(of(Lane::TransferOut, "0SEND_F0"), [(Some(1), 40), (Some(2), 16)]);
    assert_eq!(of(Lane::TransferIn, "2RECV_F0"), [(Some(0), 16), (Some(1), 40)]);
    assert_eq!(of(Lane::TransferOut, "2SEND_B0"), [(Some(0), 16), (Some(1), 40)]);
    assert_eq!(of(Lane::TransferIn, "0RECV_B0"), [(Some(1), 40), (Some(2), 16)]);
    assert_eq!(of(Lane::Compute, "0F0"), [(None, 0)]);
    // A Chrome trace keeps them, and has an arrow for each transfer.
    let text = chrome::to_string(&trace);
    let sorted = |events: &[trainyard_plan::TraceEvent]| {
        let mut events: Vec<_> = events.iter().map(|event| format!("{event:?}")).collect();
        events.sort_unstable();
        events
    };
    assert_eq!(
        sorted(&chrome::from_json(text.clone()).unwrap().trace.events),
        sorted(&trace.events)
    );
    assert_eq!(text.matches(r#""ph":"f""#).count(), 6);
}

#[test]
fn a_receive_waits_for_the_messages_of_all_stages() {
    // d2 insists on both micro-batches before it starts. The skips of the second are made at 40,
    // and come at 88 + 68 = 156; x of the second is there at 60.
    let rows = [
        "0F0 0SEND_F0 0F1 0SEND_F1 0RECV_B0 0B0 0RECV_B1 0B1",
        "1RECV_F0 1F0 1SEND_F0 1RECV_F1 1F1 1SEND_F1 1RECV_B0 1B0 1SEND_B0 1RECV_B1 1B1 1SEND_B1",
        "2RECV_F0 2RECV_F1 2F0 2F1 2B0 2SEND_B0 2B1 2SEND_B1",
    ];
    let (profile, plan) = three_stages(2, &rows);
    let (_, trace) = simulate_traced(&profile, &plan).unwrap();
    let start_us = |action: &str| {
        let mut computed = trace.events.iter().filter(|event| event.lane == Lane::Compute);
        computed.find(|event| event.action.to_string() == action).unwrap().start_ns / 1000
    };
    assert_eq!((start_us("2F0"), start_us("2F1"), start_us("2B0")), (156, 176, 196));
    // Both messages of the first wait until 156, and x of the second from 60 on.
    assert_eq!(buffers(&trace, 2)[..4], [(0, 0), (40, 40), (60, 80), (88, 96)]);
    // Without its transfers written out, d2 starts as soon as the first is there.
    let implied = Plan { schedule: plan.schedule.compute_only(), ..plan };
    let (_, trace) = simulate_traced(&profile, &implied).unwrap();
    let first = trace.events.iter().find(|event| event.action.to_string() == "2F0").unwrap();
    assert_eq!(first.start_ns / 1000, 88);
}

#[test]
fn the_input_of_a_stage_is_all_that_comes_from_elsewhere() {
    let profile = u_net(1, 1);
    let of = |layers: std::ops::Range<usize>| {
        let memory = StageMemory::of(&profile, 0, layers);
        (memory.input, memory.output)
    };
    // The whole model takes the batch alone. The last layer gives nothing.
    assert_eq!(of(0..6), (40, 0));
    assert_eq!(of(0..1), (40, 48));
    assert_eq!(of(0..3), (40, 40 + 3 * 8));
    assert_eq!(of(3..6), (40 + 3 * 8, 0));
    assert_eq!(of(2..4), (40, 40));
    assert_eq!(of(4..6), (40 + 8 + 8, 0));
    assert_eq!(of(5..6), (40 + 8, 0));
    // Under recompute that is what is kept of each micro-batch.
    let memory = StageMemory::of(&profile, 0, 3..6);
    assert_eq!(memory.kept(Recompute::Full), 64);
    assert_eq!(memory.peak(Recompute::Full, 3, 8).activations, 3 * 64 + 3000);
}

/// Four layers; the first also gives a mask without gradient, which all others take.
fn masked() -> Profile {
    let mut profile = by_hand::profile(4, 4, 1);
    let layers = &mut profile.model.layers;
    for (index, layer) in layers.iter_mut().enumerate().take(3) {
        let next = format!("l{}", index + 1);
        layer.gives.push(tensor("x", 40, 40, &[&next]));
    }
    layers[0].gives.push(tensor("mask", 8, 0, &["l1", "l2", "l3"]));
    add_up(layers, 40);
    profile.check().unwrap();
    profile
}

#[test]
fn nothing_comes_back_for_a_mask() {
    let profile = masked();
    let plan = by_hand::plan(&[0, 1, 2, 3], &["0F0 0B0", "1F0 1B0", "2F0 2B0", "3F0 3B0"], 1);
    let owners = plan.schedule.owners();
    let costs = PipelineCosts::of(&profile, &plan.stages, &owners).unwrap();
    let routes = |routes: &[trainyard_plan::costs::Route]| {
        routes.iter().map(|route| (route.stage, route.bytes)).collect::<Vec<_>>()
    };
    assert_eq!(routes(&costs.stages[0].outputs), [(1, 48), (2, 8), (3, 8)]);
    assert_eq!(routes(&costs.stages[3].input_grads), [(2, 40)]);
    let waits = |stage: usize| (costs.stages[stage].inputs, costs.stages[stage].output_grads);
    assert_eq!([0, 1, 2, 3].map(waits), [(0, 1), (1, 1), (2, 1), (2, 0)]);
    // A stage that holds several takers gets one mask.
    let joined = [
        plan.stages[0].clone(),
        trainyard_plan::Stage { layers: (1, 4), ..plan.stages[1].clone() },
    ];
    let costs = PipelineCosts::of(&profile, &joined, &[0, 1]).unwrap();
    assert_eq!(routes(&costs.stages[0].outputs), [(1, 48)]);
    assert_eq!(costs.stages[1].memory.input, 48);
}

#[test]
fn the_batch_crosses_no_link_and_is_held_once() {
    let mut profile = masked();
    profile.model.layers[0].gives.pop();
    for layer in &mut profile.model.layers {
        layer.batch = vec![BatchTensor { name: "mask".into(), bytes: 8 }];
    }
    add_up(&mut profile.model.layers, 0);
    profile.check().unwrap();
    let input = |layers| StageMemory::of(&profile, 0, layers).input;
    assert_eq!([input(0..4), input(1..4), input(1..2), input(3..4)], [8, 48, 48, 48]);
    let plan = by_hand::plan(&[0, 1, 2, 3], &["0F0 0B0", "1F0 1B0", "2F0 2B0", "3F0 3B0"], 1);
    let simulation = simulate(&profile, &plan).unwrap();
    assert_eq!(simulation.links.iter().map(|link| link.bytes).sum::<u64>(), 6 * 40);
}

#[test]
fn towers_wait_for_each_other_and_send_each_other_nothing() {
    // l0 and l1 each take the batch and give to l2. 1F comes after 0F, as stages keep the order of
    // the layers.
    let mut profile = by_hand::profile(3, 3, 1);
    let layers = &mut profile.model.layers;
    layers[0].gives.push(tensor("a", 40, 40, &["l2"]));
    layers[1].gives.push(tensor("b", 24, 24, &["l2"]));
    add_up(layers, 16);
    profile.check().unwrap();
    let rows = ["0F0 0B0", "1F0 1B0", "2F0 2B0"];
    let plan = by_hand::plan(&[0, 1, 2], &rows, 1);
    let (simulation, trace) = simulate_traced(&profile, &plan).unwrap();
    // 0F 0–10, 1F 10–20, 2F 20–30, 2B 30–50, 1B 50–70, 0B 70–90.
    assert_eq!(simulation.step_us, 90.0);
    let sends = trace.events.iter().filter(|event| event.lane == Lane::TransferOut);
    let mut sends: Vec<_> = sends.map(|e| (e.action.to_string(), e.peer, e.bytes)).collect();
    sends.sort_unstable();
    let expected =
        [("0SEND_F0", 2, 40), ("1SEND_F0", 2, 24), ("2SEND_B0", 0, 40), ("2SEND_B0", 1, 24)];
    let expected = expected.map(|(action, to, bytes)| (action.to_owned(), Some(to), bytes));
    assert_eq!(sends, expected);
    // With its transfers written out, each stage still has a receive and a send.
    let spelled_out = Plan { schedule: plan.schedule.with_transfers(), ..plan };
    assert_eq!(simulate(&profile, &spelled_out).unwrap().step_us, 90.0);
}

#[test]
fn a_plan_whose_messages_would_change_places_is_refused() {
    // Stages 1 and 2 share d1, and stage 2 also takes what stage 0 gives.
    let mut profile = by_hand::profile(3, 2, 2);
    profile.model.layers[0].skips_to = vec!["l2".into()];
    let rows = ["1F0 1F1 2F1 2B1 1B1 2F0 2B0 1B0", "0F0 0F1 0B1 0B0"];
    let plan = by_hand::plan(&[0, 1, 1], &rows, 2);
    plan.check(3).unwrap();
    let error = simulate(&profile, &plan).unwrap_err();
    assert!(matches!(&error, PlanError::BadSchedule { rank: 0, position: 2, .. }), "{error}");
    profile.model.layers[0].skips_to.clear();
    simulate(&profile, &plan).unwrap();
}

#[test]
fn other_micro_batches_scale_each_tensor_and_keep_the_sums() {
    let mut profile = u_net(1, 4);
    profile.rows = Some(3);
    profile.devices[0].fixed_us = Some(trainyard_plan::FixedTimes {
        forward: vec![0.0; 6],
        input_grad: vec![0.0; 6],
        weight_grad: vec![0.0; 6],
    });
    for count in profile.micro_batch_choices() {
        let scaled = profile.with_micro_batches(count).unwrap();
        scaled.check().unwrap();
        let rows = 12 / count as u64;
        let x = &scaled.model.layers[0].gives[0];
        assert_eq!((x.bytes, x.gradient_bytes), ((40 * rows).div_ceil(3), (40 * rows).div_ceil(3)));
    }
    let twice = profile.with_micro_batches(2).unwrap();
    assert_eq!(twice.model.layers[0].input_bytes, 80);
    assert_eq!(twice.model.layers[0].output_bytes, 80 + 16);
    assert_eq!(twice.model.layers[5].input_bytes, 80 + 16);
}
