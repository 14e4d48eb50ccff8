//! The cache of answers: the key of a request, the answers that are kept, and the use of stale ones.

use std::{sync::Arc, time::Instant};

#[cfg(feature = "cache")]
pub(crate) use fb_cache::Cache;
use fb_cache::{Hit, Item, Key, KeyBuilder, Recording, Tags, Windows};
use fb_core::{
    AttemptEnd, CacheControl, CacheUse, Chat, ChatRequest, FailureKind, FinishReason, Frame, Meta, RawBody,
    Reply, Sampling, Skip, StreamEvent, TargetId, Trace,
};

#[cfg(not(feature = "cache"))]
pub(crate) use super::no_store::Cache;
use super::{context::Mode, spend::DEFAULT_TENANT};
use crate::{CacheKey, Route, RouteCache};

/// Fields of a body that no answer depends on. `model` names the route, which is in the key by its own name.
const IRRELEVANT: [&str; 7] =
    ["model", "stream", "stream_options", "user", "metadata", "safety_identifier", "prompt_cache_key"];
/// Further fields that a key of the prompt leaves out: settings of sampling, length and effort.
const SETTINGS: [&str; 20] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "typical_p",
    "seed",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "stop_sequences",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "logit_bias",
    "reasoning_effort",
    "thinking",
    "verbosity",
    "service_tier",
    "options",
    "keep_alive",
];
/// Fields that change only the bytes of an answer, so that a plain answer cannot be replayed as a stream.
const UNTRANSLATED: [&str; 5] = ["n", "logprobs", "top_logprobs", "modalities", "audio"];
/// The size of a frame beside its bytes and texts.
const FRAME_OVERHEAD: u64 = 128;

/// A cached answer.
pub(crate) struct Kept {
    pub(crate) by: TargetId,
    pub(crate) answer: CachedAnswer,
}

/// A cached answer in the form in which it was received.
pub(crate) enum CachedAnswer {
    Reply(Box<Reply>),
    Stream {
        meta: Meta,
        frames: Vec<Frame>,
        /// True if the bytes contain token counts at their end, which the caller requested.
        usage: bool,
    },
}

/// The use that one request makes of the cache.
#[derive(Clone)]
pub(crate) struct Lookup {
    pub(super) key: Key,
    /// The key of requests that may be coalesced. It includes the API key: of two keys of a tenant one may have no budget left.
    pub(super) flight: Key,
    tenant: Arc<str>,
    route: Arc<str>,
    windows: Windows,
    tool_calls: bool,
    /// True if a fresh answer may be given.
    pub(super) fresh: bool,
    usage: bool,
}

impl Lookup {
    /// Returns the lookup of a request; `None` if its answer may not be kept, or its body has no unambiguous key.
    pub(super) fn for_request(request: &ChatRequest, route: &Route, mode: Mode) -> Option<Self> {
        let RouteCache { fresh, stale_if_error, any_temperature, key: scope, tool_calls } = route.cache;
        let options = request.options();
        if (fresh.is_none() && stale_if_error.is_none()) || options.cache == CacheControl::NoStore {
            return None;
        }
        let fresh = fresh.filter(|_| any_temperature || is_deterministic(request));
        let windows =
            Windows { fresh: fresh.unwrap_or_default(), stale_if_error: stale_if_error.unwrap_or_default() };
        let tenant = options.tenant.clone().unwrap_or_else(|| DEFAULT_TENANT.into());
        let key = key(request, &tenant, &route.name, mode, scope)?;
        let flight = match &options.key {
            Some(api_key) => KeyBuilder::new("fb flight 1")
                .part("request", key.as_bytes())
                .part("key", &**api_key)
                .finish(),
            None => key,
        };
        Some(Self {
            key,
            flight,
            tenant,
            route: route.name.as_str().into(),
            windows,
            tool_calls,
            fresh: fresh.is_some() && options.cache == CacheControl::Usual,
            usage: request.head().include_usage,
        })
    }

    /// Returns true if a stale answer may be given when no target is available.
    pub(super) fn allows_stale(&self) -> bool {
        !self.windows.stale_if_error.is_zero()
    }

