use std::fmt;
use std::str::FromStr;

use ::http::{HeaderMap, Method};
use bytes::Bytes;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::answer::Answer;
use crate::fault::BlockForm;
use crate::reply::SimReply;
use crate::{anthropic, ollama, openai};

/// The language a simulated provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Chat completions, under `/v1`, without it, and under the two paths of Azure.
    OpenAi,
    /// Messages.
    Anthropic,
    /// Ollama's own `/api/chat`.
    Ollama,
}

/// What a dialect sees of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inbound<'r> {
    pub(crate) method: &'r Method,
    /// Without the query.
    pub(crate) path: &'r str,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) body: &'r [u8],
    /// Counts requests from 1, for ids that repeat from run to run.
    pub(crate) number: u64,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Anthropic, Self::Ollama];

    /// The word for it, as in [`FromStr`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
        }
    }

    /// What clients append their paths to.
    pub(crate) fn base_path(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1",
            Self::Anthropic | Self::Ollama => "",
        }
    }

    pub(crate) fn is_inference(self, method: &Method, path: &str) -> bool {
        let chat = match self {
            Self::OpenAi => openai::is_chat(path),
            Self::Anthropic => path == anthropic::MESSAGES,
            Self::Ollama => path == ollama::CHAT,
        };
        chat && method == Method::POST
    }

    pub(crate) fn answer(self, request: Inbound<'_>, reply: &SimReply, block: Option<BlockForm>) -> Answer {
        match self {
            Self::OpenAi => openai::answer(request, reply, block),
            Self::Anthropic => anthropic::answer(request, reply, block),
            Self::Ollama => ollama::answer(request, reply, block),
        }
    }

    /// An error answer with the provider's own body, or with this one.
    pub(crate) fn failure(self, status: u16, body: Option<&str>, number: u64) -> Answer {
        let own = match self {
            Self::OpenAi => openai::failure(status),
            Self::Anthropic => anthropic::failure(status, number),
            Self::Ollama => ollama::failure(status),
        };
        Answer::json(status, body.map_or(own, ToOwned::to_owned))
    }

    pub(crate) fn quota(self, number: u64) -> Answer {
        match self {
            Self::OpenAi => openai::quota(),
            Self::Anthropic => anthropic::quota(number),
            Self::Ollama => ollama::quota(),
        }
    }

    pub(crate) fn context_length(self, number: u64) -> Answer {
        match self {
            Self::OpenAi => openai::context_length(),
            Self::Anthropic => anthropic::context_length(number),
            Self::Ollama => ollama::context_length(),
        }
    }

    /// The JSON of an error inside a stream.
    pub(crate) fn overloaded(self, body: Option<&str>, number: u64) -> String {
        let own = match self {
            Self::OpenAi => openai::failure(503),
            Self::Anthropic => anthropic::failure(529, number),
            Self::Ollama => ollama::failure(500),
        };
        body.map_or(own, ToOwned::to_owned)
    }

    /// The error as an event of a stream.
    pub(crate) fn error_event(self, body: Option<&str>, number: u64) -> Bytes {
        let json = self.overloaded(body, number);
        match self {
            Self::OpenAi => format!("data: {json}\n\n").into(),
            Self::Anthropic => format!("event: error\ndata: {json}\n\n").into(),
            Self::Ollama => format!("{json}\n").into(),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown dialect `{0}`; expected openai, anthropic or ollama")]
pub struct ParseDialectError(String);

impl FromStr for Dialect {
    type Err = ParseDialectError;

    fn from_str(text: &str) -> Result<Self, ParseDialectError> {
        let found = Self::ALL.into_iter().find(|dialect| dialect.as_str() == text);
        found.ok_or_else(|| ParseDialectError(text.to_owned()))
    }
}

/// 2026-11-21, the day on which every answer was made.
pub(crate) const EPOCH: u64 = 1_795_219_200;

/// Reads a request as providers do: of two keys with one name the last counts.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice::<serde_json::Value>(body).and_then(serde_json::from_value)
}

pub(crate) fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

pub(crate) fn to_json(value: &impl Serialize) -> String {
    // Our own structs have string keys and no failing `Serialize`, so the error can't come up.
    serde_json::to_string(value).unwrap_or_default()
}
