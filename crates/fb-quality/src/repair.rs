//! Repair: a second request to the same target that describes the defect.

use fb_core::{ChatRequest, Message, Part, Reply, Role};

use crate::{Defect, GateKind, quote::cut};

/// Maximum length in bytes of the rejected answer in a repair: enough for a correction, and a bound on its cost.
const MAX_SHOWN: usize = 16_384;

/// Returns the request with the rejected answer and its defect appended, for the same target.
///
/// The result is `None` if a description cannot cure the defect, or if the request's messages cannot be parsed. There
/// is no repair for `truncated`, because the next answer would be as long, and none for `repetition`, because a model
/// that sees its loop continues it.
///
/// The rejected answer is cut to 16 KiB, and its tool calls are rendered as text: as calls they would need results, and
/// the defect may be that they cannot be encoded. The model's name and the options are kept. The caller's original
/// bytes are not, so that an adapter encodes the typed messages.
pub fn repair(request: &ChatRequest, reply: &Reply, defect: &Defect) -> Option<ChatRequest> {
    let only = match defect.gate() {
        GateKind::Truncated | GateKind::Repetition => return None,
        GateKind::Schema => {
            "Answer again with nothing but the corrected JSON: no Markdown fence, no remarks."
        }
        GateKind::Tools => "Make the corrected tool call now, in place of the last one.",
        GateKind::Empty | GateKind::Length | GateKind::Custom => {
            "Answer again with nothing but the corrected answer, whole, without remarks on the correction."
        }
    };
    let mut chat = request.chat().ok()?.clone();
    let shown = shown(reply);
    if !shown.is_empty() {
        chat.messages.push(Message::text(Role::Assistant, shown));
    }
    let message =
        format!("Your last answer was rejected by an automatic check: {}. {only}", defect.message());
    chat.messages.push(Message { role: Role::User, name: None, parts: vec![Part::Text(message)] });
    Some(ChatRequest::from_chat(request.head().model.clone(), chat).with_options(request.options().clone()))
}

/// Renders an answer as text, without trailing white space, which providers reject in an assistant message.
fn shown(reply: &Reply) -> String {
    let mut all = reply.text.trim().to_owned();
    for call in &reply.tool_calls {
        let gap = if all.is_empty() { "" } else { "\n" };
        all = format!("{all}{gap}called {} with {}", call.name, call.arguments.trim());
    }
    match cut(&all, MAX_SHOWN) {
        kept if kept.len() < all.len() => format!("{kept} [cut]"),
        _ => all,
    }
}

#[cfg(test)]
mod tests;
