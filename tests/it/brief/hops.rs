//! Every hop is a metric: reason, source, target and tenant (row 26).

use std::collections::BTreeMap;

use crate::harness::{Gateway, Sims, client, prepared};

const CHAT: &str = r#"{"model":"default","messages":[{"role":"user","content":"hi"}]}"#;

/// Returns the series of hops with their values.
async fn hops(admin: &str) -> BTreeMap<String, u64> {
    let metrics = client().get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap();
    let series = metrics.lines().filter_map(|line| line.strip_prefix("fb_hops_total"));
    let counted = series.map(|line| line.rsplit_once(' ').unwrap());
    counted.map(|(labels, value)| (labels.to_owned(), value.parse().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_fallbacks_are_twenty_hops_though_the_breaker_opens_after_five() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let config = format!(
        r#"
        {}
        [admin]
        listen = "127.0.0.1:0"
        [tenants.acme]
        key = {{ env = "FB_TEST_KEY" }}
        [breaker]
        consecutive = 5
        [routes.default]
        targets = [
            {{ provider = "primary", model = "gpt-4.1", max_retries = 0 }},
            {{ provider = "backup", model = "claude-sonnet-4", max_retries = 0 }},
        ]
        "#,
        sims.providers()
    );
    let gateway = Gateway::start(&fb, &config).await;
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
