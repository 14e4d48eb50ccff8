//! One tenant's limits, or those of one of its keys, and what it used of them.

#[cfg(feature = "ledger")]
mod ahead;

use std::{
    iter, mem,
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
use self::ahead::{Ahead, Promise};
use crate::{
    AccountStats, Amount, Limit, LimitExceeded, Limits, Moment, Reservation, Standing, Tally, Warning,
    calendar::{Calendar, until_next_day, until_next_month},
    config::money,
    minute::{Counted, Minute},
    requests::Requests,
    stats::ByTarget,
};

/// The account of a tenant, or of one of its keys; a clone is the same account.
///
/// A call of a key is held and paid in two accounts, the key's and its tenant's, and refused when either has no room.
///
/// All that is reserved and spent is counted under one lock, and checked before it is taken. So at any time what was
/// spent in a day or month and what is held by calls in flight is together at most the limit, as long as no call costs
/// more than was reserved for it; one that does adds as much as it went beyond.
#[derive(Debug, Clone)]
pub struct Account {
    own: Arc<Shared>,
    /// That of the tenant, if this one is a key's.
    tenant: Option<Arc<Shared>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: Arc<str>,
    limits: Limits,
    /// In nano-dollars.
    day: Option<u64>,
    month: Option<u64>,
    requests: Option<Requests>,
    state: Mutex<State>,
    has_warnings: AtomicBool,
    #[cfg(feature = "ledger")]
    ahead: Option<Ahead>,
}

#[derive(Debug)]
pub(crate) struct State {
    calendar: Calendar,
    /// By limit, the day on which it was said last that it is nearly reached, and that it refused a call.
    warned: [[Option<u64>; 2]; Limit::COUNT],
    warnings: Vec<Warning>,
    /// Nano-dollars ever spent.
    total: u64,
    /// Nano-dollars held: wider than an amount, so that it never saturates and what is given back is what was taken.
    reserved: u128,
    in_flight: u64,
    minute: Option<Minute>,
    used: Tally,
    requests: u64,
    refused: u64,
    targets: ByTarget,
    #[cfg(feature = "ledger")]
    promise: Promise,
}

impl Account {
    pub(crate) const fn new(own: Arc<Shared>, tenant: Option<Arc<Shared>>) -> Self {
        Self { own, tenant }
    }

    /// The tenant's name, or `TENANT/KEY`.
    pub fn name(&self) -> &Arc<str> {
        &self.own.name
    }

    /// What the tenant or the key may use. A key has its tenant's `tier`, `warn_at`, `regions`, `data_class` and `allowed`.
    pub fn limits(&self) -> &Limits {
        &self.own.limits
    }

    /// Reserves for the first call of a request, and counts the request.
    ///
    /// A call that costs nothing is not refused for money, one without tokens not for tokens. With a ledger it waits for
    /// a commit, some milliseconds, when more is reserved at once than was written ahead; else it takes one lock.
    ///
    /// # Errors
    /// When a limit would be passed; nothing is taken then, but that a request which its tenant's requests per minute refuse
    /// has counted to those of its key.
    pub fn reserve(
        &self,
        target: &TargetId,
        estimate: Amount,
        at: Moment,
    ) -> Result<Reservation, LimitExceeded> {
        self.reserve_call(target, estimate, at, true)
    }

    /// Reserves for another call of a request that was counted: a retry, a hop, a hedge or a repair. As
    /// [`Account::reserve`](Self::begin) in all else.
    ///
    /// # Errors
    /// When a limit would be passed; nothing is taken then.
    pub fn reserve_additional(
        &self,
        target: &TargetId,
        estimate: Amount,
        at: Moment,
    ) -> Result<Reservation, LimitExceeded> {
        self.reserve_call(target, estimate, at, false)
    }

    fn reserve_call(
        &self,
        target: &TargetId,
        estimate: Amount,
        at: Moment,
        first: bool,
    ) -> Result<Reservation, LimitExceeded> {
        let reservation = self.hold(target, estimate, at, first)?;
        #[cfg(feature = "ledger")]
        Shared::cover([Some(&*self.own), self.tenant.as_deref()]);
        Ok(reservation)
    }

    fn hold(
        &self,
        target: &TargetId,
        estimate: Amount,
        at: Moment,
        first: bool,
    ) -> Result<Reservation, LimitExceeded> {
        // Always the key's before its tenant's, so that no two calls wait for each other.
        let mut own = self.own.open(at);
        let mut tenant = self.tenant.as_ref().map(|tenant| (tenant, tenant.open(at)));
        self.own.check(&mut own, estimate, at)?;
        if let Some((tenant, state)) = &mut tenant {
            tenant.check(state, estimate, at)?;
        }
        if first {
            // The limiters take as they check, so they come last; and the key's before its tenant's: what a key is refused
            // must not use up what other keys may.
            self.own.check_request(&mut own, at.now)?;
            if let Some((tenant, state)) = &mut tenant {
                tenant.check_request(state, at.now)?;
            }
        }
        let held = self.own.hold(&mut own, target, estimate, first);
        Ok(match tenant {
            Some((tenant, mut state)) => held.within(tenant.hold(&mut state, target, estimate, first)),
            None => held,
        })
    }

    /// What is to be said of the key and its tenant since it was last asked: of each limit once in a day of UTC that it comes
    /// to `warn_at`, and once that it refuses a call.
    pub fn warnings(&self) -> Vec<Warning> {
        iter::once(&self.own).chain(&self.tenant).flat_map(|account| account.take_warnings()).collect()
    }

    /// How near the tenant is to its limits on tokens and money; of a key and its tenant, who is nearer.
    pub fn standing(&self, at: Moment) -> Standing {
        let own = self.own.standing(at);
        self.tenant.as_ref().map_or(own, |tenant| own.or_nearer(tenant.standing(at)))
    }

    /// Whether the tenant's requests are to take a cheaper route now.
    pub fn downshifts(&self, at: Moment) -> bool {
        self.standing(at).downshifts(self.own.limits.tier)
    }

    /// What the tenant or the key used, and what it holds.
    pub fn stats(&self, at: Moment) -> AccountStats {
        self.own.stats(at)
    }
}

impl Shared {
    pub(crate) fn new(name: &str, limits: &Limits, origin: Instant) -> Self {
        let per_minute = limits.requests_per_minute.and_then(NonZeroU32::new);
        let state = State {
            calendar: Calendar::default(),
            warned: [[None; 2]; Limit::COUNT],
            warnings: Vec::new(),
            total: 0,
            reserved: 0,
            in_flight: 0,
            minute: limits.tokens_per_minute.map(Minute::new),
            used: Tally::default(),
            requests: 0,
            refused: 0,
            targets: ByTarget::default(),
            #[cfg(feature = "ledger")]
            promise: Promise::default(),
        };
        Self {
            name: name.into(),
            limits: limits.clone(),
            day: limits.usd_per_day.map(|usd| money(usd).nanos()),
            month: limits.usd_per_month.map(|usd| money(usd).nanos()),
            requests: per_minute.map(|per_minute| Requests::new(per_minute, origin)),
            state: Mutex::new(state),
            has_warnings: AtomicBool::new(false),
            #[cfg(feature = "ledger")]
            ahead: None,
        }
    }

    fn open(&self, at: Moment) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        state.pass(at);
        state
    }

    /// Takes what was checked.
    fn hold(
        self: &Arc<Self>,
        state: &mut State,
        target: &TargetId,
        estimate: Amount,
        first: bool,
    ) -> Reservation {
        state.requests += u64::from(first);
        state.in_flight += 1;
        state.reserved += u128::from(estimate.cost.nanos());
        let counted = state.minute.as_mut().map(|minute| minute.add(estimate.tokens));
        // Now that the minute has forgotten what is older.
        let share = state.minute.as_ref().map(|minute| share(minute.used(), minute.limit()));
        if let Some(share) = share.filter(|share| self.is_much(*share)) {
            self.warn(state, Limit::TokensPerMinute, share, false);
        }
        Reservation::new(Arc::clone(self), target.clone(), estimate, counted)
    }

    /// Notes what is to be said of a limit, unless it was said today.
    fn warn(&self, state: &mut State, limit: Limit, share: f64, refused: bool) {
        let day = Some(state.calendar.day);
        let warned = &mut state.warned[limit as usize][usize::from(refused)];
        if *warned != day {
            *warned = day;
            let share = share.min(1.0);
            state.warnings.push(Warning { account: Arc::clone(&self.name), limit, share, refused });
            self.has_warnings.store(true, Ordering::Release);
        }
    }

    /// Notes which limits on money have come to `warn_at`, by what is spent.
    fn warn_of_spend(&self, state: &mut State) {
        let Calendar { day_spent, month_spent, .. } = state.calendar;
        for (limit, used, most) in
            [(Limit::UsdPerMonth, month_spent, self.month), (Limit::UsdPerDay, day_spent, self.day)]
        {
            if let Some(share) =
                most.map(|most| share(used.into(), most)).filter(|share| self.is_much(*share))
            {
                self.warn(state, limit, share, false);
            }
        }
    }

    fn is_much(&self, share: f64) -> bool {
        share >= self.limits.warn_at
    }

    fn take_warnings(&self) -> Vec<Warning> {
        if self.has_warnings.swap(false, Ordering::Acquire) {
            mem::take(&mut self.state.lock().warnings)
        } else {
            Vec::new()
        }
    }

    /// The limit of which most is used, and how much of it.
    fn nearest(&self, state: &State) -> (f64, Limit) {
        let mut nearest = (0.0, Limit::TokensPerMinute);
        let mut weigh = |limit, used: u128, most: u64| {
            let share = share(used, most);
            if share > nearest.0 {
                nearest = (share, limit);
            }
        };
        for window in self.windows(state).into_iter().flatten() {
            weigh(window.limit, window.used, window.most);
        }
        if let Some(minute) = &state.minute {
            weigh(Limit::TokensPerMinute, minute.used(), minute.limit());
        }
        nearest
    }

    /// Whether so much more keeps the limits on money and tokens.
    fn check(&self, state: &mut State, more: Amount, at: Moment) -> Result<(), LimitExceeded> {
        let cost = more.cost.nanos();
        for window in self.windows(state).into_iter().flatten() {
            if cost > 0 && window.used + u128::from(cost) > u128::from(window.most) {
                let resets_in = (cost <= window.most).then(|| (window.until_next)(at.wall));
                return Err(self.refuse(state, window.limit, share(window.used, window.most), resets_in));
            }
        }
        let Some(minute) = &state.minute else { return Ok(()) };
        let Err(wait) = minute.fits(more.tokens, at.now) else { return Ok(()) };
        let share = share(minute.used(), minute.limit());
        Err(self.refuse(state, Limit::TokensPerMinute, share, wait))
    }

    /// Takes one of the requests of a minute.
    fn check_request(&self, state: &mut State, now: Instant) -> Result<(), LimitExceeded> {
        let passed = self.requests.as_ref().map_or(Ok(()), |requests| requests.pass(now));
        passed.map_err(|wait| self.refuse(state, Limit::RequestsPerMinute, 1.0, Some(wait)))
    }

    /// The limits on money that are set, the one that resets last first.
    fn windows(&self, state: &State) -> [Option<Window>; 2] {
        let used = |spent| u128::from(spent) + state.reserved;
        let Calendar { day_spent, month_spent, .. } = state.calendar;
        [
            self.month.map(|most| Window {
                limit: Limit::UsdPerMonth,
                most,
                used: used(month_spent),
                until_next: until_next_month,
            }),
            self.day.map(|most| Window {
                limit: Limit::UsdPerDay,
                most,
                used: used(day_spent),
                until_next: until_next_day,
            }),
        ]
    }

    fn refuse(
        &self,
        state: &mut State,
        limit: Limit,
        share: f64,
        resets_in: Option<Duration>,
    ) -> LimitExceeded {
        state.refused += 1;
        self.warn(state, limit, share, true);
        LimitExceeded { tenant: Arc::clone(&self.name), limit, resets_in }
    }

    /// Bills what a call used; it is on disk with the next commit at the latest.
    pub(crate) fn bill(&self, target: &TargetId, held: Amount, counted: Option<Counted>, used: Amount) {
        let mut state = self.state.lock();
        state.release(held, counted, held.tokens.saturating_sub(used.tokens));
        if let Some(minute) = &mut state.minute {
            minute.add(used.tokens.saturating_sub(held.tokens));
        }
        let nanos = used.cost.nanos();
        state.calendar.spend(nanos);
        state.total = state.total.saturating_add(nanos);
        state.used.add(used);
        state.targets.add(target, used);
        self.warn_of_spend(&mut state);
        #[cfg(feature = "ledger")]
        self.mark(&mut state);
    }

    pub(crate) fn refund(&self, held: Amount, counted: Option<Counted>) {
        let mut state = self.state.lock();
        state.release(held, counted, held.tokens);
        #[cfg(feature = "ledger")]
        self.mark(&mut state);
    }

    fn standing(&self, at: Moment) -> Standing {
        let state = self.open(at);
        for window in self.windows(&state).into_iter().flatten() {
            if window.used >= u128::from(window.most) {
                return Standing::Hard { limit: window.limit, resets_in: (window.until_next)(at.wall) };
            }
        }
        if let Some(minute) = &state.minute
            && let Err(Some(resets_in)) = minute.fits(1, at.now)
        {
            return Standing::Hard { limit: Limit::TokensPerMinute, resets_in };
        }
        let (share, limit) = self.nearest(&state);
        if self.is_much(share) { Standing::Soft { limit, share } } else { Standing::Free }
    }

    fn stats(&self, at: Moment) -> AccountStats {
        let state = self.open(at);
        let narrow = |wide: u128| u64::try_from(wide).unwrap_or(u64::MAX);
        AccountStats {
            used: state.used,
            requests: state.requests,
            refused: state.refused,
            day_nanos: state.calendar.day_spent,
            month_nanos: state.calendar.month_spent,
            total_nanos: state.total,
            reserved_nanos: narrow(state.reserved),
            in_flight: state.in_flight,
            minute_tokens: state.minute.as_ref().map_or(0, |minute| narrow(minute.used())),
            targets: state.targets.snapshot(),
        }
    }
}

impl State {
    fn pass(&mut self, at: Moment) {
        self.calendar.pass(at.wall);
        if let Some(minute) = &mut self.minute {
            minute.pass(at.now);
        }
    }

    /// Ends a reservation, with as many of its tokens taken back.
    fn release(&mut self, held: Amount, counted: Option<Counted>, tokens: u64) {
        self.reserved -= u128::from(held.cost.nanos());
        self.in_flight -= 1;
        if let (Some(minute), Some(mut counted)) = (&mut self.minute, counted) {
            minute.remove(&mut counted, tokens);
        }
    }
}

/// A limit on money, and what is used of it.
struct Window {
    limit: Limit,
    most: u64,
    used: u128,
    until_next: fn(SystemTime) -> Duration,
}

#[expect(clippy::cast_precision_loss, reason = "a share, for comparing")]
fn share(used: u128, most: u64) -> f64 {
    if most == 0 { 1.0 } else { used as f64 / most as f64 }
}

#[cfg(test)]
mod tests;
