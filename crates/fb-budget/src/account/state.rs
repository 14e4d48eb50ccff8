//! The balances of one account, behind one lock.

use std::{
    mem,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use parking_lot::{Mutex, MutexGuard};

use super::write_ahead::{Coverage, WriteAhead};
use crate::{
    AccountStats, Amount, Limit, Moment, Tally, Warning,
    calendar::Calendar,
    held::Held,
    minute::{Counted, MinuteWindow},
    request_limiter::RequestLimiter,
    stats::TargetTallies,
};

/// The balances of one account, which all books that share it have in common.
#[derive(Debug)]
pub(crate) struct AccountState {
    pub(crate) name: Arc<str>,
    pub(super) balances: Mutex<Balances>,
    /// The latest limiter of requests, with its rate.
    requests: Mutex<Option<(NonZeroU32, Arc<RequestLimiter>)>>,
    /// Read without the lock, so that a call without warnings takes no lock for them.
    has_warnings: AtomicBool,
    pub(super) write_ahead: Option<WriteAhead>,
}

#[derive(Debug, Default)]
pub(crate) struct Balances {
    pub(super) calendar: Calendar,
    /// For each limit, the day of the last `warn_at` warning and the day of the last refusal warning.
    warned: [[Option<u64>; 2]; Limit::COUNT],
    warnings: Vec<Warning>,
    /// Nano-dollars ever spent.
    pub(super) total: u64,
    /// Nano-dollars reserved. Wider than an amount, so that it never saturates and a release equals its reservation.
    pub(super) reserved: u128,
    pub(super) in_flight: u64,
    pub(super) minute: Option<MinuteWindow>,
    pub(super) used: Tally,
    pub(super) requests: u64,
    pub(super) refused: u64,
    pub(super) targets: TargetTallies,
    pub(super) coverage: Coverage,
}

impl AccountState {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            balances: Mutex::default(),
            requests: Mutex::default(),
            has_warnings: AtomicBool::new(false),
            write_ahead: None,
        }
    }

    /// Returns the limiter of a number of requests per minute: the latest one, if it has the same rate.
    pub(super) fn limiter(&self, per_minute: NonZeroU32, origin: Instant) -> Arc<RequestLimiter> {
        let mut latest = self.requests.lock();
        if let Some((_, limiter)) = latest.as_ref().filter(|(rate, _)| *rate == per_minute) {
            return Arc::clone(limiter);
        }
        let limiter = Arc::new(RequestLimiter::new(per_minute, origin));
        *latest = Some((per_minute, Arc::clone(&limiter)));
        limiter
    }

    /// Counts the tokens of a minute from now on.
    pub(super) fn count_tokens(&self) {
        self.balances.lock().minute.get_or_insert_default();
    }

    /// Locks the balances and advances their windows to `at`.
    pub(super) fn lock(&self, at: Moment) -> MutexGuard<'_, Balances> {
        let mut balances = self.balances.lock();
        balances.advance(at);
        balances
    }

    /// Queues a warning, unless the same one was queued earlier on the same day.
    pub(super) fn warn(&self, balances: &mut Balances, limit: Limit, share: f64, refused: bool) {
        let day = Some(balances.calendar.day);
        let warned = &mut balances.warned[limit as usize][usize::from(refused)];
        if *warned != day {
            *warned = day;
            let share = share.min(1.0);
            balances.warnings.push(Warning { account: Arc::clone(&self.name), limit, share, refused });
            self.has_warnings.store(true, Ordering::Release);
        }
    }

    pub(super) fn take_warnings(&self) -> Vec<Warning> {
        if self.has_warnings.swap(false, Ordering::Acquire) {
            mem::take(&mut self.balances.lock().warnings)
        } else {
            Vec::new()
        }
    }

    /// Ends a reservation without a bill.
    pub(crate) fn refund(&self, held: Held) {
        let mut balances = self.balances.lock();
        balances.release(held.amount, held.counted, held.amount.tokens);
        self.mark_changed(&mut balances);
    }

    pub(super) fn stats(&self, at: Moment) -> AccountStats {
        let balances = self.lock(at);
        let narrow = |wide: u128| u64::try_from(wide).unwrap_or(u64::MAX);
        AccountStats {
            used: balances.used,
            requests: balances.requests,
            refused: balances.refused,
            day_nanos: balances.calendar.day_spent,
            month_nanos: balances.calendar.month_spent,
            total_nanos: balances.total,
            reserved_nanos: narrow(balances.reserved),
            in_flight: balances.in_flight,
            minute_tokens: balances.minute.as_ref().map_or(0, |minute| narrow(minute.used())),
            targets: balances.targets.snapshot(),
        }
    }
}

impl Balances {
    fn advance(&mut self, at: Moment) {
        self.calendar.advance(at.wall);
        if let Some(minute) = &mut self.minute {
            minute.advance(at.now);
        }
    }

    /// Ends a reservation and takes `tokens` of it out of the minute window.
    pub(super) fn release(&mut self, held: Amount, counted: Option<Counted>, tokens: u64) {
        self.reserved -= u128::from(held.cost.nanos());
        self.in_flight -= 1;
        if let (Some(minute), Some(mut counted)) = (&mut self.minute, counted) {
            minute.remove(&mut counted, tokens);
        }
    }
}
