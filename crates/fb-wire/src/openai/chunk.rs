mod template;

use fb_core::{Block, BlockCategory, Dialect, FinishReason, Frame, Raw, StreamEvent, ToolDelta};

use self::template::Template;
use super::shape::{Choice, Completion, Function, Message, non_empty};
use crate::{lenient::reported_error, outcome::WireError, sse::SseEvent};

/// Reads the events of one streamed answer.
#[derive(Debug, Clone, Default)]
pub struct ChunkDecoder {
    started: bool,
    blocked: Option<BlockCategory>,
    finish: Option<FinishReason>,
    done: bool,
    calls: Vec<Call>,
    template: Template,
}

/// A partial tool call; its position in the list is its index for the caller.
#[derive(Debug, Clone, Default)]
struct Call {
    index: Option<u64>,
    id: Option<String>,
    /// True once its name has arrived and its first delta has been emitted.
    open: bool,
    /// Arguments that arrived before the name.
    buffered: String,
}

impl ChunkDecoder {
    /// Creates a decoder for one answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the next event. A comment or an event without data is a keep-alive and becomes a frame without decoded
    /// events.
    ///
    /// # Errors
    /// When the provider reports an error inside the stream, or the data is not a chunk.
    pub fn frame(&mut self, event: &SseEvent) -> Result<Frame, WireError> {
        let raw = Some(Raw { dialect: Dialect::OpenAi, bytes: event.raw.clone() });
        let data = event.data.trim_ascii();
        let events = if data.is_empty() {
            Vec::new()
        } else if data.starts_with(b"[DONE]") {
            self.done = true;
            vec![StreamEvent::Done]
        } else if event.event == "error" {
            return Err(reported_error(data));
        } else {
            self.chunk(data)?
        };
        Ok(Frame { raw, events })
    }

    /// Handles the clean end of the body. Returns the end signal if the answer is complete and only `[DONE]` is missing,
    /// or `None` if the answer was cut.
    pub fn finish(&mut self) -> Option<StreamEvent> {
        if self.done || self.finish.is_none() {
            return None;
        }
        self.done = true;
        Some(StreamEvent::Done)
    }

    fn chunk(&mut self, data: &[u8]) -> Result<Vec<StreamEvent>, WireError> {
        if let Some(text) = self.template.text(data) {
            return Ok(vec![StreamEvent::Text(text)]);
        }
        let chunk = Completion::read(data, "a chunk")?;
        let mut events = Vec::new();
        self.start(&chunk, &mut events);
        // Azure's first chunk, annotations and the usage chunk have no choices.
        if let Some(choice) = chunk.choice() {
            self.choice(choice, &mut events)?;
        }
        events.extend(chunk.usage().map(StreamEvent::Usage));
        let delta = chunk.choice().and_then(|choice| choice.delta);
        // A repeated finish reason is not an event, so such chunks must not become the template.
        if let ([StreamEvent::Text(_)], Some(delta), None) = (&*events, delta, &self.finish) {
            self.template.learn(data, delta.get());
        }
        Ok(events)
    }

    fn start(&mut self, chunk: &Completion<'_>, events: &mut Vec<StreamEvent>) {
        if self.started {
            return;
        }
        let (id, model) = (non_empty(chunk.id).map(Into::into), non_empty(chunk.model).map(Into::into));
        // Both are empty in Azure's first chunk.
        if id.is_some() || model.is_some() {
            self.started = true;
            events.push(StreamEvent::Started { id, model });
        }
    }

    fn choice(&mut self, choice: &Choice<'_>, events: &mut Vec<StreamEvent>) -> Result<(), WireError> {
        let finish = choice.finish()?;
        let mut delta = Message::read(choice.delta, "choices[0].delta")?;
        let thinking = delta.take_thinking();
        if !thinking.is_empty() {
            events.push(StreamEvent::Thinking(thinking));
        }
        let text = delta.take_text();
        if !text.is_empty() {
            events.push(StreamEvent::Text(text));
        }
        if let Some(refusal) = delta.take_refusal() {
            self.block(BlockCategory::Refusal, || refusal.clone(), events);
            events.push(StreamEvent::Refusal(refusal));
        }
        self.tool_calls(&delta, events)?;
        finish.map_or(Ok(()), |reason| self.end(reason, choice, events))
    }

