//! What an optimizer gives of each weight, and whether it is finite.

use burn::tensor::Tensor;

/// A weight after an update.
#[derive(Clone, Debug)]
pub struct Updated {
    /// Its new values, flat.
    pub values: Tensor<1>,
    /// Whether these and its state are finite; None where the update has not looked, so that the
    /// engine does.
    pub finite: Option<bool>,
}

impl From<Tensor<1>> for Updated {
    /// Values that nobody has looked at.
    fn from(values: Tensor<1>) -> Self {
        Self { values, finite: None }
    }
}

/// Looks at numbers of the host in a pass that has them in hand anyway: without a branch, so that the
/// processor's vector units do it.
#[derive(Default)]
pub(super) struct FiniteLook {
    others: u32,
}

impl FiniteLook {
    pub(super) fn at<const N: usize>(&mut self, numbers: [f32; N]) {
        for number in numbers {
            self.others |= u32::from(!number.is_finite());
        }
    }

    pub(super) fn all_finite(&self) -> bool {
        self.others == 0
    }
}
