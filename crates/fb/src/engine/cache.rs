//! Answers given before: what they are found by, which are kept, and when an old one is better than none.

use std::{sync::Arc, time::Instant};

use fb_cache::{Cache, Hit, Item, Key, KeyBuilder, Recording, Tags, Windows};
use fb_core::{
    AttemptEnd, CacheControl, CacheUse, ChatRequest, FailureKind, FinishReason, Frame, Meta, RawBody, Reply,
    Skip, StreamEvent, TargetId, Trace,
};

use super::Mode;
use crate::{Route, RouteCache};

/// Whose answers those are that nobody else claims.
pub(super) const DEFAULT_TENANT: &str = "default";
/// Fields of a body that no answer depends on. `model` names the route, which is in the key by its own name.
const IRRELEVANT: [&str; 7] =
    ["model", "stream", "stream_options", "user", "metadata", "safety_identifier", "prompt_cache_key"];
/// Fields whose effect is in the bytes of an answer only, so that a plain one cannot be played as a stream.
const UNTRANSLATED: [&str; 5] = ["n", "logprobs", "top_logprobs", "modalities", "audio"];
/// What a frame takes beside its bytes and texts.
const FRAME: u64 = 128;

/// An answer that is kept.
pub(crate) struct Kept {
    pub(crate) by: TargetId,
    pub(crate) said: Said,
}

/// An answer in the form it came in.
pub(crate) enum Said {
    Reply(Box<Reply>),
    Stream {
        meta: Meta,
        frames: Vec<Frame>,
        /// Whether its caller wanted token counts at its end; its bytes have them or not.
        usage: bool,
    },
}

/// What the cache may do for one request.
#[derive(Clone)]
pub(crate) struct Lookup {
    pub(super) key: Key,
    /// By what those are found who may be asked together: of two keys of a tenant one may have nothing left.
    pub(super) flight: Key,
    tenant: Arc<str>,
    route: Arc<str>,
    windows: Windows,
    tool_calls: bool,
    /// Whether a fresh answer may be given.
    pub(super) fresh: bool,
    usage: bool,
}

