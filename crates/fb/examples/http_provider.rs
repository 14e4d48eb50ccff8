//! A provider for an HTTP API that fb does not know, plain and streamed: its errors are classified as those of the built-in
//! adapters, its events are split by fb, and the conformance suite checks it. Uses `fb` alone; the API is simulated.

use std::{collections::VecDeque, sync::Arc};

use fb::{
    Call, CallError, Capabilities, ChatRequest, Client, Failure, FailureKind, FinishReason, Frame, Part,
    Provider, Refusal, Reply, Route, StreamEvent, Streaming, Target, async_trait,
    providers::{
        conformance::{RETRY_AFTER, Scenario, Suite, TEXT, Upstream},
        error_from_response,
        frames::{MAX_EVENT, SseDecoder},
        plain_http_client, reqwest,
    },
};
use fb_sim::{Dialect, Sim, SimReply};
use futures_util::stream;
use serde_json::{Value, json};

/// The API at an address.
struct Api {
    http: reqwest::Client,
    address: String,
}

impl Api {
    /// Sends a request; returns once the head of a success has arrived.
    async fn send(&self, call: Call<'_>, stream: bool) -> Result<reqwest::Response, CallError> {
        let invalid = |error: &fb::InvalidRequest| Failure::new(FailureKind::InvalidRequest, &*error.message);
        let messages = call.request.chat().map_err(invalid)?.messages.iter().map(|message| {
            let texts = message.parts.iter().filter_map(|part| match part {
                Part::Text(text) => Some(text.as_str()),
                _ => None,
            });
            json!({ "role": format!("{:?}", message.role).to_lowercase(), "content": texts.collect::<String>() })
        });
        let body = json!({ "model": call.model, "messages": messages.collect::<Vec<_>>(), "stream": stream });
        let request = self.http.post(format!("{}/chat/completions", self.address)).bearer_auth("sk-own");
        let mut response = request.body(body.to_string()).send().await.map_err(network)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        let body = response.bytes().await.unwrap_or_default();
        Err(error_from_response(status, &headers, body))
    }
}

/// Classifies an error of the connection. The URL is left out, as details reach the log.
fn network(error: reqwest::Error) -> Failure {
    let kind = if error.is_connect() { FailureKind::Connect } else { FailureKind::Network };
    Failure::new(kind, "the connection failed").with_source(error.without_url())
}

fn malformed(detail: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Malformed, detail)
}

#[async_trait]
impl Provider for Api {
    fn capabilities(&self, _model: &str) -> Capabilities {
        Capabilities { tools: false, json_schema: false, vision: false, ..Capabilities::default() }
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        let chat = call.request.chat().map_err(|invalid| Refusal::new("messages", &*invalid.message))?;
        if chat.tools.is_empty() { Ok(()) } else { Err(Refusal::new("tools", "this API has none")) }
    }

    async fn chat(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let body = self.send(call, false).await?.bytes().await.map_err(network)?;
        let answer: Value =
            serde_json::from_slice(&body).map_err(|_error| malformed("the body is no JSON"))?;
        let text = answer["choices"][0]["message"]["content"].as_str();
        let text = text.ok_or_else(|| malformed("an answer without content"))?;
        Ok(Reply { text: text.to_owned(), ..Reply::default() })
    }

    async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError> {
        let response = self.send(call, true).await?;
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        if !kind.unwrap_or_default().starts_with("text/event-stream") {
            return Err(malformed("no stream of events").into());
        }
        let reader = Reader { response, decoder: SseDecoder::new(MAX_EVENT), ready: VecDeque::new() };
        // Dropping the stream drops the response, and with it the connection.
        let frames = stream::try_unfold(reader, |mut reader| async move {
            Ok(reader.next().await?.map(|frame| (frame, reader)))
        });
        Ok(Streaming { meta: fb::Meta::default(), frames: Box::pin(frames) })
    }
}