    /// Stores a complete reply. An empty or truncated one is not kept.
    pub(super) fn store_reply(&self, cache: &Cache<Kept>, by: &TargetId, reply: &Reply, now: Instant) {
        let calls = !reply.tool_calls.is_empty();
        let empty = reply.text.is_empty() && !calls;
        if empty || !self.keeps(&reply.finish, calls) {
            return;
        }
        let arguments =
            reply.tool_calls.iter().map(|call| call.arguments.len() + call.name.len()).sum::<usize>();
        let raw = reply.raw.as_ref().map_or(0, |raw| raw.bytes.len());
        let bytes = (reply.text.len() + reply.thinking.len() + arguments + raw) as u64;
        self.store(cache, by, CachedAnswer::Reply(Box::new(reply.clone())), bytes, now);
    }

    fn keeps(&self, finish: &FinishReason, calls: bool) -> bool {
        match finish {
            FinishReason::Stop => !calls || self.tool_calls,
            FinishReason::ToolCalls => self.tool_calls,
            FinishReason::Length
            | FinishReason::ContentFilter
            | FinishReason::Refusal
            | FinishReason::Other(_) => false,
        }
    }

    fn store(&self, cache: &Cache<Kept>, by: &TargetId, answer: CachedAnswer, bytes: u64, now: Instant) {
        let tags = Tags {
            tenant: Arc::clone(&self.tenant),
            route: Arc::clone(&self.route),
            provider: by.provider().as_str().into(),
        };
        let value = Kept { by: by.clone(), answer };
        // A refusal is counted by the cache and does not concern the caller.
        let _counted = cache.insert(self.key, Item { value, bytes, tags, windows: self.windows }, now);
    }
}

/// Returns true if the request fixes its answer as far as it can: a temperature of 0, or a seed.
fn is_deterministic(request: &ChatRequest) -> bool {
    let Some(raw) = request.raw() else {
        return request.chat().is_ok_and(|chat| {
            chat.sampling.temperature.is_some_and(|temperature| temperature == 0.0)
                || chat.sampling.seed.is_some()
        });
    };
    let any = |name: &str, holds: fn(&str) -> bool| {
        let values = raw.fields.iter().filter(|field| &*field.name == name);
        values.filter_map(|field| text(raw, field)).any(holds)
    };
    any("temperature", |value| value.parse::<f64>().is_ok_and(|value| value == 0.0))
        || any("seed", |value| value != "null")
}

fn text<'a>(raw: &'a RawBody, field: &fb_core::Field) -> Option<&'a str> {
    std::str::from_utf8(raw.bytes.get(field.value.clone())?).ok()
}

/// Returns the key of a request: everything that its answer depends on, or its prompt. A field absent from the body is
/// absent from the key, which distinguishes it from the default. `None` if the body has a field twice.
fn key(request: &ChatRequest, tenant: &str, route: &str, mode: Mode, scope: CacheKey) -> Option<Key> {
    let mut key = KeyBuilder::new("fb chat 1").part("tenant", tenant).part("route", route);
    let Some(raw) = request.raw() else {
        let chat = request.chat().ok()?;
        // Typed requests are not serialized anywhere; their `Debug` form has all fields.
        let fields = match scope {
            CacheKey::Request => format!("{chat:?}"),
            CacheKey::Prompt => format!("{:?}", prompt(chat)),
        };
        return Some(key.part("chat", fields).finish());
    };
    let ignored: &[&str] = match scope {
        CacheKey::Request => &[],
        CacheKey::Prompt => &SETTINGS,
    };
    let is_relevant = |name: &str| !IRRELEVANT.contains(&name) && !ignored.contains(&name);
    let mut fields: Vec<_> = raw.fields.iter().filter(|field| is_relevant(&field.name)).collect();
    fields.sort_by(|one, other| one.name.cmp(&other.name));
    // Parsers disagree on which of two fields of one name counts.
    if fields.windows(2).any(|pair| pair[0].name == pair[1].name) {
        return None;
    }
    if fields.iter().any(|field| UNTRANSLATED.contains(&&*field.name)) {
        key = key.part("mode", format!("{mode:?}"));
    }
    key = key.part("dialect", raw.dialect.to_string());
    for field in fields {
        key = key.json(&field.name, raw.bytes.get(field.value.clone())?).ok()?;
    }
    Some(key.finish())
}

/// Returns a typed request without the settings that a key of the prompt leaves out.
fn prompt(chat: &Chat) -> Chat {
    let sampling = Sampling::default();
    let mut prompt = Chat { sampling, max_tokens: None, effort: None, user: None, ..chat.clone() };
    prompt.extra.retain(|extra| !SETTINGS.contains(&extra.path.as_str()));
    prompt
}

