use std::{collections::BTreeMap, future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use fb_core::{
    Call, CallError, Capabilities, Chat, Failure, Format, Frame, Meta, Note, Part, Probe, Provider, Refusal,
    Reply, StreamEvent, Streaming,
};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;

use crate::{
    log::{Fate, Flight, Log, Made, Places},
    sign::Signature,
    step::{End, Step, Tape},
};

#[cfg(test)]
mod tests;

/// Time between two pings when the script names no gap.
const PING: Duration = Duration::from_secs(1);

/// A provider whose calls go as scripted; counts them.
#[derive(Debug)]
pub struct ScriptedProvider {
    /// Never empty; the last one repeats for ever.
    steps: Vec<Step>,
    temper: Mutex<Temper>,
    log: Log,
}

/// What the provider says of itself.
#[derive(Debug, Default)]
struct Temper {
    capabilities: Capabilities,
    /// Of models that differ.
    of_models: BTreeMap<String, Capabilities>,
    refusal: Option<Refusal>,
    losses: Vec<Note>,
    probe: Option<Result<Probe, Failure>>,
    signs: bool,
}

impl Temper {
    fn capabilities(&self, model: &str) -> Capabilities {
        self.of_models.get(model).copied().unwrap_or(self.capabilities)
    }
}

impl ScriptedProvider {
    /// `places` counts the calls of the whole script.
    pub(crate) fn new(steps: Vec<Step>, places: Arc<Places>) -> Self {
        Self { steps, temper: Mutex::default(), log: Log::new(places) }
    }

    /// Sets what its models can do; everything without this.
    pub fn with_capabilities(&self, capabilities: Capabilities) -> &Self {
        self.temper.lock().capabilities = capabilities;
        self
    }

    /// Says of every request that this is sent differently.
    pub fn loses(&self, field: &str, what: &str) -> &Self {
        self.temper.lock().losses.push(Note::new(field, what));
        self
    }

    /// Sets what one of its models can do; all others are as without this.
    pub fn with_capabilities_of(&self, model: &str, capabilities: Capabilities) -> &Self {
        self.temper.lock().of_models.insert(model.to_owned(), capabilities);
        self
    }

    /// Signs every word of its answers from now on, and the id of every tool call: `hello@m#3.0` is the first word of
    /// call 3, counted from 0 over all models, to the model `m`.
    pub fn signed(&self) -> &Self {
        self.temper.lock().signs = true;
        self
    }

    /// Lets [`Provider::admit`] refuse every call from now on.
    pub fn refuse(&self, field: &str, why: &str) -> &Self {
        self.temper.lock().refusal = Some(Refusal::new(field, why));
        self
    }

    /// What every probe finds from now on; it says nothing without this.
    pub fn probed(&self, found: Result<Probe, Failure>) -> &Self {
        self.temper.lock().probe = Some(found);
        self
    }

    /// Calls begun, plain and streamed.
    pub fn calls(&self) -> u32 {
        self.count(|_| true)
    }

    /// Calls neither answered nor dropped; a stream is answered at its end signal, failure or end.
    pub fn in_flight(&self) -> u32 {
        self.count(|made| made.ended.is_none())
    }

    /// Calls dropped before they were answered.
    pub fn cancelled(&self) -> u32 {
        self.count(|made| matches!(made.ended, Some((_, Fate::Cancelled))))
    }

    /// Model and text of every call, in order; the text is that of all messages, a line each.
    pub fn requests(&self) -> Vec<(String, String)> {
        let text = |made: &Made| made.request.chat().map_or_else(ToString::to_string, text_of);
        self.log.made().iter().map(|made| (made.model.clone(), text(made))).collect()
    }

    /// Every call, in order.
    pub fn log(&self) -> Vec<Made> {
        self.log.made().clone()
    }

    fn count(&self, which: impl Fn(&Made) -> bool) -> u32 {
        u32::try_from(self.log.made().iter().filter(|made| which(made)).count()).unwrap_or(u32::MAX)
    }

    fn begin(&self, call: Call<'_>, streamed: bool) -> (&Step, Option<Signature>, Flight) {
        let flight = self.log.begin(call, streamed);
        let signature = self.temper.lock().signs.then(|| Signature::new(call.model, flight.number()));
        (&self.steps[flight.number().min(self.steps.len() - 1)], signature, flight)
    }
}

#[async_trait]
impl Provider for ScriptedProvider {
    fn capabilities(&self, model: &str) -> Capabilities {
        self.temper.lock().capabilities(model)
    }

    /// Refuses what the model's capabilities do not cover.
    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        let temper = self.temper.lock();
        let lacking = || lacking(temper.capabilities(call.model), call.request.chat().ok()?);
        temper.refusal.clone().or_else(lacking).map_or(Ok(()), Err)
    }

    fn losses(&self, _call: Call<'_>) -> Vec<Note> {
        self.temper.lock().losses.clone()
    }

    async fn chat(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let (step, mut signature, flight) = self.begin(call, false);
        pause(step.delay).await;
        let Some(mut answer) = step.plain(call.model) else { return pending().await };
        if let Some(signature) = &mut signature {
            signature.plain(&mut answer);
            flight.count_words(signature.words());
        }
        flight.answer(&answer);
        flight.land(match &answer {
            Ok(_) => Fate::Answered,
            Err(error) => Fate::of(error),
        });
        answer
    }

    async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError> {
        let (step, mut signature, flight) = self.begin(call, true);
        pause(step.delay).await;
        let Some(head) = step.streamed() else { return pending().await };
        match head {
            Ok(mut tape) => {
                if let Some(signature) = &mut signature {
                    tape.items.iter_mut().flatten().for_each(|frame| signature.frame(frame));
                    flight.count_words(signature.words());
                }
                let playing = Playing { tape, gap: step.gap, begun: false, flight: Some(flight) };
                let frames = stream::unfold(playing, Playing::next).fuse();
                Ok(Streaming { meta: Meta::default(), frames: Box::pin(frames) })
            }
            Err(error) => {
                flight.land(Fate::of(&error));
                Err(error)
            }
        }
    }

    async fn probe(&self) -> Result<Probe, Failure> {
        self.temper.lock().probe.clone().unwrap_or(Ok(Probe::Unknown))
    }
}

