//! Streams that break after their first output, on a route with `resume`.

use super::*;

fn resuming(script: &Script) -> Client {
    client(script, Route::resume)
}

/// Reads a stream into text, with a mark for every target that resumed it, and its end.
async fn read_all(client: &Client, request: ChatRequest) -> String {
    let mut stream = client.stream(request).await.unwrap();
    let mut text = String::new();
    while let Some(frame) = stream.next().await {
        match frame {
            Ok(frame) => {
                let resumed = frame.events.iter().any(|event| matches!(event, StreamEvent::Resumed { .. }));
                assert!(!resumed || frame.raw.is_none());
                for event in frame.events {
                    match event {
                        StreamEvent::Text(piece) => text.push_str(&piece),
                        StreamEvent::Resumed { by, .. } => write!(text, " [{by}] ").unwrap(),
                        StreamEvent::Done => text.push_str(" [done]"),
                        _ => {}
                    }
                }
            }
            Err(error) => write!(text, " [{}: {error}]", error.code()).unwrap(),
        }
    }
    format!(
        "{text}
{}",
        stream.report().trace
    )
}

#[tokio::test(start_paused = true)]
async fn another_target_resumes_a_broken_stream() {
    let script = script("a: cut(2) / b: 200");
    let client = resuming(&script);
    expect![[r#"
        hello from  [b/m] b [done]
        0.000s  a/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  resume
        0.000s  b/m  1  ok  15 tokens                                                         0 ms
    "#]]
    .assert_eq(&read_all(&client, ChatRequest::user("count")).await);
    assert_eq!((client.outstanding_permits(), script.provider("a").in_flight()), (0, 0));
    expect![[r#"[("m", "count\nhello from\nYour answer was cut off. Write the rest of it. Begin with its last words, exactly as they are, and go on from there. Do not start over, correct or introduce anything. The last words are:\nhello from")]"#]].assert_eq(&format!("{:?}", script.provider("b").requests()));
}

#[tokio::test(start_paused = true)]
async fn every_break_is_resumed() {
    for fault in ["cut(2)", "stall(2)", "error(2 529)", "error(2 500)", "error(2 malformed)"] {
        let script = script(&format!("a: {fault} / b: 200"));
        let client = resuming(&script);
        let text = read_all(&client, ChatRequest::user("count")).await;
        assert!(text.starts_with("hello from  [b/m] b [done]"), "{fault}: {text}");
        assert_eq!((script.provider("a").in_flight(), client.outstanding_permits()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn target_with_another_answer_is_left_for_the_next() {
    let other = r#"200("Certainly! Here is something else.")"#;
    let to_the_next = script(&format!("a: cut(2) / b: {other} / c: 200"));
    expect![[r#"
        hello from  [c/m] c [done]
        0.000s  a/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  resume
        0.000s  b/m  1  quality (the continuation does not go on from the answer so far)      0 ms  resume
        0.000s  c/m  1  ok  15 tokens                                                         0 ms
    "#]]
    .assert_eq(&read_all(&resuming(&to_the_next), ChatRequest::user("count")).await);
    let script = script(&format!("a: cut(2), 503 / b: {other}"));
    let client = client(&script, |route| Route { max_attempts: 3, ..route.resume() });
    expect![[r#"
        hello from  [upstream_interrupted: the stream broke off: interrupted (the stream ended without its provider's end signal)]
        0.000s  a/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  resume
        0.000s  b/m  1  quality (the continuation does not go on from the answer so far)      0 ms  resume
        0.000s  a/m  1  server_error (503)                                                    0 ms
    "#]].assert_eq(&read_all(&client, ChatRequest::user("count")).await);
    assert_eq!((script.provider("b").in_flight(), client.outstanding_permits()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn broken_stream_waits_for_a_target_that_rests() {
    let script = script("a: cut(2), 404 / b: 429(retry-after 3s), 200");
    let client = resuming(&script);
    expect![[r#"
        hello from  [b/m] b [done]
        0.000s  a/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  resume
        0.000s  b/m  1  rate_limited (429 rate_limit_exceeded)                                0 ms  wait 3.64 s
        0.000s  a/m  1  model_not_found (404 model_not_found)                                 0 ms
        3.636s  b/m  1  ok  15 tokens                                                         0 ms
    "#]]
    .assert_eq(&read_all(&client, ChatRequest::user("count")).await);
    assert_eq!((client.outstanding_permits(), script.provider("a").in_flight()), (0, 0));
    // Not for longer than `last_resort_wait`.
    let script = fb_testkit::script("a: cut(2), 404 / b: 429(retry-after 30s), 200");
    let client = resuming(&script);
    let text = read_all(&client, ChatRequest::user("count")).await;
    assert!(text.contains("[upstream_interrupted"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn resumed_stream_stays_within_the_envelope() {
    let script = script("a: cut(1) / b: cut(1)");
    let client = client(&script, |route| Route { max_attempts: 4, ..route.resume() });
    expect![[r#"
        hello  [b/m]  [a/m]  [b/m]  [upstream_interrupted: the stream broke off: interrupted (the stream ended without its provider's end signal)]
        0.000s  a/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  resume
        0.000s  b/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  resume
        0.000s  a/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  resume
        0.000s  b/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  resume
        0.000s  a/m     skipped: no attempts left                                                   hop
        0.000s  b/m     skipped: no attempts left
    "#]].assert_eq(&read_all(&client, ChatRequest::user("count")).await);
    assert_eq!(client.outstanding_permits(), 0);
}

#[tokio::test(start_paused = true)]
async fn blocked_continuation_blocks_the_stream() {
    for block in ["block", "block(400)"] {
        let script = script(&format!("a: cut(2) / b: {block} / c: 200"));
        let client = resuming(&script);
        let text = read_all(&client, ChatRequest::user("count")).await;
        assert!(text.starts_with("hello from ") && text.contains("[content_filter: blocked"), "{text}");
        assert!(text.contains(" [done]"), "the block arrives in frames before the error: {text}");
        assert_eq!((script.provider("c").calls(), client.outstanding_permits()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn structured_or_checked_answers_are_not_resumed() {
    for (text, format) in [
        ("a: 200(tool) nodone / b: 200", fb_core::Format::Text),
        ("a: cut(2) / b: 200", fb_core::Format::JsonObject),
    ] {
        let script = script(text);
        let client = resuming(&script);
        let chat = fb_core::Chat { format, ..ChatRequest::user("hi").chat().unwrap().clone() };
        let text = read_all(&client, ChatRequest::from_chat("default", chat)).await;
        assert!(text.contains("[upstream_"), "{text}");
        assert_eq!((script.provider("b").calls(), client.outstanding_permits()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_a_resuming_stream_cancels_its_call() {
    let script = script("a: cut(2) / b: 200 in 10s");
    let client = resuming(&script);
    let mut stream = client.stream(ChatRequest::user("count")).await.unwrap();
    let reading = async { while stream.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(1), reading).await.unwrap_err();
    assert_eq!(script.provider("b").in_flight(), 1);
    drop(stream);
    assert_eq!((script.provider("b").in_flight(), client.outstanding_permits()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn finished_answer_is_not_resumed() {
    let script = script("a: 200 nodone / b: 200");
    let client = resuming(&script);
    let text = read_all(&client, ChatRequest::user("count")).await;
    assert!(text.starts_with("hello from a [upstream_interrupted"), "{text}");
    assert_eq!(script.provider("b").calls(), 0);
}
