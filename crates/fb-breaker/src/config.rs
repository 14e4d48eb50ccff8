//! The configuration of a breaker, with the reasons for its defaults.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// As in finagle's failure accrual and Envoy's `consecutive_5xx`.
const CONSECUTIVE: u32 = 5;
/// Long enough for [`MIN_CALLS`] at one call every six seconds, short enough to forget a bad minute.
const WINDOW_SPAN: Duration = Duration::from_secs(60);
/// Five seconds each: a twelfth of the window expires at once.
const WINDOW_BUCKETS: u32 = 12;
/// As in resilience4j and Hystrix.
const FAILURE_RATE: f64 = 0.5;
/// Half of Hystrix's 20, because LLM calls are slow and few.
const MIN_CALLS: u32 = 10;
/// Most callers give up on a model without any output for this long, unless they allow for more.
const SLOW_FIRST: Duration = Duration::from_secs(20);
const SLOW_TOTAL: Duration = Duration::from_secs(120);
/// Another target is only certain to be better if nearly all calls are slow.
const SLOW_RATE: f64 = 0.8;
/// With [`RAMP_FROM`]: a target that has just recovered has cold caches and few instances.
const RAMP_SPAN: Duration = Duration::from_secs(30);
/// As the minimum weight of Envoy's slow start.
const RAMP_FROM: f64 = 0.1;
/// One hung probe must not delay the recovery, and more than two would burden a recovering target.
const PROBE_PERMITS: u32 = 2;
/// A single success may be luck.
const PROBE_SUCCESSES: u32 = 2;
const PROBE_FAILURES: u32 = 1;
/// Longer than any sensible timeout of one call.
const PROBE_LEASE: Duration = Duration::from_secs(60);
/// As in finagle's failure accrual: most overloads are over by then.
const OPEN_BASE: Duration = Duration::from_secs(5);
const OPEN_FACTOR: f64 = 2.0;
/// A recovered target is called again within this time, and a failed probe every 15 s is a small load.
const OPEN_MAX: Duration = Duration::from_secs(15);
/// As finagle's equal jitter.
const OPEN_JITTER: f64 = 0.5;
/// Longer than any call.
const NEVER_SLOW: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Bounds the memory of a breaker: 24 bytes per bucket.
const MAX_BUCKETS: u32 = 1_000;
/// Half of a shorter time could round to zero.
const MIN_OPEN: Duration = Duration::from_millis(1);

/// The thresholds and times of a breaker.
///
/// Validated by [`Breaker::new`](crate::Breaker::new). [`classic`](Self::classic), [`classic_30s`](Self::classic_30s) and
/// [`classic_single`](Self::classic_single) are presets, which [`FromStr`] finds by name.
///
/// # Examples
///
/// ```
/// # use fb_breaker::{BreakerConfig, HalfOpenConfig};
/// let patient = BreakerConfig::with(|config| {
///     config.consecutive = None;
///     config.half_open = HalfOpenConfig::with(|config| config.successes = 3);
/// });
/// assert_eq!(patient.failure_rate, 0.5);
/// assert_eq!("classic-30s".parse(), Ok(BreakerConfig::classic_30s()));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct BreakerConfig {
    /// Consecutive failures that open the breaker, regardless of the number of calls. Defaults to 5.
    ///
    /// `None`, which a config file cannot express, disables the rule.
    pub consecutive: Option<u32>,
    /// The window of the failure rate.
    pub window: WindowConfig,
    /// Share of failed calls in the window, above 0 and at most 1, that opens the breaker. Exact to one millionth.
    /// Defaults to 0.5.
    pub failure_rate: f64,
    /// Minimum number of calls in the window for the rates to apply. Defaults to 10.
    pub min_calls: u32,
    /// The limits for slow calls.
    pub slow: SlowConfig,
    /// The probes of a half-open breaker.
    pub half_open: HalfOpenConfig,
    /// The return of traffic after a recovery.
    pub ramp: RampConfig,
    /// The open time.
    pub open: OpenConfig,
    /// Counts every failure at the circuit of the whole provider too, as for one server that runs all its models. Without
    /// it only failures to connect count there. The breaker itself does not use this setting. Defaults to false.
    pub shared: bool,
}

/// The window of the failure rate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct WindowConfig {
    /// Age at which a call leaves the window, up to one bucket earlier. Defaults to 60 s.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub span: Duration,
    /// Number of buckets of the span. At most 1000. Defaults to 12.
    pub buckets: u32,
    /// Number of calls in the window, instead of a span of time; at most 1000. A larger
    /// [`min_calls`](BreakerConfig::min_calls) is reduced to this number. Defaults to off.
    pub calls: Option<u32>,
}

