use std::fmt;
use std::str::FromStr;

use ::http::Method;
use bytes::Bytes;

use crate::answer::Answer;
use crate::fault::BlockForm;
use crate::inbound::Inbound;
use crate::reply::SimReply;
use crate::{anthropic, ollama, openai};

/// The API dialect of a simulated provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Chat completions, with and without `/v1`, and under both path schemes of Azure.
    OpenAi,
    /// The Messages API.
    Anthropic,
    /// Ollama's native `/api/chat`.
    Ollama,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Anthropic, Self::Ollama];

    /// The name of the dialect, as parsed by [`FromStr`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
        }
    }

    /// The path prefix of the base URL for clients.
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

    /// An error response with the given body, or with the body that the real provider sends.
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

    /// The JSON of an error within a stream.
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

/// The error for an unknown dialect name.
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
