//! A weight as an optimizer sees it: its path, its shape, and whether it is trained.

/// What a tensor of a layer is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WeightRole {
    /// Has a gradient and is updated by the optimizer.
    #[default]
    Trained,
    /// Takes part in the forward and is never changed.
    Frozen,
    /// State that the forward itself changes, such as running statistics: saved and resumed, not
    /// optimised.
    Buffer,
}

/// One tensor of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WeightSpec {
    /// Path in the layer's module, such as `attention.output.weight`.
    pub path: String,
    /// Its dimensions; empty for a single number.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: WeightRole,
}

impl WeightSpec {
    /// A trained weight.
    pub fn trained(path: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self { path: path.into(), shape: shape.into(), role: WeightRole::Trained }
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes, in 32-bit floats.
    pub fn bytes(&self) -> u64 {
        4 * self.elements() as u64
    }

    /// Whether it shrinks under weight decay unless a group says otherwise: weights of two or more
    /// dimensions do; biases and norms keep their size (GPT-2, nanoGPT).
    pub fn decays(&self) -> bool {
        self.shape.len() >= 2
    }

    /// Rows and columns, for optimizers with a rule for matrices: the first dimension, and all
    /// others together, as Keller Jordan's Muon takes a convolution's weight. None where there are
    /// fewer than two of either.
    pub fn matrix(&self) -> Option<[usize; 2]> {
        let (&rows, others) = self.shape.split_first()?;
        let columns = others.iter().product();
        (!others.is_empty() && rows >= 2 && columns >= 2).then_some([rows, columns])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_a_matrix() {
        let matrix = |shape: &[usize]| WeightSpec::trained("w", shape).matrix();
        assert_eq!(matrix(&[]), None);
        assert_eq!(matrix(&[5]), None);
        assert_eq!(matrix(&[5, 7]), Some([5, 7]));
        assert_eq!(matrix(&[8, 3, 2, 2]), Some([8, 12]));
        assert_eq!(matrix(&[1, 7]), None);
        assert_eq!(matrix(&[7, 1, 1]), None);
    }
}
