//! Every hop is a metric: reason, source, target and tenant (row 26).

use std::{collections::BTreeMap, sync::Arc};

use fb::{ChatRequest, Options, Route, Target};
use fb_telemetry::{Metrics, Names};

use super::{scripted, without_retries};
use crate::harness::{CHAT, Gateway, Sims, operator, prepared};

/// Returns the series of hops with their values.
async fn hops(admin: &str) -> BTreeMap<String, u64> {
    let metrics = operator().get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap();
    let series = metrics.lines().filter_map(|line| line.strip_prefix("fb_hops_total"));
    let counted = series.map(|line| line.rsplit_once(' ').unwrap());
    counted.map(|(labels, value)| (labels.to_owned(), value.parse().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_fallbacks_are_twenty_hops_though_the_breaker_opens_after_five() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let more = "[tenants.acme]\nkey = { env = \"FB_TEST_KEY\" }\n[tenants.default]\nanonymous = true\n[breaker]\nconsecutive = 5\n";
    let gateway = Gateway::start(&fb, &without_retries(&sims, more)).await;
    let admin = gateway.admin().await;
    sims.primary.fault(fb_sim::Fault::status(500));
    for _ in 0..20 {
        let answer = gateway.post_with("authorization", "Bearer sk-test", CHAT).await;
        assert_eq!(answer.header("x-fb-served-by"), "backup/claude-sonnet-4");
    }
    assert_eq!(gateway.post(CHAT).await.status, 200);
    assert_eq!(sims.calls(), [5, 21, 0]);
    let hop = |tenant: &str, reason: &str, count| {
        let targets = r#"from="primary/gpt-4.1",to="backup/claude-sonnet-4""#;
        (format!("{{route=\"default\",tenant=\"{tenant}\",{targets},reason=\"{reason}\"}}"), count)
    };
    let expected =
        [hop("acme", "server_error", 5), hop("acme", "breaker_open", 15), hop("default", "breaker_open", 1)];
    assert_eq!(hops(&admin).await, BTreeMap::from(expected));
}

#[tokio::test(start_paused = true)]
async fn tenant_that_is_not_configured_is_counted_as_other() {
    let (_, builder) = scripted("a: 500 / b: 200");
    let targets = [Target::new("a", "m").max_retries(0), Target::new("b", "m")];
    let ids = targets.each_ref().map(|target| target.name().parse().unwrap());
    let names =
        Names { routes: vec!["default".to_owned()], targets: ids.to_vec(), tenants: vec!["acme".to_owned()] };
    let metrics = Arc::new(Metrics::new(&names));
    let client = builder
        .observer(Arc::clone(&metrics) as _)
        .route(Route::priority("default", targets))
        .build()
        .unwrap();
    for tenant in ["acme", "unlisted"] {
        let options = Options { tenant: Some(tenant.into()), ..Options::default() };
        client.chat(ChatRequest::user("hi").with_options(options)).await.unwrap();
    }
    let text = metrics.render();
    for tenant in ["acme", "other"] {
        let labels =
            format!("route=\"default\",tenant=\"{tenant}\",from=\"a/m\",to=\"b/m\",reason=\"server_error\"");
        assert!(text.contains(&format!("fb_hops_total{{{labels}}} 1")), "{tenant}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_drift_of_the_share_of_fallbacks_raises_an_alarm() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let config = format!(
        "{}\n[admin]\nlisten = \"127.0.0.1:0\"\n[breaker]\nconsecutive = 1000\n[drift]\n",
        sims.config("")
    );
    let gateway = Gateway::start(&fb, &config).await;
    let admin = gateway.admin().await;
    let alarms = async || {
        let metrics = operator().get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap();
        metrics
            .lines()
            .filter(|line| line.starts_with("fb_drift_alarms_total{"))
            .map(ToOwned::to_owned)
            .collect::<Vec<_>>()
    };
    for _ in 0..220 {
        gateway.post(CHAT).await;
    }
    assert_eq!(alarms().await, [""; 0]);
    // Two of three requests fall back.
    for number in 0..120 {
        if number % 3 > 0 {
            sims.primary.fault_next(2, fb_sim::Fault::status(500));
        }
        gateway.post(CHAT).await;
    }
    assert_eq!(alarms().await, [r#"fb_drift_alarms_total{route="default",tenant="default"} 1"#]);
}
