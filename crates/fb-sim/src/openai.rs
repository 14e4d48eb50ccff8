//! The chat completions API of OpenAI and Azure.

mod failures;
mod wire;

use ::http::header::AUTHORIZATION;
use bytes::Bytes;
use serde_json::Value;

use self::wire::{
    AssistantMessage, ChatRequest, Chunk, ChunkChoice, Completion, Delta, Function, Model, Models,
    Placeholder, PromptFilter, ToolCall, Usage,
};
use crate::answer::{Answer, to_json};
use crate::fault::BlockForm;
use crate::inbound::{Inbound, is_json, read};
use crate::reply::SimReply;
use crate::turn::{Choice, Finish, Format, Tool, Turn, TurnRequest, pieces, text_of, words_in};

const GREETING: &str = "Hello from openai.";

/// 2026-11-21, the creation time of every answer.
const EPOCH: u64 = 1_795_219_200;

const MODELS: [&str; 5] = ["gpt-6-astra", "gpt-6.1-sol", "gpt-6.1-terra", "gpt-6-luna", "gpt-4o-mini"];

pub(crate) fn failure(status: u16) -> String {
    failures::body(status)
}

pub(crate) fn quota() -> Answer {
    failures::quota()
}

pub(crate) fn context_length() -> Answer {
    failures::context_length()
}

pub(crate) fn is_chat(path: &str) -> bool {
    endpoint(path) == "/chat/completions"
}

pub(crate) fn answer(request: Inbound<'_>, reply: &SimReply, block: Option<BlockForm>) -> Answer {
    let answer = match (request.method.as_str(), endpoint(request.path)) {
        _ if !has_key(request) => failures::no_key(),
        ("POST", "/chat/completions") => chat(request, reply, block).unwrap_or_else(|refusal| refusal),
        ("GET", "/models") => {
            Answer::json(200, to_json(&Models { object: "list", data: models().collect() }))
        }
        ("GET", path) if path.starts_with("/models/") => one_model(&path["/models/".len()..]),
        (method, _) => failures::unknown_url(method, request.path),
    };
    let answer = answer
        .with_header("x-request-id", format!("req_{:032x}", request.number))
        .with_header("openai-version", "2020-10-01")
        .with_header("openai-processing-ms", "12");
    if is_azure(request.path) {
        return answer
            .with_header("apim-request-id", format!("{:08x}-0000-4000-8000-000000000000", request.number));
    }
    answer
}

/// Returns the path without the prefix of OpenAI, of Azure, or of Azure with deployments.
fn endpoint(path: &str) -> &str {
    if let Some(deployment) = path.strip_prefix("/openai/deployments/") {
        return deployment.find('/').map_or("", |end| &deployment[end..]);
    }
    ["/openai/v1", "/v1"].into_iter().find_map(|prefix| path.strip_prefix(prefix)).unwrap_or(path)
}

fn is_azure(path: &str) -> bool {
    path.starts_with("/openai/")
}

fn has_key(request: Inbound<'_>) -> bool {
    request.headers.contains_key(AUTHORIZATION) || request.headers.contains_key("api-key")
}

fn models() -> impl Iterator<Item = Model> {
    MODELS.into_iter().map(|id| Model { id, object: "model", created: EPOCH, owned_by: "system" })
}

fn one_model(id: &str) -> Answer {
    models()
        .find(|model| model.id == id)
        .map_or_else(|| failures::unknown_model(id), |model| Answer::json(200, to_json(&model)))
}

/// Returns the error response as `Err` for an invalid request.
fn chat(request: Inbound<'_>, reply: &SimReply, block: Option<BlockForm>) -> Result<Answer, Answer> {
    let azure = is_azure(request.path);
    let chat: ChatRequest = read(request.body).map_err(|error| {
        if is_json(request.body) { failures::wrong_type(&error.to_string()) } else { failures::no_json() }
    })?;
    // The older path scheme of Azure contains the deployment instead of a model field.
    let deployment =
        request.path.strip_prefix("/openai/deployments/").and_then(|rest| rest.split('/').next());
    let model = chat.model.as_deref().or(deployment).ok_or_else(|| failures::missing("model"))?;
    let turn_request = chat.turn_request().ok_or_else(|| failures::missing("messages"))?;
    if block == Some(BlockForm::Http400) {
        let block = if azure { Answer::json(400, failures::AZURE_BLOCK) } else { failures::blocked() };
        return Ok(block.after(reply.latency));
    }
    let turn = Turn::new(&turn_request, reply, block, GREETING);
    let encoder = AnswerEncoder {
        id: format!("chatcmpl-sim{:06}", request.number),
        model: reply.model.as_deref().unwrap_or(model),
        finish: reply.finish_reason.as_deref().unwrap_or_else(|| finish_reason(turn.finish)),
        turn: &turn,
        number: request.number,
        azure,
    };
    let answer = if chat.stream == Some(true) {
        let include_usage = chat.stream_options.is_some_and(|options| options.include_usage);
        let events = encoder.events(reply.chunks, include_usage);
        let answer = Answer::events("text/event-stream; charset=utf-8", events, reply.gap);
        answer.with_header("cache-control", "no-cache")
    } else {
        Answer::json(200, encoder.completion())
    };
    Ok(answer.after(reply.latency))
}

fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Refusal => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
    }
}

impl ChatRequest {
    /// Returns `None` for a request without messages.
    fn turn_request(&self) -> Option<TurnRequest> {
        let messages = self.messages.as_deref().filter(|messages| !messages.is_empty())?;
        let last_user = messages.last().filter(|message| message.role == "user");
        let functions = self.tools.iter().filter_map(|tool| tool.function.as_ref());
        Some(TurnRequest {
            last_user: last_user.map(|message| text_of(&message.content)),
            prompt_tokens: messages.iter().map(|message| words_in(&message.content)).sum(),
            tools: functions
                .map(|function| Tool { name: function.name.clone(), schema: function.parameters.clone() })
                .collect(),
            choice: self.tool_choice.as_ref().map_or(Choice::Auto, choice),
            format: self.format(),
            max_tokens: self.max_completion_tokens.or(self.max_tokens),
        })
    }