impl Lookup {
    /// `None` when nothing of the request may be kept, or nothing says by what it would be found again.
    pub(super) fn of(request: &ChatRequest, route: &Route, mode: Mode) -> Option<Self> {
        let RouteCache { fresh, stale_if_error, any_temperature, tool_calls } = route.cache;
        let options = request.options();
        if (fresh.is_none() && stale_if_error.is_none()) || options.cache == CacheControl::NoStore {
            return None;
        }
        let fresh = fresh.filter(|_| any_temperature || is_deterministic(request));
        let windows =
            Windows { fresh: fresh.unwrap_or_default(), stale_if_error: stale_if_error.unwrap_or_default() };
        let tenant = options.tenant.clone().unwrap_or_else(|| DEFAULT_TENANT.into());
        let key = key(request, &tenant, &route.name, mode)?;
        let flight = match &options.key {
            Some(of) => {
                KeyBuilder::new("fb flight 1").part("request", key.as_bytes()).part("key", &**of).finish()
            }
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

    /// Whether an old answer may be given when there is none.
    pub(super) fn is_stale_good(&self) -> bool {
        !self.windows.stale_if_error.is_zero()
    }

    /// Keeps a reply, if it is one to keep.
    pub(super) fn keep(&self, cache: &Cache<Kept>, by: &TargetId, reply: &Reply, now: Instant) {
        let calls = !reply.tool_calls.is_empty();
        let empty = reply.text.is_empty() && !calls;
        if empty || !self.is_kept(&reply.finish, calls) {
            return;
        }
        let arguments =
            reply.tool_calls.iter().map(|call| call.arguments.len() + call.name.len()).sum::<usize>();
        let raw = reply.raw.as_ref().map_or(0, |raw| raw.bytes.len());
        let bytes = (reply.text.len() + reply.thinking.len() + arguments + raw) as u64;
        self.store(cache, by, Said::Reply(Box::new(reply.clone())), bytes, now);
    }

    fn is_kept(&self, finish: &FinishReason, calls: bool) -> bool {
        match finish {
            FinishReason::Stop => !calls || self.tool_calls,
            FinishReason::ToolCalls => self.tool_calls,
            FinishReason::Length
            | FinishReason::ContentFilter
            | FinishReason::Refusal
            | FinishReason::Other(_) => false,
        }
    }

    fn store(&self, cache: &Cache<Kept>, by: &TargetId, said: Said, bytes: u64, now: Instant) {
        let tags = Tags {
            tenant: Arc::clone(&self.tenant),
            route: Arc::clone(&self.route),
            provider: by.provider().as_str().into(),
        };
        let value = Kept { by: by.clone(), said };
        // That it is too large, or its tenant has too many, is counted by the cache, and the answer goes out anyway.
        let _counted = cache.insert(self.key, Item { value, bytes, tags, windows: self.windows }, now);
    }
}

/// Whether the same request would be given the same answer, as far as its caller can say so.
fn is_deterministic(request: &ChatRequest) -> bool {
    let Some(raw) = request.raw() else {
        return request.chat().is_ok_and(|chat| {
            chat.sampling.temperature.is_some_and(|temperature| temperature == 0.0)
                || chat.sampling.seed.is_some()
        });
    };
    let is = |name: &str, holds: fn(&str) -> bool| {
        let values = raw.fields.iter().filter(|field| &*field.name == name);
        values.filter_map(|field| text(raw, field)).any(holds)
    };
    is("temperature", |value| value.parse::<f64>().is_ok_and(|value| value == 0.0))
        || is("seed", |value| value != "null")
}

fn text<'a>(raw: &'a RawBody, field: &fb_core::Field) -> Option<&'a str> {
    std::str::from_utf8(raw.bytes.get(field.value.clone())?).ok()
}

/// Everything an answer depends on. A field that a body does not have is no field of the key: absent is not default.
fn key(request: &ChatRequest, tenant: &str, route: &str, mode: Mode) -> Option<Key> {
    let mut key = KeyBuilder::new("fb chat 1").part("tenant", tenant).part("route", route);
    let Some(raw) = request.raw() else {
        // Typed requests are not serialised anywhere; what `Debug` prints of one has all its fields.
        return Some(key.part("chat", format!("{:?}", request.chat().ok()?)).finish());
    };
    let mut fields: Vec<_> = raw.fields.iter().filter(|field| !IRRELEVANT.contains(&&*field.name)).collect();
    fields.sort_by(|one, other| one.name.cmp(&other.name));
    // Readers disagree on which of two fields of one name counts.
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

/// Whether an old answer may stand in for a request that ended like this: only when targets were not available.
/// A rejected key, a policy or a mistake of the caller must not be hidden by it.
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

/// What the report says of an answer from the cache.
pub(super) fn used(hit: &Hit<Kept>) -> CacheUse {
    let (age, by) = (hit.age(), hit.value().by.clone());
    if hit.is_stale() { CacheUse::Stale { age, by } } else { CacheUse::Hit { age, by } }
}

/// A stream on its way to the cache; told nothing more, it is forgotten.
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

    pub(crate) fn note(&mut self, frame: &Frame) {
        let mut bytes = FRAME + frame.raw.as_ref().map_or(0, |raw| raw.bytes.len() as u64);
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

    /// The stream came to its provider's own end, and nothing was blocked.
    pub(crate) fn keep(self, now: Instant) {
        let Self { lookup, cache, by, meta, recording, finish, text, calls } = self;
        let finish = finish.unwrap_or_default();
        if !(text || calls) || !lookup.is_kept(&finish, calls) {
            return;
        }
        if let Some((frames, bytes)) = recording.finish() {
            let said = Said::Stream { meta, frames, usage: lookup.usage };
            lookup.store(&cache, &by, said, bytes, now);
        }
    }
}
