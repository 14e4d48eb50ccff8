//! The summary of a request that observers receive: its shape, never its content.

use fb_core::{Chat, ChatRequest, RequestSummary};
use fb_router::{Facts, Needs};

/// Summarizes a request without parsing its messages.
pub(super) fn summarize(request: &ChatRequest, stream: bool) -> RequestSummary {
    let mut summary = RequestSummary {
        model: request.head().model.clone(),
        stream,
        timeout: request.options().timeout,
        ..RequestSummary::default()
    };
    fill(&mut summary, &Facts::from_request(request));
    summary
}

/// Adds the facts of messages that were parsed for another reason.
pub(super) fn add_messages(summary: &mut RequestSummary, request: &ChatRequest, chat: &Chat) {
    fill(summary, &Facts::from_request(request).with_messages(chat));
}

fn fill(summary: &mut RequestSummary, facts: &Facts<'_>) {
    let Needs { tools, json_schema, vision, .. } = facts.needs;
    (summary.tools, summary.json_schema, summary.vision) = (tools, json_schema, vision);
    (summary.input_tokens, summary.max_output) = (facts.input_tokens, facts.max_output);
}
