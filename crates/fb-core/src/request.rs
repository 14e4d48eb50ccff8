use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use thiserror::Error;

use crate::{Chat, Dialect, Message, Money};

/// A chat request; cheap to clone and parsed lazily.
///
/// A request built from bytes keeps them, so that an adapter of the same dialect can forward the body unchanged. Its
/// messages are parsed on the first call of [`chat`](Self::chat), and all clones share the result.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use fb_core::{ChatRequest, Options};
///
/// let request = ChatRequest::user("Name three uses of a circuit breaker.")
///     .with_options(Options { timeout: Some(Duration::from_secs(10)), ..Options::default() });
/// assert_eq!(request.head().model, "default");
/// assert_eq!(request.chat().map(|chat| chat.messages.len()), Ok(1));
/// ```
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

/// The route of requests without one.
pub(crate) const DEFAULT_ROUTE: &str = "default";

impl ChatRequest {
    /// Creates a request with one user message to the route `default`.
    pub fn user(text: impl Into<String>) -> Self {
        let chat = Chat { messages: vec![Message::user(text)], ..Chat::default() };
        Self::from_chat(DEFAULT_ROUTE, chat)
    }

    /// Creates a request from typed content to a route or a `PROVIDER/MODEL`.
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

    /// Creates a request from a received body; `head` is the result of scanning `raw`.
    pub fn from_raw(head: Head, raw: RawBody) -> Self {
        let inner = Inner { head, raw: Some(raw), chat: OnceLock::new() };
        Self { inner: Arc::new(inner), options: Options::default() }
    }

    /// Sets the headers of the body's dialect, as pairs of name and value, which a target of the same dialect gets with the
    /// body. Without effect on a request without a body, or one that has clones.
    #[must_use]
    pub fn with_dialect_headers(mut self, headers: Vec<(String, String)>) -> Self {
        if let Some(body) = Arc::get_mut(&mut self.inner).and_then(|inner| inner.raw.as_mut()) {
            body.headers = headers;
        }
        self
    }

    /// Sets the options of this request.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Returns the fields needed for routing; never parses messages.
    pub fn head(&self) -> &Head {
        &self.inner.head
    }

    /// Returns the options of this request.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the received body if it is in this dialect.
    pub fn raw_in(&self, dialect: Dialect) -> Option<&RawBody> {
        self.raw().filter(|raw| raw.dialect == dialect)
    }

    /// Returns the received body, if the request was built from one.
    pub fn raw(&self) -> Option<&RawBody> {
        self.inner.raw.as_ref()
    }

    /// Returns the typed content if it was parsed successfully before; never parses.
    pub fn parsed(&self) -> Option<&Chat> {
        self.inner.chat.get().and_then(|chat| chat.as_ref().ok())
    }

    /// Returns the typed content, parsing it on the first call.
    ///
    /// # Errors
    /// [`InvalidRequest`], naming the field, if the body violates its dialect.
    pub fn chat(&self) -> Result<&Chat, &InvalidRequest> {
        self.inner.chat.get_or_init(|| self.inner.parse()).as_ref()
    }

    /// Applies a function to the typed content. Unlike [`chat`](Self::chat), it does not keep what it had to parse, which may
    /// take as much memory as the body.
    ///
    /// # Errors
    /// [`InvalidRequest`], naming the field, if the body violates its dialect.
    pub fn read_chat<T>(&self, read: impl FnOnce(&Chat) -> T) -> Result<T, InvalidRequest> {
        match self.inner.chat.get() {
            Some(chat) => chat.as_ref().map(read).map_err(Clone::clone),
            None => self.inner.parse().map(|chat| read(&chat)),
        }
    }
}

impl Inner {
    fn parse(&self) -> Result<Chat, InvalidRequest> {
        self.raw.as_ref().map_or_else(|| Ok(Chat::default()), |raw| (raw.parse)(raw))
    }
}

impl fmt::Debug for ChatRequest {
    /// Omits the messages: prompts must not appear in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatRequest")
            .field("head", self.head())
            .field("bytes", &self.inner.raw.as_ref().map(|raw| raw.bytes.len()))
            .field("options", &self.options)
            .finish()
    }
}

