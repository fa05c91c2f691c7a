//! The engine against an oracle that shares nothing with it: the whole model as one graph of plain
//! tensor operations, and AdamW worked out in 64-bit floats.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use trainyard_engine::{AdamW, MicroBatch, Options};
use trainyard_plan::Recompute;

use common::partitions::{
    Held, ROWS, Subject, assert_close, cpus, of_kind, options, plan, showing_gradients, tensors,
};
use common::{CONTEXT, HEADS, LAYERS, VOCABULARY, WIDTH, gpt, mlp};

/// Weights as leaves of a graph, by `layer/path`.
struct Leaves {
    flat: BTreeMap<String, (Vec<usize>, Tensor<1>)>,
    device: Device,
}

impl Leaves {
    fn new(weights: &BTreeMap<String, Held>) -> Self {
        let device = Device::flex();
        let leaf = |(name, (shape, values)): (&String, &Held)| {
            let data = TensorData::new(values.clone(), [values.len()]);
            let leaf = Tensor::<1>::from_data(data, &device).autodiff().require_grad();
            (name.clone(), (shape.clone(), leaf))
        };
        Self { flat: weights.iter().map(leaf).collect(), device }
    }

    fn matrix(&self, name: &str) -> Tensor<2> {
        let (shape, leaf) = &self.flat[name];
        leaf.clone().reshape([shape[0], shape[1]])
    }

    /// A vector as a row, if the model has it.
    fn row(&self, name: &str) -> Option<Tensor<2>> {
        self.flat.get(name).map(|(shape, leaf)| leaf.clone().reshape([1, shape[0]]))
    }

    fn constant(&self, values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    /// A one for the token of each row, zeros elsewhere.
    fn one_hot(&self, tokens: &TensorData) -> Tensor<2> {
        let tokens = tokens.as_slice::<i32>().unwrap();
        let row = |token: &i32| (0..VOCABULARY).map(|v| f32::from(v == *token as usize)).collect();
        let values: Vec<Vec<f32>> = tokens.iter().map(row).collect();
        self.constant(values.concat(), [tokens.len(), VOCABULARY])
    }

    fn dense(&self, x: Tensor<2>, name: &str) -> Tensor<2> {
        let y = x.matmul(self.matrix(&format!("{name}.weight")));
        match self.row(&format!("{name}.bias")) {
            Some(bias) => y + bias,
            None => y,
        }
    }

    fn norm(&self, x: Tensor<2>, name: &str) -> Tensor<2> {
        let centred = x.clone() - x.mean_dim(1);
        let variance = (centred.clone() * centred.clone()).mean_dim(1);
        let y = centred / (variance + 1e-5).sqrt() * self.row(&format!("{name}.gain")).unwrap();
        match self.row(&format!("{name}.bias")) {
            Some(bias) => y + bias,
            None => y,
        }
    }

    /// Rows are the positions of all texts, one text after the other.
    fn attention(&self, x: Tensor<2>, block: &str) -> Tensor<2> {
        let projected = self.dense(x, &format!("{block}/attention.project_in"));
        let (positions, size) = (ROWS * CONTEXT, WIDTH / HEADS);
        // A position sees itself and what came before in its own text.
        let sees = |i: usize| {
            let (from, to) = (i / positions, i % positions);
            f32::from(from / CONTEXT == to / CONTEXT && to <= from)
        };
        let mask = self.constant((0..positions * positions).map(sees).collect(), [positions; 2]);
        let head = |head: usize| {
            let [q, k, v] =
                [0, 1, 2].map(|part| projected.clone().narrow(1, part * WIDTH + head * size, size));
            let seen = (q.matmul(k.transpose()) / (size as f64).sqrt()).exp() * mask.clone();
            (seen.clone() / seen.sum_dim(1)).matmul(v)
        };
        let mixed = Tensor::cat((0..HEADS).map(head).collect(), 1);
        self.dense(mixed, &format!("{block}/attention.project_out"))
    }

    fn gpt_loss(&self, batch: &MicroBatch, tied: bool) -> Tensor<1> {
        let [tokens, targets] = ["tokens", "targets"].map(|name| batch.tensor(name).unwrap());
        let positions = self.matrix("embed/positions");
        let mut x = self.one_hot(tokens).matmul(self.matrix("embed/tokens"))
            + Tensor::cat(vec![positions; ROWS], 0);
        for block in 0..LAYERS - 2 {
            let block = format!("block{block}");
            let attended =
                self.attention(self.norm(x.clone(), &format!("{block}/attention_norm")), &block);
            x = x + attended;
            let seen = self.norm(x.clone(), &format!("{block}/perceptron_norm"));
            let wide = self.dense(seen, &format!("{block}/widen"));
            let bent = wide.clone() * 0.5 * ((wide / 2.0_f64.sqrt()).erf() + 1.0);
            x = x + self.dense(bent, &format!("{block}/narrow"));
        }
        let head = self.matrix(if tied { "embed/tokens" } else { "head/weight" });
        let logits = self.norm(x, "head/norm").matmul(head.transpose());
        let likely = logits.clone().exp() / logits.exp().sum_dim(1);
        let right = (likely * self.one_hot(targets)).sum_dim(1);
        right.log().mean().neg()
    }

    fn mlp_loss(&self, batch: &MicroBatch) -> Tensor<1> {
        let [features, targets] = ["features", "targets"].map(|name| batch.tensor(name).unwrap());
        let mut x: Tensor<2> = Tensor::from_data(features.clone(), &self.device);
        for layer in 0..LAYERS {
            x = self.dense(x, &format!("linear{layer}/linear"));
            if layer + 1 < LAYERS {
                let positive = x.clone().inner().greater_elem(0.0).float();
                x = x * positive;
            }
        }
        let error = x - Tensor::from_data(targets.clone(), &self.device);
        (error.clone() * error).mean()
    }
}

/// What of a model the oracle knows.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Mlp,
    Gpt { tied: bool },
}