    fn block(
        &mut self,
        category: BlockCategory,
        detail: impl FnOnce() -> String,
        events: &mut Vec<StreamEvent>,
    ) {
        if self.blocked.is_none() {
            self.blocked = Some(category);
            events.push(StreamEvent::Blocked(Block::in_stream(category, detail())));
        }
    }

    fn end(
        &mut self,
        reason: FinishReason,
        choice: &Choice<'_>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), WireError> {
        if self.calls.iter().any(|call| !call.open && !call.buffered.is_empty()) {
            return Err(WireError::Malformed("a tool call has no name".to_owned()));
        }
        let reason = match reason {
            FinishReason::Stop if self.blocked == Some(BlockCategory::Refusal) => FinishReason::Refusal,
            FinishReason::Stop if self.calls.iter().any(|call| call.open) => FinishReason::ToolCalls,
            reason => reason,
        };
        match reason {
            FinishReason::ContentFilter => self.block(BlockCategory::Output, || choice.filters(), events),
            FinishReason::Refusal => {
                self.block(BlockCategory::Refusal, || "finish_reason: refusal".to_owned(), events);
            }
            _ => {}
        }
        // Some providers repeat the reason in their last chunks.
        if self.finish.as_ref() != Some(&reason) {
            self.finish = Some(reason.clone());
            events.push(StreamEvent::Finish(reason));
        }
        Ok(())
    }

    fn tool_calls(&mut self, delta: &Message<'_>, events: &mut Vec<StreamEvent>) -> Result<(), WireError> {
        for tool in delta.tool_calls.iter().flatten() {
            let id = tool.id().map(Into::into);
            self.tool_call(tool.index(), id, tool.call(), events)?;
        }
        if let Some(function) = &delta.function_call {
            self.tool_call(None, None, Some(function), events)?;
        }
        Ok(())
    }

    fn tool_call(
        &mut self,
        index: Option<u64>,
        id: Option<String>,
        function: Option<&Function<'_>>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), WireError> {
        let name = function.and_then(Function::name).map(String::from);
        let arguments = function.map(Function::arguments).transpose()?.unwrap_or_default();
        let position = self.find(index, id.as_deref(), name.is_some()).unwrap_or_else(|| {
            self.calls.push(Call::default());
            self.calls.len() - 1
        });
        let Some(call) = self.calls.get_mut(position) else { return Ok(()) };
        call.index = call.index.or(index);
        call.id = call.id.take().or(id);
        let index = u32::try_from(position).unwrap_or(u32::MAX);
        if call.open {
            if !arguments.is_empty() {
                events.push(StreamEvent::ToolCall(ToolDelta {
                    index,
                    arguments: arguments.into(),
                    ..ToolDelta::default()
                }));
            }
            return Ok(());
        }
        call.buffered.push_str(&arguments);
        if name.is_some() {
            call.open = true;
            let id = call.id.get_or_insert_with(|| format!("call_{position}")).clone();
            let arguments = std::mem::take(&mut call.buffered);
            events.push(StreamEvent::ToolCall(ToolDelta { index, id: Some(id), name, arguments }));
        }
        Ok(())
    }

    /// Returns the position of the call that a delta continues; `None` if it starts a new one.
    ///
    /// Matches by index first, then by id, or else takes the last call. A delta with a name *and* another id than the call
    /// at its index starts a new call, because some providers use index 0 for every call.
    fn find(&self, index: Option<u64>, id: Option<&str>, has_name: bool) -> Option<usize> {
        let by_id = || self.calls.iter().rposition(|call| id.is_some() && call.id.as_deref() == id);
        let Some(index) = index else {
            return match (id, has_name) {
                (Some(_), _) => by_id(),
                (None, true) => self.calls.iter().rposition(|call| !call.open),
                (None, false) => self.calls.len().checked_sub(1),
            };
        };
        let Some(position) = self.calls.iter().rposition(|call| call.index == Some(index)) else {
            return by_id();
        };
        let own = self.calls.get(position).and_then(|call| call.id.as_deref());
        let is_new = has_name && id.is_some() && own.is_some() && own != id;
        if is_new { by_id() } else { Some(position) }
    }
}

#[cfg(test)]
mod tests;
