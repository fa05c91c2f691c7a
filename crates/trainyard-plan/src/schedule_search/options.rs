//! Options of a search.

/// Options of a search for a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchOptions {
    /// Whether backwards may be split into I and W.
    pub split_backward: bool,
    /// Orders that the search may try: a move counts 1, a list schedule 10. Of more than
    /// 8 ranks × 64 micro-batches × 3 actions the number falls in proportion, as each try takes longer.
    pub effort: usize,
}

impl Default for SearchOptions {
    /// Split backwards, and tens of milliseconds at most for 8 ranks × 64 micro-batches.
    fn default() -> Self {
        Self { split_backward: true, effort: 4000 }
    }
}
