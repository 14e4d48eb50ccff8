//! The response of the engine to one request.

use fb_cache::Hit;
use fb_core::{ChatRequest, Frame, ServedBy};

use super::{
    cache::{CachedAnswer, Kept, cache_use},
    record::RequestRecord,
    stream::ChatStream,
};
use crate::Answer;

/// The response of the engine to one request.
pub(crate) enum Response {
    Plain(Box<Answer>),
    Stream(Box<ChatStream>),
}

impl Response {
    /// Finishes a request that is answered from the cache.
    pub(super) fn from_cache(record: &RequestRecord, hit: &Hit<Kept>, request: &ChatRequest) -> Self {
        record.set_cache_use(cache_use(hit));
        let report = record.finish(Some(ServedBy::Cache));
        match &hit.value().answer {
            CachedAnswer::Reply(reply) => Self::Plain(Box::new(Answer { reply: (**reply).clone(), report })),
            CachedAnswer::Stream { meta, frames, usage } => {
                // The recorded bytes fit only a caller that wants token counts as the first one did.
                let keeps_bytes = *usage == request.head().include_usage;
                let frames = frames.iter().map(|frame| Frame {
                    raw: frame.raw.clone().filter(|_| keeps_bytes),
                    events: frame.events.clone(),
                });
                Self::Stream(Box::new(ChatStream::replay(meta.clone(), frames, report)))
            }
        }
    }
}
