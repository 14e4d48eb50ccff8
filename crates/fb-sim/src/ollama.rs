//! The native API of Ollama: the chat endpoint and its neighbours.

mod wire;

use bytes::Bytes;
use serde_json::{Value, json};

use self::wire::{AssistantMessage, ChatRequest, Failure, Function, Line, Measures, ToolCall};
use crate::answer::{Answer, to_json};
use crate::fault::BlockForm;
use crate::inbound::{Inbound, read};
use crate::reply::SimReply;
use crate::turn::{Choice, Finish, Format, Tool, Turn, TurnRequest, pieces, words_in};

pub(crate) const CHAT: &str = "/api/chat";

const GREETING: &str = "Hello from ollama.";

const CREATED_AT: &str = "2026-11-21T00:00:00Z";

const VERSION: &str = r#"{"version":"0.12.6"}"#;

const TAGS: &str = r#"{"models":[{"name":"llama3.2:latest","model":"llama3.2:latest","modified_at":"2026-11-21T00:00:00Z","size":2019393189,"digest":"a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72","details":{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"3.2B","quantization_level":"Q4_K_M"}}]}"#;

const LOADED: &str = r#"{"models":[{"name":"llama3.2:latest","model":"llama3.2:latest","size":3373645824,"digest":"a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72","details":{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"3.2B","quantization_level":"Q4_K_M"},"expires_at":"2026-11-21T00:05:00Z","size_vram":3373645824,"context_length":4096}]}"#;

const SHOW: &str = r#"{"license":"","modelfile":"FROM llama3.2","parameters":"","template":"{{ .Prompt }}","details":{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"3.2B","quantization_level":"Q4_K_M"},"model_info":{"general.architecture":"llama","llama.context_length":131072},"capabilities":["completion","tools"],"modified_at":"2026-11-21T00:00:00Z"}"#;

pub(crate) fn failure(status: u16) -> String {
    error(match status {
        400 => "invalid request",
        401 => "unauthorized",
        403 => "ollama cloud is disabled",
        404 => "model 'sim' not found",
        429 => "too many requests",
        502 => "upstream unreachable",
        503 => "server busy, please try again. maximum pending requests exceeded",
        500.. => "llama runner process has terminated: exit status 2",
        _ => "request failed",
    })
}

pub(crate) fn quota() -> Answer {
    Answer::json(429, error("you have reached your weekly usage limit, please upgrade to continue"))
}

/// Returns the error of an Ollama that is configured to reject long prompts; by default it truncates them silently.
pub(crate) fn context_length() -> Answer {
    Answer::json(400, error("input length exceeds the context length"))
}

pub(crate) fn answer(request: Inbound<'_>, reply: &SimReply, block: Option<BlockForm>) -> Answer {
    match (request.method.as_str(), request.path) {
        ("POST", CHAT) => chat(request, reply, block).unwrap_or_else(|refusal| refusal),
        ("GET", "/api/tags") => Answer::json(200, TAGS),
        ("GET", "/api/ps") => Answer::json(200, LOADED),
        ("GET", "/api/version") => Answer::json(200, VERSION),
        ("POST", "/api/show") => Answer::json(200, SHOW),
        ("GET" | "HEAD", "/") => {
            Answer::json(200, "Ollama is running").with_header("content-type", "text/plain")
        }
        _ => Answer::json(404, "404 page not found").with_header("content-type", "text/plain"),
    }
}

fn error(text: &str) -> String {
    to_json(&Failure { error: text })
}

