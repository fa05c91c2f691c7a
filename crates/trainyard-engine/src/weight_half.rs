//! The half of a backward that no other stage waits for: the gradients of weights.
//!
//! The step of an operation in the graph gives the gradient of its input at once, and hands what
//! computes that of a weight to [`compute_or_keep`]. Where a stage splits its backward, that is kept
//! until the stage's `W`; where it does not, it is computed at once. Both ways it adds to the sum over
//! the micro-batches itself, so that a kernel can do that in place.

use std::cell::RefCell;
use std::collections::HashMap;

use burn::backend::autodiff::NodeId;
use burn::tensor::Tensor;

/// Computes a weight's gradient: takes the sum so far, if there is one, and gives the new sum. Both are
/// flat, `[elements]`, and without graph.
pub type WeightHalf = Box<dyn FnOnce(Option<Tensor<1>>) -> Tensor<1> + Send>;

/// The sum over a step's micro-batches so far. A tensor's handle is large, and so tables have it in a box.
pub(crate) type Sum = Option<Box<Tensor<1>>>;

/// The sums by the node of the weight.
pub(crate) type Sums = HashMap<NodeId, Sum>;

/// Puts the new sum in place of the one so far.
pub(crate) fn renew(sum: &mut Sum, new: impl FnOnce(Option<Tensor<1>>) -> Tensor<1>) {
    *sum = Some(Box::new(new(sum.take().map(|sum| *sum))));
}

thread_local! {
    static COLLECTING: RefCell<Option<Collecting>> = const { RefCell::new(None) };
}

/// The backward that runs on this thread.
struct Collecting {
    sums: Sums,
    /// What is kept for later; None where everything is computed at once.
    kept: Option<Vec<(NodeId, WeightHalf)>>,
}

/// What a backward leaves.
pub(crate) struct Collected<T> {
    pub(crate) result: T,
    pub(crate) sums: Sums,
    /// In the order of the backward; empty unless it is split.
    pub(crate) kept: Vec<(NodeId, WeightHalf)>,
}

/// Runs a backward. Weight halves of the weights in `sums` add to these sums, or are kept where the
/// backward is split.
pub(crate) fn collect<T>(sums: Sums, split: bool, backward: impl FnOnce() -> T) -> Collected<T> {
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            COLLECTING.take();
        }
    }
    COLLECTING.set(Some(Collecting { sums, kept: split.then(Vec::new) }));
    // A driver's panic leaves nothing behind on this thread.
    let _end = End;
    let result = backward();
    let (sums, kept) = COLLECTING.take().map(|all| (all.sums, all.kept)).unwrap_or_default();
    Collected { result, sums, kept: kept.unwrap_or_default() }
}

/// For the backward of an operation with a weight: computes the weight's gradient at once or keeps it
/// for later, as the backward that runs on this thread wants it.
///
/// # Errors
/// Gives `half` back where nobody collects gradients of this weight: in a backward that is not of a
/// pipeline, and for a tensor that is no weight. The caller then registers the gradient in the graph.
pub fn compute_or_keep(weight: NodeId, half: WeightHalf) -> Result<(), WeightHalf> {
    let now = COLLECTING.with_borrow_mut(|collecting| {
        let Some(Collecting { sums, kept }) = collecting else { return Err(half) };
        let Some(sum) = sums.get_mut(&weight) else { return Err(half) };
        match kept {
            Some(kept) => {
                kept.push((weight, half));
                Ok(None)
            }
            None => Ok(Some((sum.take(), half))),
        }
    })?;
    if let Some((mut sum, half)) = now {
        renew(&mut sum, half);
        COLLECTING.with_borrow_mut(|collecting| {
            collecting.as_mut().map(|all| all.sums.insert(weight, sum))
        });
    }
    Ok(())
}
