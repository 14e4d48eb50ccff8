//! The Messages API of Anthropic.

mod failures;
mod wire;

use ::http::header::AUTHORIZATION;
use bytes::Bytes;
use serde_json::{Value, json};

use self::wire::{
    Block, Counted, Delta, Event, Message, MessagesRequest, Model, Models, Stop, StopDetails, Usage,
};
use crate::answer::{Answer, to_json};
use crate::fault::BlockForm;
use crate::inbound::{Inbound, is_json, read};
use crate::reply::SimReply;
use crate::turn::{Choice, Finish, Format, Tool, Turn, TurnRequest, pieces, text_of, words_in};

pub(crate) const MESSAGES: &str = "/v1/messages";

const GREETING: &str = "Hello from anthropic.";

const MODELS: [(&str, &str); 4] = [
    ("claude-opus-5-5", "Claude Opus 5.5"),
    ("claude-sonnet-5-5", "Claude Sonnet 5.5"),
    ("claude-haiku-5-5", "Claude Haiku 5.5"),
    ("claude-sonnet-4-6", "Claude Sonnet 4.6"),
];

pub(crate) fn failure(status: u16, number: u64) -> String {
    failures::body(status, number)
}

pub(crate) fn quota(number: u64) -> Answer {
    failures::quota(number)
}

pub(crate) fn context_length(number: u64) -> Answer {
    failures::context_length(number)
}

pub(crate) fn answer(request: Inbound<'_>, reply: &SimReply, block: Option<BlockForm>) -> Answer {
    let number = request.number;
    let answer = if !request.headers.contains_key("x-api-key") && !request.headers.contains_key(AUTHORIZATION)
    {
        failures::no_key(number)
    } else if !request.headers.contains_key("anthropic-version") {
        failures::invalid("anthropic-version: header is required", number)
    } else {
        match (request.method.as_str(), request.path) {
            ("POST", MESSAGES) => messages(request, reply, block).unwrap_or_else(|refusal| refusal),
            ("POST", "/v1/messages/count_tokens") => count(request).unwrap_or_else(|refusal| refusal),
            ("GET", "/v1/models") => Answer::json(200, all_models()),
            ("GET", path) if path.starts_with("/v1/models/") => {
                one_model(&path["/v1/models/".len()..], number)
            }
            _ => failures::not_found("Not found", number),
        }
    };
    answer
        .with_header("request-id", failures::request_id(number))
        .with_header("anthropic-organization-id", "00000000-0000-4000-8000-000000000000")
        .with_header("anthropic-ratelimit-requests-limit", "4000")
        .with_header("anthropic-ratelimit-requests-remaining", "3999")
        .with_header("anthropic-ratelimit-requests-reset", "2026-11-21T00:00:01Z")
}

fn models() -> impl Iterator<Item = Model> {
    MODELS.into_iter().map(|(id, display_name)| Model {
        kind: "model",
        id,
        display_name,
        created_at: "2026-11-21T00:00:00Z",
        lifecycle: "active",
        max_input_tokens: 200_000,
        max_tokens: 64_000,
    })
}

fn all_models() -> String {
    let id = |model: &(&'static str, _)| model.0;
    let (first_id, last_id) = (MODELS.first().map(id), MODELS.last().map(id));
    to_json(&Models { data: models().collect(), has_more: false, first_id, last_id })
}

fn one_model(id: &str, number: u64) -> Answer {
    models().find(|model| model.id == id).map_or_else(
        || failures::not_found(&format!("model: {id}"), number),
        |model| Answer::json(200, to_json(&model)),
    )
}

/// Returns the error response as `Err` for an invalid request.
fn parse(request: Inbound<'_>) -> Result<MessagesRequest, Answer> {
    read(request.body).map_err(|error| {
        let message = if is_json(request.body) {
            error.to_string()
        } else {
            format!("The request body is not valid JSON: {error}")
        };
        failures::invalid(&message, request.number)
    })
}

fn count(request: Inbound<'_>) -> Result<Answer, Answer> {
    let turn_request = parse(request)?.turn_request(request.number)?;
    Ok(Answer::json(200, to_json(&Counted { input_tokens: turn_request.prompt_tokens.max(1) })))
}

fn messages(request: Inbound<'_>, reply: &SimReply, block: Option<BlockForm>) -> Result<Answer, Answer> {
    let parsed = parse(request)?;
    let model = parsed.model.as_deref().ok_or_else(|| missing("model", request.number))?;
    parsed.max_tokens.ok_or_else(|| missing("max_tokens", request.number))?;
    let turn_request = parsed.turn_request(request.number)?;
    if block == Some(BlockForm::Http400) {
        return Ok(failures::blocked(request.number).after(reply.latency));
    }
    let turn = Turn::new(&turn_request, reply, block, GREETING);
    let encoder = AnswerEncoder {
        id: format!("msg_sim{:06}", request.number),
        model: reply.model.as_deref().unwrap_or(model),
        stop_reason: reply.finish_reason.as_deref().unwrap_or_else(|| stop_reason(turn.finish)),
        turn: &turn,
        number: request.number,
    };
    let answer = if parsed.stream {
        let events = encoder.events(reply.chunks);
        let answer = Answer::events("text/event-stream; charset=utf-8", events, reply.gap);
        answer.with_header("cache-control", "no-cache")
    } else {
        Answer::json(200, encoder.message())
    };
    Ok(answer.after(reply.latency))
}

fn missing(field: &str, number: u64) -> Answer {
    failures::invalid(&format!("{field}: Field required"), number)
}

fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter | Finish::Refusal => "refusal",
    }
}

