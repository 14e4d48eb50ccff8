//! The conclusion of a request: turns its outcome into a response or an error, and finishes its record.

use std::sync::Arc;

use fb_core::{Block, BlockCategory, BlockForm, Dialect, Raw, RequestError, ServedBy};

use super::{
    admission::retry_after,
    cache::{Lookup, Recorder},
    cause::{cause, cause_of_rest},
    context::RequestContext,
    outcome::{CommittedStream, TargetOutcome},
    response::Response,
    state::Engine,
    stream::ChatStream,
};
use crate::{Answer, Ended, Error, ErrorCode, clock::now};

impl Engine {
    /// Turns the outcome of a request into its response and finishes its record. A stream finishes when it ends.
    pub(super) fn conclude(
        self: &Arc<Self>,
        ctx: RequestContext<'_>,
        outcome: TargetOutcome,
        lookup: Option<Lookup>,
    ) -> Result<Response, Error> {
        let record = ctx.record;
        record.complete_summary(ctx.request);
        match outcome {
            TargetOutcome::Reply(id, reply) => {
                if let Some(lookup) = lookup {
                    lookup.store_reply(&self.cache, &id, &reply, now());
                }
                let report = record.finish(Some(ServedBy::Target(id)));
                Ok(Response::Plain(Box::new(Answer { reply: *reply, report })))
            }
            TargetOutcome::Stream(committed) => {
                record.set_served_by(ServedBy::Target(committed.target().clone()));
                Ok(Response::Stream(Box::new(self.stream(ctx, *committed, lookup))))
            }
            TargetOutcome::Blocked(id, block) => {
                let report = record.fail(Some(ServedBy::Target(id)), |_| blocked(&block));
                Err(Error::Blocked(Box::new(Ended { cause: *block, report, reopens: None })))
            }
            TargetOutcome::Surfaced(failure) => {
                let report = record.fail(None, |_| ErrorCode::for_failure(&failure).as_reported());
                let reopens = failure.retry_after();
                Err(Error::Surfaced(Box::new(Ended { cause: failure, report, reopens })))
            }
            TargetOutcome::MoveOn => {
                let cause = cause(ctx).or_else(|| cause_of_rest(ctx));
                let report =
                    record.fail(None, |report| ErrorCode::exhausted(cause.as_ref(), report).as_reported());
                let reopens = retry_after(ctx, now());
                Err(Error::Exhausted(Box::new(Ended { cause, report, reopens })))
            }
        }
    }

    /// Hands a committed stream to the caller, recorded for the cache if its answer may be kept.
    fn stream(
        self: &Arc<Self>,
        ctx: RequestContext<'_>,
        committed: CommittedStream,
        lookup: Option<Lookup>,
    ) -> ChatStream {
        let recorder = lookup.map(|lookup| {
            let (by, meta) = (committed.target().clone(), committed.stream.meta.clone());
            Recorder::new(lookup, self.cache.clone(), by, meta)
        });
        ChatStream::new(self, ctx, committed, recorder)
    }
}

/// Returns the error of a block as OpenAI reports it: a rejected prompt is an error, an answer that was cut or refused is
/// an answer.
fn blocked(block: &Block) -> RequestError {
    let status = match (&block.form, block.category) {
        (BlockForm::Body { status, raw: Some(Raw { dialect: Dialect::OpenAi, .. }) }, _) => *status,
        (_, BlockCategory::Input) => 400,
        (_, BlockCategory::Output | BlockCategory::Refusal) => 200,
    };
    let mut value = ErrorCode::ContentFilter.as_reported();
    value.status = status;
    value
}
