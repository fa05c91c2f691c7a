//! Scores: numbers whose order matters as much as their size.

use burn::tensor::Tensor;

use super::regression::flat_pair;
use super::{Loss, Metrics, Objective};
use crate::{EngineError, Tensors};

/// Means that the correlation follows from: of outputs, targets, their squares and their product.
const MEANS: [&str; 5] =
    ["mean_output", "mean_target", "mean_squared_output", "mean_squared_target", "mean_product"];

/// Mean squared error; outputs and targets of one shape. Metric: `correlation`, Pearson's, over all that is
/// counted; 0 where outputs or targets are all the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scores;

impl Objective for Scores {
    fn loss(&self, mut outputs: Tensors, mut targets: Tensors) -> Result<Loss, EngineError> {
        let (output, target) = flat_pair(outputs.take_first()?, targets.take_first()?)?;
        let (x, y): (Tensor<1>, Tensor<1>) = (output.clone().inner(), target.clone());
        let difference = output - target;
        let means = [x.clone(), y.clone(), x.clone() * x.clone(), y.clone() * y.clone(), x * y];
        let metrics = MEANS.into_iter().zip(means.map(Tensor::mean)).collect();
        Ok(Loss { loss: (difference.clone() * difference).mean(), metrics })
    }

    fn summarize(&self, _loss: f64, metrics: &mut Metrics) {
        let [x, y, xx, yy, xy] = MEANS.map(|name| metrics.remove(name).unwrap_or(0.0));
        let spread = ((xx - x * x) * (yy - y * y)).max(0.0).sqrt();
        let correlation = if spread > 0.0 { (xy - x * y) / spread } else { 0.0 };
        metrics.insert("correlation".to_owned(), correlation);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn of(values: &[f32]) -> Tensors {
        let data = TensorData::new(values.to_vec(), [values.len()]);
        Tensors::new().with("x", Tensor::<1>::from_data(data, &Device::flex().autodiff()))
    }

    #[test]
    fn the_correlation_is_pearsons_however_rows_are_cut() {
        let (outputs, targets) = ([0.1, 0.9, 0.4, 0.3], [0.2, 0.8, 0.7, 0.1]);
        let figures = |cuts: &[usize]| {
            let mut metrics = Metrics::new();
            let mut mean = 0.0;
            for part in cuts.windows(2).map(|ends| ends[0]..ends[1]) {
                let loss = Scores.loss(of(&outputs[part.clone()]), of(&targets[part.clone()]));
                let loss = loss.unwrap();
                let share = part.len() as f64 / 4.0;
                mean += share * f64::from(loss.loss.into_scalar::<f32>());
                for (name, value) in loss.metrics {
                    let value = f64::from(value.into_scalar::<f32>());
                    *metrics.entry(name.to_owned()).or_default() += share * value;
                }
            }
            Scores.summarize(mean, &mut metrics);
            assert_eq!(metrics.len(), 1);
            [mean, metrics["correlation"]]
        };
        // numpy.corrcoef and the mean of squares.
        let cuts: [&[usize]; 2] = [&[0, 4], &[0, 1, 4]];
        for found in cuts.map(figures) {
            assert!((found[0] - 0.0375).abs() < 1e-6, "{found:?}");
            assert!((found[1] - 0.794_816).abs() < 1e-5, "{found:?}");
        }
        let mut same = Metrics::new();
        Scores.summarize(0.0, &mut same);
        assert!(same["correlation"].abs() < 1e-12);
    }
}