/// The limits for slow calls.
///
/// A call that is settled [provisionally](crate::Permit::provisional) is measured to its first output, others to their end.
/// A call that is dropped after the limit for whole calls counts as slow too, so that callers that give up do not hide a
/// slow target.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct SlowConfig {
    /// Time to the first output from which a call is slow. Defaults to the longer of 20 s and the time that the call
    /// [may take](crate::Permit::allowing).
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde::option"))]
    pub first: Option<Duration>,
    /// Duration from which a whole call is slow. Defaults to the longer of 120 s and the time that the call may take.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde::option"))]
    pub total: Option<Duration>,
    /// Share of slow calls in the window, above 0 and at most 1, that opens the breaker. Defaults to 0.8.
    pub rate: f64,
}

/// The return of traffic after a recovery: the [share](crate::Breaker::share) of traffic grows from `from` to 1.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RampConfig {
    /// Duration of the growth. Zero returns all traffic at once. Defaults to 30 s.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub span: Duration,
    /// Initial share, 0 to 1. Defaults to 0.1.
    pub from: f64,
}

/// The probes of a half-open breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct HalfOpenConfig {
    /// Maximum number of probes in flight. Defaults to 2.
    pub permits: u32,
    /// Successful probes that close the breaker. As many slow ones reopen it. May exceed the permits. Defaults to 2.
    pub successes: u32,
    /// Failed probes that reopen the breaker. Defaults to 1.
    pub failures: u32,
    /// Time after which another call may take the slot of a probe. Set it to the timeout of one call. Defaults to 60 s.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub lease: Duration,
}

/// The open time: `base · factor^k`, at most `max`. The last part of it is random, so that many processes do not probe at
/// the same time.
///
/// `k` increases with every opening and decreases by one for every [`WindowConfig::span`] spent closed, so that a target
/// that keeps failing right after its recovery is probed less and less often.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct OpenConfig {
    /// First open time, before jitter. At least a millisecond. Defaults to 5 s.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub base: Duration,
    /// Growth from one opening to the next. Defaults to 2.
    pub factor: f64,
    /// Maximum open time, before jitter. Only a retry-after hint and a longer `base` exceed it. Defaults to 15 s.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub max: Duration,
    /// Random part of the open time, 0 to 0.5; with 0 it is exact. Defaults to 0.5.
    pub jitter: f64,
}

/// An invalid setting of a breaker or a registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid breaker config: `{field}` is {value}, expected {expected}")]
#[non_exhaustive]
pub struct InvalidConfig {
    /// The path of the field, such as `half_open.permits`.
    pub field: &'static str,
    /// The rejected value.
    pub value: String,
    /// The accepted values, such as `1 to 1000`.
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
            shared: false,
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
        Self { first: None, total: None, rate: SLOW_RATE }
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
        Self { base: OPEN_BASE, factor: OPEN_FACTOR, max: OPEN_MAX, jitter: OPEN_JITTER }
    }
}

impl BreakerConfig {
    /// Returns the configuration of a textbook breaker: 5 consecutive failures open it for exactly a minute, then 2 of at
    /// most 3 concurrent probes must succeed.
    ///
    /// It ignores failure rates and slow calls, its open time does not grow, and all traffic returns at once.
    pub fn classic() -> Self {
        Self::textbook(Duration::from_secs(60), 3, 2)
    }

    /// Returns the configuration of a textbook breaker that opens for exactly 30 s, then 3 of at most 3 concurrent probes
    /// must succeed. Otherwise as [`classic`](Self::classic).
    pub fn classic_30s() -> Self {
        Self::textbook(Duration::from_secs(30), 3, 3)
    }

    /// Returns the configuration of a textbook breaker that opens for exactly a minute, then a single probe must succeed.
    /// Otherwise as [`classic`](Self::classic).
    pub fn classic_single() -> Self {
        Self::textbook(Duration::from_secs(60), 1, 1)
    }

