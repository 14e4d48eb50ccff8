use std::{borrow::Cow, collections::HashSet};

use fb_core::{
    Chat, Effort, Extra, Format, Image, ImageSource, InvalidRequest, Message, Part, RawBody, Role, Schema,
    Tool, ToolCall, ToolChoice, ToolResult,
};

use crate::{
    top_level::text,
    value::{Fields, Object, Path, holds_items},
};

/// Returns the typed view of an OpenAI request. Fields without a counterpart in the vocabulary are kept in
/// [`Chat::extra`], under their path.
pub(super) fn chat(body: &RawBody) -> Result<Chat, InvalidRequest> {
    let mut seen = HashSet::new();
    let mut fields: Vec<_> = body.fields.iter().rev().filter(|field| seen.insert(&*field.name)).collect();
    fields.reverse();
    let mut reader = Reader::default();
    for field in fields {
        let text = text(body, &field.name, field.value.clone())?;
        if text != "null" {
            reader.field(&field.name, text)?;
        }
    }
    reader.finish()
}

const EFFORTS: [Effort; 7] =
    [Effort::None, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::Xhigh, Effort::Max];

#[derive(Default)]
struct Reader {
    chat: Chat,
    /// The deprecated `max_tokens`, used if the newer field is missing.
    max_tokens: Option<u32>,
    /// The generated id of the last deprecated `function_call`.
    function_call: Option<String>,
}

