//! Which positions of a sequence see which: those before them or all, within a window, of their own segment.

use std::collections::BTreeMap;
use std::ops::Range;

use super::attention_kernels::Sizes;

/// What the positions of one sequence see.
pub(super) struct Sight<'a> {
    sizes: Sizes,
    segments: Option<Segments<'a>>,
}

/// The segments of one sequence.
struct Segments<'a> {
    /// Of each position.
    numbers: &'a [i32],
    /// For each position, from the first with its number to behind the last.
    spans: Vec<Range<usize>>,
    /// Whether others lie between positions of one number.
    are_broken: bool,
}

impl<'a> Sight<'a> {
    /// Positions see only those with the same of some numbers, one for each position of keys and values.
    pub(super) fn new(sizes: Sizes, segments: Option<&'a [i32]>) -> Self {
        Self { sizes, segments: segments.map(Segments::new) }
    }

    pub(super) fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// The positions that one of the queries' sees, or those among which they are.
    pub(super) fn of_query(&self, row: usize) -> Range<usize> {
        let (at, of) = (self.sizes.before + row, self.sizes.of);
        let start = (at + 1).saturating_sub(of.window);
        let end = if of.is_causal { at + 1 } else { at.saturating_add(of.window) };
        self.within(at, start..end)
    }

    /// The rows of queries among which those are that see a position.
    fn of_key(&self, at: usize) -> Range<usize> {
        let (before, of) = (self.sizes.before, self.sizes.of);
        let start = if of.is_causal { at } else { (at + 1).saturating_sub(of.window) };
        let seen_by = self.within(at, start..at.saturating_add(of.window));
        seen_by.start.saturating_sub(before)..seen_by.end.saturating_sub(before)
    }

    /// The positions among which those are that any of some queries sees.
    pub(super) fn of_queries(&self, rows: Range<usize>) -> Range<usize> {
        around(rows.map(|row| self.of_query(row)))
    }

    /// The rows of queries among which those are that see any of some positions.
    pub(super) fn of_keys(&self, positions: Range<usize>) -> Range<usize> {
        around(positions.map(|at| self.of_key(at)))
    }

    fn within(&self, at: usize, limits: Range<usize>) -> Range<usize> {
        let limits = limits.start..limits.end.min(self.sizes.all());
        match self.segments.as_ref().and_then(|segments| segments.spans.get(at)) {
            Some(span) => limits.start.max(span.start)..limits.end.min(span.end),
            None => limits,
        }
    }

    /// Sets what one of the queries does not see among its positions, which are those of [`Self::of_query`].
    #[inline(always)]
    pub(super) fn blank(&self, row: usize, scores: &mut [f32], value: f32) {
        let Some(segments) = self.segments.as_ref().filter(|segments| segments.are_broken) else {
            return;
        };
        let (seen, own) = (self.of_query(row), segments.numbers.get(self.sizes.before + row));
        let numbers = segments.numbers.iter().skip(seen.start);
        for (score, number) in scores.iter_mut().zip(numbers) {
            if Some(number) != own {
                *score = value;
            }
        }
    }
}

impl<'a> Segments<'a> {
    fn new(numbers: &'a [i32]) -> Self {
        let mut of_number: BTreeMap<i32, Range<usize>> = BTreeMap::new();
        for (at, number) in numbers.iter().enumerate() {
            of_number.entry(*number).or_insert(at..at).end = at + 1;
        }
        let together: usize = of_number.values().map(ExactSizeIterator::len).sum();
        let span = |number: &i32| of_number.get(number).cloned().unwrap_or_default();
        let spans = numbers.iter().map(span).collect();
        Self { numbers, spans, are_broken: together > numbers.len() }
    }
}

/// From the first to the last of what some ranges have.
fn around(ranges: impl Iterator<Item = Range<usize>>) -> Range<usize> {
    let both =
        |one: Range<usize>, other: Range<usize>| one.start.min(other.start)..one.end.max(other.end);
    ranges.reduce(both).unwrap_or_default()
}
