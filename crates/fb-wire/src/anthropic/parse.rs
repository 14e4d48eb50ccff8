use std::collections::HashSet;

use fb_core::{
    Chat, Effort, Extra, Format, Image, ImageSource, InvalidRequest, Message, Part, RawBody, Role, Schema,
    Tool, ToolCall, ToolChoice, ToolResult,
};

use crate::{
    top_level::field,
    value::{Object, Path},
};

/// Returns the typed view of an Anthropic request. Fields without a counterpart in the vocabulary are kept in
/// [`Chat::extra`], under their path.
///
/// Tool results become messages of their own, before the other content of the user's turn.
pub(super) fn chat(body: &RawBody) -> Result<Chat, InvalidRequest> {
    let mut reader = Reader::default();
    // The system prompt comes first, regardless of the position of its field.
    if let Some(text) = field(body, "system")? {
        reader.system(&Path::Top("system"), text)?;
    }
    let mut seen = HashSet::from(["system"]);
    for name in body.fields.iter().map(|field| &*field.name) {
        if seen.insert(name)
            && let Some(text) = field(body, name)?
        {
            reader.field(name, text)?;
        }
    }
    Ok(reader.finish())
}

/// The values of `output_config.effort`.
const EFFORTS: [Effort; 5] = [Effort::Low, Effort::Medium, Effort::High, Effort::Xhigh, Effort::Max];

/// The name of a schema, which OpenAI requires and Anthropic lacks.
const SCHEMA_NAME: &str = "answer";

#[derive(Default)]
struct Reader {
    chat: Chat,
    /// The effort implied by `thinking`. `output_config.effort` takes precedence, unless thinking is disabled.
    thinking: Option<Effort>,
}

impl Reader {
    fn field(&mut self, name: &str, text: &str) -> Result<(), InvalidRequest> {
        let path = Path::Top(name);
        let chat = &mut self.chat;
        match name {
            // Parsed with the head.
            "model" | "stream" => {}
            "messages" => self.messages(&path, text)?,
            "max_tokens" => chat.max_tokens = Some(path.number(text, "an integer of at least 0")?),
            "tools" => self.tools(&path, text)?,
            "tool_choice" => self.tool_choice(&path, text)?,
            "output_config" => self.output_config(&path, text)?,
            "output_format" => self.format(&path, text)?,
            "thinking" => self.thinking(&path, text)?,
            "stop_sequences" => {
                let texts = path.array(text)?.into_iter().enumerate();
                let texts = texts.map(|(index, text)| Path::Index(&path, index).string(text));
                chat.sampling.stop = texts.collect::<Result<_, _>>()?;
            }
            "temperature" => chat.sampling.temperature = Some(path.number(text, "a number from 0 to 1")?),
            "top_p" => chat.sampling.top_p = Some(path.number(text, "a number from 0 to 1")?),
            "top_k" => chat.sampling.top_k = Some(path.number(text, "an integer of at least 0")?),
            "metadata" => self.metadata(&path, text)?,
            _ => self.extra(&path, text)?,
        }
        Ok(())
    }

    fn finish(mut self) -> Chat {
        match self.thinking {
            Some(Effort::None) => self.chat.effort = Some(Effort::None),
            thinking => self.chat.effort = self.chat.effort.or(thinking),
        }
        self.chat
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

    fn system(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        let parts = self.content(path, text)?;
        if parts.iter().any(|part| *part != Part::Text(String::new())) {
            self.chat.messages.push(Message { role: Role::System, name: None, parts });
        }
        Ok(())
    }

    fn messages(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        for (index, text) in path.array(text)?.into_iter().enumerate() {
            self.message(&Path::Index(path, index), text)?;
        }
        Ok(())
    }

    fn message(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        let mut object = path.object(text)?;
        let role = role(&mut object)?;
        let content = object.require("content", CONTENT)?;
        let parts = self.content(&Path::Key(path, "content"), content)?;
        self.keep_remaining(&object)?;
        let (results, parts): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| matches!(part, Part::ToolResult(_)));
        let only_results = !results.is_empty() && parts.is_empty();
        let results = results.into_iter();
        let results = results.map(|part| Message { role: Role::Tool, name: None, parts: vec![part] });
        self.chat.messages.extend(results);
        if !only_results {
            self.chat.messages.push(Message { role, name: None, parts });
        }
        Ok(())
    }

