//! A request that asks again, with what was wrong.

use fb_core::{ChatRequest, Message, Part, Reply, Role};

use crate::{Defect, GateKind, quote::cut};

/// Most bytes of the bad answer that are shown to the model: enough to correct, and a bound on what a repair costs.
const MAX_SHOWN: usize = 16_384;

/// The request with the bad answer and its defect after it, for the same target; `None` if words cannot cure the
/// defect, or the request's messages cannot be read.
///
/// The model is shown its own answer, cut to 16 KiB, with tool calls in words: as calls they would need results, and
/// what is wrong with them may be that they cannot be sent. No words are added for `truncated`, since the next answer
/// would be as long, and for `repetition`, since a model that is shown its loop takes it up again.
/// The model's name and the options are kept; the caller's own bytes are not, so that an adapter encodes the typed view.
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

/// The answer in words. Without white space at its end, which providers reject in an assistant's message.
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
