use bytes::Bytes;
use fb_core::{Block as PolicyBlock, BlockCategory, BlockForm, Dialect, FinishReason, Raw, Reply, ToolCall};

use super::shape::{self, Block, Message, Tokens};
use crate::{
    lenient,
    outcome::{Decoded, WireError},
};

/// Reads the body of an answer with status 200.
///
/// Content blocks without a counterpart in the vocabulary (hidden thinking, server-side tools) are left out of the typed
/// reply and remain in its bytes. A complete answer without content is an empty reply.
///
/// # Errors
/// When the body reports an error, or is not a message.
pub fn reply(body: &Bytes) -> Result<Decoded, WireError> {
    let message: Message<'_> = shape::read(body, "the answer")?;
    if message.is_error() {
        return Err(lenient::reported_error(body));
    }
    let mut reply = Reply {
        id: message.id(),
        model: message.model(),
        usage: Tokens::read(message.usage).usage(),
        ..Reply::default()
    };
    for content in message.content()? {
        match content.block()? {
            Block::Text(text) => reply.text.push_str(&text),
            Block::Thinking(text) => reply.thinking.push_str(&text),
            Block::Tool(call) => reply.tool_calls.push(ToolCall {
                id: call.id.into_owned(),
                name: call.name.into_owned(),
                arguments: call.input.to_owned(),
            }),
            Block::Other => {}
        }
    }
    let raw = Some(Raw { dialect: Dialect::Anthropic, bytes: body.clone() });
    let calls_tools = !reply.tool_calls.is_empty();
    match shape::finish(message.stop_reason, calls_tools) {
        Some(FinishReason::Refusal) => {
            return Ok(Decoded::Blocked(PolicyBlock {
                category: BlockCategory::Refusal,
                detail: shape::refusal(message.stop_details),
                partial: reply.text,
                usage: reply.usage,
                form: BlockForm::Body { status: 200, raw },
            }));
        }
        Some(finish) => reply.finish = finish,
        None if calls_tools => reply.finish = FinishReason::ToolCalls,
        None => reply.finish = FinishReason::Stop,
    }
    reply.raw = raw;
    Ok(Decoded::Reply(reply))
}

#[cfg(test)]
mod tests;
