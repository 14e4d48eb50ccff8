use std::{collections::VecDeque, time::Instant};

use fb_core::{CallError, Failure, FailureKind, Frame, FrameStream, Meta, Phase, Reply, Streaming};
use futures_util::StreamExt;
use tokio::time::timeout_at;

use super::{Mode, RequestContext, target_state::RouteTarget};
use crate::clock::now;

/// Most frames and bytes held back before a stream commits: endless pings must not fill memory.
const MAX_HELD_FRAMES: usize = 4_096;
const MAX_HELD_BYTES: usize = 4 << 20;

/// What one call gave.
pub(super) enum Received {
    Plain(Box<Reply>),
    Stream(Box<OpenedStream>),
}

/// A stream up to its first output: nothing of it has been shown to anybody yet.
pub(crate) struct OpenedStream {
    pub(crate) meta: Meta,
    pub(crate) frames: VecDeque<Frame>,
    pub(crate) rest: FrameStream,
}

/// Makes one call, until its reply is whole or its stream commits. Any failure of a stream before that is a failure
/// of the call, which is what lets it be retried or moved.
pub(super) async fn attempt(
    ctx: RequestContext<'_>,
    target: &RouteTarget,
    until: Instant,
) -> Result<Received, CallError> {
    let began = now();
    let call = target.call(ctx.request);
    let late = |phase| {
        let secs = until.saturating_duration_since(began).as_secs_f64();
        let detail = format!("no answer in {} s", (secs * 10.0).round() / 10.0);
        CallError::Failed(Failure::new(FailureKind::Timeout(phase), detail))
    };
    // What is checked before anybody sees it is asked for in one piece.
    let streams = ctx.mode == Mode::Stream && target.capabilities().streaming && !holds_back(ctx);
    if streams {
        let held = async { hold(target.provider().stream(call).await?).await };
        let held = timeout_at(until.into(), held).await.map_err(|_elapsed| late(Phase::FirstToken))??;
        Ok(Received::Stream(Box::new(held)))
    } else {
        let reply = target.provider().chat(call);
        let reply = timeout_at(until.into(), reply).await.map_err(|_elapsed| late(Phase::Total))??;
        Ok(Received::Plain(Box::new(reply)))
    }
}

/// Whether the answer is looked at before its caller sees any of it.
fn holds_back(ctx: RequestContext<'_>) -> bool {
    ctx.gates.config().buffer && !ctx.gates.is_empty()
}

/// Reads a stream up to its first semantic event or its end signal.
async fn hold(streaming: Streaming) -> Result<OpenedStream, CallError> {
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
        if frames.len() >= MAX_HELD_FRAMES || bytes >= MAX_HELD_BYTES {
            let failure = Failure::new(FailureKind::Malformed, "signs of life without any output");
            return Err(failure.into());
        }
    }
}
