use std::{sync::Arc, time::Duration};

use crate::{
    Chat, ChatRequest, Effort, Format, Image, Message, Options, Part, Role, Schema, Tool, ToolChoice,
    request::DEFAULT_ROUTE,
};

/// Builds a [`ChatRequest`] from typed content. Created by [`ChatRequest::builder`].
///
/// # Examples
///
/// A round of a tool loop:
///
/// ```
/// use fb_core::{ChatRequest, Message, Tool};
/// use serde_json::json;
///
/// let weather = Tool::new(
///     "weather",
///     "The weather in a city",
///     json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] }),
/// );
/// let request = ChatRequest::builder()
///     .system("Answer in one sentence.")
///     .user("How is the weather in Oslo?")
///     .tool(weather)
///     .temperature(0.0)
///     .max_tokens(200)
///     .build();
/// assert!(request.head().tools);
/// assert_eq!(request.head().model, "default");
/// ```
#[derive(Debug, Clone)]
#[must_use = "the request is what `build` returns"]
pub struct RequestBuilder {
    model: String,
    chat: Chat,
    options: Options,
}

impl ChatRequest {
    /// Creates a builder of a request to the route `default`, without messages.
    pub fn builder() -> RequestBuilder {
        let (chat, options) = (Chat::default(), Options::default());
        RequestBuilder { model: DEFAULT_ROUTE.to_owned(), chat, options }
    }
}

impl RequestBuilder {
    /// Sets the route, or a `PROVIDER/MODEL`. Defaults to the route `default`.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Adds a message to the conversation.
    pub fn message(mut self, message: Message) -> Self {
        self.chat.messages.push(message);
        self
    }

    /// Adds messages to the conversation, oldest first.
    pub fn messages(mut self, messages: impl IntoIterator<Item = Message>) -> Self {
        self.chat.messages.extend(messages);
        self
    }

    /// Adds instructions of the operator.
    pub fn system(self, text: impl Into<String>) -> Self {
        self.message(Message::system(text))
    }

    /// Adds a message of the end user.
    pub fn user(self, text: impl Into<String>) -> Self {
        self.message(Message::user(text))
    }

    /// Adds a message of the model.
    pub fn assistant(self, text: impl Into<String>) -> Self {
        self.message(Message::assistant(text))
    }

    /// Adds an image to the last message, or as a message of its own if that is not of the end user.
    pub fn image(mut self, image: Image) -> Self {
        if let Some(last) = self.chat.messages.last_mut().filter(|last| last.role == Role::User) {
            last.parts.push(Part::Image(image));
            return self;
        }
        self.message(Message { role: Role::User, name: None, parts: vec![Part::Image(image)] })
    }

    /// Adds a function that the model may call.
    pub fn tool(mut self, tool: Tool) -> Self {
        self.chat.tools.push(tool);
        self
    }

    /// Adds functions that the model may call.
    pub fn tools(mut self, tools: impl IntoIterator<Item = Tool>) -> Self {
        self.chat.tools.extend(tools);
        self
    }

