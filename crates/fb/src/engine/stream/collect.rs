//! Conversion between whole replies and the events of a stream.

use fb_core::{Reply, StreamEvent, ToolCall, ToolDelta};

/// Adds an event to a reply.
pub(super) fn fold(reply: &mut Reply, event: StreamEvent) {
    match event {
        StreamEvent::Started { id, model } => {
            reply.id = id.or_else(|| reply.id.take());
            reply.model = model.or_else(|| reply.model.take());
        }
        StreamEvent::Text(text) => reply.text.push_str(&text),
        StreamEvent::Thinking(text) => reply.thinking.push_str(&text),
        StreamEvent::ToolCall(delta) => fold_tool(&mut reply.tool_calls, delta),
        StreamEvent::Finish(finish) => reply.finish = finish,
        StreamEvent::Usage(usage) => reply.usage = Some(usage),
        StreamEvent::Refusal(_)
        | StreamEvent::Blocked(_)
        | StreamEvent::Resumed { .. }
        | StreamEvent::Done => {}
    }
}

fn fold_tool(calls: &mut Vec<ToolCall>, delta: ToolDelta) {
    let index = delta.index as usize;
    // Indexes are assigned in order, so an unknown index is the next call.
    if index >= calls.len() {
        calls.push(ToolCall { id: String::new(), name: String::new(), arguments: String::new() });
    }
    let last = calls.len() - 1;
    let call = &mut calls[index.min(last)];
    if let Some(id) = delta.id {
        call.id = id;
    }
    if let Some(name) = delta.name {
        call.name = name;
    }
    call.arguments.push_str(&delta.arguments);
}

/// Returns the events of a stream that carries this reply.
pub(super) fn to_events(reply: &Reply) -> Vec<StreamEvent> {
    let mut events = vec![StreamEvent::Started { id: reply.id.clone(), model: reply.model.clone() }];
    if !reply.thinking.is_empty() {
        events.push(StreamEvent::Thinking(reply.thinking.clone()));
    }
    if !reply.text.is_empty() {
        events.push(StreamEvent::Text(reply.text.clone()));
    }
    for (index, call) in (0..).zip(&reply.tool_calls) {
        events.push(StreamEvent::ToolCall(ToolDelta {
            index,
            id: Some(call.id.clone()),
            name: Some(call.name.clone()),
            arguments: call.arguments.clone(),
        }));
    }
    events.push(StreamEvent::Finish(reply.finish.clone()));
    events.extend(reply.usage.map(StreamEvent::Usage));
    events.push(StreamEvent::Done);
    events
}
