//! When a breaker opens, for how long, and what closes it again.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Consecutive failures that open: the same as finagle's failure accrual and Envoy's `consecutive_5xx`.
const CONSECUTIVE: u32 = 5;
/// Long enough for [`MIN_CALLS`] at one call every six seconds, short enough to forget a bad minute.
const WINDOW_SPAN: Duration = Duration::from_secs(60);
/// Five seconds each: what is forgotten at once is a twelfth of the window.
const WINDOW_BUCKETS: u32 = 12;
/// As in resilience4j and Hystrix.
const FAILURE_RATE: f64 = 0.5;
/// Half of Hystrix' 20: the calls this is made for are slow and few.
const MIN_CALLS: u32 = 10;
/// A model that has said nothing for so long is given up on by most callers.
const SLOW_FIRST: Duration = Duration::from_secs(20);
const SLOW_TOTAL: Duration = Duration::from_secs(120);
/// Only when nearly all calls are slow is another target sure to be better.
const SLOW_RATE: f64 = 0.8;
/// With [`RAMP_FROM`]: a target that is just back has cold caches and few instances.
const RAMP_SPAN: Duration = Duration::from_secs(30);
/// As the least share of Envoy's slow start.
const RAMP_FROM: f64 = 0.1;
/// One hung probe must not hold up recovery, and more than two would burden a target that is just back.
const PROBE_PERMITS: u32 = 2;
/// One lucky answer is not a recovery.
const PROBE_SUCCESSES: u32 = 2;
const PROBE_FAILURES: u32 = 1;
/// Beyond any sensible timeout of one call.
const PROBE_LEASE: Duration = Duration::from_secs(60);
/// With [`OPEN_MAX`] the span of finagle's `equalJittered(5.seconds, 300.seconds)`.
const OPEN_BASE: Duration = Duration::from_secs(5);
const OPEN_FACTOR: f64 = 2.0;
const OPEN_MAX: Duration = Duration::from_secs(300);
/// Bounds the memory of a breaker: 16 bytes a bucket.
const MOST_BUCKETS: u32 = 1_000;
/// Half of a shorter one could round to no time at all.
const LEAST_OPEN: Duration = Duration::from_millis(1);

/// When a breaker opens, for how long, and what closes it again.
///
/// Checked by [`Breaker::new`](crate::Breaker::new).
///
/// ```
/// # use fb_breaker::{BreakerConfig, HalfOpenConfig};
/// let patient = BreakerConfig {
///     consecutive: None,
///     half_open: HalfOpenConfig { successes: 3, ..HalfOpenConfig::default() },
///     ..BreakerConfig::default()
/// };
/// assert_eq!(patient.failure_rate, 0.5);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// Failures in a row that open the breaker, however few calls there were; 5. `None`, for which a config file has no
    /// word, turns it off.
    pub consecutive: Option<u32>,
    /// Over which calls the failure rate is taken.
    pub window: WindowConfig,
    /// Share of the calls in the window, above 0 and at most 1, that opens the breaker when it is reached
    /// or passed; 0.5. Exact to one millionth.
    pub failure_rate: f64,
    /// Calls that must be in the window before the rate means anything; 10.
    pub min_calls: u32,
    /// Which calls are slow, and how many of them open the breaker.
    pub slow: SlowConfig,
    /// How recovery is tried.
    pub half_open: HalfOpenConfig,
    /// How traffic returns after it.
    pub ramp: RampConfig,
    /// How long the breaker stays open.
    pub open: OpenConfig,
}

/// Over which calls the failure rate is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WindowConfig {
    /// A call is forgotten when it is this old, or up to one bucket earlier; 60 s.
    #[serde(with = "humantime_serde")]
    pub span: Duration,
    /// Into how many pieces the span is cut; 12. At most 1000.
    pub buckets: u32,
    /// The last so many calls instead, however old; at most 1000. Default: off. More than this many
    /// [`min_calls`](BreakerConfig::min_calls) are not asked for then.
    pub calls: Option<u32>,
}

/// Which calls are slow, and how many of them open the breaker.
///
/// A call that is [provisionally](crate::Permit::provisional) a success is judged by its first output, others by their
/// whole time. One that is dropped after the time for whole calls counts as slow too: callers that give up must not
/// hide that there was something to give up on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlowConfig {
    /// First output later than this is slow; 20 s.
    #[serde(with = "humantime_serde")]
    pub first: Duration,
    /// A whole call longer than this is slow; 120 s.
    #[serde(with = "humantime_serde")]
    pub total: Duration,
    /// Share of the calls in the window, above 0 and at most 1, that opens the breaker when it is reached; 0.8.
    pub rate: f64,
}

/// How traffic returns after a recovery: the [share](crate::Breaker::share) of calls to send grows from `from` to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RampConfig {
    /// How long it takes; 30 s. Zero is at once.
    #[serde(with = "humantime_serde")]
    pub span: Duration,
    /// The share it begins with, 0 to 1; 0.1.
    pub from: f64,
}

/// How recovery is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HalfOpenConfig {
    /// Probes in flight at one time; 2.
    pub permits: u32,
    /// Probes that must succeed to close; 2. May exceed the permits.
    pub successes: u32,
    /// Probes that must fail to open again; 1.
    pub failures: u32,
    /// After this long a probe's slot may be taken by another; 60 s. Make it the timeout of one call.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
}

/// How long the breaker stays open: `base · factor^k`, at most `max`, of which the second half is random so
/// that many processes do not probe in step.
///
/// `k` grows with every opening and is forgotten one step for every [`WindowConfig::span`] spent closed, so
/// that a target which keeps failing right after it recovered is not probed at the base for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenConfig {
    /// The first time, before jitter; 5 s. At least a millisecond.
    #[serde(with = "humantime_serde")]
    pub base: Duration,
    /// Growth from one opening to the next; 2.
    pub factor: f64,
    /// The longest time, before jitter; 300 s. Only a [hint](crate::Weight::hint) goes beyond it.
    #[serde(with = "humantime_serde")]
    pub max: Duration,
}

