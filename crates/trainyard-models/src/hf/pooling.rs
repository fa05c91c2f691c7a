//! One vector of those of a text's positions.

use burn::tensor::{Int, Tensor};
use trainyard_pretrained::Pooling;

/// The vectors of the texts of rows that have a number, `[rows, context, width]` to `[rows, width]`: `segments`
/// `[rows, context]` has the number of each position's text, from 1, and 0 for what a row is filled up with. Without, a
/// row is one text and all of it. A row without such a text has zeros.
pub(super) fn pool(
    x: Tensor<3>,
    segments: Option<&Tensor<2, Int>>,
    text: i64,
    pooling: Pooling,
) -> Tensor<2> {
    let [rows, context, width] = x.dims();
    let Some(segments) = segments else {
        let pooled = match pooling {
            Pooling::Mean => x.mean_dim(1),
            Pooling::First => x.narrow(1, 0, 1),
        };
        return pooled.reshape([rows, width]);
    };
    let mine = segments.clone().equal_elem(text).int();
    let shares = match pooling {
        Pooling::Mean => mine.clone().float() / mine.sum_dim(1).float().clamp_min(1.0),
        Pooling::First => {
            // Texts stand one behind the other, and what fills the row behind them.
            let earlier = segments.clone().greater_elem(0).int().sum_dim(1)
                - segments.clone().greater_equal_elem(text).int().sum_dim(1);
            let last = i64::try_from(context).unwrap_or(i64::MAX);
            let places = Tensor::<1, Int>::arange(0..last, &segments.device()).unsqueeze::<2>();
            let first = places.expand([rows, context]).equal(earlier.expand([rows, context]));
            (mine * first.int()).float()
        }
    };
    shares.unsqueeze_dim::<3>(1).matmul(x).reshape([rows, width])
}
