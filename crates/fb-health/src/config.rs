//! How often is asked, what is believed of the answers, and what is made of the calls themselves.

use std::{fmt, time::Duration};

use fb_core::InvalidConfig;
use serde::{Deserialize, Serialize};

/// How health is found out.
///
/// Checked by [`Fleet::new`](crate::Fleet::new).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthConfig {
    /// How endpoints are asked.
    pub probe: ProbeConfig,
    /// Calls older than this say nothing any more; 60 s, forgotten a twelfth at a time.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// When a target is left out because its peers do better.
    pub outlier: OutlierConfig,
    /// When a target without peers is left out by its count of errors. Default: never. A circuit breaker knows a series
    /// of failures sooner, and finds out by a call that it is over.
    pub errors: Option<ErrorsConfig>,
    /// When so few targets are healthy that leaving some out would do harm.
    pub panic: PanicConfig,
    /// How traffic returns to a target that was left out.
    pub ramp: RampConfig,
}

/// How endpoints are asked how they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeConfig {
    /// Whether they are asked at all; true.
    pub enabled: bool,
    /// Time between two questions to an endpoint that is well; 30 s. At least 100 ms.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// The same while it is not; 5 s. At least 100 ms.
    #[serde(with = "humantime_serde")]
    pub unhealthy_interval: Duration,
    /// Share by which each of these times is longer or shorter at random, 0 to 0.5; 0.2.
    pub jitter: f64,
    /// How long an answer may take, at most the interval it belongs to; 10 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Questions in flight at one time, over all endpoints; 4.
    pub concurrency: u32,
    /// Good answers in a row that make an endpoint healthy; 2.
    pub rise: u32,
    /// Bad answers in a row that make it unhealthy; 3.
    pub fall: u32,
}

/// When a target is left out because its peers do better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutlierConfig {
    /// Whether targets are left out for this; true.
    pub enabled: bool,
    /// Peers, the target included, that must have made [`min_calls`](Self::min_calls); 3.
    pub min_peers: u32,
    /// Calls in the window before a target is judged; 20.
    pub min_calls: u32,
    /// Standard deviations below the mean of the *other* peers' success shares; 1.9.
    pub deviations: f64,
    /// And at least so far below that mean, 0 to 1; 0.2. Where all peers are alike any difference would do otherwise.
    pub margin: f64,
    /// A share of failures, above 0 and at most 1, that is enough by itself; 0.85.
    pub failure_share: f64,
    /// Time left out, times the ejections in a row, give or take a tenth; 30 s.
    #[serde(with = "humantime_serde")]
    pub base: Duration,
    /// The longest such time; 300 s.
    #[serde(with = "humantime_serde")]
    pub max: Duration,
    /// Share of the peers that may be left out at one time, the next one included, 0 to 1; 0.5.
    pub max_ejected: f64,
}

/// When a target without enough peers is left out: one more with each error, one less with each success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ErrorsConfig {
    /// The count at which it is left out; 3.
    pub limit: u32,
    /// For how long; 60 s.
    #[serde(with = "humantime_serde")]
    pub recovery: Duration,
}

/// When so few targets are healthy that leaving some out would only crowd the rest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PanicConfig {
    /// Panic begins with a share of healthy targets below this, 0 to 1; 0.5. Zero is never.
    pub enter: f64,
    /// And ends at this share or above, at least `enter`; 0.6.
    pub leave: f64,
}

/// How traffic returns to a target that was left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RampConfig {
    /// How long until it has its whole share again; 30 s. Zero is at once.
    #[serde(with = "humantime_serde")]
    pub span: Duration,
    /// The share it begins with, above 0 and at most 1; 0.1, as Envoy's slow start.
    pub from: f64,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            probe: ProbeConfig::default(),
            window: Duration::from_secs(60),
            outlier: OutlierConfig::default(),
            errors: None,
            panic: PanicConfig::default(),
            ramp: RampConfig::default(),
        }
    }
}

