//! One call to one target, up to its whole reply or the commit of its stream.

use std::collections::VecDeque;

use fb_core::{Call, CallError, CallKey, Failure, FailureKind, Phase, Reply, Streaming};
use futures_util::StreamExt;
use tokio::time::timeout_at;

use super::{
    admitted::Admitted,
    context::{Mode, RequestContext},
    outcome::OpenedStream,
    route_target::RouteTarget,
};
use crate::clock::now;

/// Limits on the frames buffered before a stream commits, so that endless pings do not fill memory.
const MAX_BUFFERED_FRAMES: usize = 4_096;
const MAX_BUFFERED_BYTES: usize = 4 << 20;

/// The answer to one call.
pub(super) enum Received {
    Reply(Box<Reply>),
    Stream(Box<OpenedStream>),
}

/// Makes one call and waits until its reply is whole or its stream commits. A stream that fails before is a failed call,
/// so that it can be retried or moved to another target.
pub(super) async fn attempt(
    ctx: RequestContext<'_>,
    target: &RouteTarget,
    admitted: &Admitted,
) -> Result<Received, CallError> {
    let (began, until) = (now(), admitted.until);
    let observer = target.state.keys.observer(&admitted.key);
    let key = CallKey { index: admitted.key.index(), observer: Some(&observer) };
    let call = Call { key, ..target.call(ctx.request) };
    let timed_out = |phase| {
        let secs = until.saturating_duration_since(began).as_secs_f64();
        let detail = format!("no answer in {} s", (secs * 10.0).round() / 10.0);
        CallError::Failed(Failure::new(FailureKind::Timeout(phase), detail))
    };
    if streams(ctx, target) {
        let opened = async { open(target.provider().stream(call).await?).await };
        let opened =
            timeout_at(until.into(), opened).await.map_err(|_elapsed| timed_out(Phase::FirstToken))??;
        Ok(Received::Stream(Box::new(opened)))
    } else {
        let reply = target.provider().chat(call);
        let reply = timeout_at(until.into(), reply).await.map_err(|_elapsed| timed_out(Phase::Total))??;
        Ok(Received::Reply(Box::new(reply)))
    }
}

/// Returns true if the call to the target is streamed.
pub(super) fn streams(ctx: RequestContext<'_>, target: &RouteTarget) -> bool {
    ctx.mode == Mode::Stream && target.capabilities().streaming && !ctx.route.is_buffered()
}

/// Reads a stream up to its first semantic event or its end signal.
async fn open(streaming: Streaming) -> Result<OpenedStream, CallError> {
    let Streaming { meta, frames: mut rest } = streaming;
    let mut frames = VecDeque::new();
    let mut bytes = 0;
    loop {
        let frame = match rest.next().await {
            Some(Ok(frame)) => frame,
            Some(Err(failure)) => return Err(failure.into()),
            None => {
                let failure =
                    Failure::new(FailureKind::Interrupted, "the stream ended before its first output");
                return Err(failure.into());
            }
        };
        bytes += frame.raw.as_ref().map_or(0, |raw| raw.bytes.len());
        let commits = frame.is_semantic() || frame.is_done();
        frames.push_back(frame);
        if commits {
            return Ok(OpenedStream { meta, frames, rest });
        }
        if frames.len() >= MAX_BUFFERED_FRAMES || bytes >= MAX_BUFFERED_BYTES {
            let failure = Failure::new(FailureKind::Malformed, "signs of life without any output");
            return Err(failure.into());
        }
    }
}
