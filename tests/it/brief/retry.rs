//! The retry policies: presets in a config and in Rust, and their combination.

use std::{cell::Cell, time::Duration};

use fb::{ChatRequest, Next};
use fb_retry::{Decision, Policy, Progress, RetryPolicy, retry};
use tokio::{process::Command, time::Instant};

use super::configured;
use crate::harness::{TempDir, prepared};

/// Returns a config of one target with these settings, and time for every retry.
fn config(target: &str) -> String {
    format!(
        r#"
        [routes.default]
        deadline = "30m"
        max_attempts = 20
        when_all_unavailable = "fail"
        last_resort_wait = "1ms"
        targets = [{{ provider = "p", model = "m", timeout = "1s", {target} }}]
        "#
    )
}

/// Sends a request and returns the waits before its retries.
async fn waits(behavior: &str, target: &str) -> Vec<Duration> {
    let (script, client) = configured(&format!("p: {behavior}"), &config(target));
    let error = client.chat(ChatRequest::user("hi")).await.unwrap_err();
    let rows = error.report().unwrap().trace.rows();
    assert_eq!(rows.len(), script.provider("p").calls() as usize);
    let wait = |next| if let Next::RetryIn(wait) = next { Some(wait) } else { None };
    let waits: Vec<_> = rows.iter().filter_map(|row| wait(row.next)).collect();
    assert_eq!(rows.len(), waits.len() + 1, "no call but the first one and the retries");
    waits
}

/// Checks that each wait is 0.5 to 1.5 times the one in the list, in milliseconds.
#[track_caller]
fn check(waits: &[Duration], expected: &[u64]) {
    assert_eq!(waits.len(), expected.len(), "{waits:?}");
    for (wait, expected) in waits.iter().zip(expected) {
        let expected = Duration::from_millis(*expected);
        assert!((expected / 2..=expected * 3 / 2).contains(wait), "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn presets_are_named_in_a_config() {
    check(&waits("500", r#"retry = "classic""#).await, &[1_000, 2_000, 4_000]);
    check(&waits("429", r#"retry = "rate_limit""#).await, &[5_000, 10_000, 20_000, 40_000, 80_000]);
    check(&waits("hang", r#"retry = "timeout""#).await, &[2_000, 3_000, 4_500]);
    check(&waits("503", r#"retry = "classic", max_retries = 1"#).await, &[1_000]);
    check(
        &waits("500", "retry = { base = \"1s\", jitter = \"proportional\", max_retries = 2 }").await,
        &[1_000, 2_000],
    );
    let additive = waits("500", r#"retry = "backoff""#).await;
    assert_eq!(additive.len(), 3);
    for (wait, seconds) in additive.iter().zip([1, 2, 4]) {
        assert!((seconds..seconds + 1).contains(&wait.as_secs()), "{additive:?}");
    }
    assert_eq!(waits("hang", "max_retries = 3").await, [], "timeouts are not retried by default");
}

#[tokio::test(start_paused = true)]
async fn preset_for_rate_limits_waits_as_long_as_the_provider_demands() {
    let long = waits("429(retry-after 2min)", r#"retry = "rate_limit""#).await;
    assert_eq!(long.len(), 5);
    assert!(long.iter().all(|wait| (120..=132).contains(&wait.as_secs())), "{long:?}");
    assert_eq!(waits("429(retry-after 121s)", r#"retry = "rate_limit""#).await, []);
}

#[tokio::test(start_paused = true)]
async fn function_retries_with_backoff_and_returns_the_last_error() {
    let (start, attempts) = (Instant::now(), Cell::new(0));
    let op = async || {
        attempts.set(attempts.get() + 1);
        Err::<(), u32>(attempts.get())
    };
    assert_eq!(retry(RetryPolicy::backoff(), op).await, Err(4));
    assert!((1 + 2 + 4..1 + 2 + 4 + 3).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[test]
fn combined_policies_retry_if_any_does() {
    let throttled = RetryPolicy::rate_limit().when(|error: &str| error == "rate_limit");
    let slow = RetryPolicy::timeout().when(|error: &str| error == "timeout");
    let progress = |retries| Progress { retries, last_wait: Duration::ZERO, random: 0.5 };
    let after = |seconds| Decision::After(Duration::from_secs(seconds));
    let (willing, all) = ((&throttled).or(&slow), (&throttled).or_longest(&slow));
    assert_eq!([0, 1].map(|retries| willing.on_error("timeout", progress(retries))), [after(2), after(3)]);
    assert_eq!([0, 1].map(|retries| all.on_error("timeout", progress(retries))), [after(5), after(10)]);
    assert_eq!([0, 4].map(|retries| all.on_error("rate_limit", progress(retries))), [after(5), after(80)]);
    for policy in [&willing as &dyn Policy<str>, &all] {
        assert!(matches!(policy.on_error("timeout", progress(3)), Decision::Stop(_)));
        assert!(matches!(policy.on_error("other", progress(0)), Decision::Stop(_)));
    }
}

#[tokio::test]
async fn deadline_shorter_than_the_waits_is_a_warning_of_the_check() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let dir = TempDir::new();
    let file = dir.write(
        "fb.toml",
        r#"
        [providers.p]
        kind = "ollama"
        [routes.default]
        deadline = "90s"
        targets = [{ provider = "p", model = "m", retry = "rate_limit" }]
        [routes.other]
        targets = [{ provider = "p", model = "m", retry = "timeout" }]
        "#,
    );
    let output = Command::new(fb).arg("check").arg(&file).output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap().replace(&format!("{}: ", file.display()), "");
    let (printed, _of_evaluations) =
        printed.split_once("warning: routes.default: no passing evaluation").unwrap();
    assert_eq!(
        printed,
        "ok, 1 provider and 2 routes\n\
         warning: routes.default.deadline = 90s: shorter than the waits before the 5 retries of p/m, 155s in all \
         before jitter; expected a longer deadline or fewer retries\n"
    );
    let unknown = dir.write(
        "unknown.toml",
        r#"
        retry = "ratelimit"
        [providers.p]
        kind = "ollama"
        [routes.default]
        targets = [{ provider = "p", model = "m" }]
        "#,
    );
    let output = Command::new(prepared("FB_BIN").unwrap()).arg("check").arg(&unknown).output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let expected = r#"2:17  retry: invalid retry config: `preset` is "ratelimit", expected "classic", "backoff", "rate_limit" or "timeout""#;
    assert!(printed.contains(expected), "{printed}");
}
