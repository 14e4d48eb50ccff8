//! What observers hear of what was asked.

use fb_core::{Chat, ChatRequest, RequestSummary};
use fb_router::{Facts, Needs};

use super::Mode;

/// What a request tells without being parsed.
pub(super) fn of(request: &ChatRequest, mode: Mode) -> RequestSummary {
    let mut asked = RequestSummary {
        model: request.head().model.clone(),
        stream: mode == Mode::Stream,
        timeout: request.options().timeout,
        ..RequestSummary::default()
    };
    fill(&mut asked, &Facts::from_request(request));
    asked
}

/// Adds what the messages told whoever had to parse them.
pub(super) fn add(asked: &mut RequestSummary, request: &ChatRequest, chat: &Chat) {
    fill(asked, &Facts::from_request(request).with_messages(chat));
}

fn fill(asked: &mut RequestSummary, facts: &Facts<'_>) {
    let Needs { tools, json_schema, vision, .. } = facts.needs;
    (asked.tools, asked.json_schema, asked.vision) = (tools, json_schema, vision);
    (asked.input_tokens, asked.max_output) = (facts.input_tokens, facts.max_output);
}
