use std::time::Instant;
use trainyard_plan::planner::*;
use trainyard_plan::{DeviceProfile, LayerProfile, LinkCost, ModelProfile, Profile};
/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1_u64 << 31) as f64
    }
}

/// A model of unlike layers on unlike devices, whose memory, taken together, is `room` times what
/// one micro-batch needs.
fn profile(layers: usize, devices: usize, room: f64) -> Profile {
    let mut numbers = Numbers(7);
    let mut bytes = 0;
    let layer = |index: usize| {
        let params = (1 << 22) + (numbers.next() * f64::from(1 << 24)) as u64;
        let saved = (1 << 20) + (numbers.next() * f64::from(1 << 23)) as u64;
        bytes += params * 4 + saved;
        LayerProfile {
            name: format!("layer{index}"),
            param_bytes: params,
            input_bytes: 1 << 20,
            output_bytes: 1 << 20,
            saved_bytes: saved,
            ..LayerProfile::default()
        }
    };
    let layers: Vec<LayerProfile> = (0..layers).map(layer).collect();
    let shape: Vec<f64> = layers.iter().map(|_| 50.0 + 100.0 * numbers.next()).collect();
    let model = ModelProfile {
        name: "bench".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        layers,
    };
    let mut profile = Profile::new(model, 32);
    for index in 0..devices {
        let slowness = 1.0 + 4.0 * numbers.next();
        let share = room / devices as f64 * (0.5 + numbers.next());
        let mut times = |factor: f64| -> Vec<f64> {
            shape.iter().map(|t| t * factor * slowness * (0.9 + 0.2 * numbers.next())).collect()
        };
        profile.devices.push(DeviceProfile {
            id: format!("gpu{index}"),
            memory_bytes: (bytes as f64 * share) as u64,
            forward_us: times(1.0),
            input_grad_us: times(1.1),
            weight_grad_us: times(0.9),
            ..DeviceProfile::default()
        });
    }
    profile.default_link = Some(LinkCost { latency_us: 20.0, bytes_per_us: 6000.0 });
    profile
}


fn main() {
    for (layers, devices) in [(64,4),(200,8)] {
        for room in [40.0, 4.0, 2.0, 1.4, 1.15] {
          for links in [0, 1, 2] {
            let mut profile = profile(layers, devices, room);
            if links == 0 { profile.default_link = None; }
            if links == 2 { let mut n = Numbers(3); let ids: Vec<String> = profile.devices.iter().map(|d| d.id.clone()).collect();
               for a in &ids { for b in &ids { if a != b { profile.links.push(trainyard_plan::LinkProfile{from:a.clone(),to:b.clone(),latency_us:20.0,bytes_per_us: 200.0+n.next()*2000.0}); } } } }
            let request = PlanRequest { schedule: "auto", ..PlanRequest::new(&profile) };
            let t = Instant::now();
            let s = stated(&request).unwrap();
            let a = t.elapsed();
            let t = Instant::now();
            let p = plan(&request);
            let b = t.elapsed();
            println!("{layers}x{devices} room {room} links {links}: stated {a:?} {:?} plan {b:?} {:?}", s.map(|s| (s.cost as i64, s.exact, s.stages.len())), p.map(|p| (p.candidates[0].simulation.step_us as i64, p.candidates[0].plan.stages.len(), p.candidates[0].plan.schedule.name.clone())).ok());
          }
        }
    }
}
