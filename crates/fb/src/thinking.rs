//! Whether a model thinks before its first output: by the configuration, its name, and the fields of a request.

use fb_core::{ChatRequest, Effort};
use serde::Deserialize;

use crate::Target;

/// The fields of the dialects that set how long a model thinks.
const FIELDS: &[&str] = &["reasoning_effort", "reasoning", "thinking", "think"];

/// A value of one of [`FIELDS`].
#[derive(Deserialize)]
#[serde(untagged)]
enum Thinking {
    Effort(Effort),
    Switch(bool),
    Object(ThinkingObject),
}

/// `thinking` of Anthropic and others, and `reasoning` of OpenRouter.
#[derive(Deserialize)]
struct ThinkingObject {
    #[serde(rename = "type")]
    kind: Option<String>,
    effort: Option<Effort>,
    enabled: Option<bool>,
    #[serde(alias = "budget_tokens")]
    max_tokens: Option<u32>,
}

impl Thinking {
    /// Returns the effort, which is at least medium where a model thinks for a while.
    fn effort(self) -> Option<Effort> {
        let switched = |is_on| if is_on { Effort::Medium } else { Effort::None };
        match self {
            Self::Effort(effort) => Some(effort),
            Self::Switch(is_on) => Some(switched(is_on)),
            Self::Object(ThinkingObject { kind, effort, enabled, max_tokens }) => {
                let by_kind = kind.map(|kind| switched(kind != "disabled"));
                let by_budget = max_tokens.map(|tokens| switched(tokens > 0));
                effort.or(by_kind).or_else(|| enabled.map(switched)).or(by_budget)
            }
        }
    }
}

/// Returns the effort that fields set; the most one, if several do.
fn effort_of<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Option<Effort> {
    let fields = fields.filter(|(name, _)| FIELDS.contains(name));
    fields.filter_map(|(_, value)| serde_json::from_slice::<Thinking>(value).ok()?.effort()).max()
}

/// Returns the reasoning effort that a request sets, without parsing its messages.
pub(crate) fn effort(request: &ChatRequest) -> Option<Effort> {
    if let Some(chat) = request.parsed() {
        let extra = chat.extra.iter().map(|extra| (extra.path.as_str(), extra.value.get().as_bytes()));
        return chat.effort.max(effort_of(extra));
    }
    let raw = request.raw()?;
    effort_of(raw.fields.iter().filter_map(|field| Some((&*field.name, raw.bytes.get(field.value.clone())?))))
}

/// Returns the reasoning effort that a target sets in place of that of its requests.
pub(crate) fn set_effort(target: &Target) -> Option<Effort> {
    effort_of(target.set.iter().map(|(name, value)| (name.as_str(), value.get().as_bytes())))
}

/// Returns true if the model of a target always thinks, by the configuration or else by its name.
pub(crate) fn is_thinking_model(target: &Target) -> bool {
    let by_name = || fb_providers::is_thinking_model(&target.model);
    target.capabilities.thinking.unwrap_or_else(by_name)
}

/// Returns true if a model thinks for a while before its first output: at medium effort and above any model may, and a model
/// that always thinks does unless the request turns that off.
pub(crate) fn thinks(is_thinking_model: bool, effort: Option<Effort>) -> bool {
    effort.map_or(is_thinking_model, |effort| {
        effort >= Effort::Medium || (is_thinking_model && effort > Effort::Minimal)
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn effort_decides_whether_a_model_thinks() {
        let cases =
            [None, Some(Effort::None), Some(Effort::Minimal), Some(Effort::Low), Some(Effort::Medium)];
        assert_eq!(cases.map(|effort| thinks(false, effort)), [false, false, false, false, true]);
        assert_eq!(cases.map(|effort| thinks(true, effort)), [true, false, false, true, true]);
    }

    #[test]
    fn effort_follows_from_the_fields_of_each_dialect() {
        let fields = [
            ("reasoning_effort", r#""high""#),
            ("reasoning_effort", r#""unheard of""#),
            ("reasoning", r#"{"effort":"low"}"#),
            ("reasoning", r#"{"enabled":true}"#),
            ("reasoning", r#"{"max_tokens":2000}"#),
            ("reasoning", r#"{"exclude":true}"#),
            ("thinking", r#"{"type":"enabled","budget_tokens":4000}"#),
            ("thinking", r#"{"type":"adaptive"}"#),
            ("thinking", r#"{"type":"disabled"}"#),
            ("think", "true"),
            ("think", r#""low""#),
            ("temperature", "true"),
        ];
        let rows = fields.map(|(name, value)| {
            let effort = effort_of([(name, value.as_bytes())].into_iter()).map(Effort::name);
            format!("{name} {value}: {}", effort.unwrap_or("-"))
        });
        expect![[r#"
            reasoning_effort "high": high
            reasoning_effort "unheard of": -
            reasoning {"effort":"low"}: low
            reasoning {"enabled":true}: medium
            reasoning {"max_tokens":2000}: medium
            reasoning {"exclude":true}: -
            thinking {"type":"enabled","budget_tokens":4000}: medium
            thinking {"type":"adaptive"}: medium
            thinking {"type":"disabled"}: none
            think true: medium
            think "low": low
            temperature true: -"#]]
        .assert_eq(&rows.join("\n"));
        let both = [("thinking", r#"{"type":"disabled"}"#), ("reasoning_effort", r#""low""#)];
        let most = effort_of(both.into_iter().map(|(name, value)| (name, value.as_bytes())));
        assert_eq!(most, Some(Effort::Low));
    }
}
