//! The channels under shuttle mean what crossbeam's do.

use std::time::Duration;

use shuttle::check_random;

use crate::concurrency::{Builder, Instant, RecvTimeoutError, begin_execution, bounded};

const TIMES: usize = 200;

fn check(test: impl Fn() + Send + Sync + 'static) {
    check_random(
        move || {
            begin_execution(None, None);
            test();
        },
        TIMES,
    );
}

#[test]
fn messages_come_in_order_and_until_the_last_sender_is_gone() {
    check(|| {
        let (sender, receiver) = bounded(2);
        let other = sender.clone();
        let [one, two] = [(sender, 0), (other, 100)].map(|(sender, first)| {
            let send = move || (first..first + 5).for_each(|number| sender.send(number).unwrap());
            Builder::new().spawn(send).unwrap()
        });
        let came: Vec<i32> = (&receiver).into_iter().collect();
        let of =
            |range: std::ops::Range<i32>| came.iter().copied().filter(move |n| range.contains(n));
        assert!(of(0..5).eq(0..5) && of(100..105).eq(100..105), "{came:?}");
        assert_eq!(came.len(), 10);
        one.join().unwrap();
        two.join().unwrap();
    });
}

#[test]
fn a_sender_without_a_receiver_gets_its_message_back() {
    check(|| {
        let (sender, receiver) = bounded(1);
        let thread = Builder::new().spawn(move || drop(receiver)).unwrap();
        // There is room for it, or nobody to receive it.
        let _sent = sender.send(1);
        assert_eq!(sender.send(2).unwrap_err().0, 2);
        thread.join().unwrap();
    });
}

#[test]
fn what_nobody_receives_is_dropped_with_the_receiver() {
    check(|| {
        let (sender, receiver) = bounded(1);
        let (inner, ends) = bounded::<()>(1);
        sender.send(inner).unwrap();
        drop(receiver);
        assert!(ends.recv().is_err());
    });
}

#[test]
fn a_receiver_that_waits_for_nothing_sees_the_time_pass() {
    check(|| {
        let (sender, receiver) = bounded::<i32>(1);
        let (began, timeout) = (Instant::now(), Duration::from_millis(200));
        assert_eq!(receiver.recv_timeout(timeout), Err(RecvTimeoutError::Timeout));
        assert_eq!(began.elapsed(), timeout);
        assert!(began < Instant::now() && Instant::now() == began + timeout);
        drop(sender);
        assert_eq!(receiver.recv_timeout(timeout), Err(RecvTimeoutError::Disconnected));
    });
}
