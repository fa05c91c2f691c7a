//! What is measured of layers and links: numbers that can be used, bytes that follow from shapes,
//! and devices that are left as they were. No test says how long anything takes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod adapter;
mod toy;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use burn::module::{Module, Param};
use burn::tensor::{Device as BurnDevice, Tensor};
use trainyard_engine::measure::{self, DeviceCosts, LayerCost, MeasureSettings};
use trainyard_engine::memory::CountingAllocator;
use trainyard_engine::{
    Device, EngineError, ErasedLayer, ForwardContext, Layer, LayerSpec, LinkWay, MeanSquaredError,
    MicroBatch, Model, Objective, Options, Pipeline, Tensors, discover, erase, weight,
};
use trainyard_plan::{Api, LinkCost, ModelProfile, Profile, Recompute};

use toy::{Toy, in_time, options, plan, values};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const WIDTH: usize = 128;
const ROWS: usize = 96;
const ACTIVATION: u64 = (4 * ROWS * WIDTH) as u64;
const WEIGHT: u64 = (4 * WIDTH * WIDTH) as u64;

/// Linear layers with a tanh, wide enough that the allocator counts their tensors.
fn wide(layers: usize) -> Toy {
    Toy { width: WIDTH, ..Toy::sound(layers) }
}

fn sample(width: usize) -> MicroBatch {
    let data = values([ROWS, width], &[1]);
    MicroBatch::new(ROWS).with("features", data.clone()).with("targets", data)
}

/// What the layers cost, as derived from the sample.
fn costs(model: &dyn Model) -> ModelProfile {
    toy::derived(model, &sample(WIDTH))
}

fn cpus(count: usize) -> Vec<Device> {
    toy::cpus(count, 16 << 20)
}

fn settings() -> MeasureSettings {
    let (at_least, at_most) = (Duration::ZERO, Duration::ZERO);
    MeasureSettings { samples: 3, at_least, at_most, ..MeasureSettings::default() }
}

fn measure_layers(
    model: &dyn Model,
    costs: &ModelProfile,
    devices: &[Device],
    sample: &MicroBatch,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<DeviceCosts>, EngineError> {
    let of = (model, &MeanSquaredError as &dyn Objective);
    measure::layers(of, costs, devices, sample, &settings(), progress)
}

fn measured(model: &dyn Model, devices: &[Device]) -> Vec<DeviceCosts> {
    measure_layers(model, &costs(model), devices, &sample(WIDTH), &|_, _| {}).unwrap()
}

fn check_times(layers: &[LayerCost]) {
    for (number, cost) in layers.iter().enumerate() {
        let times = [cost.forward_us, cost.input_grad_us, cost.weight_grad_us, cost.norm_us];
        assert!(times.iter().all(|time| time.is_finite() && *time >= 0.0), "{number}: {cost:?}");
        assert!(cost.forward_us > 0.0, "{number}: {cost:?}");
        assert!(cost.input_grad_us + cost.weight_grad_us > 0.0, "{number}: {cost:?}");
        assert!(cost.optimizer_us > cost.norm_us, "{number}: {cost:?}");
        // These layers are made of operations of Burn alone, which give all gradients at once.
        assert!(cost.input_grad_us > 0.0, "{number}: {cost:?}");
        assert!(cost.weight_grad_us <= 0.0, "{number}: {cost:?}");
    }
}

fn check_link(link: LinkCost) {
    assert!(link.latency_us.is_finite() && link.latency_us >= 0.0, "{link:?}");
    assert!(link.bytes_per_us.is_finite() && link.bytes_per_us > 0.0, "{link:?}");
}

/// `y = x · W`, and nothing else.
#[derive(Module, Debug)]
struct Product {
    weight: Param<Tensor<2>>,
}

impl Layer for Product {
    fn forward(&self, mut input: Tensors, _: &ForwardContext) -> Result<Tensors, EngineError> {
        let x: Tensor<2> = input.take_first()?;
        Ok(Tensors::new().with("x", x.matmul(self.weight.val())))
    }
}

/// The toy without its tanh.
struct Products(Toy);

impl Model for Products {
    fn name(&self) -> &'static str {
        "products"
    }
    fn layers(&self) -> Vec<LayerSpec> {
        self.0.layers()
    }
    fn build(&self, _: usize, _: u64, device: &BurnDevice) -> Result<ErasedLayer, EngineError> {
        Ok(erase(Product { weight: weight(vec![0.1; WIDTH * WIDTH], [WIDTH, WIDTH], device) }))
    }
}

