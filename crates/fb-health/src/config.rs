//! The configuration of health checks, outlier ejection, panic mode and ramps.

use std::{fmt, str::FromStr, time::Duration};

use fb_core::InvalidConfig;
use serde::{Deserialize, Serialize};

/// The settings of health checks.
///
/// Validated by [`Fleet::new`](crate::Fleet::new). [`recovery`](Self::recovery) and
/// [`without_breakers`](Self::without_breakers) are presets, which [`FromStr`] finds by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HealthConfig {
    /// The settings of active probes.
    pub probe: ProbeConfig,
    /// The time over which calls are counted. Older calls expire in steps of a twelfth. Defaults to 60 s.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// The settings for ejecting targets that fail more than their peers.
    pub outlier: OutlierConfig,
    /// The settings for ejecting targets by their error count, whatever their peers do. A circuit breaker detects a series
    /// of failures sooner, and detects recovery with a real call. Defaults to off.
    pub errors: Option<ErrorsConfig>,
    /// The settings of panic mode.
    pub panic: PanicConfig,
    /// The settings of the ramp after an ejection.
    pub ramp: RampConfig,
}

/// The settings of active probes of endpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProbeConfig {
    /// Enables background probes. Defaults to true.
    pub enabled: bool,
    /// The request that a probe sends. Defaults to "free".
    pub kind: ProbeKind,
    /// The time between two probes of a healthy endpoint. At least 100 ms. Defaults to 30 s.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// The time between two probes of an unhealthy endpoint. At least 100 ms. Defaults to 5 s.
    #[serde(with = "humantime_serde")]
    pub unhealthy_interval: Duration,
    /// The share by which these times vary at random, 0 to 0.5. Defaults to 0.2.
    pub jitter: f64,
    /// The timeout of a probe, capped at the interval at which the endpoint is probed. Defaults to 10 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// The maximum number of probes in flight over all endpoints. Defaults to 4.
    pub concurrency: u32,
    /// Consecutive passed probes that make an endpoint healthy. Defaults to 2.
    pub rise: u32,
    /// Consecutive failed probes that make an endpoint unhealthy. Defaults to 3.
    pub fall: u32,
}

/// The request that a probe sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProbeKind {
    /// A request that costs nothing, such as a list of models.
    #[default]
    Free,
    /// The same, and if it does not fail, a completion of at most 10 tokens, which is billed. Never sent more often than
    /// once per `interval`, also while the endpoint is unhealthy.
    Completion,
}

/// The settings for ejecting targets that fail more than their peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OutlierConfig {
    /// Enables the ejection of outliers. Defaults to true.
    pub enabled: bool,
    /// The number of targets in the group, including the judged one, that need [`min_calls`](Self::min_calls) calls.
    /// Defaults to 3.
    pub min_peers: u32,
    /// The number of calls in the window before a target is judged. Defaults to 20.
    pub min_calls: u32,
    /// The distance below the mean success share of the *other* peers, in standard deviations. Defaults to 1.9.
    pub deviations: f64,
    /// The minimum distance below that mean, 0 to 1. Without it, any difference would suffice among equal peers.
    /// Defaults to 0.2.
    pub margin: f64,
    /// The failure share that ejects a target whatever its peers do, above 0 and at most 1. Defaults to 0.85.
    pub failure_share: f64,
    /// The ejection time, multiplied by the number of consecutive ejections, plus or minus a tenth. Defaults to 10 s.
    #[serde(with = "humantime_serde")]
    pub base: Duration,
    /// The maximum ejection time, unless `base` is longer. Defaults to 15 s.
    #[serde(with = "humantime_serde")]
    pub max: Duration,
    /// The maximum share of a group that may be ejected at the same time, 0 to 1. Defaults to 0.5.
    pub max_ejected: f64,
}

/// The settings for ejecting targets by their error count. It rises by one with each error and falls with each success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ErrorsConfig {
    /// The error count at which the target is ejected. Defaults to 3.
    pub limit: u32,
    /// The ejection time. Defaults to 60 s.
    #[serde(with = "humantime_serde")]
    pub recovery: Duration,
    /// The errors that a success takes off the count. Defaults to "one".
    pub decay: Decay,
}

/// The errors that a success takes off the error count of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decay {
    /// One error.
    #[default]
    One,
    /// All errors, so that only consecutive failures count.
    All,
}

/// The settings of panic mode, which ignores health while too few targets of a group are healthy.
///
/// Ejecting targets would then only overload the remaining ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PanicConfig {
    /// The share of healthy targets below which panic mode begins, 0 to 1. Zero disables it. Defaults to 0.5.
    pub enter: f64,
    /// The share of healthy targets from which panic mode ends, at least `enter`. Defaults to 0.6.
    pub leave: f64,
}

