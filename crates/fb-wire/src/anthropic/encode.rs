//! A typed chat as an Anthropic body.

mod body;
mod messages;
mod thinking;
mod tools;

use bytes::Bytes;
use fb_core::{Chat, Format, Note, Refusal};

use self::{
    body::{Body, CacheControl, Effort, Metadata, OutputConfig, OutputFormat, TextBlock},
    messages::Conversation,
    thinking::Thought,
};
use super::{
    Limits,
    carry::{self, Carried},
    schema,
};
use crate::Encoded;

/// Prints a typed chat as the body of a request to `model`, which accepts what `limits` says.
///
/// What has a weaker counterpart is mapped to it with a note. A caller that names no `max_tokens` gets the
/// model's default.
///
/// # Errors
/// The field that cannot be carried to this model, and why.
pub fn encode(chat: &Chat, model: &str, stream: bool, limits: &Limits) -> Result<Encoded, Refusal> {
    let mut notes = Notes::default();
    let carried = carry::carry(chat, &mut notes)?;
    let mut conversation = messages::conversation(chat, limits, &mut notes)?;
    let max_tokens = max_tokens(chat, limits, &mut notes);
    let thought = thinking::decide(chat, limits, &conversation, max_tokens, &mut notes);
    let (tools, tool_choice) = tools::tools(chat, carried.allowed.as_ref(), limits, &thought, &mut notes)?;
    let format = format(chat, limits, &mut conversation, &mut notes)?;
    let Carried { service_tier, cache, user, .. } = carried;
    let effort = thought.effort.map(|effort| Effort(effort.name()));
    let mut body = Body {
        model,
        max_tokens: thought.max_tokens,
        system: conversation.system,
        messages: conversation.turns,
        tools,
        tool_choice,
        output_config: Some(OutputConfig { effort, format }).filter(|config| !config.is_empty()),
        metadata: chat.user.clone().or(user).map(|user_id| Metadata { user_id }),
        service_tier,
        cache_control: cache.then_some(CacheControl { kind: "ephemeral" }),
        stream,
        ..Body::default()
    };
    sampling(chat, limits, &thought, &mut body, &mut notes)?;
    body.thinking = thought.thinking;
    let body = serde_json::to_vec(&body).map_err(|error| Refusal::new("messages", error.to_string()))?;
    Ok(Encoded { body: Bytes::from(body), notes: notes.0 })
}

fn max_tokens(chat: &Chat, limits: &Limits, notes: &mut Notes) -> u32 {
    let Some(wanted) = chat.max_tokens else { return limits.default_max_tokens.min(limits.max_tokens) };
    if wanted > limits.max_tokens {
        notes.add("max_tokens", format!("cut to {}: the model generates no more", limits.max_tokens));
    }
    wanted.min(limits.max_tokens)
}

fn sampling<'a>(
    chat: &'a Chat,
    limits: &Limits,
    thought: &Thought,
    body: &mut Body<'a>,
    notes: &mut Notes,
) -> Result<(), Refusal> {
    let wanted = &chat.sampling;
    for (field, number) in [("temperature", wanted.temperature), ("top_p", wanted.top_p)] {
        if number.is_some_and(|number| !number.is_finite()) {
            return Err(Refusal::new(field, "is no finite number"));
        }
    }
    let thinks = thought.is_on();
    let mut allowed = |field: &str, given: bool| {
        if given && !limits.sampling {
            notes.add(field, "dropped: the model takes no sampling parameters");
        } else if given && thinks {
            notes.add(field, "dropped: not accepted together with thinking");
        }
        given && limits.sampling && !thinks
    };
    body.temperature = wanted.temperature.filter(|_| allowed("temperature", true));
    body.top_p = wanted.top_p.filter(|_| allowed("top_p", true));
    body.top_k = wanted.top_k.filter(|_| allowed("top_k", true));
    if body.temperature.is_some_and(|temperature| temperature > 1.0) {
        notes.add("temperature", "lowered to 1, the highest Anthropic takes");
        body.temperature = Some(1.0);
    }
    if body.temperature.is_some() && body.top_p.take().is_some() {
        notes.add("top_p", "dropped: Anthropic takes temperature or top_p, not both");
    }
    if wanted.seed.is_some() {
        notes.add("seed", "dropped: Anthropic cannot repeat an answer");
    }
    for (field, penalty) in
        [("frequency_penalty", wanted.frequency_penalty), ("presence_penalty", wanted.presence_penalty)]
    {
        if penalty.is_some_and(|penalty| penalty != 0.0) {
            notes.add(field, "dropped: Anthropic has no penalties");
        }
    }
    // A stop text of white space alone is a 400.
    body.stop_sequences =
        wanted.stop.iter().filter(|text| !text.trim().is_empty()).map(String::as_str).collect();
    if body.stop_sequences.len() < wanted.stop.len() {
        notes.add("stop", "texts of white space alone dropped: Anthropic rejects them");
    }
    Ok(())
}

fn format(
    chat: &Chat,
    limits: &Limits,
    conversation: &mut Conversation<'_>,
    notes: &mut Notes,
) -> Result<Option<OutputFormat>, Refusal> {
    match &chat.format {
        Format::Text => Ok(None),
        Format::JsonObject => {
            let text = "Answer with one JSON object and nothing else: no other text, no code fence.";
            conversation.system.push(TextBlock::new(text));
            notes.add("response_format", "an instruction in the system prompt: Anthropic has no JSON mode");
            Ok(None)
        }
        Format::JsonSchema(_) if !limits.json_schema => {
            Err(Refusal::new("response_format", "the model cannot be held to a JSON schema"))
        }
        Format::JsonSchema(wanted) => {
            let clean = schema::sanitise(&wanted.schema, wanted.description.as_deref())
                .map_err(|fault| fault.refusal("response_format.json_schema.schema"))?;
            if clean.changed {
                notes.add("response_format", schema::CHANGED);
            }
            Ok(Some(OutputFormat { kind: "json_schema", schema: clean.schema }))
        }
    }
}

/// What is said differently from what the caller asked, each thing once.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    /// Says once what happened, with the first field it happened to.
    pub(super) fn add(&mut self, field: impl Into<String>, what: impl Into<String>) {
        let note = Note::new(field, what);
        if !self.0.iter().any(|old| old.what == note.what && last_name(&old.field) == last_name(&note.field))
        {
            self.0.push(note);
        }
    }
}

/// The field's own name, without where it stands.
fn last_name(path: &str) -> &str {
    let name = path.rsplit_once('.').map_or(path, |(_, name)| name);
    name.split_once('[').map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests;
