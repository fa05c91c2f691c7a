//! Orders of devices for locks that only several stages a rank can keep.

use super::super::candidate::Candidate;
use super::super::coarse_to_fine::explore;
use super::super::exact_search::LOOKS;
use super::super::space::Space;
use super::super::validated::ValidatedRequest;
use super::closed_form::{MOST_PARTITIONS, diverse};
use super::context::Context;
use super::multi_stage::{ORDERS, of_orders};

/// Locked devices of which all orders are tried: 6 for three.
const FEW: usize = 3;

/// Orders of the locked devices, and orders of the best partitions without locks, cut anew for all
/// schedules with several stages a rank.
pub(super) fn locked_orders(context: &mut Context) -> Vec<Candidate> {
    let (profile, request) = (context.evaluator.profile, context.evaluator.request);
    if request.locks.is_empty() {
        return Vec::new();
    }
    let mut locks = request.locks.clone();
    locks.sort_unstable();
    let mut locked: Vec<usize> = Vec::new();
    for (_, device) in locks {
        if !locked.contains(&device) {
            locked.push(device);
        }
    }
    let unlocked = ValidatedRequest { locks: Vec::new(), ..request.clone() };
    let space = Space::new(profile, &unlocked, context.space.goal);
    let explored = explore(&space, LOOKS / 10).partitions;
    let order = |devices: Vec<usize>| -> Vec<usize> {
        devices.into_iter().map(|device| space.index(device)).collect()
    };
    let chosen = diverse(&explored, MOST_PARTITIONS).into_iter();
    let found = chosen.map(|partition| order(partition.stage_devices()));
    let found = found.filter(|order| locked.iter().all(|device| order.contains(device)));
    // The search knows one order only of interchangeable devices.
    let few = if locked.len() <= FEW { orders_of(&locked) } else { vec![locked.clone()] };
    let mut orders: Vec<Vec<usize>> = few.into_iter().chain(found).collect();
    orders.truncate(3 * ORDERS);
    of_orders(context.evaluator, context.space, &orders)
}

/// All orders of a few devices, the given one first.
fn orders_of(devices: &[usize]) -> Vec<Vec<usize>> {
    let Some((first, rest)) = devices.split_first() else { return vec![Vec::new()] };
    let insert = |order: Vec<usize>| {
        (0..=order.len()).map(move |at| [&order[..at], &[*first], &order[at..]].concat())
    };
    orders_of(rest).into_iter().flat_map(insert).collect()
}
