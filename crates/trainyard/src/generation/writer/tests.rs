//! Texts of several prompts, token by token, of a tiny model.

use std::sync::Arc;

use trainyard_engine::{
    AdamW, DeriveSettings, Device, MicroBatch, Options, Pipeline, derive_profile, discover,
};
use trainyard_models::{Gpt, GptOptions, gpt};
use trainyard_plan::{Plan, Profile, Recompute, Schedule, Stage};

use super::*;

const CONTEXT: usize = 12;
const VOCABULARY: usize = 23;

/// A GPT of four layers over so many CPU devices, with the weights it begins with.
fn pipeline(devices: usize) -> Pipeline {
    let options = GptOptions {
        layers: 2,
        heads: 2,
        width: 16,
        context: CONTEXT,
        vocabulary: Some(VOCABULARY),
        dropout: 0.0,
        bias: true,
        tied: false,
    };
    let model = Gpt::new(options, None).unwrap();
    let data = || TensorData::new(vec![1_i32; CONTEXT], [1, CONTEXT]);
    let sample = MicroBatch::new(1).with("tokens", data()).with("targets", data());
    let optimizer = AdamW::default().into();
    let settings = DeriveSettings { seed: 1, optimizer: &optimizer, portable: false };
    let costs = derive_profile(&model, &gpt::objective(), &sample, &settings, &|_, _| {}).unwrap();
    let ids = ["d0", "d1"];
    let cpu = discover::cpu();
    let opened = ids[..devices].iter().map(|id| Device::open(*id, &cpu, 64 << 20, 1).unwrap());
    let profile = Profile::of_budgets(costs, ids[..devices].iter().map(|id| (*id, 64 << 20)), 1);
    let stage = |at: usize| Stage {
        device: ids[at].into(),
        layers: (4 / devices * at, 4 / devices * (at + 1)),
        recompute: Recompute::None,
    };
    let stages = (0..devices).map(stage).collect();
    let plan = Plan::new("gpt", stages, Schedule::named("1f1b", devices, 1).unwrap(), 1);
    let options = Options { seed: 1, optimizer, clip: None, rows: 1 };
    let (model, objective) = (Arc::new(model), Arc::new(gpt::objective()));
    Pipeline::distribute(model, objective, &profile, &plan, opened.collect(), options).unwrap()
}

fn prompts() -> Vec<Vec<u32>> {
    vec![vec![3], vec![1, 5, 2, 8, 4], (0..20).collect(), vec![9; CONTEXT]]
}

/// Every token from the whole window, with nothing kept.
fn by_whole_windows(pipeline: &mut Pipeline, mut tokens: Vec<u32>, more: usize) -> Vec<u32> {
    for _ in 0..more {
        let window = &tokens[tokens.len().saturating_sub(CONTEXT)..];
        let window: Vec<i32> = window.iter().map(|&token| i32::try_from(token).unwrap()).collect();
        let size = [1, window.len()];
        let input = TensorData::new(window, size);
        let output = pipeline.output(&vec![("tokens".into(), input)]).unwrap();
        let logits: Vec<f32> = output[0].1.iter::<f32>().collect();
        let last = &logits[logits.len() - VOCABULARY..];
        let likeliest = (0..VOCABULARY).max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap();
        tokens.push(u32::try_from(likeliest).unwrap());
    }
    tokens
}

#[test]
fn what_is_written_is_what_whole_windows_give() {
    let writer = Writer { context: CONTEXT, sampling: Sampling::at(0.0), at_once: 2 };
    for devices in [1, 2] {
        let pipeline = &mut pipeline(devices);
        // Beyond the context, too.
        let expected: Vec<Vec<u32>> =
            prompts().into_iter().map(|prompt| by_whole_windows(pipeline, prompt, 30)).collect();
        for at_once in [1, 2, 9] {
            let text = |(number, prompt)| Text::new(prompt, 30, 1, number);
            let mut texts: Vec<Text> = prompts().into_iter().enumerate().map(text).collect();
            let mut go_on = each(|_| Ok(ControlFlow::Continue(())));
            let writer = Writer { at_once, ..writer };
            writer.write(&mut pipeline.sequences(), &mut texts, &mut go_on).unwrap();
            let found: Vec<Vec<u32>> = texts.into_iter().map(|text| text.tokens).collect();
            assert_eq!(found, expected, "{devices} devices, {at_once} at once");
        }
    }
}

#[test]
fn a_text_that_was_broken_off_goes_on() {
    let pipeline = &mut pipeline(2);
    let writer = Writer { context: CONTEXT, sampling: Sampling::at(1.0), at_once: 1 };
    let write = |sequences: &mut Sequences<'_>, text: &mut [Text], tokens: usize| {
        let mut left = tokens;
        let mut count = each(|_| {
            left -= 1;
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        writer.write(sequences, text, &mut count).unwrap();
    };
    let mut whole = [Text::new(vec![1, 2], 9, 5, 0)];
    write(&mut pipeline.sequences(), &mut whole, 9);
    let mut parts = [Text::new(vec![1, 2], 9, 5, 0)];
    let mut sequences = pipeline.sequences();
    write(&mut sequences, &mut parts, 4);
    assert_eq!((parts[0].tokens.len(), sequences.positions(0)), (6, 5));
    write(&mut sequences, &mut parts, 5);
    assert_eq!(parts[0].tokens, whole[0].tokens);
}