/// Reads the frames of a stream.
struct Reader {
    response: reqwest::Response,
    decoder: SseDecoder,
    ready: VecDeque<Frame>,
}

impl Reader {
    /// Returns the next frame; `None` at the end of the connection.
    async fn next(&mut self) -> Result<Option<Frame>, Failure> {
        while self.ready.is_empty() {
            let Some(chunk) = self.response.chunk().await.map_err(network)? else { return Ok(None) };
            let mut events = Vec::new();
            self.decoder.push(&chunk, &mut events).map_err(|error| malformed(error.to_string()))?;
            for event in events {
                self.ready.push_back(frame(&event.data)?);
            }
        }
        Ok(self.ready.pop_front())
    }
}

/// Translates an event. Only the API's own end signal ends an answer: a stream without it counts as interrupted.
fn frame(data: &[u8]) -> Result<Frame, Failure> {
    let mut events = Vec::new();
    if data == b"[DONE]" {
        events.push(StreamEvent::Done);
    } else if !data.is_empty() {
        let event: Value = serde_json::from_slice(data).map_err(|_error| malformed("an event is no JSON"))?;
        let choice = &event["choices"][0];
        events.extend(choice["delta"]["content"].as_str().map(|text| StreamEvent::Text(text.to_owned())));
        if choice["finish_reason"] == "stop" {
            events.push(StreamEvent::Finish(FinishReason::Stop));
        }
    }
    // A comment or a ping yields an empty frame: a sign of life.
    Ok(Frame { events, ..Frame::default() })
}

/// The simulated API as the upstream of the conformance suite.
struct Simulated(Sim);

#[async_trait]
impl Upstream for Simulated {
    async fn play(&self, scenario: Scenario) -> bool {
        self.0.heal();
        self.0.reply(SimReply::text(TEXT));
        let fault = match scenario {
            Scenario::Text => return true,
            Scenario::Garbage => "html".to_owned(),
            Scenario::Empty => "empty".to_owned(),
            Scenario::Cut => "cut-after=2".to_owned(),
            Scenario::EndedEarly => "end-early=2".to_owned(),
            Scenario::WrongKey => "status=401".to_owned(),
            Scenario::InvalidRequest => "status=400".to_owned(),
            Scenario::PolicyBlock => "block=http-400".to_owned(),
            Scenario::RateLimited => format!("status=429 retry-after={}", RETRY_AFTER.as_secs()),
            Scenario::ServerError => "status=500".to_owned(),
            Scenario::Overloaded => "status=503".to_owned(),
            Scenario::Redirect => format!("status=302 location={}", self.0.base_url()),
            Scenario::Silent => "stall-headers".to_owned(),
            Scenario::Stalled => "stall-after=2".to_owned(),
            _ => return false,
        };
        let Ok(fault) = fault.parse() else { return false };
        self.0.fault(fault);
        true
    }

    fn calls(&self) -> Option<u64> {
        Some(self.0.calls())
    }

    async fn wait_for_open_calls(&self, open: u64) -> bool {
        self.0.wait_until(|counters| counters.open == open).await;
        true
    }
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the output of the example")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let upstream = Simulated(Sim::start(Dialect::OpenAi).await?);
    // Neither redirects nor retries: every call to an upstream is counted.
    let api =
        || Ok::<_, fb::InvalidConfig>(Api { http: plain_http_client()?, address: upstream.0.base_url() });

    let findings = Suite::new(Arc::new(api()?), "m").secret("sk-own").run(&upstream).await;
    println!("{findings}");
    findings.assert_conforms();

    upstream.play(Scenario::Text).await;
    let route = Route::priority("default", [Target::new("own", "m")]);
    let client = Client::builder().provider("own", api()?).route(route).build()?;
    let answer = client.chat(ChatRequest::user("hi")).await?;
    println!("{:?}\n{}", answer.text(), answer.trace());
    Ok(())
}