impl Reader {
    fn field(&mut self, name: &str, text: &str) -> Result<(), InvalidRequest> {
        let path = Path::Top(name);
        let number = |expected| path.number::<f64>(text, expected).map(Some);
        let chat = &mut self.chat;
        match name {
            "messages" => self.messages(&path, text)?,
            "tools" => self.tools(&path, text)?,
            "tool_choice" => self.tool_choice(&path, text)?,
            "parallel_tool_calls" => chat.parallel_tools = Some(path.boolean(text)?),
            "response_format" => self.format(&path, text)?,
            "max_completion_tokens" => chat.max_tokens = Some(path.positive(text)?),
            "max_tokens" => self.max_tokens = Some(path.positive(text)?),
            "temperature" => chat.sampling.temperature = number("a number from 0 to 2")?,
            "top_p" => chat.sampling.top_p = number("a number from 0 to 1")?,
            "frequency_penalty" => chat.sampling.frequency_penalty = number("a number from -2 to 2")?,
            "presence_penalty" => chat.sampling.presence_penalty = number("a number from -2 to 2")?,
            "top_k" => chat.sampling.top_k = Some(path.positive(text)?),
            "seed" => chat.sampling.seed = Some(path.number(text, "an integer")?),
            "stop" => chat.sampling.stop = strings(&path, text)?,
            "reasoning_effort" => self.effort(&path, text)?,
            "user" => chat.user = Some(path.string(text)?),
            name if is_neutral(name, text) => {}
            _ => self.extra(&path, text)?,
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Chat, InvalidRequest> {
        if let Some(limit) = self.max_tokens
            && *self.chat.max_tokens.get_or_insert(limit) != limit
        {
            self.extra(&Path::Top("max_tokens"), &limit.to_string())?;
        }
        Ok(self.chat)
    }

    fn extra(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        let value = path.json(text)?;
        self.chat.extra.push(Extra { path: path.to_string(), name: path.name().to_owned(), value });
        Ok(())
    }

    /// Keeps the remaining fields of an object.
    fn keep_remaining(&mut self, object: &Object<'_, '_>) -> Result<(), InvalidRequest> {
        object.remaining().try_for_each(|(name, text)| self.extra(&Path::Key(object.path, name), text))
    }

    fn effort(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        let name = path.string(text)?;
        self.chat.effort = EFFORTS.into_iter().find(|effort| effort.name() == name);
        // A value of another provider, such as Groq's `default`.
        if self.chat.effort.is_none() { self.extra(path, text) } else { Ok(()) }
    }

    fn messages(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        let messages = path.array(text)?;
        self.chat.messages.reserve(messages.len());
        for (index, text) in messages.into_iter().enumerate() {
            let message = self.message(&Path::Index(path, index), text)?;
            self.chat.messages.push(message);
        }
        Ok(())
    }

    fn message(&mut self, path: &Path<'_>, text: &str) -> Result<Message, InvalidRequest> {
        let mut object = path.object(text)?;
        let role = role(&mut object)?;
        let name = object.take_string("name")?;
        let parts = match role {
            MessageRole::Known(Role::Assistant) => self.assistant(&mut object)?,
            MessageRole::Known(Role::Tool) => {
                let id = object.require_string("tool_call_id", "the id of the call it answers")?;
                vec![self.tool_result(&mut object, id)?]
            }
            MessageRole::Function => {
                // The deprecated form has no ids; the result belongs to the preceding call.
                let id = self.function_call.clone().or_else(|| name.clone()).unwrap_or_default();
                vec![self.tool_result(&mut object, id)?]
            }
            MessageRole::Known(_) => {
                let content = object.require("content", "a string or an array of parts")?;
                self.content(&Path::Key(path, "content"), content)?
            }
        };
        self.keep_remaining(&object)?;
        let role = match role {
            MessageRole::Known(role) => role,
            MessageRole::Function => Role::Tool,
        };
        Ok(Message { role, name, parts })
    }

    fn assistant(&mut self, object: &mut Object<'_, '_>) -> Result<Vec<Part>, InvalidRequest> {
        let mut parts = Vec::new();
        parts.extend(thinking(object)?.map(|text| Part::Thinking { text, signature: None }));
        if let Some(content) = object.take("content") {
            let content = self.content(&Path::Key(object.path, "content"), content)?;
            parts.extend(content.into_iter().filter(|part| *part != Part::Text(String::new())));
        }
        let refusal = object.take_string("refusal")?;
        parts.extend(refusal.filter(|text| !text.is_empty()).map(Part::Refusal));
        if let Some(calls) = object.take("tool_calls") {
            let path = Path::Key(object.path, "tool_calls");
            for (index, call) in path.array(calls)?.into_iter().enumerate() {
                parts.extend(self.tool_call(&Path::Index(&path, index), call)?);
            }
        }
        if let Some(call) = object.take("function_call") {
            let id = format!("function_{}", self.chat.messages.len());
            self.function_call = Some(id.clone());
            parts.push(self.function(&Path::Key(object.path, "function_call"), call, id)?);
        }
        // OpenAI's answers contain it, so callers send it back.
        if object.get("annotations").is_some_and(|text| !holds_items(text)) {
            object.take("annotations");
        }
        Ok(parts)
    }

    fn tool_call(&mut self, path: &Path<'_>, text: &str) -> Result<Option<Part>, InvalidRequest> {
        let mut object = path.object(text)?;
        let kind = object.take_string("type")?;
        if kind.is_some_and(|kind| kind != "function") {
            self.extra(path, text)?;
            return Ok(None);
        }
        let id = object.require_string("id", "the id of the call")?;
        let key = Path::Key(path, "function");
        let function = object.require("function", "an object with name and arguments")?;
        let call = self.function(&key, function, id)?;
        object.take("index");
        self.keep_remaining(&object)?;
        Ok(Some(call))
    }

    fn function(&mut self, path: &Path<'_>, text: &str, id: String) -> Result<Part, InvalidRequest> {
        let mut object = path.object(text)?;
        let name = object.require_string("name", "the name of the function")?;
        let arguments = object.take_string("arguments")?;
        self.keep_remaining(&object)?;
        let arguments = arguments.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| "{}".to_owned());
        Ok(Part::ToolCall(ToolCall { id, name, arguments }))
    }

    fn tool_result(&mut self, object: &mut Object<'_, '_>, id: String) -> Result<Part, InvalidRequest> {
        let content = object.take("content");
        let mut parts =
            content.map_or(Ok(Vec::new()), |text| self.content(&Path::Key(object.path, "content"), text))?;
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Part::ToolResult(ToolResult { id, parts, is_error: false }))
    }

