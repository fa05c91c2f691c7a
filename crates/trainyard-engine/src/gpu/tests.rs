//! What a driver reports, on a real adapter: it comes out as one error that names device, stage and action.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Tensor, TensorData};
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, Runner};
use trainyard_plan::{DeviceInfo, Plan, PlanError, Profile, Recompute, Schedule, Stage};
use wgpu::{BufferDescriptor, BufferUsages};

use super::{Gpu, Staging};
use crate::adapter;
use crate::{
    AdamW, DeriveSettings, Device, EngineError, Layers, MeanSquaredError, MicroBatch, Options,
    Pipeline, Value, derive_profile,
};

const BUDGET: u64 = 1 << 26;
/// Of one of shuttle's threads: kernels are compiled on it.
const STACK_BYTES: usize = 16 << 20;

/// Asks for a buffer, and leaves it.
fn buffer(gpu: &Gpu, size: u64) {
    let usage = BufferUsages::STORAGE;
    let about = BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
    drop(gpu.device.create_buffer(&about));
}

/// One buffer larger than the device allows.
fn too_large(gpu: &Gpu) {
    buffer(gpu, gpu.device.limits().max_buffer_size + 4);
}

/// A copy beyond the end of a buffer.
fn bad_copy(gpu: &Gpu) {
    let usage = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
    let about = BufferDescriptor { label: None, size: 16, usage, mapped_at_creation: false };
    let [from, to] = [0; 2].map(|_| gpu.device.create_buffer(&about));
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(&from, 0, &to, 0, 32);
    gpu.queue.submit([encoder.finish()]);
}

fn destroy(gpu: &Gpu) {
    gpu.device.destroy();
}

fn micro_batches() -> Vec<MicroBatch> {
    let rows = |value: f32| TensorData::new(vec![value; 2 * 4], [2, 4]);
    let one = MicroBatch::new(2).with("features", rows(1.0)).with("targets", rows(0.5));
    vec![one.clone(), one]
}

/// Trains two linear layers, one on the adapter and one on another device of it, of which the former does something in
/// the fourth forward: that of the second micro-batch of the second step. Gives what the third step says,
/// at the latest, and the pipeline.
fn trained(info: &DeviceInfo, on_gpu: usize, fault: fn(&Gpu)) -> (EngineError, Pipeline) {
    let gpu = Device::open("gpu", info, BUDGET, 1).unwrap();
    // A CPU device would have a pool of the thread that shuttle runs all of its own on.
    let other = Device::open("other", info, BUDGET, 1).unwrap();
    let raw = gpu.gpu().cloned().unwrap();
    let seen = Arc::new(AtomicUsize::new(usize::MAX / 2));
    let mut model = Layers::new("line", "features");
    for layer in 0..2 {
        let (raw, seen) = (raw.clone(), Arc::clone(&seen));
        let init = |device: &_| LinearConfig::new(4, 4).init(device);
        let forward = move |linear: &Linear, x: Tensor<2>| {
            if layer == on_gpu && seen.fetch_add(1, Ordering::SeqCst) == 3 {
                fault(&raw);
            }
            linear.forward(x)
        };
        model = model.layer(format!("linear{layer}"), init, forward);
    }
    let optimizer = AdamW::default().into();
    let settings = DeriveSettings { seed: 1, optimizer: &optimizer, portable: true };
    let sample = micro_batches().remove(0);
    let costs = derive_profile(&model, &MeanSquaredError, &sample, &settings, &|_, _| {}).unwrap();
    let profile = Profile::of_budgets(costs, [("gpu", BUDGET), ("other", BUDGET)], 2);
    let ids = if on_gpu == 0 { ["gpu", "other"] } else { ["other", "gpu"] };
    let stage = |layer: usize| Stage {
        device: ids[layer].into(),
        layers: (layer, layer + 1),
        recompute: Recompute::None,
    };
    let schedule = Schedule::named("gpipe", 2, 2).unwrap();
    let plan = Plan::new("line", vec![stage(0), stage(1)], schedule, 2);
    let options = Options { seed: 1, optimizer, clip: None, rows: 2 };
    let (model, objective) = (Arc::new(model), Arc::new(MeanSquaredError));
    let devices = vec![gpu, other];
    let mut pipeline =
        Pipeline::distribute(model, objective, &profile, &plan, devices, options).unwrap();
    seen.store(0, Ordering::SeqCst);
    let failed = (1..=3).find_map(|step| pipeline.step(step, 0.01, micro_batches()).err());
    (failed.expect("three steps went through"), pipeline)
}

/// The action that fails, by stage.
const AT_ONCE: [&[&str]; 2] = [&["0F1"], &["1F1"]];

