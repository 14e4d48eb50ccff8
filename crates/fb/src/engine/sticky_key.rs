//! The key by which a request sticks to a target.

use std::borrow::Cow;

use fb_core::{ChatRequest, Dialect};
use fb_router::StickyBy;
use serde::Deserialize;

/// Returns the key by which a request sticks to a target; `None` if the request has none.
pub(super) fn sticky_key<'a>(request: &'a ChatRequest, by: &StickyBy) -> Option<Cow<'a, str>> {
    let options = request.options();
    match by {
        StickyBy::User => user(request),
        StickyBy::Session => options.session.as_deref().map(Cow::Borrowed),
        StickyBy::Tag(name) => options.tags.get(name).map(|tag| Cow::Borrowed(tag.as_str())),
    }
}

/// Returns the end user, from the field that the caller's dialect has for it.
fn user(request: &ChatRequest) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow)]
        user_id: Option<Cow<'a, str>>,
    }
    fn text(json: &str) -> Option<Cow<'_, str>> {
        serde_json::from_str(json).ok()
    }
    let Some(raw) = request.raw() else {
        let extra = &request.chat().ok()?.extra;
        return extra.iter().find(|field| field.name == "user").and_then(|field| text(field.value.get()));
    };
    let value = |name: &str| {
        let field = raw.fields.iter().rfind(|field| &*field.name == name)?;
        std::str::from_utf8(raw.bytes.get(field.value.clone())?).ok()
    };
    match raw.dialect {
        Dialect::OpenAi => value("user").or_else(|| value("safety_identifier")).and_then(text),
        Dialect::Anthropic => {
            let metadata: Metadata<'_> = serde_json::from_str(value("metadata")?).ok()?;
            metadata.user_id
        }
        Dialect::Ollama => None,
    }
}
