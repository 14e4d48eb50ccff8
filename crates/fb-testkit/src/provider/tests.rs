use std::fmt::Write;

use expect_test::{Expect, expect};
use fb_core::{
    BlockForm, CallKey, ChatRequest, Image, ImageSource, Json, Message, Overrides, Role, Schema, Tool, Usage,
};
use tokio::time::{Instant, timeout};

use super::*;
use crate::script;

const HOUR: Duration = Duration::from_hours(1);
static NONE: Overrides = Overrides(Vec::new());

fn call(request: &ChatRequest) -> Call<'_> {
    Call { request, model: "m", overrides: &NONE, thinking: None, key: CallKey::default() }
}

fn print_error(error: &CallError) -> String {
    match error {
        CallError::Failed(failure) => print_failure(failure),
        CallError::Blocked(block) => {
            let status = match block.form {
                BlockForm::Body { status, .. } => status,
                BlockForm::InStream => 0,
            };
            let tokens = block.usage.map_or(0, Usage::total);
            format!("blocked ({}), {status}, {:?}, {tokens} tokens", block.category, block.partial)
        }
    }
}

fn print_failure(failure: &Failure) -> String {
    let hint = failure.retry_after().map_or_else(String::new, |hint| format!(", wait {hint:?}"));
    format!("{failure}{hint}")
}

fn print_event(event: &StreamEvent) -> String {
    match event {
        StreamEvent::Text(text) => format!("{text:?}"),
        StreamEvent::Refusal(text) => format!("refusal {text:?}"),
        StreamEvent::ToolCall(delta) => {
            format!("tool {:?} {:?}", delta.name.as_deref().unwrap_or_default(), delta.arguments)
        }
        StreamEvent::Finish(why) => format!("{why:?}"),
        StreamEvent::Usage(usage) => format!("{} tokens", usage.total()),
        StreamEvent::Blocked(block) => format!("blocked ({})", block.category),
        StreamEvent::Done => "done".to_owned(),
        StreamEvent::Started { .. } | StreamEvent::Thinking(_) | StreamEvent::Resumed { .. } => {
            unreachable!("never scripted")
        }
    }
}

/// Checks plain calls, one line each: the time and the result of the answer.
async fn plain(steps: &str, calls: usize, expected: Expect) {
    let provider = script(&format!("p: {steps}")).provider("p");
    let request = ChatRequest::user("hi");
    let mut out = String::new();
    for _ in 0..calls {
        let start = Instant::now();
        let answer = match timeout(HOUR, provider.chat(call(&request))).await {
            Err(_) => "never".to_owned(),
            Ok(Err(error)) => print_error(&error),
            Ok(Ok(reply)) => {
                let tokens = reply.usage.map_or(0, Usage::total);
                format!("{:?} {:?} {:?}, {tokens} tokens", reply.text, reply.tool_calls, reply.finish)
            }
        };
        writeln!(out, "{:<7}  {answer}", format!("{:?}", start.elapsed())).unwrap();
    }
    expected.assert_eq(&out);
    assert_eq!(provider.in_flight(), 0);
}