/// Loss and gradients of a batch, by the oracle.
fn by_hand(
    kind: Kind,
    weights: &BTreeMap<String, Held>,
    batch: &MicroBatch,
) -> (f64, BTreeMap<String, Vec<f32>>) {
    let leaves = Leaves::new(weights);
    let loss = match kind {
        Kind::Mlp => leaves.mlp_loss(batch),
        Kind::Gpt { tied } => leaves.gpt_loss(batch, tied),
    };
    let mut gradients = loss.backward();
    let of_leaf = |(name, (_, leaf)): (&String, &(Vec<usize>, Tensor<1>))| {
        let gradient = leaf.grad_remove(&mut gradients)?;
        Some((name.clone(), gradient.into_data().as_slice::<f32>().unwrap().to_vec()))
    };
    let of_leaves = leaves.flat.iter().filter_map(of_leaf).collect();
    (f64::from(loss.into_scalar::<f32>()), of_leaves)
}

fn subjects() -> Vec<(Kind, Subject)> {
    let gpt_of = |tied, bias| (Kind::Gpt { tied }, gpt(tied, bias, 0.0));
    let gpts = [(true, false), (true, true), (false, false), (false, true)];
    let mut all = vec![(Kind::Mlp, mlp())];
    all.extend(gpts.map(|(tied, bias)| gpt_of(tied, bias)));
    all
}

