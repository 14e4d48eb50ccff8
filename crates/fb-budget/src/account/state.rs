//! The limits and balances of one account, behind one lock.

use std::{
    mem,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use fb_core::TargetId;
use parking_lot::{Mutex, MutexGuard};

#[cfg(feature = "ledger")]
use super::write_ahead::{Coverage, WriteAhead};
use crate::{
    AccountStats, Allowances, Amount, Limit, LimitExceeded, Limits, Moment, Standing, Tally, Warning,
    calendar::{Calendar, until_next_day, until_next_month},
    config::money,
    minute::{Counted, MinuteWindow},
    request_limiter::RequestLimiter,
    stats::TargetTallies,
};

/// The position of a call within its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// The first call, which counts the request.
    First,
    /// A retry, fallback, hedge or repair.
    Additional,
}

#[derive(Debug)]
pub(crate) struct AccountState {
    pub(crate) name: Arc<str>,
    pub(crate) limits: Limits,
    /// The limit per day in nano-dollars.
    day: Option<u64>,
    /// The limit per month in nano-dollars.
    month: Option<u64>,
    requests: Option<RequestLimiter>,
    pub(super) balances: Mutex<Balances>,
    /// Read without the lock, so that a call without warnings takes no lock for them.
    has_warnings: AtomicBool,
    #[cfg(feature = "ledger")]
    pub(super) write_ahead: Option<WriteAhead>,
}

#[derive(Debug)]
pub(crate) struct Balances {
    pub(super) calendar: Calendar,
    /// For each limit, the day of the last `warn_at` warning and the day of the last refusal warning.
    warned: [[Option<u64>; 2]; Limit::COUNT],
    warnings: Vec<Warning>,
    /// Nano-dollars ever spent.
    pub(super) total: u64,
    /// Nano-dollars reserved. Wider than an amount, so that it never saturates and a release equals its reservation.
    pub(super) reserved: u128,
    in_flight: u64,
    minute: Option<MinuteWindow>,
    used: Tally,
    requests: u64,
    refused: u64,
    targets: TargetTallies,
    #[cfg(feature = "ledger")]
    pub(super) coverage: Coverage,
}

/// A limit on money and its use.
struct MoneyWindow {
    limit: Limit,
    most: u64,
    used: u128,
    until_next: fn(SystemTime) -> Duration,
}

impl AccountState {
    pub(crate) fn new(name: &str, limits: &Limits, origin: Instant) -> Self {
        let per_minute = limits.requests_per_minute.and_then(NonZeroU32::new);
        let balances = Balances {
            calendar: Calendar::default(),
            warned: [[None; 2]; Limit::COUNT],
            warnings: Vec::new(),
            total: 0,
            reserved: 0,
            in_flight: 0,
            minute: limits.tokens_per_minute.map(MinuteWindow::new),
            used: Tally::default(),
            requests: 0,
            refused: 0,
            targets: TargetTallies::default(),
            #[cfg(feature = "ledger")]
            coverage: Coverage::default(),
        };
        Self {
            name: name.into(),
            limits: limits.clone(),
            day: limits.usd_per_day.map(|usd| money(usd).nanos()),
            month: limits.usd_per_month.map(|usd| money(usd).nanos()),
            requests: per_minute.map(|per_minute| RequestLimiter::new(per_minute, origin)),
            balances: Mutex::new(balances),
            has_warnings: AtomicBool::new(false),
            #[cfg(feature = "ledger")]
            write_ahead: None,
        }
    }