    fn content(&mut self, path: &Path<'_>, text: &str) -> Result<Vec<Part>, InvalidRequest> {
        if text.starts_with('"') {
            return Ok(vec![Part::Text(path.string(text)?)]);
        }
        if !text.starts_with('[') {
            return Err(path.invalid(CONTENT, text));
        }
        let blocks = path.array(text)?.into_iter().enumerate();
        blocks.map(|(index, text)| self.block(&Path::Index(path, index), text)).collect()
    }

    fn block(&mut self, path: &Path<'_>, text: &str) -> Result<Part, InvalidRequest> {
        let mut object = path.object(text)?;
        let kind = object.require_string("type", "the type of the block")?;
        let part = match &*kind {
            "text" => Part::Text(object.require_string("text", "a string")?),
            "image" => match self.image(&mut object)? {
                Some(image) => image,
                None => return Ok(Part::Other { kind, value: path.json(text)? }),
            },
            "tool_use" => Part::ToolCall(ToolCall {
                id: object.require_string("id", "the id of the call")?,
                name: object.require_string("name", "the name of the tool")?,
                arguments: input(&mut object)?,
            }),
            "tool_result" => self.tool_result(&mut object)?,
            "thinking" => Part::Thinking {
                text: object.require_string("thinking", "a string")?,
                signature: object.take_string("signature")?.filter(|proof| !proof.is_empty()),
            },
            _ => return Ok(Part::Other { kind, value: path.json(text)? }),
        };
        self.keep_remaining(&object)?;
        Ok(part)
    }

    /// Parses an image; `None` if its source is of another kind, such as a file at Anthropic.
    fn image(&mut self, object: &mut Object<'_, '_>) -> Result<Option<Part>, InvalidRequest> {
        let path = Path::Key(object.path, "source");
        let text = object.require("source", "an object with a type")?;
        let mut source = path.object(text)?;
        let image_source = match &*source.require_string("type", "base64, url or file")? {
            "url" => ImageSource::Url(source.require_string("url", "a URL")?),
            "base64" => ImageSource::Base64 {
                media_type: source.require_string("media_type", "such as image/png")?,
                data: source.require_string("data", "base64 text")?,
            },
            _ => return Ok(None),
        };
        self.keep_remaining(&source)?;
        Ok(Some(Part::Image(Image { source: image_source, detail: None })))
    }

    fn tool_result(&mut self, object: &mut Object<'_, '_>) -> Result<Part, InvalidRequest> {
        let id = object.require_string("tool_use_id", "the id of the call it answers")?;
        let is_error = object.take_boolean("is_error")?.unwrap_or(false);
        let parts = match object.take("content") {
            Some(text) => self.result_content(&Path::Key(object.path, "content"), text)?,
            None => Vec::new(),
        };
        Ok(Part::ToolResult(ToolResult { id, parts, is_error }))
    }

    /// Parses text and images. Results do not contain results, so the recursion is bounded.
    fn result_content(&mut self, path: &Path<'_>, text: &str) -> Result<Vec<Part>, InvalidRequest> {
        if text.starts_with('"') {
            return Ok(vec![Part::Text(path.string(text)?)]);
        }
        if !text.starts_with('[') {
            return Err(path.invalid(CONTENT, text));
        }
        let mut parts = Vec::new();
        for (index, text) in path.array(text)?.into_iter().enumerate() {
            let path = Path::Index(path, index);
            let kind = path.object(text)?.require_string("type", "the type of the block")?;
            parts.push(match &*kind {
                "text" | "image" => self.block(&path, text)?,
                _ => Part::Other { kind, value: path.json(text)? },
            });
        }
        Ok(parts)
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
        // Other types are server-side tools.
        if kind.is_some_and(|kind| kind != "custom") {
            return self.extra(path, text);
        }
        let tool = Tool {
            name: object.require_string("name", "the name of the tool")?,
            description: object.take_string("description")?,
            parameters: object.take_json("input_schema")?,
            strict: object.take_boolean("strict")?,
        };
        self.chat.tools.push(tool);
        self.keep_remaining(&object)
    }

