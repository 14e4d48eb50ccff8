use std::{
    pin::pin,
    task::{Poll, Wake},
    time::Duration,
};

use super::*;
use crate::{
    Account, LedgerStalled, Limits, OnStall,
    account::limited::LimitedAccount,
    calendar::Calendar,
    scenario::{amount, at, target},
};

const QUANTUM: u64 = 10_000;

fn stall() -> Arc<Stall> {
    Arc::new(Stall::new(Duration::from_secs(2), OnStall::Refuse))
}

fn limited(state: AccountState) -> Account {
    Account::new(Arc::new(LimitedAccount::new(Arc::new(state), Limits::default(), at(0).now)), None)
}

fn account() -> Account {
    let mut state = AccountState::new("acme");
    state.attach(None, at(0).wall, Arc::default(), stall(), QUANTUM);
    limited(state)
}

/// The total of a record, and the amount ahead of it.
fn written(record: Option<Record>) -> Option<(u64, u64)> {
    record.map(|record| (record.total, record.ahead))
}

#[test]
fn record_covers_reservations_and_a_quantum() {
    let account = account();
    let state = account.state();
    state.record_written(&state.first_record());
    assert_eq!(written(state.snapshot()), None, "nothing changed");

    let call = account.reserve(&target(), amount(8, 0), at(0)).unwrap();
    assert!(account.pending_commit().is_none(), "written ahead");
    assert_eq!(written(state.snapshot()), Some((0, 18_000)), "little was left below the ceiling");
    assert_eq!(written(state.snapshot()), None);
    call.settle(amount(3, 0));
    assert_eq!(written(state.snapshot()), Some((3_000, 10_000)), "an amount was spent");
    let call = account.reserve(&target(), amount(1, 0), at(0)).unwrap();
    assert_eq!(written(Some(state.last_record())), Some((3_000, 1_000)));
    drop(call);
    assert_eq!(written(state.snapshot()), Some((3_000, 10_000)), "an amount was released");
}

#[test]
fn failed_commits_do_not_block_calls_and_are_retried() {
    let account = account();
    let state = account.state();
    assert_eq!(written(Some(state.first_record())), Some((0, 10_000)));
    state.commit_failed();
    account.reserve(&target(), amount(5_000, 0), at(0)).unwrap().settle(amount(4_000, 0));
    let record = state.snapshot().unwrap();
    assert_eq!(written(Some(record)), Some((4_000_000, 10_000)));
    state.record_written(&record);
    assert_eq!(state.balances.lock().coverage.ceiling, 4_010_000);
}

#[test]
fn ceiling_never_exceeds_the_record_on_disk() {
    let account = account();
    let state = account.state();
    state.record_written(&state.first_record());
    let call = account.reserve(&target(), amount(9, 0), at(0)).unwrap();
    assert!(account.pending_commit().is_none(), "written ahead");
    let record = state.snapshot().unwrap();
    assert_eq!(state.balances.lock().coverage.ceiling, 10_000, "ceiling of the old record");
    state.record_written(&record);
    assert_eq!(state.balances.lock().coverage.ceiling, 19_000);
    call.settle(amount(0, 0));
    assert_eq!(written(state.snapshot()), Some((0, 10_000)));
    assert_eq!(state.balances.lock().coverage.ceiling, 10_000, "ceiling of the new record");
}

#[test]
fn amount_written_ahead_counts_as_spent_at_the_start() {
    let calendar = Calendar { day: 20_483, month: 24_313, day_spent: 3, month_spent: 5 };
    let spent = |hours: u64| {
        let mut state = AccountState::new("acme");
        let start = at(hours * 3_600);
        let record = Record { calendar, total: 7, ahead: 10 };
        state.attach(Some(record), start.wall, Arc::default(), stall(), QUANTUM);
        let now = limited(state).stats(start);
        [now.day_nanos, now.month_nanos, now.total_nanos, now.used.nanos]
    };
    assert_eq!(spent(0), [13, 15, 17, 0]);
    assert_eq!(spent(12), [10, 15, 17, 0]);
    assert_eq!(spent(36), [10, 10, 17, 0]);
}

#[test]
fn every_change_wakes_the_writer() {
    let account = account();
    let signal = Arc::clone(&account.state().write_ahead.as_ref().unwrap().signal);
    let call = |micros| account.reserve(&target(), amount(micros, 0), at(0)).unwrap();
    account.state().record_written(&account.state().first_record());
    // Without a wake-up the test would hang.
    call(1).settle(amount(1, 0));
    assert!(signal.wait(), "spent");
    account.state().record_written(&account.state().snapshot().unwrap());
    drop(call(1));
    assert!(signal.wait(), "released");
    account.state().record_written(&account.state().snapshot().unwrap());
    let held = call(8);
    assert!(account.pending_commit().is_none(), "written ahead");
    assert!(signal.wait(), "little is left below the ceiling");
    signal.stop();
    assert!(!signal.wait(), "last commit");
    drop(held);
}

/// Counts the times that a task was woken.
#[derive(Default)]
struct Woken(std::sync::atomic::AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn call_waits_for_its_commit_without_blocking() {
    let account = account();
    let state = account.state();
    state.record_written(&state.first_record());
    let held = account.reserve(&target(), amount(8, 0), at(0)).unwrap();
    assert!(account.pending_commit().is_none(), "written ahead");
    let more = account.reserve(&target(), amount(9, 0), at(0)).unwrap();
    let mut commit = pin!(account.pending_commit().expect("beyond what is written ahead"));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    assert_eq!(commit.as_mut().poll(&mut cx), Poll::Pending);
    state.record_written(&state.snapshot().unwrap());
    assert_eq!(woken.0.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(commit.as_mut().poll(&mut cx), Poll::Ready(()));
    drop((held, more));
}

#[test]
fn stalled_ledger_refuses_at_once_until_a_commit() {
    let account = account();
    let state = account.state();
    state.record_written(&state.first_record());
    let call = account.reserve(&target(), amount(12, 0), at(0)).unwrap();
    let commit = account.pending_commit().unwrap();
    assert_eq!(commit.max_wait(), Duration::from_secs(2));
    assert_eq!(commit.stall(), Err(LedgerStalled));
    assert_eq!(account.pending_commit().unwrap().max_wait(), Duration::ZERO);
    state.stall().unwrap().end();
    state.record_written(&state.snapshot().unwrap());
    assert!(account.pending_commit().is_none());
    drop(call);
}

#[test]
fn commit_that_ends_with_the_wait_leaves_no_stall() {
    let account = account();
    let state = account.state();
    state.record_written(&state.first_record());
    let call = account.reserve(&target(), amount(12, 0), at(0)).unwrap();
    let commit = account.pending_commit().unwrap();
    state.record_written(&state.snapshot().unwrap());
    // The caller noticed its timeout first.
    assert_eq!(commit.stall(), Ok(()));
    assert!(!state.stall().unwrap().is_stalled());
    drop(call);
}

#[test]
fn task_that_polls_often_is_woken_once() {
    let account = account();
    let state = account.state();
    state.record_written(&state.first_record());
    let call = account.reserve(&target(), amount(12, 0), at(0)).unwrap();
    let mut commit = pin!(account.pending_commit().unwrap());
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    for _ in 0..3 {
        assert_eq!(commit.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
    }
    state.record_written(&state.snapshot().unwrap());
    assert_eq!(woken.0.load(std::sync::atomic::Ordering::Relaxed), 1);
    drop(call);
}