/// Returns the error response as `Err` for an invalid request.
fn chat(request: Inbound<'_>, reply: &SimReply, block: Option<BlockForm>) -> Result<Answer, Answer> {
    let chat: ChatRequest =
        read(request.body).map_err(|problem| Answer::json(400, error(&problem.to_string())))?;
    let model = chat.model.as_deref().filter(|model| !model.is_empty());
    let model = model.ok_or_else(|| Answer::json(400, error("model is required")))?;
    // Ollama has no content policy, so every form of a block is a refusal.
    let block = block.map(|_| BlockForm::Refusal);
    let turn = Turn::new(&chat.turn_request(), reply, block, GREETING);
    let encoder = AnswerEncoder {
        model: reply.model.as_deref().unwrap_or(model),
        done_reason: reply.finish_reason.as_deref().unwrap_or_else(|| done_reason(turn.finish)),
        turn: &turn,
    };
    let answer = if chat.stream {
        Answer::events("application/x-ndjson", encoder.lines(reply.chunks), reply.gap)
    } else {
        Answer::json(200, encoder.whole()).with_header("content-type", "application/json; charset=utf-8")
    };
    Ok(answer.after(reply.latency))
}

/// Returns the `done_reason`; Ollama reports tool calls as an ordinary stop.
fn done_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::ToolCalls | Finish::ContentFilter | Finish::Refusal => "stop",
        Finish::Length => "length",
    }
}

impl ChatRequest {
    fn turn_request(&self) -> TurnRequest {
        let last_user = self.messages.last().filter(|message| message.role == "user");
        let functions = self.tools.iter().map(|tool| &tool.function);
        TurnRequest {
            last_user: last_user.map(|message| message.content.clone()),
            prompt_tokens: self.messages.iter().map(|message| words_in(&json!(message.content))).sum(),
            tools: functions
                .map(|function| Tool { name: function.name.clone(), schema: function.parameters.clone() })
                .collect(),
            choice: Choice::Auto,
            format: match &self.format {
                Value::String(word) if word == "json" => Format::Json,
                schema @ Value::Object(_) => Format::Schema(schema.clone()),
                _ => Format::Text,
            },
            max_tokens: self.options.num_predict.and_then(|tokens| u64::try_from(tokens).ok()),
        }
    }
}

/// Encodes a turn in the wire format.
struct AnswerEncoder<'a> {
    model: &'a str,
    done_reason: &'a str,
    turn: &'a Turn,
}

impl AnswerEncoder<'_> {
    fn whole(&self) -> String {
        self.line(self.message(self.text()), true)
    }

    fn lines(&self, chunks: usize) -> Vec<Bytes> {
        let texts = pieces(self.text(), chunks);
        let mut lines: Vec<_> = texts.iter().map(|text| self.line(plain(text), false)).collect();
        if !self.turn.calls.is_empty() {
            lines.push(self.line(self.message(""), false));
        }
        lines.push(self.line(plain(""), true));
        lines.into_iter().map(|line| Bytes::from(line + "\n")).collect()
    }

    fn line(&self, message: AssistantMessage<'_>, done: bool) -> String {
        to_json(&Line {
            model: self.model,
            created_at: CREATED_AT,
            message,
            done,
            done_reason: done.then_some(self.done_reason),
            measures: done.then(|| self.measures()),
        })
    }

    fn message<'s>(&'s self, content: &'s str) -> AssistantMessage<'s> {
        let calls = self.turn.calls.iter().map(|call| ToolCall {
            function: Function {
                name: &call.name,
                arguments: serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!(call.arguments)),
            },
        });
        AssistantMessage { tool_calls: calls.collect(), ..plain(content) }
    }

    /// Returns the text; this dialect sends a refusal as text.
    fn text(&self) -> &str {
        self.turn.refusal.as_ref().unwrap_or(&self.turn.text)
    }

    fn measures(&self) -> Measures {
        let Turn { prompt_tokens, completion_tokens, .. } = *self.turn;
        Measures {
            total_duration: 1_000_000 * (1 + prompt_tokens + completion_tokens),
            load_duration: 1_000_000,
            prompt_eval_count: prompt_tokens,
            prompt_eval_duration: 1_000_000 * prompt_tokens,
            eval_count: completion_tokens,
            eval_duration: 1_000_000 * completion_tokens,
        }
    }
}

fn plain(content: &str) -> AssistantMessage<'_> {
    AssistantMessage { role: "assistant", content, tool_calls: Vec::new() }
}