    fn tool_choice(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        let mut object = path.object(text)?;
        let expected = "one of auto, any, tool, none";
        self.chat.tool_choice = Some(match &*object.require_string("type", expected)? {
            "auto" => ToolChoice::Auto,
            "any" => ToolChoice::Required,
            "none" => ToolChoice::None,
            "tool" => ToolChoice::Named(object.require_string("name", "the name of the tool")?),
            _ => return Err(Path::Key(path, "type").invalid(expected, "another string")),
        });
        let alone = object.take_boolean("disable_parallel_tool_use")?;
        self.chat.parallel_tools = alone.map(|alone| !alone);
        self.keep_remaining(&object)
    }

    fn output_config(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        let mut object = path.object(text)?;
        if let Some(text) = object.take("effort") {
            let path = Path::Key(path, "effort");
            let name = path.string(text)?;
            self.chat.effort = EFFORTS.into_iter().find(|effort| effort.name() == name);
            if self.chat.effort.is_none() {
                self.extra(&path, text)?;
            }
        }
        if let Some(text) = object.take("format") {
            self.format(&Path::Key(path, "format"), text)?;
        }
        self.keep_remaining(&object)
    }

    fn format(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        let mut object = path.object(text)?;
        if object.require_string("type", "json_schema")? != "json_schema" {
            return self.extra(path, text);
        }
        let text = object.require("schema", "a JSON schema")?;
        let schema = Path::Key(path, "schema").json(text)?;
        self.chat.format = Format::JsonSchema(Schema {
            name: SCHEMA_NAME.to_owned(),
            description: None,
            schema,
            strict: Some(true),
        });
        self.keep_remaining(&object)
    }

    fn thinking(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        let mut object = path.object(text)?;
        match &*object.require_string("type", "adaptive, enabled, disabled or between_tools")? {
            "disabled" => self.thinking = Some(Effort::None),
            "adaptive" => {}
            "enabled" => {
                let path = Path::Key(path, "budget_tokens");
                let expected = "an integer of at least 1024";
                let budget: u32 = path.number(object.require("budget_tokens", expected)?, expected)?;
                // The inverse of the budgets in the encoder.
                self.thinking = Some(match budget {
                    0..2048 => Effort::Low,
                    2048..4096 => Effort::Medium,
                    4096.. => Effort::High,
                });
            }
            _ => return self.extra(path, text),
        }
        self.keep_remaining(&object)
    }

    fn metadata(&mut self, path: &Path<'_>, text: &str) -> Result<(), InvalidRequest> {
        let mut object = path.object(text)?;
        self.chat.user = object.take_string("user_id")?;
        self.keep_remaining(&object)
    }
}

const CONTENT: &str = "a string or an array of content blocks";

/// Returns the JSON text of a tool call's input.
fn input(object: &mut Object<'_, '_>) -> Result<String, InvalidRequest> {
    let input = object.take("input").unwrap_or("{}");
    let path = Path::Key(object.path, "input");
    if input.starts_with('{') {
        path.json(input).map(|json| json.get().to_owned())
    } else {
        Err(path.invalid("an object", input))
    }
}

fn role(object: &mut Object<'_, '_>) -> Result<Role, InvalidRequest> {
    let path = Path::Key(object.path, "role");
    let expected = "one of user, assistant, system";
    match &*object.require_string("role", expected)? {
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        "system" => Ok(Role::System),
        _ => Err(path.invalid(expected, "another string")),
    }
}

#[cfg(test)]
mod tests;