    /// Sets the tool that the model must call, if any.
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.chat.tool_choice = Some(choice);
        self
    }

    /// Allows or forbids several tool calls in one answer.
    pub const fn parallel_tools(mut self, allowed: bool) -> Self {
        self.chat.parallel_tools = Some(allowed);
        self
    }

    /// Requires an answer that conforms to a schema.
    pub fn schema(mut self, schema: Schema) -> Self {
        self.chat.format = Format::JsonSchema(schema);
        self
    }

    /// Sets the required format of the answer.
    pub fn format(mut self, format: Format) -> Self {
        self.chat.format = format;
        self
    }

    /// Sets the maximum number of tokens to generate.
    pub const fn max_tokens(mut self, tokens: u32) -> Self {
        self.chat.max_tokens = Some(tokens);
        self
    }

    /// Sets the temperature, 0 to 2.
    pub const fn temperature(mut self, temperature: f64) -> Self {
        self.chat.sampling.temperature = Some(temperature);
        self
    }

    /// Sets the threshold of nucleus sampling, 0 to 1.
    pub const fn top_p(mut self, top_p: f64) -> Self {
        self.chat.sampling.top_p = Some(top_p);
        self
    }

    /// Sets the number of candidate tokens, at least 1.
    pub const fn top_k(mut self, top_k: u32) -> Self {
        self.chat.sampling.top_k = Some(top_k);
        self
    }

    /// Sets the seed for repeatable sampling.
    pub const fn seed(mut self, seed: i64) -> Self {
        self.chat.sampling.seed = Some(seed);
        self
    }

    /// Sets the penalty for frequent tokens, -2 to 2.
    pub const fn frequency_penalty(mut self, penalty: f64) -> Self {
        self.chat.sampling.frequency_penalty = Some(penalty);
        self
    }

    /// Sets the penalty for tokens already present, -2 to 2.
    pub const fn presence_penalty(mut self, penalty: f64) -> Self {
        self.chat.sampling.presence_penalty = Some(penalty);
        self
    }

    /// Adds a sequence that ends the answer.
    pub fn stop(mut self, sequence: impl Into<String>) -> Self {
        self.chat.sampling.stop.push(sequence.into());
        self
    }

    /// Sets the reasoning effort.
    pub const fn effort(mut self, effort: Effort) -> Self {
        self.chat.effort = Some(effort);
        self
    }

    /// Sets the opaque identifier of the end user.
    pub fn end_user(mut self, id: impl Into<String>) -> Self {
        self.chat.user = Some(id.into());
        self
    }

    /// Sets a deadline shorter than that of the route.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Sets the tenant.
    pub fn tenant(mut self, tenant: impl Into<Arc<str>>) -> Self {
        self.options.tenant = Some(tenant.into());
        self
    }

    /// Sets all options for fb itself, in place of those set before.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Builds the request.
    pub fn build(self) -> ChatRequest {
        ChatRequest::from_chat(self.model, self.chat).with_options(self.options)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Json, Reply, Sampling, ToolCall, ToolResult};

    #[test]
    fn a_builder_sets_the_whole_chat() {
        let schema = Schema::new("answer", json!({ "type": "object" }));
        let request = ChatRequest::builder()
            .model("vision")
            .system("Be brief.")
            .user("What is this?")
            .image(Image::url("https://example.com/cat.png"))
            .schema(schema.clone())
            .temperature(0.5)
            .stop("END")
            .tenant("acme")
            .build();
        let expected = Chat {
            messages: vec![
                Message::system("Be brief."),
                Message::user("What is this?").with(Image::url("https://example.com/cat.png")),
            ],
            format: Format::JsonSchema(schema),
            sampling: Sampling {
                temperature: Some(0.5),
                stop: vec!["END".to_owned()],
                ..Sampling::default()
            },
            ..Chat::default()
        };
        assert_eq!(request.chat(), Ok(&expected));
        assert_eq!(
            (request.head().model.as_str(), request.options().tenant.as_deref()),
            ("vision", Some("acme"))
        );
    }

    #[test]
    fn the_message_of_a_reply_and_its_results_continue_a_conversation() {
        let call = ToolCall { id: "c1".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
        let reply = Reply { tool_calls: vec![call.clone()], thinking: "hm".to_owned(), ..Reply::default() };
        let called = Message { role: Role::Assistant, name: None, parts: vec![call.into()] };
        assert_eq!(reply.message(), called);
        assert_eq!(Reply { text: "hi".to_owned(), ..Reply::default() }.message(), Message::assistant("hi"));
        let result = ToolResult { id: "c1".to_owned(), parts: vec!["sunny".into()], is_error: false };
        assert_eq!(Message::tool_result("c1", "sunny").parts, [Part::ToolResult(result)]);
        assert_eq!(Json::from(json!({ "a": [1, null] })).get(), r#"{"a":[1,null]}"#);
    }
}
