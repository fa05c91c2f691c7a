//! The parts of a journal: `journal.jsonl`, which is written, and closed ones before it.
//!
//! When the open part has grown long it is closed under a name with its number, `journal-000007.jsonl`,
//! and another is begun. The newest closed part is left whole; older ones are thinned
//! ([`Thinned`](super::Thinned)) and put together under a name with the numbers they cover,
//! `journal-000001-000006.jsonl`. A file is replaced by a rename, and the ones it covers are removed
//! afterwards: after a crash there may be both, and the one that covers more is read.

/// The part that is written.
pub const OPEN_SEGMENT: &str = "journal.jsonl";

const START: &str = "journal-";
const END: &str = ".jsonl";

/// A closed part of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// Number of the first part it covers, from 1.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
    /// Whether it is thinned.
    pub thinned: bool,
}

impl Segment {
    /// A part as it was written.
    #[must_use]
    pub fn whole(number: u64) -> Self {
        Self { first: number, last: number, thinned: false }
    }

    /// Thinned parts put together.
    #[must_use]
    pub fn thinned(first: u64, last: u64) -> Self {
        Self { first, last, thinned: true }
    }

    /// Its file's name.
    #[must_use]
    pub fn name(&self) -> String {
        let Self { first, last, .. } = self;
        if self.thinned {
            format!("{START}{first:06}-{last:06}{END}")
        } else {
            format!("{START}{first:06}{END}")
        }
    }

    /// The segment of a file's name; `None` for other files.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let numbers = name.strip_prefix(START)?.strip_suffix(END)?;
        let segment = match numbers.split_once('-') {
            None => Self::whole(numbers.parse().ok()?),
            Some((first, last)) => Self::thinned(first.parse().ok()?, last.parse().ok()?),
        };
        (segment.name() == name && segment.first <= segment.last).then_some(segment)
    }

    /// The number of the part that is open, beside those that are closed.
    #[must_use]
    pub fn next_number(closed: &[Self]) -> u64 {
        closed.iter().map(|segment| segment.last).max().unwrap_or(0) + 1
    }

    /// The segments to be read, in order, of all there are: those that others cover are left out.
    #[must_use]
    pub fn to_read(mut all: Vec<Self>) -> Vec<Self> {
        // The widest first; of the same width the thinned one, which is there to stay.
        all.sort_by_key(|it| (it.first, std::cmp::Reverse(it.last), !it.thinned));
        let mut end = 0;
        all.retain(|segment| {
            let is_new = segment.last > end;
            end = end.max(segment.last);
            is_new
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_segment_is() {
        for (segment, name) in [
            (Segment::whole(7), "journal-000007.jsonl"),
            (Segment::thinned(1, 6), "journal-000001-000006.jsonl"),
            (Segment::thinned(3, 3), "journal-000003-000003.jsonl"),
            (Segment::whole(12_345_678), "journal-12345678.jsonl"),
        ] {
            assert_eq!((segment.name().as_str(), Segment::of_name(name)), (name, Some(segment)));
        }
        for other in
            ["journal.jsonl", "journal-1.jsonl", "journal-.jsonl", "journal-000003-000001.jsonl"]
        {
            assert_eq!(Segment::of_name(other), None, "{other}");
        }
    }

    #[test]
    fn what_another_covers_is_not_read_twice() {
        let (whole, thinned) = (Segment::whole, Segment::thinned);
        // As a crash leaves it: the new archive is there, the old one and its last part too.
        let all = vec![whole(5), thinned(1, 3), whole(4), thinned(1, 4)];
        assert_eq!(Segment::to_read(all), [thinned(1, 4), whole(5)]);
        assert_eq!(Segment::to_read(vec![whole(1), thinned(1, 1)]), [thinned(1, 1)]);
        assert_eq!(Segment::to_read(vec![whole(2), whole(1)]), [whole(1), whole(2)]);
    }
}
