//! The request that is played for an entry of a record.

use std::{collections::BTreeMap, time::Duration};

use fb::{
    CacheControl, Chat, ChatRequest, Format, Image, ImageSource, Json, Message, Options, Part, Role, Schema,
    Tool,
};
use fb_telemetry::record::{Need, RecordEntry};

/// The tag by which a stand-in knows which request it is called for.
const TAG: &str = "fb backtest";
/// Most tokens of a prompt that is made up: 32 MiB of text.
const MAX_TOKENS: u64 = 8 << 20;
/// What a picture is reckoned with.
const IMAGE_TOKENS: u64 = 1_000;

/// A request of the same shape: as long, with the same needs.
pub(super) fn request(index: usize, entry: &RecordEntry, model: String) -> ChatRequest {
    let sees = entry.needs.contains(&Need::Vision);
    let text = entry.input_tokens.saturating_sub(if sees { IMAGE_TOKENS } else { 0 });
    let bytes = usize::try_from(text.min(MAX_TOKENS).saturating_mul(4)).unwrap_or(0);
    let mut parts = vec![Part::Text("x".repeat(bytes.max(1)))];
    if sees {
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
        max_tokens: entry.max_output.and_then(|most| u32::try_from(most).ok()),
        ..Chat::default()
    };
    let options = Options {
        timeout: entry.timeout_ms.map(Duration::from_millis),
        tenant: entry.tenant.as_deref().map(Into::into),
        // The prompts are not known: no two of them are the same.
        cache: CacheControl::NoStore,
        tags: BTreeMap::from([(TAG.to_owned(), index.to_string())]),
        ..Options::default()
    };
    ChatRequest::from_chat(model, chat).with_options(options)
}

/// When a request began, since the first one did.
pub(super) fn offset(entries: &[RecordEntry], entry: &RecordEntry) -> Duration {
    let first = entries.first().unwrap_or(entry);
    entry.began.duration_since(first.began).unwrap_or_default()
}

/// The request that a call is made for.
pub(super) fn index_of(request: &ChatRequest) -> Option<usize> {
    request.options().tags.get(TAG)?.parse().ok()
}
