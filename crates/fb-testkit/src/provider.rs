use std::{future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use fb_core::{
    Call, CallError, Capabilities, Chat, Failure, Frame, Meta, Part, Probe, Provider, Refusal, Reply,
    Streaming,
};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;

use crate::step::{End, Step, Tape};

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
    tally: Arc<Mutex<Tally>>,
}

/// What the provider says of itself.
#[derive(Debug, Default)]
struct Temper {
    capabilities: Capabilities,
    refusal: Option<Refusal>,
    probe: Option<Result<Probe, Failure>>,
}

#[derive(Debug, Default)]
struct Tally {
    requests: Vec<(String, String)>,
    in_flight: u32,
    cancelled: u32,
}

impl ScriptedProvider {
    pub(crate) fn new(steps: Vec<Step>) -> Self {
        Self { steps, temper: Mutex::default(), tally: Arc::default() }
    }

    /// Sets what its models can do; everything without this.
    pub fn with_capabilities(&self, capabilities: Capabilities) -> &Self {
        self.temper.lock().capabilities = capabilities;
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
        u32::try_from(self.tally.lock().requests.len()).unwrap_or(u32::MAX)
    }

    /// Calls neither answered nor dropped; a stream is answered at its end signal, failure or end.
    pub fn in_flight(&self) -> u32 {
        self.tally.lock().in_flight
    }

    /// Calls dropped before they were answered.
    pub fn cancelled(&self) -> u32 {
        self.tally.lock().cancelled
    }

    /// Model and text of every call, in order; the text is that of all messages, a line each.
    pub fn requests(&self) -> Vec<(String, String)> {
        self.tally.lock().requests.clone()
    }

    fn begin(&self, call: Call<'_>) -> (&Step, Flight) {
        let text = call.request.chat().map_or_else(ToString::to_string, text_of);
        let mut tally = self.tally.lock();
        let step = tally.requests.len().min(self.steps.len() - 1);
        tally.requests.push((call.model.to_owned(), text));
        tally.in_flight += 1;
        (&self.steps[step], Flight { tally: Arc::clone(&self.tally), landed: false })
    }
}

#[async_trait]
impl Provider for ScriptedProvider {
    fn capabilities(&self, _model: &str) -> Capabilities {
        self.temper.lock().capabilities
    }

    fn admit(&self, _call: Call<'_>) -> Result<(), Refusal> {
        self.temper.lock().refusal.clone().map_or(Ok(()), Err)
    }

    async fn chat(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let (step, flight) = self.begin(call);
        pause(step.delay).await;
        let Some(answer) = step.plain(call.model) else { return pending().await };
        flight.land();
        answer
    }

    async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError> {
        let (step, flight) = self.begin(call);
        pause(step.delay).await;
        let Some(head) = step.streamed() else { return pending().await };
        match head {
            Ok(tape) => {
                let playing = Playing { tape, gap: step.gap, begun: false, flight: Some(flight) };
                let frames = stream::unfold(playing, Playing::next).fuse();
                Ok(Streaming { meta: Meta::default(), frames: Box::pin(frames) })
            }
            Err(error) => {
                flight.land();
                Err(error)
            }
        }
    }

    async fn probe(&self) -> Result<Probe, Failure> {
        self.temper.lock().probe.clone().unwrap_or(Ok(Probe::Unknown))
    }
}

/// One call in flight; dropped before it landed, it was cancelled.
#[derive(Debug)]
struct Flight {
    tally: Arc<Mutex<Tally>>,
    landed: bool,
}

impl Flight {
    fn land(mut self) {
        self.landed = true;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut tally = self.tally.lock();
        tally.in_flight -= 1;
        tally.cancelled += u32::from(!self.landed);
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
                self.land();
                return None;
            }
        };
        self.begun = true;
        // Callers stop polling at the end signal.
        if item.as_ref().map_or(true, Frame::is_done) {
            self.land();
        }
        Some((item, self))
    }

    fn land(&mut self) {
        if let Some(flight) = self.flight.take() {
            flight.land();
        }
    }
}

/// Sleeps; no time at all is no sleep, whose timer would round it up.
async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
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
