//! Streams that break after their first output, on a route that lets them go on.

use super::*;

fn resuming(script: &Script) -> Client {
    client(script, Route::resume)
}

/// What a stream said: text, who went on, and its end.
async fn said(client: &Client, request: ChatRequest) -> String {
    let mut stream = client.stream(request).await.unwrap();
    let mut said = String::new();
    while let Some(frame) = stream.next().await {
        match frame {
            Ok(frame) => {
                let resumed = frame.events.iter().any(|event| matches!(event, StreamEvent::Resumed { .. }));
                assert!(!resumed || frame.raw.is_none());
                for event in frame.events {
                    match event {
                        StreamEvent::Text(piece) => said.push_str(&piece),
                        StreamEvent::Resumed { by, .. } => write!(said, " [{by}] ").unwrap(),
                        StreamEvent::Done => said.push_str(" [done]"),
                        _ => {}
                    }
                }
            }
            Err(error) => write!(said, " [{}: {error}]", error.code()).unwrap(),
        }
    }
    format!("{said}\n{}", stream.report().trace)
}

#[tokio::test(start_paused = true)]
async fn another_target_goes_on_with_all_that_was_said_and_the_stream_says_so() {
    let script = script("a: cut(2) / b: 200");
    let client = resuming(&script);
    expect![[r#"
        hello from  [b/m] hello from b [done]
        0.000s  a/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  hop
        0.000s  b/m  1  ok  15 tokens                                                         0 ms
    "#]]
    .assert_eq(&said(&client, ChatRequest::user("count")).await);
    assert_eq!((client.outstanding_permits(), script.provider("a").in_flight()), (0, 0));
    expect![[r#"[("m", "count\nhello from \nYour answer was cut off. Continue it exactly where it stopped. Do not repeat, correct or introduce anything.")]"#]].assert_eq(&format!("{:?}", script.provider("b").requests()));
}

#[tokio::test(start_paused = true)]
async fn the_attempts_and_the_time_of_the_request_hold_for_the_rest_too() {
    let script = script("a: cut(1) / b: cut(1)");
    let client = client(&script, |route| Route { max_attempts: 4, ..route.resume() });
    expect![[r#"
        hello  [b/m] hello  [a/m] hello  [b/m] hello  [upstream_interrupted: the stream broke off: interrupted (the stream ended without its provider's end signal)]
        0.000s  a/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  hop
        0.000s  b/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  hop
        0.000s  a/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  hop
        0.000s  b/m  1  interrupted (the stream ended without its provider's end signal)      0 ms  hop
        0.000s  a/m     skipped: no attempts left                                                   hop
        0.000s  b/m     skipped: no attempts left
    "#]].assert_eq(&said(&client, ChatRequest::user("count")).await);
    assert_eq!(client.outstanding_permits(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_rest_is_a_refusal() {
    for block in ["block", "block(400)"] {
        let script = script(&format!("a: cut(2) / b: {block} / c: 200"));
        let client = resuming(&script);
        let said = said(&client, ChatRequest::user("count")).await;
        assert!(said.starts_with("hello from ") && said.contains("[content_filter: blocked"), "{said}");
        assert!(said.contains(" [done]"), "frames say it before the error does: {said}");
        assert_eq!((script.provider("c").calls(), client.outstanding_permits()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_on_with_what_must_be_whole() {
    for (text, format) in [
        ("a: 200(tool) nodone / b: 200", fb_core::Format::Text),
        ("a: cut(2) / b: 200", fb_core::Format::JsonObject),
    ] {
        let script = script(text);
        let client = resuming(&script);
        let chat = fb_core::Chat { format, ..ChatRequest::user("hi").chat().unwrap().clone() };
        let said = said(&client, ChatRequest::from_chat("default", chat)).await;
        assert!(said.contains("[upstream_"), "{said}");
        assert_eq!((script.provider("b").calls(), client.outstanding_permits()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_meanwhile_takes_the_call_for_the_rest_along() {
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
async fn an_answer_that_is_finished_is_not_gone_on_with() {
    let script = script("a: 200 nodone / b: 200");
    let client = resuming(&script);
    let said = said(&client, ChatRequest::user("count")).await;
    assert!(said.starts_with("hello from a [upstream_interrupted"), "{said}");
    assert_eq!(script.provider("b").calls(), 0);
}
