//! The request that is sent in place of a recorded one.

use std::{collections::BTreeMap, time::Duration};

use fb::{
    CacheControl, Chat, ChatRequest, Format, Image, ImageSource, Json, Message, Options, Part, Role, Schema,
    Tool,
};
use fb_telemetry::record::{Need, RecordEntry};

/// Tag with the index of the request, for the script of the stub providers.
const INDEX_TAG: &str = "fb backtest";
/// Most tokens of a synthetic prompt: 32 MiB of text.
const MAX_PROMPT_TOKENS: u64 = 8 << 20;
/// Estimated tokens of an image.
const IMAGE_TOKENS: u64 = 1_000;

/// Builds a request of the same length that needs the same capabilities.
pub(super) fn build(index: usize, entry: &RecordEntry, model: String) -> ChatRequest {
    let has_image = entry.needs.contains(&Need::Vision);
    let text = entry.input_tokens.saturating_sub(if has_image { IMAGE_TOKENS } else { 0 });
    let bytes = usize::try_from(text.min(MAX_PROMPT_TOKENS).saturating_mul(4)).unwrap_or(0);
    let mut parts = vec![Part::Text("x".repeat(bytes.max(1)))];
    if has_image {
        let source = ImageSource::Url("https://example.invalid/picture.png".to_owned());
        parts.push(Part::Image(Image { source, detail: None }));
    }
    let tool = || Tool { name: "t".to_owned(), description: None, parameters: None, strict: None };
    let tools = entry.needs.contains(&Need::Tools).then(tool).into_iter().collect();
    let schema = Json::parse(r#"{"type":"object"}"#).ok().filter(|_| entry.needs.contains(&Need::Schema));
    let format = schema.map_or(Format::Text, |schema| {
        Format::JsonSchema(Schema { name: "s".to_owned(), description: None, schema, strict: None })
    });
    let chat = Chat {
        messages: vec![Message { role: Role::User, name: None, parts }],
        tools,
        format,
        max_tokens: entry.max_output.and_then(|tokens| u32::try_from(tokens).ok()),
        ..Chat::default()
    };
    let options = Options {
        timeout: entry.timeout_ms.map(Duration::from_millis),
        tenant: entry.tenant.as_deref().map(Into::into),
        // The recorded prompts are unknown, so equal synthetic ones must not share an answer.
        cache: CacheControl::NoStore,
        tags: BTreeMap::from([(INDEX_TAG.to_owned(), index.to_string())]),
        ..Options::default()
    };
    ChatRequest::from_chat(model, chat).with_options(options)
}

/// Returns the time from the beginning of the first request to that of this one.
pub(super) fn offset(entries: &[RecordEntry], entry: &RecordEntry) -> Duration {
    let first = entries.first().unwrap_or(entry);
    entry.began.duration_since(first.began).unwrap_or_default()
}

/// Returns the index of the request that a call belongs to.
pub(super) fn index_of(request: &ChatRequest) -> Option<usize> {
    request.options().tags.get(INDEX_TAG)?.parse().ok()
}