/// The settings of the ramp on which traffic returns to a target after an ejection.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RampConfig {
    /// The time until the target receives its full share. Zero restores it at once. Defaults to 30 s.
    #[serde(with = "humantime_serde")]
    pub span: Duration,
    /// The share at the start of the ramp, above 0 and at most 1. Defaults to 0.1, as in Envoy's slow start.
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
    /// Returns the settings for programs without circuit breakers: the defaults plus ejection by error count. Panic mode
    /// begins only when no target is healthy.
    pub fn without_breakers() -> Self {
        Self { errors: Some(ErrorsConfig::default()), panic: PanicConfig::NONE_HEALTHY, ..Self::default() }
    }

    /// Returns the settings that eject a target after 3 consecutive failures and try it again after 300 s, at once with
    /// all its traffic. Its peers do not matter, except that panic mode begins when no target is healthy.
    pub fn recovery() -> Self {
        let recovery = Duration::from_secs(300);
        Self {
            outlier: OutlierConfig { enabled: false, ..OutlierConfig::default() },
            errors: Some(ErrorsConfig { limit: 3, recovery, decay: Decay::All }),
            panic: PanicConfig::NONE_HEALTHY,
            ramp: RampConfig { span: Duration::ZERO, from: 1.0 },
            ..Self::default()
        }
    }
}

impl FromStr for HealthConfig {
    type Err = InvalidConfig;

    /// Returns the preset of this name.
    fn from_str(name: &str) -> Result<Self, InvalidConfig> {
        match name {
            "recovery" => Ok(Self::recovery()),
            "without_breakers" => Ok(Self::without_breakers()),
            _ => Err(InvalidConfig::quoted("preset", name, "expected \"recovery\" or \"without_breakers\"")),
        }
    }
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            kind: ProbeKind::Free,
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
            base: Duration::from_secs(10),
            max: Duration::from_secs(15),
            max_ejected: 0.5,
        }
    }
}

impl Default for ErrorsConfig {
    fn default() -> Self {
        Self { limit: 3, recovery: Duration::from_secs(60), decay: Decay::One }
    }
}

impl PanicConfig {
    /// Panic mode only when no target of a group is healthy. The share is below that of one target in any group.
    const NONE_HEALTHY: Self = Self { enter: 1e-9, leave: 1e-9 };
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

/// Shorter intervals would put load on endpoints.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

impl HealthConfig {
    /// # Errors
    /// Returns the first invalid setting.
    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        let Self { probe, window, outlier, errors, panic, ramp } = self;
        let is_share = |value: f64| (0.0..=1.0).contains(&value);
        let min = "at least 100ms";
        check(probe.interval >= MIN_INTERVAL, "probe.interval", &probe.interval, min)?;
        let unhealthy = probe.unhealthy_interval;
        check(unhealthy >= MIN_INTERVAL, "probe.unhealthy_interval", &unhealthy, min)?;
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
        check(is_share(outlier.margin), "outlier.margin", &outlier.margin, "0 to 1")?;
        let failures = outlier.failure_share;
        check(
            is_share(failures) && failures > 0.0,
            "outlier.failure_share",
            &failures,
            "above 0 and at most 1",
        )?;
        check(!outlier.base.is_zero(), "outlier.base", &outlier.base, "more than no time")?;
        check(is_share(outlier.max_ejected), "outlier.max_ejected", &outlier.max_ejected, "0 to 1")?;
        if let Some(errors) = errors {
            check(errors.limit >= 1, "errors.limit", &errors.limit, "at least 1")?;
            check(!errors.recovery.is_zero(), "errors.recovery", &errors.recovery, "more than no time")?;
        }
        check(is_share(panic.enter), "panic.enter", &panic.enter, "0 to 1")?;
        let leave = panic.leave;
        check(is_share(leave) && leave >= panic.enter, "panic.leave", &leave, "panic.enter to 1")?;
        check(is_share(ramp.from) && ramp.from > 0.0, "ramp.from", &ramp.from, "above 0 and at most 1")
    }
}

fn check(
    is_valid: bool,
    field: &'static str,
    value: &impl fmt::Debug,
    expected: &'static str,
) -> Result<(), InvalidConfig> {
    if is_valid { Ok(()) } else { Err(InvalidConfig::expecting(field, format!("{value:?}"), expected)) }
}

fb_core::with_changes!(HealthConfig, ProbeConfig, OutlierConfig, ErrorsConfig, PanicConfig, RampConfig);

#[cfg(test)]
mod tests;
