//! scratch
use burn::tensor::TensorData;
use std::sync::Arc;
use trainyard_engine::*;
use trainyard_models::*;
use trainyard_plan::*;
#[global_allocator]
static A: memory::CountingAllocator = memory::CountingAllocator;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let devices: usize = args[1].parse().unwrap();
    let m: usize = args[2].parse().unwrap();
    let width: usize = args.get(3).map_or(128, |s| s.parse().unwrap());
    let ctx: usize = 64;
    let batch = 12;
    let model: Arc<dyn Model> =
        Arc::new(Gpt::new(GptOptions { width, ..Default::default() }, Some(65)).unwrap());
    let cpu = trainyard_engine::discover::list(&trainyard_engine::discover::ListOptions::default())
        .into_iter()
        .find(|d| d.api == Api::Cpu)
        .unwrap();
    let ids = ["left", "right"];
    let profile = model.profile(batch / m);
    let profiles: Vec<_> = (0..devices)
        .map(|i| DeviceProfile { id: ids[i].into(), memory_bytes: 4 << 30, speed: 1.0 })
        .collect();
    let plan = planner::proportional(&planner::PlanRequest {
        model: &profile,
        devices: &profiles,
        schedule: "1f1b",
        micro_batches: m,
        recompute: planner::RecomputeChoice::None,
    })
    .unwrap();
    println!("{:?}", plan.stages);
    let devs: Vec<_> =
        (0..devices).map(|i| Device::open(ids[i], &cpu, 4 << 30, 1).unwrap()).collect();
    let mut p = Pipeline::distribute(
        model,
        &plan,
        devs,
        Options { seed: 1, optimizer: AdamW::default(), clip: Some(1.0), rows: batch / m },
    )
    .unwrap();
    let mk = |s: usize| -> Vec<MicroBatch> {
        (0..m)
            .map(|k| {
                let r = batch / m;
                let d: Vec<i32> =
                    (0..r * ctx).map(|i| ((i * 7 + k * 13 + s * 31) % 65) as i32).collect();
                MicroBatch {
                    inputs: vec![TensorData::new(d.clone(), [r, ctx])],
                    targets: vec![TensorData::new(d, [r, ctx])],
                    rows: r,
                }
            })
            .collect()
    };
    let mut times = vec![];
    let mut last = None;
    for s in 1..=60 {
        let t = std::time::Instant::now();
        let r = p.step(s, 1e-3, mk(s as usize)).unwrap();
        times.push(t.elapsed().as_secs_f64() * 1e3);
        if s % 20 == 0 || s == 1 {
            println!("{s} {} {} {:?}", r.loss, r.gradient_norm, r.measured.usage);
        }
        last = Some(r);
    }
    times.sort_by(f64::total_cmp);
    println!("median {:.2} ms", times[30]);
    for n in p.needs() {
        println!("{} {:?} total {}", n.device, n.peak, n.needed_bytes);
    }
    let r = last.unwrap();
    let tr = Trace {
        devices: ids[..devices]
            .iter()
            .map(|i| TraceDevice { id: i.to_string(), name: String::new(), budget_bytes: 0 })
            .collect(),
        events: r.measured.events,
        memory: vec![],
    };
    println!("{}", text::timeline(&tr, 60, 120, false));
    println!("bubble {:?}", tr.bubble_fraction(60));
}
