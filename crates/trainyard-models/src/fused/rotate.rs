//! Rotary position embedding (Su et al., arXiv 2104.09864): number `i` of a head's first half turns with number
//! `i` of its second half, by an angle that grows with the position.

use std::sync::Arc;

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{Tensor, TensorData};
use multiversion::multiversion;
use rayon::prelude::*;

use super::{Fused, apply, input, shape, tensor, values};

/// Rows that one task computes.
const ROWS: usize = 32;

/// Cosines and sines of the angles of some positions.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    head_width: usize,
    /// Pairs of a head that turn; what is behind them stays.
    half: usize,
    /// `[positions, half]`
    cosines: Vec<f32>,
    /// `[positions, half]`
    sines: Vec<f32>,
}

impl Rotation {
    /// That of the first `positions`, for heads of `head_width` numbers, of which two for each of the
    /// `frequencies` turn: by an angle of a frequency times the position.
    pub(crate) fn new(frequencies: &[f32], head_width: usize, positions: usize) -> Self {
        let half = frequencies.len().min(head_width / 2);
        let of = |position: usize| {
            // Single precision, as in the models that were trained with it.
            let angle = move |frequency: &f32| f64::from(position as f32 * frequency);
            frequencies.iter().take(half).map(angle)
        };
        let angles = || (0..positions).flat_map(of);
        Self {
            head_width,
            half,
            cosines: angles().map(|angle| angle.cos() as f32).collect(),
            sines: angles().map(|angle| angle.sin() as f32).collect(),
        }
    }

    /// How many it has.
    pub(crate) fn positions(&self) -> usize {
        self.cosines.len().checked_div(self.half).unwrap_or(usize::MAX)
    }

    /// Numbers of a head.
    pub(crate) fn head_width(&self) -> usize {
        self.head_width
    }
}

/// Turns the heads of rows, `[batch, positions, heads·head width]`, of which `before` positions come first.
pub(crate) fn rotate(x: Tensor<3>, rotation: &Arc<Rotation>, before: usize) -> Tensor<3> {
    let [_, positions, width] = x.dims();
    let rotate = Rotate { rotation: Arc::clone(rotation), before, positions, width };
    apply(rotate, [input(&x)]).unwrap_or_else(|| composed(x, rotation, before))
}

/// Turned keys and, behind those of each position, values as they are: `[batch, positions, 2·width]`.
pub(crate) fn rotate_and_join(
    keys: Tensor<3>,
    values: Tensor<3>,
    rotation: &Arc<Rotation>,
    before: usize,
) -> Tensor<3> {
    let [_, positions, width] = keys.dims();
    let rotate = Rotate { rotation: Arc::clone(rotation), before, positions, width };
    apply(rotate, [input(&keys), input(&values)])
        .unwrap_or_else(|| Tensor::cat(vec![composed(keys, rotation, before), values], 2))
}

/// By Burn's operations, on any device.
fn composed(x: Tensor<3>, rotation: &Rotation, before: usize) -> Tensor<3> {
    let [batch, positions, width] = x.dims();
    let Rotation { head_width, half, ref cosines, ref sines } = *rotation;
    let device = x.device().without_autodiff();
    let table = |of: &[f32]| {
        let rows = of.iter().skip(before * half).take(positions * half).copied().collect();
        Tensor::<4>::from_data(TensorData::new::<f32, _>(rows, [1, positions, 1, half]), &device)
    };
    let (cosines, sines) = (table(cosines), table(sines));
    let heads = x.reshape([batch, positions, width / head_width, head_width]);
    let [first, second] = [0, 1].map(|part| heads.clone().narrow(3, part * half, half));
    let turned = [
        first.clone() * cosines.clone() - second.clone() * sines.clone(),
        second * cosines + first * sines,
    ];
    let mut parts = turned.to_vec();
    if 2 * half < head_width {
        parts.push(heads.narrow(3, 2 * half, head_width - 2 * half));
    }
    Tensor::cat(parts, 3).reshape([batch, positions, width])
}

#[derive(Clone, Debug)]
struct Rotate {
    rotation: Arc<Rotation>,
    /// Positions before the first.
    before: usize,
    /// Those of a sequence.
    positions: usize,
    /// Numbers of a row that turn.
    width: usize,
}

impl Rotate {
    /// Turns the first numbers of rows that are `row` long, or back.
    fn run(&self, x: &mut [f32], row: usize, direction: f32) {
        let chunks = x.par_chunks_mut((ROWS * row).max(1)).enumerate();
        chunks.for_each(|(chunk, rows)| turn(self, chunk * ROWS, rows, row, direction));
    }
}

impl Fused<Flex, 1> for Rotate {
    type Saved = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
        let mut output = values(&x).to_vec();
        self.run(&mut output, self.width, 1.0);
        (tensor(output, shape(&x)), ())
    }

    fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 1]) -> [FlexTensor; 1] {
        let mut output = values(&gradient).to_vec();
        self.run(&mut output, self.width, -1.0);
        [tensor(output, shape(&gradient))]
    }
}

impl Fused<Flex, 2> for Rotate {
    type Saved = ();

    fn forward(&self, [keys, with]: [FlexTensor; 2]) -> (FlexTensor, ()) {
        let width = self.width.max(1);
        let mut output = Vec::with_capacity(2 * values(&keys).len());
        for (keys, with) in values(&keys).chunks_exact(width).zip(values(&with).chunks_exact(width))
        {
            output.extend_from_slice(keys);
            output.extend_from_slice(with);
        }
        self.run(&mut output, 2 * self.width, 1.0);
        let mut shape = shape(&keys);
        if let Some(last) = shape.last_mut() {
            *last *= 2;
        }
        (tensor(output, shape), ())
    }

    fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 2]) -> [FlexTensor; 2] {
        let width = self.width.max(1);
        let mut parts = [(); 2].map(|()| Vec::with_capacity(values(&gradient).len() / 2));
        for row in values(&gradient).chunks_exact(2 * width) {
            for (part, row) in parts.iter_mut().zip(row.chunks_exact(width)) {
                part.extend_from_slice(row);
            }
        }
        let [keys, _] = &mut parts;
        self.run(keys, self.width, -1.0);
        let mut shape = shape(&gradient);
        if let Some(last) = shape.last_mut() {
            *last /= 2;
        }
        parts.map(|part| tensor(part, shape.clone()))
    }
}

/// Turns rows from the one of a number on.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn turn(rotate: &Rotate, first: usize, rows: &mut [f32], row: usize, direction: f32) {
    let Rotation { head_width, half, ref cosines, ref sines } = *rotate.rotation;
    for (number, values) in rows.chunks_exact_mut(row).enumerate() {
        let position = rotate.before + (first + number) % rotate.positions;
        let angles = position * half..(position + 1) * half;
        let (cosines, sines) = (&cosines[angles.clone()], &sines[angles]);
        for head in values[..rotate.width].chunks_exact_mut(head_width) {
            let (first, rest) = head.split_at_mut(half);
            let pairs = first.iter_mut().zip(rest).zip(cosines.iter().zip(sines));
            for ((first, second), (cosine, sine)) in pairs {
                let (one, other, sine) = (*first, *second, direction * sine);
                *first = one * cosine - other * sine;
                *second = other * cosine + one * sine;
            }
        }
    }
}