    fn textbook(open: Duration, permits: u32, successes: u32) -> Self {
        Self {
            failure_rate: 1.0,
            min_calls: u32::MAX,
            slow: SlowConfig::never(),
            ramp: RampConfig { span: Duration::ZERO, from: 1.0 },
            half_open: HalfOpenConfig { permits, successes, ..HalfOpenConfig::default() },
            open: OpenConfig { base: open, factor: 1.0, max: open, jitter: 0.0 },
            ..Self::default()
        }
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        let Self { consecutive, window, failure_rate, min_calls, slow, half_open, ramp, open, shared: _ } =
            self;
        at_least_one("consecutive", consecutive.unwrap_or(1))?;
        check(!window.span.is_zero(), "window.span", &window.span, "more than no time")?;
        check((1..=MAX_BUCKETS).contains(&window.buckets), "window.buckets", &window.buckets, "1 to 1000")?;
        check(
            *failure_rate > 0.0 && *failure_rate <= 1.0,
            "failure_rate",
            failure_rate,
            "above 0 and at most 1",
        )?;
        let calls = window.calls.unwrap_or(1);
        check((1..=MAX_BUCKETS).contains(&calls), "window.calls", &calls, "1 to 1000")?;
        at_least_one("min_calls", *min_calls)?;
        check(slow.rate > 0.0 && slow.rate <= 1.0, "slow.rate", &slow.rate, "above 0 and at most 1")?;
        check((0.0..=1.0).contains(&ramp.from), "ramp.from", &ramp.from, "0 to 1")?;
        at_least_one("half_open.permits", half_open.permits)?;
        at_least_one("half_open.successes", half_open.successes)?;
        at_least_one("half_open.failures", half_open.failures)?;
        check(!half_open.lease.is_zero(), "half_open.lease", &half_open.lease, "more than no time")?;
        check(open.base >= MIN_OPEN, "open.base", &open.base, "at least 1ms")?;
        check(
            open.factor >= 1.0 && open.factor.is_finite(),
            "open.factor",
            &open.factor,
            "a number of at least 1",
        )?;
        check((0.0..=0.5).contains(&open.jitter), "open.jitter", &open.jitter, "0 to 0.5")
    }

    /// Returns the minimum number of calls for the rates to apply, limited to the calls that the window can hold.
    pub(crate) fn effective_min_calls(&self) -> u64 {
        u64::from(self.window.calls.unwrap_or(u32::MAX).min(self.min_calls))
    }
}

impl SlowConfig {
    /// Returns the limits of a breaker that ignores the durations of calls.
    pub const fn never() -> Self {
        Self { first: Some(NEVER_SLOW), total: Some(NEVER_SLOW), rate: 1.0 }
    }

    /// Returns the time to the first output from which a call is slow that may take `allowed`.
    pub(crate) fn first_limit(&self, allowed: Duration) -> Duration {
        self.first.unwrap_or_else(|| SLOW_FIRST.max(allowed))
    }

    /// Returns the duration from which a whole call is slow that may take `allowed`.
    pub(crate) fn total_limit(&self, allowed: Duration) -> Duration {
        self.total.unwrap_or_else(|| SLOW_TOTAL.max(allowed))
    }
}

impl FromStr for BreakerConfig {
    type Err = InvalidConfig;

    /// Returns the preset of this name.
    fn from_str(name: &str) -> Result<Self, InvalidConfig> {
        match name {
            "classic" => Ok(Self::classic()),
            "classic-30s" => Ok(Self::classic_30s()),
            "classic-single" => Ok(Self::classic_single()),
            _ => Err(InvalidConfig {
                field: "preset",
                value: format!("{name:?}"),
                expected: r#""classic", "classic-30s" or "classic-single""#,
            }),
        }
    }
}

/// Converts a rate to millionths, so that rates are compared without rounding.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a valid rate is above 0 and at most 1"
)]
pub(crate) fn millionths(rate: f64) -> u128 {
    ((rate * 1e6).round() as u128).max(1)
}

impl OpenConfig {
    /// Returns the open time of the `step`-th opening, before jitter.
    pub(crate) fn backoff(&self, step: u32) -> Duration {
        let grown = self.base.as_secs_f64() * self.factor.powi(i32::try_from(step).unwrap_or(i32::MAX));
        Duration::try_from_secs_f64(grown).unwrap_or(Duration::MAX).min(self.longest())
    }

    /// Returns the maximum open time, before jitter.
    pub(crate) fn longest(&self) -> Duration {
        self.max.max(self.base)
    }

    /// Returns the open time, the random part of which is scaled by `random`, 0 to 1.
    pub(crate) fn jittered(&self, step: u32, random: f64) -> Duration {
        let longest = self.backoff(step);
        longest.saturating_sub(longest.mul_f64(self.jitter * (1.0 - random)))
    }
}

fn at_least_one(field: &'static str, value: u32) -> Result<(), InvalidConfig> {
    check(value >= 1, field, &value, "at least 1")
}

fn check(
    valid: bool,
    field: &'static str,
    value: &impl fmt::Debug,
    expected: &'static str,
) -> Result<(), InvalidConfig> {
    if valid { Ok(()) } else { Err(InvalidConfig { field, value: format!("{value:?}"), expected }) }
}

crate::with::with_changes!(BreakerConfig, WindowConfig, SlowConfig, RampConfig, HalfOpenConfig, OpenConfig);

#[cfg(test)]
mod tests;