impl MessagesRequest {
    fn turn_request(&self, number: u64) -> Result<TurnRequest, Answer> {
        let messages = self.messages.as_deref().ok_or_else(|| missing("messages", number))?;
        let Some(last) = messages.last() else {
            return Err(failures::invalid("messages: at least one message is required", number));
        };
        let is_result = last.content.pointer("/0/type").and_then(Value::as_str) == Some("tool_result");
        let by_user = last.role == "user" && !is_result;
        let words: u64 = messages.iter().map(|message| words_in(&message.content)).sum();
        let format = self.output_config.as_ref().and_then(|config| config.format.as_ref());
        let tools = self.tools.iter();
        Ok(TurnRequest {
            last_user: by_user.then(|| text_of(&last.content)),
            prompt_tokens: words + words_in(&self.system),
            tools: tools
                .map(|tool| Tool { name: tool.name.clone(), schema: tool.input_schema.clone() })
                .collect(),
            choice: self.choice(),
            format: format.map_or(Format::Text, |format| Format::Schema(format.schema.clone())),
            max_tokens: self.max_tokens,
        })
    }

    fn choice(&self) -> Choice {
        match &self.tool_choice {
            Some(choice) if choice.kind == "any" => Choice::Required,
            Some(choice) if choice.kind == "none" => Choice::None,
            Some(choice) => choice.name.clone().map_or(Choice::Auto, Choice::Named),
            None => Choice::Auto,
        }
    }
}

/// Encodes a turn in the wire format.
struct AnswerEncoder<'a> {
    id: String,
    model: &'a str,
    stop_reason: &'a str,
    turn: &'a Turn,
    number: u64,
}

impl AnswerEncoder<'_> {
    fn message(&self) -> String {
        let text = self.text().map(|text| Block::Text { text });
        let calls = self.turn.calls.iter().enumerate().map(|(index, call)| Block::ToolUse {
            id: self.call_id(index),
            name: &call.name,
            input: serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!(call.arguments)),
        });
        to_json(&Message {
            content: text.into_iter().chain(calls).collect(),
            stop_reason: Some(self.stop_reason),
            stop_details: self.stop_details(),
            ..self.empty_message(self.turn.completion_tokens)
        })
    }

    fn events(&self, chunks: usize) -> Vec<Bytes> {
        let mut events = vec![event(&Event::MessageStart { message: self.empty_message(1) })];
        if let Some(text) = self.text() {
            let deltas = pieces(text, chunks);
            let deltas = deltas.iter().map(|text| Delta::TextDelta { text }).collect();
            push_block(&mut events, Block::Text { text: "" }, deltas);
        }
        for (index, call) in self.turn.calls.iter().enumerate() {
            let head = Block::ToolUse { id: self.call_id(index), name: &call.name, input: json!({}) };
            // The real API also begins with an empty delta.
            let mut deltas = vec![String::new()];
            deltas.extend(pieces(&call.arguments, chunks));
            let deltas = deltas.iter().map(|partial_json| Delta::InputJsonDelta { partial_json }).collect();
            push_block(&mut events, head, deltas);
        }
        let stop =
            Stop { stop_reason: self.stop_reason, stop_sequence: None, stop_details: self.stop_details() };
        // As in the real API, the ping follows the start of the first block.
        events.insert(events.len().min(2), event(&Event::Ping));
        events.push(event(&Event::MessageDelta {
            delta: stop,
            usage: self.usage(self.turn.completion_tokens),
        }));
        events.push(event(&Event::MessageStop));
        events
    }

    fn empty_message(&self, output_tokens: u64) -> Message<'_> {
        Message {
            id: &self.id,
            kind: "message",
            role: "assistant",
            model: self.model,
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            stop_details: None,
            usage: self.usage(output_tokens),
        }
    }

    /// Returns the text; this dialect sends a refusal as text.
    fn text(&self) -> Option<&str> {
        let text = self.turn.refusal.as_ref().unwrap_or(&self.turn.text);
        (!text.is_empty()).then_some(text)
    }

    fn stop_details(&self) -> Option<StopDetails> {
        let details = StopDetails { kind: "refusal", category: Some("general_harms"), explanation: None };
        (self.stop_reason == "refusal").then_some(details)
    }

    fn usage(&self, output_tokens: u64) -> Usage {
        Usage {
            input_tokens: self.turn.prompt_tokens,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: 0,
            output_tokens,
        }
    }

    fn call_id(&self, index: usize) -> String {
        format!("toolu_sim{:06}_{index}", self.number)
    }
}

fn push_block(events: &mut Vec<Bytes>, head: Block<'_>, deltas: Vec<Delta<'_>>) {
    let starts = |event: &Bytes| event.starts_with(b"event: content_block_start");
    let index = events.iter().filter(|event| starts(event)).count();
    events.push(event(&Event::ContentBlockStart { index, content_block: head }));
    events.extend(deltas.into_iter().map(|delta| event(&Event::ContentBlockDelta { index, delta })));
    events.push(event(&Event::ContentBlockStop { index }));
}

fn event(event: &Event<'_>) -> Bytes {
    let name = match event {
        Event::MessageStart { .. } => "message_start",
        Event::ContentBlockStart { .. } => "content_block_start",
        Event::Ping => "ping",
        Event::ContentBlockDelta { .. } => "content_block_delta",
        Event::ContentBlockStop { .. } => "content_block_stop",
        Event::MessageDelta { .. } => "message_delta",
        Event::MessageStop => "message_stop",
    };
    format!("event: {name}\ndata: {}\n\n", to_json(event)).into()
}