#[test]
fn loss_and_every_gradient_are_those_of_a_plain_graph() {
    for (kind, subject) in subjects() {
        for (ends, micro_batches) in [(vec![4], 1), (vec![1, 4], 2), (vec![1, 2, 4], 4)] {
            let plan = plan(&ends, "1f1b", micro_batches, Recompute::None);
            let mut pipeline = subject.distribute(&plan, cpus(ends.len()), showing_gradients());
            let before = of_kind(&tensors(&mut pipeline), "weight");
            let [loss, norm] = subject.train(&mut pipeline, [1])[0];
            let found = of_kind(&tensors(&mut pipeline), "first");

            let (expected_loss, expected) = by_hand(kind, &before, &subject.batch(1));
            let place = format!("{kind:?} {ends:?}");
            assert!((loss - expected_loss).abs() < 1e-5 * expected_loss, "{place}: {loss}");
            assert_eq!(
                found.keys().collect::<Vec<_>>(),
                expected.keys().collect::<Vec<_>>(),
                "{place}"
            );
            let mut squares = 0.0;
            for (name, expected) in &expected {
                assert_close(&format!("{place} {name}"), &found[name].1, expected, 1e-5, 1e-6);
                squares += expected.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>();
            }
            assert!((norm - squares.sqrt()).abs() < 1e-5 * norm, "{place}: {norm}");
        }
    }
}

/// One weight tensor with its moments, in 64-bit floats.
struct Exact {
    decays: bool,
    weight: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
}

#[test]
fn clipped_adamw_with_decay_of_matrices_is_the_formula() {
    let optimizer = AdamW { beta1: 0.8, beta2: 0.95, epsilon: 1e-4, weight_decay: 0.3 };
    let AdamW { beta1, beta2, epsilon, weight_decay } = optimizer;
    let clip = 0.4;
    for (kind, subject) in subjects() {
        let plan = plan(&[1, 3, 4], "1f1b", 2, Recompute::None);
        let options =
            Options { optimizer: optimizer.clone().into(), clip: Some(clip), ..options() };
        let mut pipeline = subject.distribute(&plan, cpus(3), options);
        let mut weights = of_kind(&tensors(&mut pipeline), "weight");
        let exact = |(name, (shape, values)): (&String, &Held)| {
            let weight: Vec<f64> = values.iter().map(|&w| f64::from(w)).collect();
            let zeros = vec![0.0; weight.len()];
            let decays = shape.len() >= 2;
            (name.clone(), Exact { decays, weight, first: zeros.clone(), second: zeros })
        };
        let mut exact: BTreeMap<String, Exact> = weights.iter().map(exact).collect();
        let mut clipped = 0;
        for step in 1..=4_i32 {
            let number = u64::try_from(step).unwrap();
            let (_, gradients) = by_hand(kind, &weights, &subject.batch(number));
            let squares = gradients.values().flatten().map(|&g| f64::from(g).powi(2));
            let norm = squares.sum::<f64>().sqrt();
            clipped += u32::from(norm > clip);
            let scale = (clip / norm).min(1.0);
            let rate = 0.05 / f64::from(step);
            for (name, gradients) in &gradients {
                let Exact { decays, weight, first, second } = exact.get_mut(name).unwrap();
                for (i, &gradient) in gradients.iter().enumerate() {
                    let g = f64::from(gradient) * scale;
                    first[i] = beta1 * first[i] + (1.0 - beta1) * g;
                    second[i] = beta2 * second[i] + (1.0 - beta2) * g * g;
                    let m = first[i] / (1.0 - beta1.powi(step));
                    let v = second[i] / (1.0 - beta2.powi(step));
                    let decay = if *decays { weight_decay * weight[i] } else { 0.0 };
                    weight[i] -= rate * (m / (v.sqrt() + epsilon) + decay);
                }
            }
            pipeline.step(number, rate, subject.micro_batches(number, 2)).unwrap();
            weights = of_kind(&tensors(&mut pipeline), "weight");
            for (name, exact) in &exact {
                // A tied follower has what its owner has.
                let follows = matches!(kind, Kind::Gpt { tied: true }) && name == "head/weight";
                let expected = if follows {
                    &weights["embed/tokens"].1.clone()
                } else {
                    &exact.weight.iter().map(|&w| w as f32).collect::<Vec<f32>>()
                };
                let place = format!("{kind:?} step {step} {name}");
                assert_close(&place, &weights[name].1, expected, 1e-5, 2e-5);
            }
        }
        assert!(clipped > 0, "{kind:?}: nothing was clipped");
    }
}