#[test]
fn bytes_of_a_linear_layer_follow_from_its_shape() {
    let model = Products(wide(4));
    let profile = costs(&model);
    for layer in &profile.layers {
        assert_eq!((layer.param_bytes, layer.input_bytes), (WEIGHT, ACTIVATION));
        assert_eq!((layer.frozen_bytes, layer.buffer_bytes), (0, 0));
        assert_eq!(layer.optimizer_bytes, Some(2 * WEIGHT));
    }
    // The last layer has the loss in it: its output is a number.
    let outputs: Vec<u64> = profile.layers.iter().map(|layer| layer.output_bytes).collect();
    assert_eq!(outputs, [ACTIVATION, ACTIVATION, ACTIVATION, 4]);
    let measured = measured(&model, &cpus(2));
    assert_eq!(
        measured.iter().map(|costs| costs.device.as_str()).collect::<Vec<_>>(),
        ["d0", "d1"]
    );
    for DeviceCosts { layers, .. } in &measured {
        assert_eq!(layers.len(), 4);
        check_times(layers);
        for cost in &layers[..3] {
            // A product needs its input again, and there are the nodes of the graph.
            assert_eq!(cost.saved_bytes, Some(ACTIVATION + ACTIVATION / 100));
            // At the least the output, or the gradients of output and input.
            let workspace = cost.workspace_bytes.unwrap();
            assert!((ACTIVATION..8 * ACTIVATION).contains(&workspace), "{workspace}");
        }
        // What would be the output is kept for the loss. The loss itself is too small to be
        // counted, but is taken off.
        assert!(layers[3].saved_bytes.unwrap() >= 2 * ACTIVATION - 4, "{:?}", layers[3]);
        // The CPU derives what the CPU measures.
        for (layer, cost) in profile.layers.iter().zip(layers) {
            assert_eq!(Some(layer.saved_bytes), cost.saved_bytes, "{}", layer.name);
            assert_eq!(Some(layer.workspace_bytes), cost.workspace_bytes, "{}", layer.name);
        }
    }
}

/// Counts how often each layer was made.
struct Counted {
    toy: Toy,
    built: Mutex<Vec<usize>>,
}

impl Model for Counted {
    fn name(&self) -> &str {
        self.toy.name()
    }
    fn layers(&self) -> Vec<LayerSpec> {
        self.toy.layers()
    }
    fn build(
        &self,
        layer: usize,
        seed: u64,
        device: &BurnDevice,
    ) -> Result<ErasedLayer, EngineError> {
        self.built.lock().unwrap().push(layer);
        self.toy.build(layer, seed, device)
    }
}

#[test]
fn layers_that_are_alike_are_measured_once_and_share_the_result() {
    let model = Counted { toy: wide(6), built: Mutex::new(Vec::new()) };
    let told = AtomicUsize::new(0);
    let progress = |done: usize, of: usize| {
        assert_eq!(of, 3);
        assert_eq!(told.fetch_add(1, Ordering::SeqCst) + 1, done);
    };
    let costs = costs(&model.toy);
    let measured = measure_layers(&model, &costs, &cpus(1), &sample(WIDTH), &progress).unwrap();
    let layers = &measured[0].layers;
    assert_eq!(layers.len(), 6);
    assert!(layers[1..5].iter().all(|cost| *cost == layers[1]));
    // The first gives no input gradient, and the last has the loss.
    assert!(layers[0] != layers[1] && layers[5] != layers[1]);
    assert_eq!(*model.built.lock().unwrap(), [0, 1, 5]);
    assert_eq!(told.load(Ordering::SeqCst), 3);
}

#[test]
fn a_throttled_device_is_measured_beside_one_that_is_not() {
    let mut devices = cpus(1);
    devices.push(Device::open("slow", &discover::cpu(), 16 << 20, 1).unwrap().with_throttle(3.0));
    let costs = measured(&wide(3), &devices);
    for costs in &costs {
        check_times(&costs.layers);
    }
}

