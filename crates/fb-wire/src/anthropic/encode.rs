//! Encodes a typed chat as an Anthropic body.

mod body;
mod messages;
mod thinking;
mod tools;

use bytes::Bytes;
use fb_core::{Chat, Format, Refusal};

use self::{
    body::{Body, CacheControl, Effort, Metadata, OutputConfig, OutputFormat, TextBlock},
    messages::Conversation,
    thinking::ThinkingConfig,
};
use super::{
    extras::{self, Extras},
    limits::Limits,
    notes::Notes,
    schema,
};
use crate::outcome::Encoded;

/// Prints a typed chat as the body of a request to `model`, within its `limits`.
///
/// Fields without an exact counterpart are mapped to a weaker one with a note. If the caller sets no `max_tokens`, the
/// model's default is used.
///
/// # Errors
/// Names the field that cannot be sent to this model, and why.
pub fn encode(chat: &Chat, model: &str, stream: bool, limits: &Limits) -> Result<Encoded, Refusal> {
    let mut notes = Notes::default();
    let extras = extras::read(chat, &mut notes)?;
    let mut conversation = messages::conversation(chat, limits, &mut notes)?;
    let max_tokens = max_tokens(chat, limits, &mut notes);
    let thinking = thinking::decide(chat, limits, &conversation, max_tokens, &mut notes);
    let (tools, tool_choice) =
        tools::tools(chat, extras.allowed_tools.as_ref(), limits, &thinking, &mut notes)?;
    let format = format(chat, limits, &mut conversation, &mut notes)?;
    let Extras { service_tier, cache, user, .. } = extras;
    let effort = thinking.effort.map(|effort| Effort(effort.name()));
    let mut body = Body {
        model,
        max_tokens: thinking.max_tokens,
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
    sampling(chat, limits, &thinking, &mut body, &mut notes)?;
    body.thinking = thinking.mode;
    let body = serde_json::to_vec(&body).map_err(|error| Refusal::new("messages", error.to_string()))?;
    Ok(Encoded { body: Bytes::from(body), notes: notes.into_vec() })
}

fn max_tokens(chat: &Chat, limits: &Limits, notes: &mut Notes) -> u32 {
    let Some(requested) = chat.max_tokens else { return limits.default_max_tokens.min(limits.max_tokens) };
    if requested > limits.max_tokens {
        notes.add("max_tokens", format!("cut to {}: the model generates no more", limits.max_tokens));
    }
    requested.min(limits.max_tokens)
}

fn sampling<'a>(
    chat: &'a Chat,
    limits: &Limits,
    thinking: &ThinkingConfig,
    body: &mut Body<'a>,
    notes: &mut Notes,
) -> Result<(), Refusal> {
    let requested = &chat.sampling;
    for (field, number) in [("temperature", requested.temperature), ("top_p", requested.top_p)] {
        if number.is_some_and(|number| !number.is_finite()) {
            return Err(Refusal::new(field, "is no finite number"));
        }
    }
    let thinks = thinking.is_on();
    let mut allowed = |field: &str, given: bool| {
        if given && !limits.sampling {
            notes.add(field, "dropped: the model takes no sampling parameters");
        } else if given && thinks {
            notes.add(field, "dropped: not accepted together with thinking");
        }
        given && limits.sampling && !thinks
    };
    body.temperature = requested.temperature.filter(|_| allowed("temperature", true));
    body.top_p = requested.top_p.filter(|_| allowed("top_p", true));
    body.top_k = requested.top_k.filter(|_| allowed("top_k", true));
    if body.temperature.is_some_and(|temperature| temperature > 1.0) {
        notes.add("temperature", "lowered to 1, the highest Anthropic takes");
        body.temperature = Some(1.0);
    }
    if body.temperature.is_some() && body.top_p.take().is_some() {
        notes.add("top_p", "dropped: Anthropic takes temperature or top_p, not both");
    }
    if requested.seed.is_some() {
        notes.add("seed", "dropped: Anthropic cannot repeat an answer");
    }
    for (field, penalty) in
        [("frequency_penalty", requested.frequency_penalty), ("presence_penalty", requested.presence_penalty)]
    {
        if penalty.is_some_and(|penalty| penalty != 0.0) {
            notes.add(field, "dropped: Anthropic has no penalties");
        }
    }
    // Anthropic rejects stop sequences of white space with a 400.
    body.stop_sequences =
        requested.stop.iter().filter(|text| !text.trim().is_empty()).map(String::as_str).collect();
    if body.stop_sequences.len() < requested.stop.len() {
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
        Format::JsonSchema(requested) => {
            let clean = schema::sanitise(&requested.schema, requested.description.as_deref())
                .map_err(|fault| fault.refusal("response_format.json_schema.schema"))?;
            if clean.changed {
                notes.add("response_format", schema::CHANGED);
            }
            Ok(Some(OutputFormat { kind: "json_schema", schema: clean.schema }))
        }
    }
}

#[cfg(test)]
mod tests;
