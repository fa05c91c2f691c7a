//! Schedules that name their transfers: sent and received where they say.

use proptest::prelude::*;
use trainyard_plan::simulate::{simulate, simulate_traced};
use trainyard_plan::{Lane, LinkCost, Plan, Trace};

use crate::by_hand;
use crate::random::{self, Dice};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Received right before its use and sent right after it is made is what goes without saying.
    #[test]
    fn spelling_transfers_out_changes_nothing(
        seed in any::<u64>(), ranks in 1_usize..5, more in 0_usize..4, m in 1_usize..5,
    ) {
        let mut dice = Dice(seed);
        let profile = random::profile(&mut dice, ranks + more, ranks, m);
        let implied = random::plan(&mut dice, &profile, ranks, ranks + more);
        let spelled_out = Plan { schedule: implied.schedule.with_transfers(), ..implied.clone() };
        let (expected, trace) = simulate_traced(&profile, &implied).unwrap();
        let (simulation, spelled_out) = simulate_traced(&profile, &spelled_out).unwrap();
        prop_assert_eq!(simulation.devices, expected.devices);
        prop_assert_eq!(simulation.links, expected.links);
        prop_assert_eq!(simulation.critical_path, expected.critical_path);
        let sorted = |trace: &Trace| {
            let mut events: Vec<_> = trace.events.iter().map(|e| format!("{e:?}")).collect();
            events.sort_unstable();
            events
        };
        prop_assert_eq!(sorted(&spelled_out), sorted(&trace));
        prop_assert_eq!(spelled_out.memory, trace.memory);
    }
}

#[test]
fn a_send_that_comes_later_is_sent_later() {
    // A transfer takes 5 µs. F0 is made at 10 and sent at 20, after F1.
    //   d0: 0F0 0–10, 0F1 10–20, sends 20–25 and 25–30
    //   d1: 1F0 25–35, 1F1 35–45, 1B0 45–65, 1B1 65–85; gradients sent 65–70, 85–90
    //   d0: 0B0 70–90, 0B1 90–110
    let mut profile = by_hand::profile(2, 2, 2);
    profile.default_link = Some(LinkCost { latency_us: 5.0, bytes_per_us: 1e300 });
    let rows = [
        "0F0 0F1 0SEND_F0 0SEND_F1 0RECV_B0 0B0 0RECV_B1 0B1",
        "1RECV_F0 1F0 1RECV_F1 1F1 1B0 1SEND_B0 1B1 1SEND_B1",
    ];
    let (simulation, trace) = simulate_traced(&profile, &by_hand::plan(&[0, 1], &rows, 2)).unwrap();
    assert_eq!(simulation.step_us, 110.0);
    // Its output waits from 10 on.
    assert_eq!(simulation.devices[0].peak_bytes.buffers, 80);
    let sends: Vec<_> = trace
        .events
        .iter()
        .filter(|event| event.lane == Lane::TransferOut && event.device == 0)
        .map(|event| (event.start_ns / 1000, event.end_ns / 1000))
        .collect();
    assert_eq!(sends, [(20, 25), (25, 30)]);
    let starts = simulation.critical_path.iter().map(|item| item.start_us);
    let ends = simulation.critical_path.iter().map(|item| item.end_us);
    assert!(starts.skip(1).eq(ends.take(simulation.critical_path.len() - 1)));
}

#[test]
fn a_receive_that_comes_early_holds_up_what_follows() {
    // A transfer takes 5 µs. d1 insists on F1 before it starts on F0:
    //   d0: 0F0 0–10 → 15, 0F1 10–20 → 25
    //   d1: 1F0 25–35, 1B0 35–55, 1F1 55–65, 1B1 65–85; d0: 0B0 60–80, 0B1 90–110
    let mut profile = by_hand::profile(2, 2, 2);
    profile.default_link = Some(LinkCost { latency_us: 5.0, bytes_per_us: 1e300 });
    let rows = [
        "0F0 0SEND_F0 0F1 0SEND_F1 0RECV_B0 0B0 0RECV_B1 0B1",
        "1RECV_F0 1RECV_F1 1F0 1B0 1SEND_B0 1F1 1B1 1SEND_B1",
    ];
    let simulation = simulate(&profile, &by_hand::plan(&[0, 1], &rows, 2)).unwrap();
    assert_eq!(simulation.step_us, 110.0);
    assert_eq!(simulation.devices[1].idle_us.warm_up_us, 25.0);
    // F0's input waits from 15 on, F1's until 55.
    assert_eq!(simulation.devices[1].peak_bytes.buffers, 40);
    let path: Vec<_> =
        simulation.critical_path.iter().map(|item| item.action.to_string()).collect();
    assert_eq!(path, ["0F0", "0F1", "0SEND_F1", "1F0", "1B0", "1F1", "1B1", "1SEND_B1", "0B1"]);
}