#[test]
fn measuring_leaves_nothing_behind() {
    let run = |devices: Vec<Device>| {
        let options = Options { rows: ROWS, ..options() };
        let plan = plan(4, 2, "1f1b", 2, Recompute::None);
        let offers = devices.iter().map(|device| (device.id(), device.capacity_bytes()));
        let profile = Profile::of_budgets(costs(&wide(4)), offers, 2);
        let (model, objective) = (Arc::new(wide(4)), Arc::new(MeanSquaredError));
        let mut pipeline =
            Pipeline::distribute(model, objective, &profile, &plan, devices, options).unwrap();
        let result = pipeline.step(1, 0.01, vec![sample(WIDTH); 2]).unwrap();
        let peaks: Vec<u64> = result.measured.usage.iter().map(|usage| usage.unwrap().1).collect();
        (result.loss.to_bits(), peaks)
    };
    let (expected_loss, expected_peaks) = run(cpus(2));
    let devices = cpus(2);
    measured(&wide(4), &devices);
    measure::links(&devices).unwrap();
    let (loss, peaks) = run(devices);
    assert_eq!(loss, expected_loss);
    for (peak, expected) in peaks.iter().zip(&expected_peaks) {
        // What a link holds for a moment depends on who comes first.
        assert!(peak.abs_diff(*expected) <= 4 * ACTIVATION, "{peaks:?} {expected_peaks:?}");
    }
}

