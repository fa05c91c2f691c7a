//! What is measured of layers and links: numbers that can be used, bytes that follow from shapes,
//! and devices that are left as they were. No test says how long anything takes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod toy;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use burn::module::{Module, Param};
use burn::tensor::{Device as BurnDevice, Tensor, TensorData};
use trainyard_engine::measure::{self, DeviceCosts, LayerCost, MeasureSettings};
use trainyard_engine::memory::CountingAllocator;
use trainyard_engine::{
    Activation, Device, EngineError, ForwardContext, Layer, MicroBatch, Model, Options, Pipeline,
    PlacedLayer, discover, place, weight,
};
use trainyard_plan::{Api, LinkCost, ModelProfile, Recompute};

use toy::{Toy, in_time, options, plan};

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
    let number = |i: usize| (i % 17) as f32 / 17.0;
    let values: Vec<f32> = (0..ROWS * width).map(number).collect();
    let data = vec![TensorData::new(values, [ROWS, width])];
    MicroBatch { inputs: data.clone(), targets: data, rows: ROWS }
}

fn cpus(count: usize) -> Vec<Device> {
    toy::cpus(count, 16 << 20)
}

fn settings() -> MeasureSettings {
    MeasureSettings { samples: 3, at_least: Duration::ZERO, ..MeasureSettings::default() }
}

fn measured(model: &dyn Model, devices: &[Device]) -> Vec<DeviceCosts> {
    measure::layers(model, devices, &sample(WIDTH), &settings(), &|_, _| {}).unwrap()
}

fn check_times(layers: &[LayerCost]) {
    for (number, cost) in layers.iter().enumerate() {
        let times = [cost.forward_us, cost.input_grad_us, cost.weight_grad_us, cost.norm_us];
        assert!(times.iter().all(|time| time.is_finite() && *time >= 0.0), "{number}: {cost:?}");
        assert!(cost.forward_us > 0.0, "{number}: {cost:?}");
        assert!(cost.input_grad_us + cost.weight_grad_us > 0.0, "{number}: {cost:?}");
        assert!(cost.optimizer_us > cost.norm_us, "{number}: {cost:?}");
        assert_eq!(cost.input_grad_us > 0.0, number > 0, "{number}: {cost:?}");
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
    fn forward(&self, input: Activation, _: &ForwardContext) -> Result<Activation, EngineError> {
        Ok(input.single::<Tensor<2>>()?.matmul(self.weight.val()).into())
    }
}

/// The toy without its tanh.
struct Products(Toy);

impl Model for Products {
    fn profile(&self, rows: usize) -> ModelProfile {
        self.0.profile(rows)
    }
    fn build(&self, _: usize, _: u64, device: &BurnDevice) -> Result<PlacedLayer, EngineError> {
        Ok(place(Product { weight: weight(vec![0.1; WIDTH * WIDTH], [WIDTH, WIDTH], device) }))
    }
    fn loss(&self, output: Activation, targets: Activation) -> Result<Tensor<1>, EngineError> {
        self.0.loss(output, targets)
    }
}

#[test]
fn bytes_of_a_linear_layer_follow_from_its_shape() {
    let (model, sample) = (Products(wide(4)), sample(WIDTH));
    let costs = measure::layers(&model, &cpus(2), &sample, &settings(), &|_, _| {}).unwrap();
    assert_eq!(costs.iter().map(|costs| costs.device.as_str()).collect::<Vec<_>>(), ["d0", "d1"]);
    for DeviceCosts { layers, .. } in &costs {
        assert_eq!(layers.len(), 4);
        check_times(layers);
        for cost in layers {
            assert_eq!((cost.param_bytes, cost.input_bytes), (WEIGHT, ACTIVATION));
        }
        for cost in &layers[..3] {
            assert_eq!(cost.output_bytes, ACTIVATION);
            // A product needs its input again, and nothing else.
            assert_eq!(cost.saved_bytes, Some(ACTIVATION));
            // At the least the output, or the gradients of output and input.
            let work = cost.workspace_bytes.unwrap();
            assert!((ACTIVATION..8 * ACTIVATION).contains(&work), "{work}");
        }
        // The last layer has the loss in it: its output is a number, and what would be the output
        // is kept for it. The number itself is too small to be counted, but is taken off.
        assert_eq!(layers[3].output_bytes, 4);
        assert!(layers[3].saved_bytes.unwrap() >= 2 * ACTIVATION - 4, "{:?}", layers[3]);
    }
}

/// Counts how often each layer was made.
struct Counted {
    toy: Toy,
    built: Mutex<Vec<usize>>,
}

impl Model for Counted {
    fn profile(&self, rows: usize) -> ModelProfile {
        self.toy.profile(rows)
    }
    fn build(
        &self,
        layer: usize,
        seed: u64,
        device: &BurnDevice,
    ) -> Result<PlacedLayer, EngineError> {
        self.built.lock().unwrap().push(layer);
        self.toy.build(layer, seed, device)
    }
    fn loss(&self, output: Activation, targets: Activation) -> Result<Tensor<1>, EngineError> {
        self.toy.loss(output, targets)
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
    let costs = measure::layers(&model, &cpus(1), &sample(WIDTH), &settings(), &progress).unwrap();
    let layers = &costs[0].layers;
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
        let mut pipeline =
            Pipeline::distribute(Arc::new(wide(4)), &plan, devices, options).unwrap();
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
    let refused =
        measure::layers(&wide(3), &devices, &sample(WIDTH), &settings(), &|_, _| {}).unwrap_err();
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
        let wrong = sample(WIDTH + 1);
        let failed =
            measure::layers(&wide(3), &cpus(3), &wrong, &settings(), &|_, _| {}).unwrap_err();
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

/// The CPU beside llvmpipe; None, said so, where there is no llvmpipe.
fn cpu_and_llvmpipe() -> Option<Vec<Device>> {
    let listed = discover::list(&discover::ListOptions::default());
    let found =
        listed.iter().find(|info| info.api == Api::Vulkan && info.name.contains("llvmpipe"));
    let Some(info) = found else {
        eprintln!("SKIPPED: this machine has no llvmpipe; scripts/test.sh installs it");
        return None;
    };
    let mut devices = cpus(1);
    devices.push(Device::open("llvmpipe", info, 64 << 20, 1).unwrap());
    Some(devices)
}

#[test]
fn layers_and_links_of_an_adapter_beside_the_cpu_are_measured() {
    let Some(devices) = cpu_and_llvmpipe() else { return };
    let costs = measured(&wide(3), &devices);
    for DeviceCosts { device, layers, .. } in &costs {
        check_times(layers);
        let saved = layers[1].saved_bytes.unwrap();
        assert!((ACTIVATION..=2 * ACTIVATION).contains(&saved), "{device}: {saved}");
        assert_eq!(layers[1].workspace_bytes.is_some(), device == "d0");
        eprintln!("{device}: {:?}", layers[1]);
    }
    for (from, to, link) in measure::links(&devices).unwrap() {
        check_link(link);
        eprintln!("{from} → {to}: {link:?}");
    }
    let rate = measure::copy_rate(devices[1].hardware(), 1).unwrap();
    assert!(rate.is_finite() && rate > 0.0, "{rate}");
}