/// A configuration value that no breaker could work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid breaker config: `{field}` is {value}, expected {expected}")]
pub struct InvalidConfig {
    /// The path of the field, such as `half_open.permits`.
    pub field: &'static str,
    /// What it was.
    pub value: String,
    /// What it may be.
    pub expected: &'static str,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            consecutive: Some(CONSECUTIVE),
            window: WindowConfig::default(),
            failure_rate: FAILURE_RATE,
            min_calls: MIN_CALLS,
            slow: SlowConfig::default(),
            half_open: HalfOpenConfig::default(),
            ramp: RampConfig::default(),
            open: OpenConfig::default(),
        }
    }
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self { span: WINDOW_SPAN, buckets: WINDOW_BUCKETS, calls: None }
    }
}

impl Default for SlowConfig {
    fn default() -> Self {
        Self { first: SLOW_FIRST, total: SLOW_TOTAL, rate: SLOW_RATE }
    }
}

impl Default for RampConfig {
    fn default() -> Self {
        Self { span: RAMP_SPAN, from: RAMP_FROM }
    }
}

impl Default for HalfOpenConfig {
    fn default() -> Self {
        Self {
            permits: PROBE_PERMITS,
            successes: PROBE_SUCCESSES,
            failures: PROBE_FAILURES,
            lease: PROBE_LEASE,
        }
    }
}

impl Default for OpenConfig {
    fn default() -> Self {
        Self { base: OPEN_BASE, factor: OPEN_FACTOR, max: OPEN_MAX }
    }
}

impl BreakerConfig {
    /// The breaker of the usual tutorials: 5 failures in a row open it for a minute, 3 probes at a time, 2 of which
    /// must succeed. It looks neither at rates nor at times, its open time does not grow, and traffic returns at once.
    pub fn classic() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            failure_rate: 1.0,
            min_calls: u32::MAX,
            slow: SlowConfig { first: Duration::MAX, total: Duration::MAX, rate: 1.0 },
            ramp: RampConfig { span: Duration::ZERO, from: 1.0 },
            half_open: HalfOpenConfig { permits: 3, successes: 2, ..HalfOpenConfig::default() },
            open: OpenConfig { base: minute, factor: 1.0, max: minute },
            ..Self::default()
        }
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        let Self { consecutive, window, failure_rate, min_calls, slow, half_open, ramp, open } = self;
        at_least_one("consecutive", consecutive.unwrap_or(1))?;
        check(!window.span.is_zero(), "window.span", &window.span, "more than no time")?;
        check((1..=MOST_BUCKETS).contains(&window.buckets), "window.buckets", &window.buckets, "1 to 1000")?;
        check(
            *failure_rate > 0.0 && *failure_rate <= 1.0,
            "failure_rate",
            failure_rate,
            "above 0 and at most 1",
        )?;
        let calls = window.calls.unwrap_or(1);
        check((1..=MOST_BUCKETS).contains(&calls), "window.calls", &calls, "1 to 1000")?;
        at_least_one("min_calls", *min_calls)?;
        check(slow.rate > 0.0 && slow.rate <= 1.0, "slow.rate", &slow.rate, "above 0 and at most 1")?;
        check((0.0..=1.0).contains(&ramp.from), "ramp.from", &ramp.from, "0 to 1")?;
        at_least_one("half_open.permits", half_open.permits)?;
        at_least_one("half_open.successes", half_open.successes)?;
        at_least_one("half_open.failures", half_open.failures)?;
        check(!half_open.lease.is_zero(), "half_open.lease", &half_open.lease, "more than no time")?;
        check(open.base >= LEAST_OPEN, "open.base", &open.base, "at least 1ms")?;
        check(
            open.factor >= 1.0 && open.factor.is_finite(),
            "open.factor",
            &open.factor,
            "a number of at least 1",
        )?;
        check(open.max >= open.base, "open.max", &open.max, "at least open.base")
    }

    /// Calls before a rate means anything.
    pub(crate) fn least_calls(&self) -> u64 {
        u64::from(self.window.calls.unwrap_or(u32::MAX).min(self.min_calls))
    }
}

/// A rate in millionths, so that it is compared without rounding.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a valid rate is above 0 and at most 1"
)]
pub(crate) fn millionths(rate: f64) -> u128 {
    ((rate * 1e6).round() as u128).max(1)
}

impl OpenConfig {
    /// The time of the `step`-th opening before jitter.
    pub(crate) fn backoff(&self, step: u32) -> Duration {
        let grown = self.base.as_secs_f64() * self.factor.powi(i32::try_from(step).unwrap_or(i32::MAX));
        Duration::try_from_secs_f64(grown).map_or(self.max, |grown| grown.min(self.max))
    }

    /// The same with equal jitter: half of it is certain, the other half is scaled by `unit`, 0 to 1.
    pub(crate) fn jittered(&self, step: u32, unit: f64) -> Duration {
        let half = self.backoff(step) / 2;
        half + half.mul_f64(unit)
    }
}

fn at_least_one(field: &'static str, value: u32) -> Result<(), InvalidConfig> {
    check(value >= 1, field, &value, "at least 1")
}

fn check(
    holds: bool,
    field: &'static str,
    value: &impl fmt::Debug,
    expected: &'static str,
) -> Result<(), InvalidConfig> {
    if holds { Ok(()) } else { Err(InvalidConfig { field, value: format!("{value:?}"), expected }) }
}

#[cfg(test)]
mod tests;