    fn content(&mut self, path: &Path<'_>, text: &str) -> Result<Vec<Part>, InvalidRequest> {
        if text.starts_with('"') {
            return Ok(vec![Part::Text(path.string(text)?)]);
        }
        if !text.starts_with('[') {
            return Err(path.invalid("a string or an array of parts", text));
        }
        let parts = path.array(text)?.into_iter().enumerate();
        parts.map(|(index, text)| self.part(&Path::Index(path, index), text)).collect()
    }

    fn part(&mut self, path: &Path<'_>, text: &str) -> Result<Part, InvalidRequest> {
        let mut object = path.object(text)?;
        let kind: String = object.require_string("type", "the type of the part")?;
        let part = match &*kind {
            "text" => Part::Text(object.require_string("text", "a string")?),
            "refusal" => Part::Refusal(object.require_string("refusal", "a string")?),
            "image_url" => self.image(&mut object)?,
            // Encrypted content that only its own provider can read.
            "redacted_thinking" => return Ok(Part::Thinking { text: String::new(), signature: None }),
            _ => return Ok(Part::Other { kind, value: path.json(text)? }),
        };
        self.keep_remaining(&object)?;
        Ok(part)
    }

    fn image(&mut self, object: &mut Object<'_, '_>) -> Result<Part, InvalidRequest> {
        let key = Path::Key(object.path, "image_url");
        let text = object.require("image_url", "an object with a url")?;
        // Some clients send the bare URL.
        if text.starts_with('"') {
            return Ok(Part::Image(Image { source: source(key.string(text)?), detail: None }));
        }
        let mut image = key.object(text)?;
        let url = image.require_string("url", "an http(s) or data: URL")?;
        let detail = image.take_string("detail")?;
        self.keep_remaining(&image)?;
        Ok(Part::Image(Image { source: source(url), detail }))
    }

    fn tools(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        for (index, text) in path.array(text)?.into_iter().enumerate() {
            self.tool(&Path::Index(path, index), text)?;
        }
        Ok(())
    }

    fn tool(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        let mut object = path.object(text)?;
        let kind = object.take_string("type")?;
        if kind.is_some_and(|kind| kind != "function") {
            return self.extra(path, text);
        }
        let key = Path::Key(path, "function");
        let function = object.require("function", "an object with a name")?;
        let mut function = key.object(function)?;
        let tool = Tool {
            name: function.require_string("name", "the name of the function")?,
            description: function.take_string("description")?,
            parameters: function.take_json("parameters")?,
            strict: function.take_boolean("strict")?,
        };
        self.chat.tools.push(tool);
        self.keep_remaining(&function)?;
        self.keep_remaining(&object)
    }

    fn tool_choice(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        let expected = "none, auto, required or an object";
        if text.starts_with('"') {
            self.chat.tool_choice = Some(match &*path.string(text)? {
                "none" => ToolChoice::None,
                "auto" => ToolChoice::Auto,
                "required" => ToolChoice::Required,
                _ => return Err(path.invalid(expected, "another string")),
            });
            return Ok(());
        }
        if !text.starts_with('{') {
            return Err(path.invalid(expected, text));
        }
        let mut object = path.object(text)?;
        let kind: String = object.require_string("type", "function, custom or allowed_tools")?;
        if kind != "function" {
            return self.extra(path, text);
        }
        let key = Path::Key(path, "function");
        let function = object.require("function", "an object with a name")?;
        let mut function = key.object(function)?;
        let name = function.require_string("name", "the name of the function")?;
        self.chat.tool_choice = Some(ToolChoice::Named(name));
        self.keep_remaining(&function)?;
        self.keep_remaining(&object)
    }

