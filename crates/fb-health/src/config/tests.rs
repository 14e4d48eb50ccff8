use super::*;

type Invalidate = fn(&mut HealthConfig);

#[test]
fn defaults_are_valid_and_invalid_settings_are_rejected() {
    HealthConfig::default().validate().unwrap();
    HealthConfig::without_breakers().validate().unwrap();
    let cases: [(&str, Invalidate); 16] = [
        ("probe.interval", |c| c.probe.interval = Duration::from_millis(99)),
        ("probe.unhealthy_interval", |c| c.probe.unhealthy_interval = Duration::ZERO),
        ("probe.jitter", |c| c.probe.jitter = f64::NAN),
        ("probe.timeout", |c| c.probe.timeout = Duration::ZERO),
        ("probe.concurrency", |c| c.probe.concurrency = 0),
        ("probe.rise", |c| c.probe.rise = 0),
        ("probe.fall", |c| c.probe.fall = 0),
        ("window", |c| c.window = Duration::ZERO),
        ("outlier.min_peers", |c| c.outlier.min_peers = 1),
        ("outlier.min_calls", |c| c.outlier.min_calls = 0),
        ("outlier.deviations", |c| c.outlier.deviations = f64::INFINITY),
        ("outlier.margin", |c| c.outlier.margin = -0.1),
        ("outlier.failure_share", |c| c.outlier.failure_share = 0.0),
        ("errors.limit", |c| c.errors = Some(ErrorsConfig { limit: 0, ..ErrorsConfig::default() })),
        ("panic.leave", |c| c.panic.leave = 0.4),
        ("ramp.from", |c| c.ramp.from = 0.0),
    ];
    for (field, invalidate) in cases {
        let mut config = HealthConfig::default();
        invalidate(&mut config);
        assert_eq!(config.validate().unwrap_err().field, field);
    }
    let mut config = HealthConfig::default();
    config.probe.concurrency = 5_000;
    assert_eq!(config.validate().unwrap_err().to_string(), "probe.concurrency = 5000: expected 1 to 1000");
}
