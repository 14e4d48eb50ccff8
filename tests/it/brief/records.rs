//! The record of an attempt (row 4).

use std::time::{Duration, Instant};

use fb::{AttemptEnd, ChatRequest, Route, Target};

use crate::brief::scripted;

/// Provider, model, success, failure type, latency and time of an attempt.
type Row = (String, String, bool, Option<&'static str>, Duration, Instant);

#[tokio::test(start_paused = true)]
async fn every_attempt_has_its_provider_model_outcome_latency_and_time() {
    let (_, builder) = scripted("openai: 429(retry-after 9s) in 20ms / anthropic: 200 in 300ms");
    let targets = [Target::new("openai", "gpt-4.1"), Target::new("anthropic", "claude-sonnet-4")];
    let client = builder.route(Route::priority("default", targets)).build().unwrap();
    let began = tokio::time::Instant::now().into_std();
    let answer = client.chat(ChatRequest::user("Hello!")).await.unwrap();

    let record = client.trace(answer.report.id).unwrap();
    let attempts = record.report.trace.rows().iter().map(|row| {
        let kind = match &row.end {
            AttemptEnd::Failed(failure) => Some(failure.kind().name()),
            _ => None,
        };
        let target = &row.target;
        let success = matches!(row.end, AttemptEnd::Ok { .. });
        (
            target.provider().to_string(),
            target.model().to_owned(),
            success,
            kind,
            row.took,
            record.began + row.at,
        )
    });
    let (quick, slow) = (Duration::from_millis(20), Duration::from_millis(300));
    let expected: [Row; 2] = [
        ("openai".to_owned(), "gpt-4.1".to_owned(), false, Some("rate_limited"), quick, began),
        ("anthropic".to_owned(), "claude-sonnet-4".to_owned(), true, None, slow, began + quick),
    ];
    assert_eq!(attempts.collect::<Vec<Row>>(), expected);
}
