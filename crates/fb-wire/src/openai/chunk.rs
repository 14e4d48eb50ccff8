mod template;

use fb_core::{Block, BlockCategory, Dialect, FinishReason, Frame, Raw, StreamEvent, ToolDelta};

use self::template::Template;
use super::shape::{Answer, Choice, Function, Said, said, word};
use crate::{WireError, sse::SseEvent};

/// Reads a streamed answer, event by event.
#[derive(Debug, Clone, Default)]
pub struct ChunkDecoder {
    started: bool,
    blocked: Option<BlockCategory>,
    finish: Option<FinishReason>,
    done: bool,
    calls: Vec<Call>,
    template: Template,
}

/// A tool call in the making; its place in the list is its index for the caller.
#[derive(Debug, Clone, Default)]
struct Call {
    index: Option<u64>,
    id: Option<String>,
    /// Whether its name has come, and with it the first delta gone out.
    open: bool,
    /// Arguments that came before the name.
    early: String,
}

impl ChunkDecoder {
    /// A decoder of one answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// What one event of the stream means. A comment or an event without data is a sign of life: a frame without
    /// meaning.
    ///
    /// # Errors
    /// When the provider reports an error inside the stream, or the data is no chunk.
    pub fn frame(&mut self, event: &SseEvent) -> Result<Frame, WireError> {
        let raw = Some(Raw { dialect: Dialect::OpenAi, bytes: event.raw.clone() });
        let data = event.data.trim_ascii();
        let events = if data.is_empty() {
            Vec::new()
        } else if data.starts_with(b"[DONE]") {
            self.done = true;
            vec![StreamEvent::Done]
        } else if event.event == "error" {
            return Err(said(data));
        } else {
            self.chunk(data)?
        };
        Ok(Frame { raw, events })
    }

    /// What the clean end of the connection means: the end signal, if the answer had ended and only `[DONE]` was
    /// missing; nothing, if the answer was cut.
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
        let answer = Answer::read(data, "a chunk")?;
        let mut events = Vec::new();
        self.start(&answer, &mut events);
        // Azure's first chunk, annotations and the usage chunk have no choices.
        if let Some(choice) = answer.choice() {
            self.choice(choice, &mut events)?;
        }
        events.extend(answer.usage().map(StreamEvent::Usage));
        let delta = answer.choice().and_then(|choice| choice.delta);
        // A reason to end that is repeated is no event, and must stay none only there.
        if let ([StreamEvent::Text(_)], Some(delta), None) = (&*events, delta, &self.finish) {
            self.template.learn(data, delta.get());
        }
        Ok(events)
    }

    fn start(&mut self, answer: &Answer<'_>, events: &mut Vec<StreamEvent>) {
        if self.started {
            return;
        }
        let (id, model) = (word(answer.id).map(Into::into), word(answer.model).map(Into::into));
        // Azure's placeholder leaves both blank.
        if id.is_some() || model.is_some() {
            self.started = true;
            events.push(StreamEvent::Started { id, model });
        }
    }

    fn choice(&mut self, choice: &Choice<'_>, events: &mut Vec<StreamEvent>) -> Result<(), WireError> {
        let finish = choice.finish()?;
        let mut delta = Said::read(choice.delta, "choices[0].delta")?;
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
        if self.calls.iter().any(|call| !call.open && !call.early.is_empty()) {
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

    fn tool_calls(&mut self, delta: &Said<'_>, events: &mut Vec<StreamEvent>) -> Result<(), WireError> {
        for tool in delta.tool_calls.iter().flatten() {
            let id = tool.id().map(Into::into);
            self.tool_call(tool.index(), id, tool.called(), events)?;
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
        let at = self.find(index, id.as_deref(), name.is_some()).unwrap_or_else(|| {
            self.calls.push(Call::default());
            self.calls.len() - 1
        });
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        call.index = call.index.or(index);
        call.id = call.id.take().or(id);
        let index = u32::try_from(at).unwrap_or(u32::MAX);
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
        call.early.push_str(&arguments);
        if name.is_some() {
            call.open = true;
            let id = call.id.get_or_insert_with(|| format!("call_{at}")).clone();
            let arguments = std::mem::take(&mut call.early);
            events.push(StreamEvent::ToolCall(ToolDelta { index, id: Some(id), name, arguments }));
        }
        Ok(())
    }

    /// Which of the calls so far a delta continues; `None`: it begins one.
    ///
    /// By index first, then by id; the last call when there is neither. An id that differs from the call's own
    /// *and* a name begin another call although the index is the same: some providers number every call 0.
    fn find(&self, index: Option<u64>, id: Option<&str>, named: bool) -> Option<usize> {
        let by_id = || self.calls.iter().rposition(|call| id.is_some() && call.id.as_deref() == id);
        let Some(index) = index else {
            return match (id, named) {
                (Some(_), _) => by_id(),
                (None, true) => self.calls.iter().rposition(|call| !call.open),
                (None, false) => self.calls.len().checked_sub(1),
            };
        };
        let Some(at) = self.calls.iter().rposition(|call| call.index == Some(index)) else {
            return by_id();
        };
        let own = self.calls.get(at).and_then(|call| call.id.as_deref());
        let other = named && id.is_some() && own.is_some() && own != id;
        if other { by_id() } else { Some(at) }
    }
}

#[cfg(test)]
mod tests;
