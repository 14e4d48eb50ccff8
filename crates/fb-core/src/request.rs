use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use thiserror::Error;

use crate::{Chat, Message, Money, Role};

/// The wire language of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI Chat Completions.
    OpenAi,
    /// Anthropic Messages.
    Anthropic,
    /// Ollama's native chat.
    Ollama,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
        })
    }
}

/// A chat request: cheap to clone, and never parsed further than somebody looks.
///
/// A request built from bytes keeps them, so an adapter of the same dialect forwards what the caller wrote; its
/// messages are parsed on first need, and all clones share the result, good or bad.
#[derive(Clone)]
pub struct ChatRequest {
    inner: Arc<Inner>,
    options: Options,
}

struct Inner {
    head: Head,
    raw: Option<RawBody>,
    chat: OnceLock<Result<Chat, InvalidRequest>>,
}

/// The route a request goes to when its caller named none.
const DEFAULT_ROUTE: &str = "default";

impl ChatRequest {
    /// A request of one user message to the route `default`.
    pub fn user(text: impl Into<String>) -> Self {
        let chat = Chat { messages: vec![Message::text(Role::User, text)], ..Chat::default() };
        Self::from_chat(DEFAULT_ROUTE, chat)
    }

    /// A request of typed content to a route or a `PROVIDER/MODEL`.
    pub fn from_chat(model: impl Into<String>, chat: Chat) -> Self {
        let head = Head {
            model: model.into(),
            stream: false,
            include_usage: true,
            max_tokens: chat.max_tokens,
            tools: !chat.tools.is_empty(),
        };
        let inner = Inner { head, raw: None, chat: OnceLock::from(Ok(chat)) };
        Self { inner: Arc::new(inner), options: Options::default() }
    }

    /// A request as a caller sent it; `head` is what a scan of `raw` found.
    pub fn from_raw(head: Head, raw: RawBody) -> Self {
        let inner = Inner { head, raw: Some(raw), chat: OnceLock::new() };
        Self { inner: Arc::new(inner), options: Options::default() }
    }

    /// Sets what this one request asks of fb.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// What routing needs; never parses messages.
    pub fn head(&self) -> &Head {
        &self.inner.head
    }

    /// What this one request asks of fb.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// The caller's own bytes, if they are in this dialect.
    pub fn raw_in(&self, dialect: Dialect) -> Option<&RawBody> {
        self.raw().filter(|raw| raw.dialect == dialect)
    }

    /// The caller's own bytes, if there are any.
    pub fn raw(&self) -> Option<&RawBody> {
        self.inner.raw.as_ref()
    }

    /// The typed view, if there is a good one already; never parses.
    pub fn parsed(&self) -> Option<&Chat> {
        self.inner.chat.get().and_then(|chat| chat.as_ref().ok())
    }

    /// The typed view of the request, parsed on the first call.
    ///
    /// # Errors
    /// When the caller's bytes do not hold what their dialect requires; names the field.
    pub fn chat(&self) -> Result<&Chat, &InvalidRequest> {
        let parse = || match &self.inner.raw {
            Some(raw) => (raw.parse)(raw),
            None => Ok(Chat::default()),
        };
        self.inner.chat.get_or_init(parse).as_ref()
    }
}

impl fmt::Debug for ChatRequest {
    /// Never prints messages: prompts do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatRequest")
            .field("head", self.head())
            .field("bytes", &self.inner.raw.as_ref().map(|raw| raw.bytes.len()))
            .field("options", &self.options)
            .finish()
    }
}

/// What routing needs of a request, read without parsing its messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// A route's name, one of its aliases, or `PROVIDER/MODEL`.
    pub model: String,
    /// Whether the caller wants a stream over HTTP; the library decides by the method called.
    pub stream: bool,
    /// Whether a stream's caller wants token counts at its end.
    pub include_usage: bool,
    /// Most tokens to generate.
    pub max_tokens: Option<u32>,
    /// Whether tools are declared.
    pub tools: bool,
}

/// What one request asks of fb itself; a provider never sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// A shorter deadline than the route's.
    pub timeout: Option<Duration>,
    /// For whom the request is made: no answer is ever shared between tenants. `None`: `default`.
    pub tenant: Option<Arc<str>>,
    /// Which of the tenant's keys it is made with, by name: what it uses counts to the limits of both.
    pub key: Option<Arc<str>>,
    /// What the cache may do, on a route that has one.
    pub cache: CacheControl,
    /// The target to try first, as `PROVIDER/MODEL`, or any of this provider; then the route as ever.
    pub prefer: Option<String>,
    /// What the request is about, for the choice of a fixed answer.
    pub category: Option<String>,
    /// Whether only a whole answer will do: nothing of a lower level, nothing stale, nothing fixed.
    pub refuse_degraded: bool,
    /// The conversation it belongs to, for routes whose requests stick by it.
    pub session: Option<String>,
    /// What else it belongs to, by name: a feature, a team.
    pub tags: BTreeMap<String, String>,
    /// Who may answer it.
    pub rules: Rules,
}

/// Who may answer a request, whatever its route says. They hold for every call made for it and for answers given before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The regions it may be computed in; `None` is anywhere.
    pub regions: Option<Vec<String>>,
    /// The class of its data, which a target has to be approved for; `None` needs no approval.
    pub data_class: Option<String>,
    /// Who may see it, each a `PROVIDER` or a `PROVIDER/MODEL`; `None` is anyone.
    pub allowed: Option<Vec<String>>,
    /// Most that one call for it is expected to cost; `None` is no limit.
    pub ceiling: Option<Money>,
}

impl Rules {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What the cache may do for one request; the words are HTTP's (RFC 9111).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CacheControl {
    /// What its route says.
    #[default]
    Usual,
    /// No fresh answer may come from it; a new one is stored, and a stale one is better than none.
    NoCache,
    /// Nothing may come from it or be stored in it.
    NoStore,
}

/// A body as it came, with where its top-level fields are.
#[derive(Clone)]
pub struct RawBody {
    /// Its wire language.
    pub dialect: Dialect,
    /// The whole body.
    pub bytes: Bytes,
    /// Its top-level fields in order, duplicates included.
    pub fields: Vec<Field>,
    /// How its dialect reads the typed view.
    pub parse: fn(&Self) -> Result<Chat, InvalidRequest>,
}

impl fmt::Debug for RawBody {
    /// Prints sizes, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawBody")
            .field("dialect", &self.dialect)
            .field("bytes", &self.bytes.len())
            .field("fields", &self.fields.len())
            .finish_non_exhaustive()
    }
}

/// A top-level field: its unescaped name, and where key and value stand in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The key, unescaped.
    pub name: Box<str>,
    /// The key with its quotes.
    pub key: Range<usize>,
    /// The value.
    pub value: Range<usize>,
}

/// A request that no provider could take; the caller's mistake (HTTP 400).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct InvalidRequest {
    /// The field at fault, such as `messages[0].role`.
    pub param: Option<String>,
    /// What is wrong and what was expected.
    pub message: String,
}

impl InvalidRequest {
    /// A mistake in one field.
    pub fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), message: message.into() }
    }

    /// A mistake of the whole body.
    pub fn body(message: impl Into<String>) -> Self {
        Self { param: None, message: message.into() }
    }
}
