//! The input of generators.

use super::super::candidate::Candidate;
use super::super::evaluate::Evaluator;
use super::super::partition::Partition;
use super::super::space::Space;

/// The input of generators in one round.
pub(in crate::planner) struct Context<'c, 'e> {
    pub(in crate::planner) evaluator: &'c mut Evaluator<'e>,
    pub(in crate::planner) space: &'c Space<'e>,
    /// Partitions that the search of this round found, best first.
    pub(in crate::planner) partitions: &'c [Partition],
    /// Candidates of this round with one stage a rank, best first.
    pub(in crate::planner) bases: &'c [Candidate],
}