#[test]
fn a_device_that_cannot_hold_the_largest_layer_is_refused_by_name() {
    let mut devices = cpus(1);
    devices.push(Device::open("small", &discover::cpu(), 4 * WEIGHT, 1).unwrap());
    let (model, sample) = (wide(3), sample(WIDTH));
    let refused =
        measure_layers(&model, &costs(&model), &devices, &sample, &|_, _| {}).unwrap_err();
    match &refused {
        EngineError::OverBudget { device, part, needed_bytes, available_bytes } => {
            assert_eq!(device, "small");
            assert!(part.contains("linear"), "{part}");
            assert_eq!(*needed_bytes, 5 * WEIGHT + 2 * ACTIVATION);
            assert_eq!(*available_bytes, 4 * WEIGHT);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_layer_that_fails_ends_the_measuring_of_all_devices_with_its_name() {
    in_time(|| {
        // Rows of another width than the layers take.
        let (model, wrong) = (wide(3), sample(WIDTH + 1));
        let failed =
            measure_layers(&model, &costs(&model), &cpus(3), &wrong, &|_, _| {}).unwrap_err();
        match failed {
            EngineError::Measure { device, what, reason } => {
                assert!(device.starts_with('d'), "{device}");
                assert_eq!(what, "layer 'linear0'");
                assert!(!reason.is_empty());
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn links_between_cpu_devices_are_measured_both_ways() {
    let devices = cpus(3);
    let links = measure::links(&devices).unwrap();
    let pairs: Vec<(&str, &str)> =
        links.iter().map(|(from, to, _)| (from.as_str(), to.as_str())).collect();
    let expected =
        [("d0", "d1"), ("d0", "d2"), ("d1", "d0"), ("d1", "d2"), ("d2", "d0"), ("d2", "d1")];
    assert_eq!(pairs, expected);
    for (_, _, link) in links {
        check_link(link);
    }
}

#[test]
fn a_device_has_a_speed_and_a_rate_of_copying() {
    let cpu = discover::cpu();
    for rate in [measure::relative_speed(&cpu, 1), measure::copy_rate(&cpu, 1)] {
        let rate = rate.unwrap();
        assert!(rate.is_finite() && rate > 0.0, "{rate}");
    }
}

#[test]
fn layers_and_links_of_an_adapter_beside_the_cpu_are_measured() {
    let Some(llvmpipe) = adapter::llvmpipe() else { return };
    let mut devices = cpus(1);
    devices.push(Device::open("llvmpipe", &llvmpipe, 64 << 20, 1).unwrap());
    for DeviceCosts { device, layers, .. } in &measured(&wide(3), &devices) {
        check_times(layers);
        let saved = layers[1].saved_bytes.unwrap();
        // A number from which the backward starts is kept too; blocks of a few bytes are not counted
        // on a CPU device, where the nodes of the graph have room.
        let most = 2 * (ACTIVATION + ACTIVATION / 100) + 64;
        assert!((ACTIVATION..=most).contains(&saved), "{device}: {saved}");
        assert_eq!(layers[1].workspace_bytes.is_some(), device == "d0");
        eprintln!("{device}: {:?}", layers[1]);
    }
    for (from, to, link) in measure::links(&devices).unwrap() {
        check_link(link);
        eprintln!("{from} → {to}: {link:?}");
    }
    let ways = [(&devices[0], &devices[1]), (&devices[1], &devices[0])];
    for (from, to) in ways {
        assert_eq!(LinkWay::between(from, to), LinkWay::Staged);
        let hidden = measure::hidden_share(from, to, 1 << 20).unwrap();
        assert!((0.0..=1.0).contains(&hidden), "{hidden}");
    }
    let rate = measure::copy_rate(devices[1].hardware(), 1).unwrap();
    assert!(rate.is_finite() && rate > 0.0, "{rate}");
}

#[test]
fn adapters_of_one_driver_and_of_two_have_memory_in_common() {
    let vulkan: Vec<_> =
        adapter::known().into_iter().filter(|(_, info)| info.api == Api::Vulkan).collect();
    let Some((_, first)) = vulkan.first() else { return };
    let open = |id: &str, info| Device::open(id, info, 64 << 20, 1).unwrap();
    let first = open("first", first);
    for (words, info) in &vulkan {
        let second = open("second", info);
        for (from, to) in [(&first, &second), (&second, &first)] {
            assert_eq!(LinkWay::between(from, to), LinkWay::Shared, "{words}");
            check_link(measure::link(from, to).unwrap());
        }
        let second = second.with_imported_memory(Some(false));
        assert_eq!(LinkWay::between(&first, &second), LinkWay::Staged, "{words}");
    }
    assert_eq!(LinkWay::between(&first, &cpus(1)[0]), LinkWay::Staged);
}

/// Steps with links that move nothing, on two devices `d0` and `d1`. What would have moved is what came
/// last in the step before where all micro-batches are alike; others have no effect beyond the first
/// device.
fn free_links_hand_over_what_came_last(devices: Vec<Device>) {
    const MICRO_BATCHES: usize = 4;
    let of_step = |step| toy::micro_batches(step, 1).remove(0);
    let batch = vec![of_step(1); MICRO_BATCHES];
    let tensor = |step, name| of_step(step).tensor(name).unwrap().clone();
    let other = MicroBatch::new(toy::ROWS).with("features", tensor(2, "features"));
    let other = vec![other.with("targets", tensor(1, "targets")); MICRO_BATCHES];
    let model = Toy::sound(4);
    let plan = plan(4, 2, "1f1b", MICRO_BATCHES, Recompute::None);
    let profile = toy::profile(&model, &devices, MICRO_BATCHES);
    let pipeline = toy::try_distribute(Arc::new(model), &profile, &plan, devices);
    in_time(move || {
        let mut pipeline = pipeline.unwrap();
        // A learning rate of 0 keeps the weights as they are.
        let loss = |pipeline: &mut Pipeline, step, batch: &[MicroBatch]| {
            pipeline.step(step, 0.0, batch.to_vec()).unwrap().loss
        };
        let of_other = loss(&mut pipeline, 1, &other);
        pipeline.free_links(3).unwrap();
        let moved = loss(&mut pipeline, 2, &batch);
        assert!((of_other - moved).abs() > 1e-6, "{of_other} {moved}");
        assert_eq!(loss(&mut pipeline, 3, &batch).to_bits(), moved.to_bits());
        assert_eq!(loss(&mut pipeline, 4, &other).to_bits(), moved.to_bits());
    });
}

#[test]
fn free_links_hand_over_what_came_last_between_cpu_devices() {
    free_links_hand_over_what_came_last(cpus(2));
}

#[test]
fn free_links_hand_over_what_came_last_between_adapters() {
    let Some(llvmpipe) = adapter::llvmpipe() else { return };
    let of_adapter = |id: &str| Device::open(id, &llvmpipe, 64 << 20, 1).unwrap();
    free_links_hand_over_what_came_last(vec![of_adapter("d0"), of_adapter("d1")]);
    free_links_hand_over_what_came_last(vec![cpus(1).remove(0), of_adapter("d1")]);
    free_links_hand_over_what_came_last(vec![of_adapter("d0"), cpus(2).remove(1)]);
}

#[test]
fn free_links_need_a_step_before() {
    let plan = plan(4, 2, "1f1b", 2, Recompute::None);
    let mut pipeline = toy::pipeline(Toy::sound(4), &plan);
    pipeline.free_links(1).unwrap();
    let error = pipeline.step(1, 0.0, toy::micro_batches(1, 2)).unwrap_err().to_string();
    assert!(error.contains("a step before"), "{error}");
}
