include!("/tmp/brute_body.rs");
#[test]
fn dbg() {
    let seed: u64 = std::env::var("SEED").unwrap().parse().unwrap();
    let mut numbers = Numbers(seed);
    let profile = random(&mut numbers, 7, 4);
    let choices = [RecomputeChoice::None, RecomputeChoice::Full, RecomputeChoice::Auto];
    let recompute = choices[numbers.below(3) as usize];
    let schedule = ["1f1b", "gpipe", "zb-h1", "zb-h2"][numbers.below(4) as usize];
    let mut all = vec![];
    every_partition(&profile, modes(recompute), &mut Vec::new(), &mut |stages| {
        let schedule_ = Schedule::named(schedule, stages.len(), profile.micro_batches).unwrap();
        let st: Vec<Stage> = stages
            .iter()
            .map(|&(device, first, end, recompute)| Stage {
                device: profile.devices[device].id.clone(),
                layers: (first, end),
                recompute,
            })
            .collect();
        let costs = PipelineCosts::of(&profile, &st, &schedule_.owners()).unwrap();
        let s = score(&costs, &schedule_, profile.micro_batches).unwrap();
        if s.fits {
            all.push((
                s.step_us,
                by_definition(&profile, Objective::Time, schedule, stages),
                stages.to_vec(),
                s.peak_bytes,
            ));
        }
    });
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    println!(
        "m {} {schedule} {recompute:?} layers {} devices {}",
        profile.micro_batches,
        profile.model.layers.len(),
        profile.devices.len()
    );
    for a in all.iter().take(6) {
        println!("{a:?}");
    }
    println!("fit {}", all.len());
    let r = PlanRequest { schedule, recompute, top: 5, ..PlanRequest::new(&profile) };
    println!("stated {:?}", stated(&r));
    match plan(&r) {
        Ok(p) => {
            for c in &p.candidates {
                println!(
                    "{} {:?}",
                    c.simulation.step_us,
                    c.plan
                        .stages
                        .iter()
                        .map(|s| (s.device.clone(), s.layers, s.recompute))
                        .collect::<Vec<_>>()
                );
            }
        }
        Err(e) => println!("{e}"),
    }
    for d in &profile.devices {
        println!("{} {} {:?}", d.id, d.budget_bytes(), d.forward_us);
    }
}