/// The fields of a request that routing needs, read without parsing its messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// A route's name, one of its aliases, or `PROVIDER/MODEL`.
    pub model: String,
    /// `true` if an HTTP caller requested a stream; the library decides by the method called.
    pub stream: bool,
    /// `true` if a stream should end with token counts.
    pub include_usage: bool,
    /// Maximum number of tokens to generate.
    pub max_tokens: Option<u32>,
    /// `true` if tools are declared.
    pub tools: bool,
}

/// Per-request options for fb itself; they are never sent to a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// A deadline shorter than the route's.
    pub timeout: Option<Duration>,
    /// The tenant; answers are never shared between tenants. `None` is the tenant `default`.
    pub tenant: Option<Arc<str>>,
    /// The name of the tenant's key; usage counts towards the limits of both the tenant and the key.
    pub key: Option<Arc<str>>,
    /// The use of the cache, on a route that has one.
    pub cache: CacheControl,
    /// The target to try first, a `PROVIDER/MODEL` or a `PROVIDER`; the rest of the route follows.
    pub prefer: Option<String>,
    /// `true` to accept only routes and aliases as the model, and only targets of the route as the preferred one.
    pub refuse_direct: bool,
    /// The category of the request, used to select a static answer.
    pub category: Option<String>,
    /// `true` to fail instead of returning an answer of a lower level, a stale answer or a static answer.
    pub refuse_degraded: bool,
    /// The conversation id, for routes with sticky sessions.
    pub session: Option<String>,
    /// Further labels by name, such as a feature or a team.
    pub tags: BTreeMap<String, String>,
    /// Restrictions on the targets.
    pub rules: Rules,
}

/// Restrictions on the targets of a request, in addition to its route.
///
/// They apply to every call made for the request and to cached answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The allowed regions; `None` allows all.
    pub regions: Option<Vec<String>>,
    /// The data class that a target must be approved for; `None` requires no approval.
    pub data_class: Option<String>,
    /// The allowed targets, each a `PROVIDER` or a `PROVIDER/MODEL`; `None` allows all.
    pub allowed: Option<Vec<String>>,
    /// The maximum expected cost of one call; `None` is no limit.
    pub ceiling: Option<Money>,
}

impl Rules {
    /// Returns `true` if there are no restrictions.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The use of the cache for one request, in the terms of HTTP (RFC 9111).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CacheControl {
    /// As configured for the route.
    #[default]
    Usual,
    /// No fresh answer is taken from the cache. The new answer is stored, and a stale one may replace an error.
    NoCache,
    /// No answer is taken from the cache or stored in it.
    NoStore,
}

/// A body as received, with the positions of its top-level fields.
#[derive(Clone)]
pub struct RawBody {
    /// The dialect of the body.
    pub dialect: Dialect,
    /// The whole body.
    pub bytes: Bytes,
    /// The top-level fields in order, including duplicates.
    pub fields: Vec<Field>,
    /// The headers that belong to the dialect, such as `anthropic-beta`, by name.
    pub headers: Vec<(String, String)>,
    /// The parser of the dialect for the typed content.
    pub parse: fn(&Self) -> Result<Chat, InvalidRequest>,
}

impl fmt::Debug for RawBody {
    /// Writes sizes, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawBody")
            .field("dialect", &self.dialect)
            .field("bytes", &self.bytes.len())
            .field("fields", &self.fields.len())
            .finish_non_exhaustive()
    }
}

/// A top-level field: its unescaped name and the positions of its key and value in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The key, unescaped.
    pub name: Box<str>,
    /// The position of the key, including its quotes.
    pub key: Range<usize>,
    /// The position of the value.
    pub value: Range<usize>,
}

/// The error for a malformed request, answered with HTTP 400.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct InvalidRequest {
    /// The field at fault, such as `messages[0].role`.
    pub param: Option<String>,
    /// The problem and what was expected.
    pub message: String,
}

impl InvalidRequest {
    /// Creates an error about one field.
    pub fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), message: message.into() }
    }

    /// Creates an error about the whole body.
    pub fn body(message: impl Into<String>) -> Self {
        Self { param: None, message: message.into() }
    }
}
