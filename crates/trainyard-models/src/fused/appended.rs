//! Keys and values of one sequence that grow position by position, without a copy of all at each.

use burn::backend::Flex;
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{DType, Tensor};

use super::{tensor, values};

/// Positions for which room is made at once.
const BLOCK: usize = 64;

/// `[batch, seen, width]` and `[batch, more, width]` to `[batch, seen + more, width]`.
///
/// On a CPU device, one sequence without a graph has room for more positions than it has, so that where nobody
/// else holds it the next ones are written behind it.
pub(crate) fn appended(seen: Tensor<3>, more: Tensor<3>) -> Tensor<3> {
    let on_cpu = |tensor: &Tensor<3>| tensor.clone().try_into_primitive::<Flex>().ok();
    let are_f32 = [seen.dtype(), more.dtype()] == [DType::F32; 2];
    let is_one = seen.dims()[0] == 1 && seen.dims()[1] > 0;
    if is_one
        && are_f32
        && let (Some(values), Some(more)) = (on_cpu(&seen), on_cpu(&more))
    {
        // What is left is the only one that is held here.
        drop(seen);
        return Tensor::from_primitive::<Flex>(one_appended(values, &more.to_contiguous()));
    }
    Tensor::cat(vec![seen, more], 1)
}

/// `[1, seen, width]` and a contiguous `[1, more, width]` to `[1, seen + more, width]`.
fn one_appended(mut seen: FlexTensor, more: &FlexTensor) -> FlexTensor {
    let [positions, width] = [1, 2].map(|dimension| seen.layout().shape()[dimension]);
    let all = positions + more.layout().shape()[1];
    let grown = Layout::contiguous([1, all, width].into());
    let begins_storage = seen.is_contiguous() && seen.layout().start_offset() == 0;
    let room = positions * width..all * width;
    if begins_storage
        && let Some(storage) = seen.try_storage_mut::<f32>()
        && let Some(room) = storage.get_mut(room)
    {
        room.copy_from_slice(values(more));
        return seen.with_layout(grown);
    }
    let mut storage = vec![0.0; all.next_multiple_of(BLOCK) * width];
    let seen = seen.to_contiguous();
    for (room, value) in storage.iter_mut().zip(values(&seen).iter().chain(values(more))) {
        *room = *value;
    }
    let size = [storage.len()];
    tensor(storage, size).with_layout(grown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn rows(count: usize, from: f32) -> Tensor<3> {
        let values: Vec<f32> = (0..count * 3).map(|i| from + i as f32).collect();
        Tensor::<1>::from_floats(&values[..], &Device::flex()).reshape([1, count, 3])
    }

    #[test]
    fn what_is_appended_is_what_is_joined() {
        // A part of something larger, as the first slice gives it.
        let first = Tensor::cat(vec![rows(5, 0.0), rows(5, 100.0)], 2).narrow(2, 3, 3);
        let (mut grown, mut joined) = (first.clone(), first);
        for (step, more) in [1, 1, 70, 1, 2, 60, 1].into_iter().enumerate() {
            let more = rows(more, 1000.0 * step as f32);
            joined = Tensor::cat(vec![joined, more.clone()], 1);
            // Held by somebody else now and then, who is to see no change.
            let held = (step % 2 == 0).then(|| grown.clone());
            let before = held.as_ref().map(Tensor::to_data);
            grown = appended(grown, more);
            assert_eq!(grown.to_data(), joined.to_data(), "{step}");
            assert_eq!(held.map(|held| held.to_data()), before);
        }
    }

    #[test]
    fn a_position_is_written_behind_the_others() {
        let place = |tensor: &Tensor<3>| {
            let tensor = tensor.clone().try_into_primitive::<Flex>().unwrap();
            tensor.storage::<f32>().as_ptr()
        };
        let mut grown = appended(rows(2, 0.0), rows(1, 50.0));
        let before = place(&grown);
        for step in 0..BLOCK - 3 {
            grown = appended(grown, rows(1, step as f32));
            assert_eq!(place(&grown), before);
        }
        assert_ne!(place(&appended(grown, rows(1, 0.0))), before);
    }

    #[test]
    fn several_sequences_are_joined() {
        let two = |from| Tensor::cat(vec![rows(2, from), rows(2, from + 50.0)], 0);
        let joined = appended(two(0.0), two(9.0));
        assert_eq!(joined.to_data(), Tensor::cat(vec![two(0.0), two(9.0)], 1).to_data());
    }
}