/// Checks streamed calls, one line each: the frames with their times since the start of the call.
async fn streamed(steps: &str, expected: Expect) {
    let provider = script(&format!("p: {steps}")).provider("p");
    let request = ChatRequest::user("hi");
    let start = Instant::now();
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{:<7}  {text}", format!("{:?}", start.elapsed())).unwrap();
    match timeout(HOUR, provider.stream(call(&request))).await {
        Err(_) => line("never".to_owned()),
        Ok(Err(error)) => line(format!("no head: {}", print_error(&error))),
        Ok(Ok(mut streaming)) => {
            for _ in 0..9 {
                match timeout(HOUR, streaming.frames.next()).await {
                    Err(_) => line("never".to_owned()),
                    Ok(Some(Ok(frame))) => {
                        let events: Vec<String> = frame.events.iter().map(print_event).collect();
                        line(format!("[{}]", events.join(", ")));
                        continue;
                    }
                    Ok(Some(Err(failure))) => {
                        line(print_failure(&failure));
                        continue;
                    }
                    Ok(None) => line("end".to_owned()),
                }
                break;
            }
        }
    }
    expected.assert_eq(&out);
    assert_eq!(provider.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn answers_follow_the_script_and_the_last_step_repeats() {
    plain("503 in 40ms, 200(\"a b\") in 300ms, 200(tool), 200", 5, expect![[r#"
        40ms     server_error (503)
        300ms    "a b" [] Stop, 15 tokens
        0ns      "" [ToolCall { id: "call_1", name: "lookup", arguments: "{\"city\":\"Oslo\"}" }] ToolCalls, 15 tokens
        0ns      "hello from p" [] Stop, 15 tokens
        0ns      "hello from p" [] Stop, 15 tokens
    "#]]).await;
}

#[tokio::test(start_paused = true)]
async fn statuses_are_classified() {
    let all = "400, 401, 402, 403, 404, 413, 418, 422, 429, 500, 502, 503, 504, 520, 529";
    plain(
        all,
        15,
        expect![[r#"
        0ns      invalid_request (400 invalid_request_error)
        0ns      auth (401 invalid_api_key)
        0ns      quota_exhausted (402 billing_error)
        0ns      permission (403 permission_error)
        0ns      model_not_found (404 model_not_found)
        0ns      too_large (413 request_too_large)
        0ns      unknown (418)
        0ns      invalid_request (422 invalid_request_error)
        0ns      rate_limited (429 rate_limit_exceeded)
        0ns      server_error (500)
        0ns      server_error (502)
        0ns      server_error (503)
        0ns      server_error (504)
        0ns      unknown (520)
        0ns      overloaded (529 overloaded_error)
    "#]],
    )
    .await;
    plain(
        "429(retry-after 2s), 503(retry-after 1.5s)",
        2,
        expect![[r#"
        0ns      rate_limited (429 rate_limit_exceeded), wait 2s
        0ns      server_error (503), wait 1.5s
    "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn failures_without_a_status_have_names() {
    plain(
        "context, quota, refused, reset, stale, malformed, interrupted, timeout, region, overloaded",
        10,
        expect![[r#"
            0ns      context_length (400 context_length_exceeded)
            0ns      quota_exhausted (429 insufficient_quota)
            0ns      connect (connection refused)
            0ns      network (connection reset)
            0ns      stale_connection (kept-alive connection was closed)
            0ns      malformed (body is not JSON)
            0ns      interrupted (ended before its end signal)
            0ns      timeout (no answer in time)
            0ns      region (403 unsupported_country_region_territory)
            0ns      overloaded (529 overloaded_error)
        "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn hang_never_answers() {
    plain(
        "hang, 200",
        2,
        expect![[r#"
        3600s    never
        0ns      "hello from p" [] Stop, 15 tokens
    "#]],
    )
    .await;
    streamed(
        "hang",
        expect![[r#"
        3600s    never
    "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn blocks_are_not_failures() {
    plain(
        "block, block(400), block(403) in 5s, block(mid 2)",
        4,
        expect![[r#"
        0ns      blocked (refused), 200, "", 15 tokens
        0ns      blocked (input filtered), 400, "", 0 tokens
        5s       blocked (input filtered), 403, "", 0 tokens
        0ns      blocked (output filtered), 200, "hello from ", 15 tokens
    "#]],
    )
    .await;
    streamed(
        "block",
        expect![[r#"
        0ns      []
        0ns      [blocked (refused), refusal "I can't help with that."]
        0ns      [Refusal, 15 tokens]
        0ns      [done]
        0ns      end
    "#]],
    )
    .await;
    streamed(
        "block(400) in 1s",
        expect![[r#"
        1s       no head: blocked (input filtered), 400, "", 0 tokens
    "#]],
    )
    .await;
    streamed(
        "block(mid 2)",
        expect![[r#"
        0ns      []
        0ns      ["hello "]
        0ns      ["from "]
        0ns      [blocked (output filtered)]
        0ns      [ContentFilter, 15 tokens]
        0ns      [done]
        0ns      end
    "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn plain_call_of_a_broken_stream_fails_or_hangs() {
    plain(
        "cut(2), error(2 overloaded), error(0 reset), stall(0), pings, nodone",
        6,
        expect![[r#"
        0ns      interrupted (ended before its end signal)
        0ns      overloaded (overloaded_error)
        0ns      network (connection reset)
        3600s    never
        3600s    never
        0ns      "hello from p" [] Stop, 15 tokens
    "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn text_is_streamed_in_words_up_to_its_end_signal() {
    streamed(
        "200 in 300ms gap 20ms",
        expect![[r#"
        300ms    []
        320ms    ["hello "]
        340ms    ["from "]
        360ms    ["p"]
        380ms    [Stop, 15 tokens]
        400ms    [done]
        400ms    end
    "#]],
    )
    .await;
    streamed(
        "200(tool)",
        expect![[r#"
        0ns      []
        0ns      [tool "lookup" ""]
        0ns      [tool "" "{\"city\":\"Oslo\"}"]
        0ns      [ToolCalls, 15 tokens]
        0ns      [done]
        0ns      end
    "#]],
    )
    .await;
    streamed(
        "200(\"\")",
        expect![[r#"
        0ns      []
        0ns      [Stop, 15 tokens]
        0ns      [done]
        0ns      end
    "#]],
    )
    .await;
    streamed(
        "200(\"one\") nodone",
        expect![[r#"
        0ns      []
        0ns      ["one"]
        0ns      [Stop, 15 tokens]
        0ns      end
    "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn failures_before_the_head_are_errors_of_the_call() {
    streamed(
        "503 in 5s",
        expect![[r#"
        5s       no head: server_error (503)
    "#]],
    )
    .await;
    streamed(
        "429(retry-after 2s)",
        expect![[r#"
        0ns      no head: rate_limited (429 rate_limit_exceeded), wait 2s
    "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn broken_streams_end_after_their_words() {
    streamed(
        "cut(0)",
        expect![[r#"
        0ns      []
        0ns      end
    "#]],
    )
    .await;
    streamed(
        "cut(4) gap 1s",
        expect![[r#"
        0ns      []
        1s       ["hello "]
        2s       ["from "]
        3s       ["p "]
        4s       ["hello "]
        4s       end
    "#]],
    )
    .await;
    streamed(
        "error(2 overloaded)",
        expect![[r#"
        0ns      []
        0ns      ["hello "]
        0ns      ["from "]
        0ns      overloaded (overloaded_error)
        0ns      end
    "#]],
    )
    .await;
    streamed(
        "stall(1)",
        expect![[r#"
        0ns      []
        0ns      ["hello "]
        3600s    never
    "#]],
    )
    .await;
    streamed(
        "pings",
        expect![[r#"
        0ns      []
        1s       []
        2s       []
        3s       []
        4s       []
        5s       []
        6s       []
        7s       []
        8s       []
    "#]],
    )
    .await;
    streamed(
        "pings in 2s gap 5s",
        expect![[r#"
        2s       []
        7s       []
        12s      []
        17s      []
        22s      []
        27s      []
        32s      []
        37s      []
        42s      []
    "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn dropped_calls_are_cancelled_and_leave_nothing_in_flight() {
    let provider = script("p: 200 in 5s, stall(1), 200").provider("p");
    let request = ChatRequest::user("hi");
    let tally = || (provider.calls(), provider.in_flight(), provider.cancelled());

    let mut chat = Box::pin(provider.chat(call(&request)));
    assert!(timeout(Duration::from_secs(1), &mut chat).await.is_err());
    assert_eq!(tally(), (1, 1, 0));
    drop(chat);
    assert_eq!(tally(), (1, 0, 1));

    let stalled = provider.stream(call(&request)).await.unwrap();
    assert_eq!(tally(), (2, 1, 1));
    drop(stalled);
    assert_eq!(tally(), (2, 0, 2));

    let mut whole = provider.stream(call(&request)).await.unwrap();
    while !whole.frames.next().await.unwrap().unwrap().is_done() {}
    assert_eq!(tally(), (3, 0, 2), "a stream is answered at its end signal");
    drop(whole);
    assert_eq!(tally(), (3, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn requests_contain_model_and_text() {
    let provider = script("p: 200").provider("p");
    let messages = vec![Message::text(Role::System, "be short"), Message::text(Role::User, "hi")];
    let request = ChatRequest::from_chat("default", Chat { messages, ..Chat::default() });
    provider.chat(call(&request)).await.unwrap();
    assert_eq!(provider.requests(), [("m".to_owned(), "be short\nhi".to_owned())]);
}

#[test]
fn capabilities_and_refusals_can_be_set() {
    let provider = script("p: 200").provider("p");
    let request = ChatRequest::user("hi");
    assert_eq!(provider.admit(call(&request)), Ok(()));
    let small = Capabilities { context: Some(8_000), ..Capabilities::default() };
    provider.with_capabilities(small).refuse("seed", "not there");
    assert_eq!(provider.capabilities("m"), small);
    assert_eq!(provider.admit(call(&request)), Err(Refusal::new("seed", "not there")));
}

#[tokio::test(start_paused = true)]
async fn signed_words_contain_call_and_position() {
    let provider = script("p: 200(tool), block(mid 2), 200(\"one two\") gap 1s").provider("p");
    provider.signed();
    let request = ChatRequest::user("hi");
    let tool = provider.chat(call(&request)).await.unwrap();
    assert_eq!(tool.tool_calls[0].id, "call_1@m#0");
    let Err(CallError::Blocked(block)) = provider.chat(call(&request)).await else { panic!("no block") };
    assert_eq!(block.partial, "hello@m#1.0 from@m#1.1 ");
    assert_eq!(provider.chat(call(&request)).await.unwrap().text, "one@m#2.0 two@m#2.1");
    let frames = provider.stream(call(&request)).await.unwrap().frames;
    let texts = frames.map(Result::unwrap).filter_map(async |frame| frame.events.first().map(print_event));
    let texts: Vec<String> = texts.collect().await;
    assert_eq!(texts, ["\"one@m#3.0 \"", "\"two@m#3.1\"", "Stop", "done"]);
    assert_eq!(provider.log().iter().map(|record| record.words).collect::<Vec<_>>(), [0, 2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn log_records_every_call() {
    let provider = script("p: 200 in 5s, 503, block, cut(1), error(1 529), block(mid 1), 200").provider("p");
    let (request, begin) = (ChatRequest::user("hi"), Instant::now());
    let mut cancelled = Box::pin(provider.chat(call(&request)));
    assert!(timeout(Duration::from_secs(1), &mut cancelled).await.is_err());
    assert_eq!(provider.log()[0].ended, None);
    provider.chat(call(&request)).await.unwrap_err();
    provider.chat(call(&request)).await.unwrap_err();
    drop(cancelled);
    for _ in 0..2 {
        provider.stream(call(&request)).await.unwrap().frames.collect::<Vec<_>>().await;
    }
    let mut blocked = provider.stream(call(&request)).await.unwrap().frames;
    for _ in 0..3 {
        blocked.next().await.unwrap().unwrap();
    }
    drop(blocked);
    provider.stream(call(&request)).await.unwrap().frames.collect::<Vec<_>>().await;
    let secs = |at: std::time::Instant| (at - begin.into_std()).as_secs();
    let print = |record: &CallRecord| {
        let (ended, outcome) = record.ended.unwrap();
        let kind = if record.streamed { "stream" } else { "chat" };
        let output = format!("{} bytes, {:?} tokens", record.output_bytes, record.usage.map(Usage::total));
        format!("{kind} {} {} {} {outcome:?}, {output}", secs(record.began), record.concurrent, secs(ended))
    };
    let log: Vec<String> = provider.log().iter().map(print).collect();
    assert_eq!(
        log,
        [
            "chat 0 0 1 Cancelled, 0 bytes, None tokens",
            "chat 1 1 1 Failed(ServerError), 0 bytes, None tokens",
            "chat 1 1 1 Blocked, 0 bytes, Some(15) tokens",
            "stream 1 0 1 Cut, 6 bytes, None tokens",
            "stream 1 0 1 Failed(Overloaded), 6 bytes, None tokens",
            "stream 1 0 1 Blocked, 6 bytes, None tokens",
            "stream 1 0 1 Answered, 12 bytes, Some(15) tokens",
        ]
    );
}

#[tokio::test]
async fn calls_are_numbered_over_all_providers_of_a_script() {
    let (script, request) = (script("p: 200 / q: 200"), ChatRequest::user("hi"));
    for name in ["p", "q", "p"] {
        script.provider(name).chat(call(&request)).await.unwrap();
    }
    let order = |name| {
        let log = script.provider(name).log();
        log.iter()
            .map(|record| (record.index, record.ended_at_start, record.ended_at_end))
            .collect::<Vec<_>>()
    };
    assert_eq!(order("p"), [(0, 0, Some(0)), (2, 2, Some(2))]);
    assert_eq!(order("q"), [(1, 1, Some(1))]);
}

#[test]
fn request_beyond_the_capabilities_is_refused() {
    let provider = script("p: 200").provider("p");
    let none = Capabilities { tools: false, vision: false, json_schema: false, ..Capabilities::default() };
    provider.with_model_capabilities("small", none);
    let tool = Tool { name: "look".to_owned(), description: None, parameters: None, strict: None };
    let picture =
        Image { source: ImageSource::Url("https://example.invalid/a.png".to_owned()), detail: None };
    let message = Message { role: Role::User, name: None, parts: vec![Part::Image(picture)] };
    let format =
        Schema { name: "s".to_owned(), description: None, schema: Json::print(&1).unwrap(), strict: None };
    let field = |chat: Chat, model: &str| {
        let request = ChatRequest::from_chat("default", chat);
        provider
            .admit(Call {
                request: &request,
                model,
                overrides: &NONE,
                thinking: None,
                key: CallKey::default(),
            })
            .err()
            .map(|refusal| refusal.field)
    };
    for (chat, refused) in [
        (Chat::default(), None),
        (Chat { tools: vec![tool], ..Chat::default() }, Some("tools")),
        (Chat { messages: vec![message], ..Chat::default() }, Some("messages")),
        (Chat { format: Format::JsonSchema(format), ..Chat::default() }, Some("response_format")),
    ] {
        assert_eq!(field(chat.clone(), "small").as_deref(), refused);
        assert_eq!(field(chat, "m"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn provider_follows_the_steps_of_another_one() {
    let script = script("a: 200(\"one\"), 503 / b: 429, 200(\"two\")");
    let (a, b) = (script.provider("a"), script.provider("b"));
    let request = ChatRequest::user("hi");
    let chat = async || match a.chat(call(&request)).await {
        Ok(reply) => reply.text,
        Err(error) => print_error(&error),
    };
    assert_eq!(
        [chat().await, chat().await, chat().await],
        ["one", "server_error (503)", "server_error (503)"]
    );
    a.follow(&b);
    assert_eq!(
        [chat().await, chat().await, chat().await],
        ["rate_limited (429 rate_limit_exceeded)", "two", "two"]
    );
    assert_eq!((a.calls(), b.calls()), (6, 0));
}
