//! Which chats share a row.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The chats of each row, by their numbers.
#[derive(Debug)]
pub(super) struct Packing {
    /// Row after row.
    chats: Vec<u64>,
    /// Where each row begins among them, and where the last ends.
    starts: Vec<usize>,
}

impl Packing {
    /// Puts chats of so many positions each into rows of `context`: the longest first, each into the row that it
    /// fills most ("best fit decreasing"; Johnson et al., SIAM J. Comput. 3, 1974: at most 2/9 more rows than the
    /// fewest and 4). It follows from the lengths alone.
    pub(super) fn new(lengths: impl Iterator<Item = u64>, context: u64) -> Self {
        let mut longest_first: Vec<(Reverse<u64>, u64)> =
            lengths.map(|length| Reverse(length.min(context))).zip(0..).collect();
        longest_first.sort_unstable();
        let mut rows: Vec<Vec<u64>> = Vec::new();
        // Rows by the positions that are left in them.
        let mut with_room: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (Reverse(length), chat) in longest_first {
            let best = with_room.range_mut(length..).next();
            let best = best.and_then(|(room, rows)| Some((*room, rows.pop()?, rows.is_empty())));
            let (room, row) = if let Some((room, row, is_last)) = best {
                if is_last {
                    with_room.remove(&room);
                }
                (room, row)
            } else {
                rows.push(Vec::new());
                (context, rows.len() - 1)
            };
            if let Some(row) = rows.get_mut(row) {
                row.push(chat);
            }
            if room > length {
                with_room.entry(room - length).or_default().push(row);
            }
        }
        let (mut chats, mut starts) = (Vec::new(), vec![0]);
        for row in rows {
            chats.extend(row);
            starts.push(chats.len());
        }
        Self { chats, starts }
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> u64 {
        self.starts.len() as u64 - 1
    }

    /// The chats of a row; none of one that is not there.
    pub(super) fn chats_of(&self, row: u64) -> &[u64] {
        let at = |row: usize| self.starts.get(row).copied().unwrap_or(self.chats.len());
        let row = usize::try_from(row).unwrap_or(usize::MAX);
        self.chats.get(at(row)..at(row.saturating_add(1))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(packing: &Packing) -> Vec<Vec<u64>> {
        (0..packing.rows()).map(|row| packing.chats_of(row).to_vec()).collect()
    }

    #[test]
    fn a_chat_goes_where_it_leaves_least() {
        let packing = Packing::new([3, 6, 4, 7, 2, 10].into_iter(), 10);
        assert_eq!(rows(&packing), [vec![5], vec![3, 0], vec![1, 2], vec![4]]);
        assert!(packing.chats_of(9).is_empty());
        assert_eq!(Packing::new(std::iter::empty(), 10).rows(), 0);
    }

    proptest! {
        #[test]
        fn every_chat_is_in_one_row_and_no_two_rows_fit_into_one(
            lengths in proptest::collection::vec(1..40_u64, 0..200),
            context in 40..60_u64,
        ) {
            let packing = Packing::new(lengths.iter().copied(), context);
            let rows = rows(&packing);
            let mut all = rows.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..lengths.len() as u64).collect::<Vec<_>>());
            let filled = |row: &Vec<u64>| row.iter().map(|chat| lengths[*chat as usize]).sum::<u64>();
            let mut filled: Vec<u64> = rows.iter().map(filled).collect();
            filled.sort_unstable();
            prop_assert!(filled.last().is_none_or(|most| *most <= context));
            if let [one, other, ..] = filled[..] {
                prop_assert!(one + other > context);
            }
        }
    }
}