    /// Locks the balances and advances their windows to `at`.
    pub(super) fn lock(&self, at: Moment) -> MutexGuard<'_, Balances> {
        let mut balances = self.balances.lock();
        balances.advance(at);
        balances
    }

    /// Reserves an amount that was checked before under the same lock; returns its tokens in the minute window.
    pub(super) fn hold(&self, balances: &mut Balances, estimate: Amount, kind: CallKind) -> Option<Counted> {
        balances.requests += u64::from(kind == CallKind::First);
        balances.in_flight += 1;
        balances.reserved += u128::from(estimate.cost.nanos());
        let counted = balances.minute.as_mut().map(|minute| minute.add(estimate.tokens));
        // Only after `add` does the window exclude expired tokens.
        let share = balances.minute.as_ref().map(|minute| share(minute.used(), minute.limit()));
        if let Some(share) = share.filter(|share| self.reaches_warning(*share)) {
            self.warn(balances, Limit::TokensPerMinute, share, false);
        }
        counted
    }

    /// Queues a warning, unless the same one was queued earlier on the same day.
    fn warn(&self, balances: &mut Balances, limit: Limit, share: f64, refused: bool) {
        let day = Some(balances.calendar.day);
        let warned = &mut balances.warned[limit as usize][usize::from(refused)];
        if *warned != day {
            *warned = day;
            let share = share.min(1.0);
            balances.warnings.push(Warning { account: Arc::clone(&self.name), limit, share, refused });
            self.has_warnings.store(true, Ordering::Release);
        }
    }

    /// Queues warnings for the limits on money that spend, without reservations, has brought to `warn_at`.
    fn warn_of_spend(&self, balances: &mut Balances) {
        let Calendar { day_spent, month_spent, .. } = balances.calendar;
        for (limit, used, most) in
            [(Limit::UsdPerMonth, month_spent, self.month), (Limit::UsdPerDay, day_spent, self.day)]
        {
            if let Some(share) =
                most.map(|most| share(used.into(), most)).filter(|share| self.reaches_warning(*share))
            {
                self.warn(balances, limit, share, false);
            }
        }
    }

    fn reaches_warning(&self, share: f64) -> bool {
        share >= self.limits.warn_at
    }

    pub(super) fn take_warnings(&self) -> Vec<Warning> {
        if self.has_warnings.swap(false, Ordering::Acquire) {
            mem::take(&mut self.balances.lock().warnings)
        } else {
            Vec::new()
        }
    }

    /// Returns the limit with the largest used share, and that share.
    fn nearest(&self, balances: &Balances) -> (f64, Limit) {
        let mut nearest = (0.0, Limit::TokensPerMinute);
        let mut compare = |limit, used: u128, most: u64| {
            let share = share(used, most);
            if share > nearest.0 {
                nearest = (share, limit);
            }
        };
        for window in self.windows(balances).into_iter().flatten() {
            compare(window.limit, window.used, window.most);
        }
        if let Some(minute) = &balances.minute {
            compare(Limit::TokensPerMinute, minute.used(), minute.limit());
        }
        nearest
    }

    /// Checks that `more` stays within the limits on money and tokens.
    pub(super) fn check(
        &self,
        balances: &mut Balances,
        more: Amount,
        at: Moment,
    ) -> Result<(), LimitExceeded> {
        let cost = more.cost.nanos();
        for window in self.windows(balances).into_iter().flatten() {
            if cost > 0 && window.used + u128::from(cost) > u128::from(window.most) {
                let resets_in = (cost <= window.most).then(|| (window.until_next)(at.wall));
                return Err(self.refuse(balances, window.limit, share(window.used, window.most), resets_in));
            }
        }
        let Some(minute) = &balances.minute else { return Ok(()) };
        let Err(wait) = minute.fits(more.tokens, at.now) else { return Ok(()) };
        let share = share(minute.used(), minute.limit());
        Err(self.refuse(balances, Limit::TokensPerMinute, share, wait))
    }

    /// Consumes one of the requests per minute.
    pub(super) fn check_request(&self, balances: &mut Balances, now: Instant) -> Result<(), LimitExceeded> {
        let passed = self.requests.as_ref().map_or(Ok(()), |requests| requests.try_acquire(now));
        passed.map_err(|wait| self.refuse(balances, Limit::RequestsPerMinute, 1.0, Some(wait)))
    }

    /// Returns the configured limits on money, the one that resets last first.
    fn windows(&self, balances: &Balances) -> [Option<MoneyWindow>; 2] {
        let used = |spent| u128::from(spent) + balances.reserved;
        let Calendar { day_spent, month_spent, .. } = balances.calendar;
        [
            self.month.map(|most| MoneyWindow {
                limit: Limit::UsdPerMonth,
                most,
                used: used(month_spent),
                until_next: until_next_month,
            }),
            self.day.map(|most| MoneyWindow {
                limit: Limit::UsdPerDay,
                most,
                used: used(day_spent),
                until_next: until_next_day,
            }),
        ]
    }

    fn refuse(
        &self,
        balances: &mut Balances,
        limit: Limit,
        share: f64,
        resets_in: Option<Duration>,
    ) -> LimitExceeded {
        balances.refused += 1;
        self.warn(balances, limit, share, true);
        LimitExceeded { tenant: Arc::clone(&self.name), limit, resets_in }
    }

    /// Ends a reservation and bills the used amount. The bill is on disk with the next commit at the latest.
    pub(crate) fn bill(&self, target: &TargetId, held: Amount, counted: Option<Counted>, used: Amount) {
        let mut balances = self.balances.lock();
        balances.release(held, counted, held.tokens.saturating_sub(used.tokens));
        if let Some(minute) = &mut balances.minute {
            minute.add(used.tokens.saturating_sub(held.tokens));
        }
        let nanos = used.cost.nanos();
        balances.calendar.spend(nanos);
        balances.total = balances.total.saturating_add(nanos);
        balances.used.add(used);
        balances.targets.add(target, used);
        self.warn_of_spend(&mut balances);
        #[cfg(feature = "ledger")]
        self.mark_changed(&mut balances);
    }

    /// Ends a reservation without a bill.
    pub(crate) fn refund(&self, held: Amount, counted: Option<Counted>) {
        let mut balances = self.balances.lock();
        balances.release(held, counted, held.tokens);
        #[cfg(feature = "ledger")]
        self.mark_changed(&mut balances);
    }

    pub(super) fn standing(&self, at: Moment) -> Standing {
        let balances = self.lock(at);
        for window in self.windows(&balances).into_iter().flatten() {
            if window.used >= u128::from(window.most) {
                return Standing::Hard { limit: window.limit, resets_in: (window.until_next)(at.wall) };
            }
        }
        if let Some(minute) = &balances.minute
            && let Err(Some(resets_in)) = minute.fits(1, at.now)
        {
            return Standing::Hard { limit: Limit::TokensPerMinute, resets_in };
        }
        let (share, limit) = self.nearest(&balances);
        if self.reaches_warning(share) { Standing::Soft { limit, share } } else { Standing::Free }
    }

    pub(super) fn allowances(&self, now: Instant) -> Allowances {
        let minute = self.limits.tokens_per_minute.and_then(|_limit| self.balances.lock().minute.clone());
        Allowances {
            requests: self.requests.as_ref().map(|requests| requests.allowance(now)),
            tokens: minute.map(|minute| minute.allowance(now)),
        }
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
    fn release(&mut self, held: Amount, counted: Option<Counted>, tokens: u64) {
        self.reserved -= u128::from(held.cost.nanos());
        self.in_flight -= 1;
        if let (Some(minute), Some(mut counted)) = (&mut self.minute, counted) {
            minute.remove(&mut counted, tokens);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share, for comparing")]
fn share(used: u128, most: u64) -> f64 {
    if most == 0 { 1.0 } else { used as f64 / most as f64 }
}