/// Returns true if a stale answer may replace the error of a request with this trace: only if its targets were unavailable.
/// A stale answer must not hide a rejected key, a policy or a mistake of the caller.
pub(super) fn is_unavailable(trace: &Trace) -> bool {
    let mut unavailable = false;
    for row in trace.rows() {
        match &row.end {
            AttemptEnd::Failed(failure) if is_availability(failure.kind()) => unavailable = true,
            AttemptEnd::Skipped { why: Skip::Inadmissible(_), .. } => {}
            AttemptEnd::Failed(_)
            | AttemptEnd::Skipped { why: Skip::KeyRejected | Skip::Budget { .. }, .. }
            | AttemptEnd::Blocked { .. }
            | AttemptEnd::Ok { .. }
            | AttemptEnd::Running
            | AttemptEnd::Cancelled => return false,
            AttemptEnd::Skipped { .. } => unavailable = true,
        }
    }
    unavailable
}

const fn is_availability(kind: FailureKind) -> bool {
    use FailureKind::{
        Auth, Connect, ContextLength, Interrupted, InvalidRequest, Malformed, ModelNotFound, Network,
        Overloaded, Permission, Quality, QuotaExhausted, RateLimited, Region, ServerError, StaleConnection,
        Timeout, TooLarge, Unknown,
    };
    match kind {
        Connect
        | Timeout(_)
        | Network
        | StaleConnection
        | Interrupted
        | Overloaded
        | ServerError
        | RateLimited
        | QuotaExhausted
        | Malformed
        | Quality
        | Unknown { server: true } => true,
        Auth
        | Permission
        | Region
        | ModelNotFound
        | ContextLength
        | InvalidRequest
        | TooLarge
        | Unknown { server: false } => false,
    }
}

/// Returns the cache use to report for a hit.
pub(super) fn cache_use(hit: &Hit<Kept>) -> CacheUse {
    let (age, by) = (hit.age(), hit.value().by.clone());
    if hit.is_stale() { CacheUse::Stale { age, by } } else { CacheUse::Hit { age, by } }
}

/// Records a stream for the cache. Dropped before [`Recorder::store`], it stores nothing.
pub(crate) struct Recorder {
    lookup: Lookup,
    cache: Cache<Kept>,
    by: TargetId,
    meta: Meta,
    recording: Recording<Frame>,
    finish: Option<FinishReason>,
    text: bool,
    calls: bool,
}

impl Recorder {
    pub(super) fn new(lookup: Lookup, cache: Cache<Kept>, by: TargetId, meta: Meta) -> Self {
        let recording = Recording::new(cache.max_entry_bytes());
        Self { lookup, cache, by, meta, recording, finish: None, text: false, calls: false }
    }

    pub(crate) fn record_frame(&mut self, frame: &Frame) {
        let mut bytes = FRAME_OVERHEAD + frame.raw.as_ref().map_or(0, |raw| raw.bytes.len() as u64);
        for event in &frame.events {
            match event {
                StreamEvent::Text(text) => {
                    self.text |= !text.is_empty();
                    bytes += text.len() as u64;
                }
                StreamEvent::Thinking(text) => bytes += text.len() as u64,
                StreamEvent::ToolCall(delta) => {
                    self.calls = true;
                    bytes += delta.arguments.len() as u64;
                }
                StreamEvent::Finish(finish) => self.finish = Some(finish.clone()),
                StreamEvent::Started { .. }
                | StreamEvent::Refusal(_)
                | StreamEvent::Usage(_)
                | StreamEvent::Blocked(_)
                | StreamEvent::Resumed { .. }
                | StreamEvent::Done => {}
            }
        }
        self.recording.push(frame, bytes);
    }

    /// Stores a stream that its provider completed without a block.
    pub(crate) fn store(self, now: Instant) {
        let Self { lookup, cache, by, meta, recording, finish, text, calls } = self;
        let finish = finish.unwrap_or_default();
        if !(text || calls) || !lookup.keeps(&finish, calls) {
            return;
        }
        if let Some((frames, bytes)) = recording.finish() {
            let answer = CachedAnswer::Stream { meta, frames, usage: lookup.usage };
            lookup.store(&cache, &by, answer, bytes, now);
        }
    }
}