/// A stream under way.
struct Playing {
    tape: Tape,
    gap: Duration,
    begun: bool,
    flight: Option<Flight>,
}

impl Playing {
    async fn next(mut self) -> Option<(Result<Frame, Failure>, Self)> {
        let item = match (self.tape.items.pop_front(), self.tape.end) {
            (Some(item), _) => {
                pause(if self.begun { self.gap } else { Duration::ZERO }).await;
                item
            }
            (None, End::Pings) => {
                pause(if self.gap.is_zero() { PING } else { self.gap }).await;
                Ok(Frame::default())
            }
            (None, End::Silence) => pending().await,
            (None, End::Eof) => {
                self.land(Fate::Cut);
                return None;
            }
        };
        self.begun = true;
        match &item {
            Ok(frame) => {
                if let Some(flight) = &self.flight {
                    flight.frame(frame);
                }
                let says_block = |event: &StreamEvent| matches!(event, StreamEvent::Blocked(_));
                if let Some(flight) = &mut self.flight
                    && frame.events.iter().any(says_block)
                {
                    flight.block();
                }
                // Callers stop polling at the end signal.
                if frame.is_done() {
                    self.land(Fate::Answered);
                }
            }
            Err(failure) => self.land(Fate::Failed(failure.kind())),
        }
        Some((item, self))
    }

    fn land(&mut self, fate: Fate) {
        if let Some(flight) = self.flight.take() {
            flight.land(fate);
        }
    }
}

/// Sleeps; no time at all is no sleep, whose timer would round it up.
async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn lacking(capabilities: Capabilities, chat: &Chat) -> Option<Refusal> {
    let has_picture =
        || chat.messages.iter().any(|each| each.parts.iter().any(|part| matches!(part, Part::Image(_))));
    if !capabilities.tools && !chat.tools.is_empty() {
        Some(Refusal::new("tools", "the model calls none"))
    } else if !capabilities.vision && has_picture() {
        Some(Refusal::new("messages", "the model sees no pictures"))
    } else if !capabilities.json_schema && matches!(chat.format, Format::JsonSchema(_)) {
        Some(Refusal::new("response_format", "the model follows no schema"))
    } else {
        None
    }
}

fn text_of(chat: &Chat) -> String {
    let message = |parts: &[Part]| -> String {
        let texts =
            parts.iter().filter_map(|part| if let Part::Text(text) = part { Some(&**text) } else { None });
        texts.collect()
    };
    chat.messages.iter().map(|each| message(&each.parts)).collect::<Vec<_>>().join("\n")
}
