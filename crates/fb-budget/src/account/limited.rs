//! An account with the limits that one book sets on it.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use fb_core::TargetId;

use super::state::{AccountState, Balances};
use crate::{
    Allowances, Amount, Limit, LimitExceeded, Limits, Moment, Standing,
    calendar::{Calendar, until_next_day, until_next_month},
    config::money,
    held::Held,
    minute::MinuteWindow,
    request_limiter::RequestLimiter,
};

/// The position of a call within its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// The first call, which counts the request.
    First,
    /// A retry, fallback, hedge or repair.
    Additional,
}

/// An account with the limits that one book sets on it.
#[derive(Debug)]
pub(crate) struct LimitedAccount {
    pub(crate) limits: Limits,
    /// The limit per day in nano-dollars.
    day: Option<u64>,
    /// The limit per month in nano-dollars.
    month: Option<u64>,
    requests: Option<Arc<RequestLimiter>>,
    pub(crate) state: Arc<AccountState>,
}

/// A limit on money and its use.
struct MoneyWindow {
    limit: Limit,
    most: u64,
    used: u128,
    until_next: fn(SystemTime) -> Duration,
}

impl LimitedAccount {
    pub(crate) fn new(state: Arc<AccountState>, limits: Limits, origin: Instant) -> Self {
        let per_minute = limits.requests_per_minute.and_then(NonZeroU32::new);
        if limits.tokens_per_minute.is_some() {
            state.count_tokens();
        }
        Self {
            day: limits.usd_per_day.map(|usd| money(usd).nanos()),
            month: limits.usd_per_month.map(|usd| money(usd).nanos()),
            requests: per_minute.map(|per_minute| state.limiter(per_minute, origin)),
            limits,
            state,
        }
    }

    /// Returns the tokens used in the last minute, with their limit, if there is one.
    fn minute<'b>(&self, balances: &'b Balances) -> Option<(&'b MinuteWindow, u64)> {
        balances.minute.as_ref().zip(self.limits.tokens_per_minute)
    }

    /// Reserves an amount that was checked before under the same lock; returns what was reserved.
    pub(super) fn hold(
        &self,
        balances: &mut Balances,
        target: &TargetId,
        estimate: Amount,
        kind: CallKind,
    ) -> Held {
        balances.requests += u64::from(kind == CallKind::First);
        balances.in_flight += 1;
        balances.reserved += u128::from(estimate.cost.nanos());
        let counted = balances.minute.as_mut().map(|minute| minute.add(estimate.tokens));
        // Only after `add` does the window exclude expired tokens.
        let share = self.minute(balances).map(|(minute, limit)| share(minute.used(), limit));
        if let Some(share) = share.filter(|share| self.reaches_warning(*share)) {
            self.state.warn(balances, Limit::TokensPerMinute, share, false);
        }
        Held { target: balances.targets.slot(target), amount: estimate, counted }
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
                self.state.warn(balances, limit, share, false);
            }
        }
    }

    fn reaches_warning(&self, share: f64) -> bool {
        share >= self.limits.warn_at
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
        if let Some((minute, limit)) = self.minute(balances) {
            compare(Limit::TokensPerMinute, minute.used(), limit);
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
        let Some((minute, limit)) = self.minute(balances) else { return Ok(()) };
        let Err(wait) = minute.fits(more.tokens, limit, at.now) else { return Ok(()) };
        let share = share(minute.used(), limit);
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
        self.state.warn(balances, limit, share, true);
        LimitExceeded { tenant: Arc::clone(&self.state.name), limit, resets_in }
    }

    /// Ends a reservation and bills the used amount. The bill is on disk with the next commit at the latest.
    pub(crate) fn bill(&self, Held { target, amount: held, counted }: Held, used: Amount) {
        let mut balances = self.state.balances.lock();
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
        self.state.mark_changed(&mut balances);
    }

    pub(super) fn standing(&self, at: Moment) -> Standing {
        let balances = self.state.lock(at);
        for window in self.windows(&balances).into_iter().flatten() {
            if window.used >= u128::from(window.most) {
                return Standing::Hard { limit: window.limit, resets_in: (window.until_next)(at.wall) };
            }
        }
        if let Some((minute, limit)) = self.minute(&balances)
            && let Err(Some(resets_in)) = minute.fits(1, limit, at.now)
        {
            return Standing::Hard { limit: Limit::TokensPerMinute, resets_in };
        }
        let (share, limit) = self.nearest(&balances);
        if self.reaches_warning(share) { Standing::Soft { limit, share } } else { Standing::Free }
    }

    pub(super) fn allowances(&self, now: Instant) -> Allowances {
        let minute = self
            .limits
            .tokens_per_minute
            .and_then(|limit| Some((self.state.balances.lock().minute.clone()?, limit)));
        Allowances {
            requests: self.requests.as_ref().map(|requests| requests.allowance(now)),
            tokens: minute.map(|(minute, limit)| minute.allowance(limit, now)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share, for comparing")]
fn share(used: u128, most: u64) -> f64 {
    if most == 0 { 1.0 } else { used as f64 / most as f64 }
}