fn names_its_place(fault: fn(&Gpu), says: &'static str, actions: [&'static [&'static str]; 2]) {
    let Some(info) = adapter::llvmpipe() else { return };
    // In this crate's tests pipelines have shuttle's threads. One order of them will do.
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    Runner::new(RandomScheduler::new_from_seed(1, 1), config).run(move || {
        for on_gpu in [0, 1] {
            let (error, mut pipeline) = trained(&info, on_gpu, fault);
            let EngineError::Worker { device, stage, action, step, reason } = &error else {
                panic!("{error:?}")
            };
            assert_eq!((device.as_str(), *stage, *step), ("gpu", on_gpu, 2), "{error}");
            assert!(actions[on_gpu].contains(&action.as_str()), "{error}");
            assert!(reason.contains(says), "{error}");
            assert!(pipeline.step(3, 0.01, micro_batches()).is_err());
        }
    });
}

#[test]
fn a_buffer_that_is_too_large_on_an_adapter_names_its_place() {
    names_its_place(too_large, "its driver refuses a call: ", AT_ONCE);
}

#[test]
fn a_call_that_an_adapter_refuses_names_its_place() {
    names_its_place(bad_copy, "its driver refuses a call: ", AT_ONCE);
}

#[test]
fn an_adapter_that_is_lost_names_its_place() {
    // wgpu tells of a device that was closed when it is next looked at: there, where it has to send, or
    // where what it sent is waited for.
    let actions: [&[&str]; 2] =
        [&["0F1", "0SEND_F0", "0SEND_F1"], &["1F1", "1B0", "1SEND_B0", "1B1", "1SEND_B1"]];
    names_its_place(destroy, "the device is lost (it was closed)", actions);
}

#[test]
fn copies_over_memory_that_a_link_keeps_fail_with_what_the_adapter_reports() {
    let Some(info) = adapter::llvmpipe() else { return };
    let device = Device::open("gpu", &info, BUDGET, 1).unwrap();
    let gpu = device.gpu().unwrap();
    let (to_device, to_host) = (Staging::to_device(gpu), Staging::to_host(gpu));
    let value = Value::room([4].into(), burn::tensor::DType::I32, device.burn()).unwrap();
    let tensors = || vec![(value.tensor().clone(), value.bytes())];
    let is_refused = |error: &EngineError| error.to_string().contains("refuses a call");
    let download = to_host.begin(tensors()).unwrap();
    too_large(gpu);
    assert!(is_refused(&download.finish(|_| Ok(())).unwrap_err()));
    assert!(to_device.fill(&[&[0; 16]]).is_err_and(|error| is_refused(&error)));
    assert!(device.wait().is_err_and(|error| is_refused(&error)));
    assert!(device.check_driver().is_err_and(|error| is_refused(&error)));
    // What was refused is left out, and the device works on.
    device.forget_driver_errors();
    let upload = to_device.fill(&[&[7; 16]]).unwrap();
    upload.finish([value.tensor().clone()]).unwrap();
    let download = to_host.begin(tensors()).unwrap();
    assert!(download.finish(|pieces| Ok(pieces == [[7; 16]])).unwrap());
    // One that is lost stays lost.
    let download = to_host.begin(tensors()).unwrap();
    destroy(gpu);
    let error = download.finish(|_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("the device is lost"), "{error}");
    device.forget_driver_errors();
    assert!(device.check_driver().is_err());
}

#[test]
fn a_layer_with_a_tensor_that_an_adapter_cannot_have_is_refused_before_it_is_made() {
    let Some(info) = adapter::llvmpipe() else { return };
    let (max_binding_bytes, buffer_alignment_bytes) = (Some(63), Some(16));
    let limited =
        DeviceInfo { max_buffer_bytes: 256, max_binding_bytes, buffer_alignment_bytes, ..info };
    let optimizer = AdamW::default().into();
    let settings = DeriveSettings { seed: 1, optimizer: &optimizer, portable: true };
    let sample = micro_batches().remove(0);
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    let init = move |device: &_| {
        counted.fetch_add(1, Ordering::SeqCst);
        LinearConfig::new(4, 4).init(device)
    };
    let model = Layers::new("line", "features");
    let model = model.layer("linear", init, |linear: &Linear, x: Tensor<2>| linear.forward(x));
    let costs = derive_profile(&model, &MeanSquaredError, &sample, &settings, &|_, _| {}).unwrap();
    // The weights are 4 × 4 numbers of 4 bytes.
    assert_eq!(costs.layers[0].largest_weight_bytes, 64);
    let profile = Profile::of_budgets(costs, [("gpu", BUDGET)], 1);
    made.store(0, Ordering::SeqCst);
    let stage = Stage { device: "gpu".into(), layers: (0, 1), recompute: Recompute::None };
    let plan = Plan::new("line", vec![stage], Schedule::named("1f1b", 1, 1).unwrap(), 1);
    let options = Options { seed: 1, optimizer, clip: None, rows: 2 };
    let (model, objective) = (Arc::new(model), Arc::new(MeanSquaredError));
    let devices = vec![Device::open("gpu", &limited, BUDGET, 1).unwrap()];
    let refused = Pipeline::distribute(model, objective, &profile, &plan, devices, options);
    let Some(EngineError::Plan(PlanError::TensorTooLarge(refused))) = refused.err() else {
        panic!("it was not refused")
    };
    let place = (refused.layer.as_str(), refused.device.as_str());
    assert_eq!((place, refused.limit_bytes), (("linear", "gpu"), 48));
    assert_eq!(made.load(Ordering::SeqCst), 0);
}
