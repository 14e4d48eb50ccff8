//! OpenAI's fields that the vocabulary of `fb-core` does not cover.

use fb_core::{Chat, Extra, Refusal};
use serde::Deserialize;

use super::notes::Notes;

/// The treatment of a field that this dialect lacks.
#[derive(Clone, Copy)]
enum Rule {
    /// Leave it out, with this note.
    Drop(&'static str),
    /// Refuse the request, for this reason.
    Refuse(&'static str),
}

use Rule::{Drop, Refuse};

/// Name, neutral value, and the rule for all other values. Fields that are not listed are refused.
const FIELDS: &[(&str, &str, Rule)] = &[
    ("annotations", "[]", Drop("dropped: citations of an earlier answer")),
    ("audio", "null", Refuse("Anthropic's models do not speak")),
    ("cache_control", "null", Drop("dropped: only a body in Anthropic's dialect says what to cache")),
    ("encrypted_content", "null", Drop("dropped: thinking of another model")),
    ("extra_content", "null", Drop("dropped: thinking of another model")),
    ("function_call", "null", Refuse("deprecated; use tool_choice")),
    ("functions", "[]", Refuse("deprecated; use tools")),
    ("logit_bias", "{}", Refuse("Anthropic has no token bias")),
    ("logprobs", "false", Refuse("Anthropic gives no log probabilities")),
    ("max_tokens", "null", Drop("dropped: max_completion_tokens counts")),
    ("metadata", "{}", Drop("dropped: labels for OpenAI's storage")),
    ("modalities", r#"["text"]"#, Refuse("Anthropic's models answer in text only")),
    ("moderation", "null", Refuse("a moderation policy is OpenAI's own")),
    ("n", "1", Refuse("Anthropic gives one answer a request")),
    ("prediction", "null", Drop("dropped: it would only have made the answer faster")),
    ("prompt_cache_breakpoint", "null", Drop("dropped: it would only have made the prompt cheaper")),
    ("prompt_cache_key", "null", Drop("dropped: Anthropic finds cached prompts without it")),
    ("prompt_cache_retention", "null", Drop("dropped: deprecated by OpenAI")),
    ("reasoning", "null", Drop("dropped: thinking of another model")),
    ("reasoning_details", "[]", Drop("dropped: thinking of another model")),
    ("reasoning_effort", "null", Drop("dropped: no effort that Anthropic knows")),
    ("store", "false", Drop("dropped: nothing is stored at Anthropic")),
    ("thinking_blocks", "[]", Drop("dropped: thinking of another model")),
    ("tool_calls", "[]", Refuse("Anthropic's tools are called with JSON, not with text")),
    ("tools", "[]", Refuse("a tool of a kind that only its own provider has")),
    ("top_logprobs", "0", Refuse("Anthropic gives no log probabilities")),
    ("verbosity", r#""medium""#, Drop("dropped: Anthropic has no such setting")),
    ("web_search_options", "null", Refuse("a search by the provider is not the same one elsewhere")),
];

/// The extra fields that have a counterpart in the body.
#[derive(Debug, Default)]
pub(super) struct Extras {
    pub(super) service_tier: Option<&'static str>,
    pub(super) cache: bool,
    pub(super) user: Option<String>,
    pub(super) allowed_tools: Option<AllowedTools>,
}

/// OpenAI's restriction of the choice to some of the tools.
#[derive(Debug)]
pub(super) struct AllowedTools {
    pub(super) names: Vec<String>,
    pub(super) required: bool,
}

impl AllowedTools {
    /// Reads `{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[..]}}`.
    fn read(choice: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Choice {
            allowed_tools: Body,
        }
        #[derive(Deserialize)]
        struct Body {
            mode: String,
            tools: Vec<Tool>,
        }
        #[derive(Deserialize)]
        struct Tool {
            function: Function,
        }
        #[derive(Deserialize)]
        struct Function {
            name: String,
        }
        let Choice { allowed_tools: Body { mode, tools } } = serde_json::from_str(choice).ok()?;
        let names = tools.into_iter().map(|tool| tool.function.name).collect();
        matches!(&*mode, "auto" | "required").then_some(Self { names, required: mode == "required" })
    }
}

/// Reads the extra fields of a chat; fields without a counterpart are noted or refused.
pub(super) fn read(chat: &Chat, notes: &mut Notes) -> Result<Extras, Refusal> {
    let mut extras = Extras::default();
    for extra in &chat.extra {
        if !extra.value.is_null() {
            read_field(extra, &mut extras, notes)?;
        }
    }
    Ok(extras)
}

fn read_field(extra: &Extra, extras: &mut Extras, notes: &mut Notes) -> Result<(), Refusal> {
    let value = extra.value.get();
    match (&*extra.path, value) {
        ("service_tier", r#""auto""#) => extras.service_tier = Some("auto"),
        ("service_tier", r#""default""#) => extras.service_tier = Some("standard_only"),
        ("service_tier", _) => notes.add(&extra.path, "dropped: Anthropic has no such tier"),
        ("prompt_cache_options", _) => extras.cache = true,
        ("tool_choice", _) => {
            let unknown = || Refusal::new(&extra.path, "Anthropic has no such choice");
            extras.allowed_tools = Some(AllowedTools::read(value).ok_or_else(unknown)?);
        }
        ("safety_identifier", _) => extras.user = serde_json::from_str(value).ok(),
        _ => return apply_rule(extra, notes),
    }
    Ok(())
}

fn apply_rule(extra: &Extra, notes: &mut Notes) -> Result<(), Refusal> {
    let rule = FIELDS.iter().find(|(name, ..)| *name == extra.name);
    let Some((_, neutral, rule)) = rule else {
        return Err(Refusal::new(&extra.path, "has no counterpart in Anthropic's dialect"));
    };
    let bare: String = extra.value.get().chars().filter(|c| !c.is_ascii_whitespace()).collect();
    match rule {
        _ if bare == *neutral => {}
        Drop(what) => notes.add(&extra.path, *what),
        Refuse(why) => return Err(Refusal::new(&extra.path, *why)),
    }
    Ok(())
}