    fn format(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        let mut object = path.object(text)?;
        let kind: String = object.require_string("type", "text, json_object or json_schema")?;
        match &*kind {
            "text" => {}
            "json_object" => self.chat.format = Format::JsonObject,
            "json_schema" => {
                let key = Path::Key(path, "json_schema");
                let schema = object.require("json_schema", "an object with a name")?;
                self.chat.format = Format::JsonSchema(self.schema(&key, schema)?);
            }
            _ => return self.extra(path, text),
        }
        self.keep_remaining(&object)
    }

    fn schema(&mut self, path: &Path<'_>, text: &str) -> Result<Schema, InvalidRequest> {
        let mut object = path.object(text)?;
        let schema = object.take("schema").unwrap_or("{}");
        let schema = Schema {
            name: object.require_string("name", "the name of the schema")?,
            description: object.take_string("description")?,
            schema: Path::Key(path, "schema").json(schema)?,
            strict: object.take_boolean("strict")?,
        };
        self.keep_remaining(&object)?;
        Ok(schema)
    }
}

/// The role of a message.
#[derive(Clone, Copy)]
enum MessageRole {
    Known(Role),
    /// The deprecated role of a tool.
    Function,
}

fn role(object: &mut Object<'_, '_>) -> Result<MessageRole, InvalidRequest> {
    let key = Path::Key(object.path, "role");
    let expected = "one of system, developer, user, assistant, tool, function";
    match &*object.require_string("role", expected)? {
        "system" => Ok(MessageRole::Known(Role::System)),
        "developer" => Ok(MessageRole::Known(Role::Developer)),
        "user" => Ok(MessageRole::Known(Role::User)),
        "assistant" => Ok(MessageRole::Known(Role::Assistant)),
        "tool" => Ok(MessageRole::Known(Role::Tool)),
        "function" => Ok(MessageRole::Function),
        _ => Err(key.invalid(expected, "another string")),
    }
}

/// Takes the thinking that some providers expect back; some send it in two fields.
fn thinking(object: &mut Object<'_, '_>) -> Result<Option<String>, InvalidRequest> {
    let first = object.take_string("reasoning_content")?;
    let second = match object.get("reasoning") {
        Some(text) if text.starts_with('"') => object.take_string("reasoning")?,
        _ => None,
    };
    Ok(first.or(second).filter(|text| !text.is_empty()))
}

/// Returns true if a top-level field has its default value, or is not part of the typed view.
fn is_neutral(name: &str, text: &str) -> bool {
    match name {
        "model" | "stream" | "stream_options" => true,
        "n" => text == "1",
        "logprobs" => text == "false",
        "top_logprobs" => text == "0",
        "logit_bias" => serde_json::from_str::<Fields<'_>>(text).is_ok_and(|bias| bias.0.is_empty()),
        "modalities" => serde_json::from_str::<Vec<Cow<'_, str>>>(text)
            .is_ok_and(|modalities| modalities.iter().all(|modality| modality == "text")),
        _ => false,
    }
}

fn strings(path: &Path<'_>, text: &str) -> Result<Vec<String>, InvalidRequest> {
    match text.as_bytes().first() {
        Some(b'"') => Ok(vec![path.string(text)?]),
        Some(b'[') => {
            let items = path.array(text)?.into_iter().enumerate();
            items.map(|(index, text)| Path::Index(path, index).string(text)).collect()
        }
        _ => Err(path.invalid("a string or an array of strings", text)),
    }
}

/// Returns the content of a `data:` URL, or else the URL.
fn source(url: String) -> ImageSource {
    let content = || {
        let (scheme, rest) = url.split_at_checked(5)?;
        let (head, data) = rest.split_once(',')?;
        let (media_type, encoding) = head.rsplit_once(';')?;
        let base64 = scheme.eq_ignore_ascii_case("data:") && encoding.eq_ignore_ascii_case("base64");
        let media_type = media_type.split(';').next().filter(|kind| !kind.is_empty())?;
        base64.then(|| ImageSource::Base64 { media_type: media_type.to_owned(), data: data.to_owned() })
    };
    content().unwrap_or(ImageSource::Url(url))
}

#[cfg(test)]
mod tests;