    fn format(&self) -> Format {
        match &self.response_format {
            Some(format) if format.kind == "json_object" => Format::Json,
            Some(format) if format.kind == "json_schema" => format
                .json_schema
                .as_ref()
                .map_or(Format::Json, |format| Format::Schema(format.schema.clone())),
            _ => Format::Text,
        }
    }
}

fn choice(choice: &Value) -> Choice {
    match choice.as_str() {
        Some("none") => return Choice::None,
        Some("required") => return Choice::Required,
        _ => {}
    }
    if let Some(name) = choice.pointer("/function/name").and_then(Value::as_str) {
        return Choice::Named(name.to_owned());
    }
    match choice.pointer("/allowed_tools/mode").and_then(Value::as_str) {
        Some("required") => Choice::Required,
        _ => Choice::Auto,
    }
}

/// Encodes a turn in the wire format.
struct AnswerEncoder<'a> {
    id: String,
    model: &'a str,
    finish: &'a str,
    turn: &'a Turn,
    number: u64,
    azure: bool,
}

impl<'a> AnswerEncoder<'a> {
    fn completion(&self) -> String {
        let turn = self.turn;
        let calls = turn.calls.iter().enumerate().map(|(index, call)| ToolCall {
            index: None,
            id: Some(self.call_id(index)),
            kind: Some("function"),
            function: Function { name: Some(&call.name), arguments: &call.arguments },
        });
        let message = AssistantMessage {
            role: "assistant",
            content: (!turn.text.is_empty()).then_some(turn.text.as_str()),
            refusal: turn.refusal.as_deref(),
            tool_calls: calls.collect(),
            annotations: [],
        };
        to_json(&Completion {
            id: &self.id,
            object: "chat.completion",
            created: EPOCH,
            model: self.model,
            service_tier: "default",
            system_fingerprint: None,
            choices: [wire::Choice {
                index: 0,
                message,
                logprobs: None,
                finish_reason: self.finish,
                content_filter_results: self.azure.then(wire::Filters::default),
            }],
            usage: self.usage(),
            prompt_filter_results: self.azure.then(|| [PromptFilter::default()]),
        })
    }

    fn events(&self, chunks: usize, include_usage: bool) -> Vec<Bytes> {
        let turn = self.turn;
        let content = if turn.calls.is_empty() { Some("") } else { None };
        let first = Delta {
            role: Some("assistant"),
            content: Some(content),
            refusal: Some(None),
            ..Delta::default()
        };

        let mut events = Vec::new();
        if self.azure {
            events.push(event(&placeholder()));
        }
        events.push(self.chunk(first, None, include_usage));
        for piece in pieces(&turn.text, chunks) {
            let delta = Delta { content: Some(Some(&piece)), ..Delta::default() };
            events.push(self.chunk(delta, None, include_usage));
        }
        for piece in turn.refusal.iter().flat_map(|refusal| pieces(refusal, chunks)) {
            let delta = Delta { refusal: Some(Some(&piece)), ..Delta::default() };
            events.push(self.chunk(delta, None, include_usage));
        }
        for (index, call) in turn.calls.iter().enumerate() {
            let function = Function { name: Some(&call.name), arguments: "" };
            let id = Some(self.call_id(index));
            let head = ToolCall { index: Some(index), id, kind: Some("function"), function };
            events.push(self.chunk(
                Delta { tool_calls: vec![head], ..Delta::default() },
                None,
                include_usage,
            ));
            for piece in pieces(&call.arguments, chunks) {
                let function = Function { name: None, arguments: &piece };
                let rest = ToolCall { index: Some(index), id: None, kind: None, function };
                events.push(self.chunk(
                    Delta { tool_calls: vec![rest], ..Delta::default() },
                    None,
                    include_usage,
                ));
            }
        }
        events.push(self.chunk(Delta::default(), Some(self.finish), include_usage));
        if include_usage {
            let chunk = Chunk { usage: Some(Some(self.usage())), ..self.empty_chunk() };
            events.push(event(&chunk));
        }
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        events
    }

    fn chunk(&self, delta: Delta<'_>, finish_reason: Option<&str>, include_usage: bool) -> Bytes {
        let choice = ChunkChoice { index: 0, delta, logprobs: None, finish_reason };
        let usage = include_usage.then_some(None);
        event(&Chunk { choices: vec![choice], usage, ..self.empty_chunk() })
    }

    fn empty_chunk<'c>(&'c self) -> Chunk<'c>
    where
        'a: 'c,
    {
        Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: EPOCH,
            model: self.model,
            service_tier: "default",
            system_fingerprint: None,
            choices: Vec::new(),
            usage: None,
        }
    }

    fn usage(&self) -> Usage {
        let Turn { prompt_tokens, completion_tokens, .. } = *self.turn;
        Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            prompt_tokens_details: wire::PromptDetails::default(),
            completion_tokens_details: wire::CompletionDetails::default(),
        }
    }

    fn call_id(&self, index: usize) -> String {
        format!("call_sim{:06}_{index}", self.number)
    }
}

fn placeholder() -> Placeholder {
    let prompt_filter_results = [PromptFilter::default()];
    Placeholder { id: "", object: "", created: 0, model: "", choices: [], prompt_filter_results }
}

fn event(chunk: &impl serde::Serialize) -> Bytes {
    format!("data: {}\n\n", to_json(chunk)).into()
}