impl HealthConfig {
    /// For programs without circuit breakers: with the count of errors.
    pub fn without_breakers() -> Self {
        Self { errors: Some(ErrorsConfig::default()), ..Self::default() }
    }
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Duration::from_secs(30),
            unhealthy_interval: Duration::from_secs(5),
            jitter: 0.2,
            timeout: Duration::from_secs(10),
            concurrency: 4,
            rise: 2,
            fall: 3,
        }
    }
}

impl Default for OutlierConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            min_peers: 3,
            min_calls: 20,
            deviations: 1.9,
            margin: 0.2,
            failure_share: 0.85,
            base: Duration::from_secs(30),
            max: Duration::from_secs(300),
            max_ejected: 0.5,
        }
    }
}

impl Default for ErrorsConfig {
    fn default() -> Self {
        Self { limit: 3, recovery: Duration::from_secs(60) }
    }
}

impl Default for PanicConfig {
    fn default() -> Self {
        Self { enter: 0.5, leave: 0.6 }
    }
}

impl Default for RampConfig {
    fn default() -> Self {
        Self { span: Duration::from_secs(30), from: 0.1 }
    }
}

/// More often than this is load, not a question.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

impl HealthConfig {
    /// # Errors
    /// Names the first field with which nothing could work.
    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        let Self { probe, window, outlier, errors, panic, ramp } = self;
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let often = "at least 100ms";
        check(probe.interval >= LEAST_INTERVAL, "probe.interval", &probe.interval, often)?;
        let unhealthy = probe.unhealthy_interval;
        check(unhealthy >= LEAST_INTERVAL, "probe.unhealthy_interval", &unhealthy, often)?;
        check((0.0..=0.5).contains(&probe.jitter), "probe.jitter", &probe.jitter, "0 to 0.5")?;
        check(!probe.timeout.is_zero(), "probe.timeout", &probe.timeout, "more than no time")?;
        check(
            (1..=1_000).contains(&probe.concurrency),
            "probe.concurrency",
            &probe.concurrency,
            "1 to 1000",
        )?;
        check(probe.rise >= 1, "probe.rise", &probe.rise, "at least 1")?;
        check(probe.fall >= 1, "probe.fall", &probe.fall, "at least 1")?;
        check(!window.is_zero(), "window", window, "more than no time")?;
        check(outlier.min_peers >= 2, "outlier.min_peers", &outlier.min_peers, "at least 2")?;
        check(outlier.min_calls >= 1, "outlier.min_calls", &outlier.min_calls, "at least 1")?;
        let deviations = outlier.deviations;
        check(deviations >= 0.0 && deviations.is_finite(), "outlier.deviations", &deviations, "0 or more")?;
        check(share(outlier.margin), "outlier.margin", &outlier.margin, "0 to 1")?;
        let enough = outlier.failure_share;
        check(share(enough) && enough > 0.0, "outlier.failure_share", &enough, "above 0 and at most 1")?;
        check(!outlier.base.is_zero(), "outlier.base", &outlier.base, "more than no time")?;
        check(outlier.max >= outlier.base, "outlier.max", &outlier.max, "at least outlier.base")?;
        check(share(outlier.max_ejected), "outlier.max_ejected", &outlier.max_ejected, "0 to 1")?;
        if let Some(errors) = errors {
            check(errors.limit >= 1, "errors.limit", &errors.limit, "at least 1")?;
            check(!errors.recovery.is_zero(), "errors.recovery", &errors.recovery, "more than no time")?;
        }
        check(share(panic.enter), "panic.enter", &panic.enter, "0 to 1")?;
        let leave = panic.leave;
        check(share(leave) && leave >= panic.enter, "panic.leave", &leave, "panic.enter to 1")?;
        check(share(ramp.from) && ramp.from > 0.0, "ramp.from", &ramp.from, "above 0 and at most 1")
    }
}

fn check(holds: bool, field: &str, value: &impl fmt::Debug, range: &str) -> Result<(), InvalidConfig> {
    if holds { Ok(()) } else { Err(InvalidConfig::expecting(field, format!("{value:?}"), range)) }
}

#[cfg(test)]
mod tests;
