use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use fb_core::{
    AnswerHead, BlockForm, Call, CallError, Capabilities, Chat, Failure, Format, Frame, KeyInfo, Meta, Note,
    Part, Probe, Provider, RateLimits, Refusal, Reply, StreamEvent, Streaming,
};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;

use crate::{
    log::{CallCounters, CallGuard, CallOutcome, CallRecord, Log},
    sign::Signature,
    step::{End, ScriptedStream, Step},
};

#[cfg(test)]
mod tests;

/// Default time between two pings.
const PING: Duration = Duration::from_secs(1);

/// A provider that follows a script and records its calls.
///
/// Call `n` follows step `n`; the last step repeats indefinitely. All times are on tokio's clock, so tests can pause it.
#[derive(Debug)]
pub struct ScriptedProvider {
    plan: Mutex<Plan>,
    /// The plans of single models, which count the calls to their model alone.
    plans_by_model: Mutex<BTreeMap<String, Plan>>,
    settings: Mutex<Settings>,
    keys: OnceLock<Vec<KeyInfo>>,
    log: Log,
}

/// The steps of the calls.
#[derive(Debug, Clone)]
struct Plan {
    /// Never empty; the last step repeats indefinitely.
    steps: Vec<Step>,
    /// The number of the call that takes the first step.
    first: usize,
}

impl Plan {
    fn step(&self, call: usize) -> Step {
        self.steps[call.saturating_sub(self.first).min(self.steps.len() - 1)].clone()
    }
}

/// The adjustable properties of the provider.
#[derive(Debug, Default)]
struct Settings {
    capabilities: Capabilities,
    /// Capabilities of individual models, overriding the common ones.
    by_model: BTreeMap<String, Capabilities>,
    refusal: Option<Refusal>,
    losses: Vec<Note>,
    probe: Option<Result<Probe, Failure>>,
    signs: bool,
    thinks: bool,
    limits: RateLimits,
    /// The generation of the keys, and the one that [`Provider::reload_key`] finds.
    key: [u64; 2],
}

impl Settings {
    fn capabilities(&self, model: &str) -> Capabilities {
        self.by_model.get(model).copied().unwrap_or(self.capabilities)
    }
}

impl ScriptedProvider {
    /// Creates a provider; `counters` is shared by all providers of the script.
    pub(crate) fn new(steps: Vec<Step>, counters: Arc<CallCounters>) -> Self {
        let plan = Mutex::new(Plan { steps, first: 0 });
        let (plans_by_model, settings) = (Mutex::default(), Mutex::default());
        Self { plan, plans_by_model, settings, keys: OnceLock::new(), log: Log::new(counters) }
    }

    /// Follows the steps of another provider from now on, beginning with the first one.
    pub fn follow(&self, other: &Self) -> &Self {
        let steps = other.plan.lock().steps.clone();
        *self.plan.lock() = Plan { steps, first: self.log.records().len() };
        self
    }

    /// Follows the steps of another provider in all further calls to this model, beginning with the first step.
    pub fn follow_for_model(&self, model: &str, other: &Self) -> &Self {
        let (steps, first) = (other.plan.lock().steps.clone(), self.log.calls_to(model, usize::MAX));
        self.plans_by_model.lock().insert(model.to_owned(), Plan { steps, first });
        self
    }

    /// Sets the capabilities of its models; by default, they support everything.
    pub fn with_capabilities(&self, capabilities: Capabilities) -> &Self {
        self.settings.lock().capabilities = capabilities;
        self
    }

    /// Adds a loss that [`Provider::losses`] reports for every request.
    pub fn with_loss(&self, field: &str, what: &str) -> &Self {
        self.settings.lock().losses.push(Note::new(field, what));
        self
    }

    /// Sets the capabilities of one model; the other models are not affected.
    pub fn with_model_capabilities(&self, model: &str, capabilities: Capabilities) -> &Self {
        self.settings.lock().by_model.insert(model.to_owned(), capabilities);
        self
    }

    /// Signs every word and every tool call id of the answers from now on. `hello@m#3.0` is word 0 of call 3 to the model
    /// `m`; calls are counted from 0 over all models.
    pub fn signed(&self) -> &Self {
        self.settings.lock().signs = true;
        self
    }

    /// Makes [`Provider::has_learned_thinking`] return true for every model from now on.
    pub fn learned_thinking(&self) -> &Self {
        self.settings.lock().thinks = true;
        self
    }

    /// Makes [`Provider::admit`] refuse every call from now on.
    pub fn refuse(&self, field: &str, why: &str) -> &Self {
        self.settings.lock().refusal = Some(Refusal::new(field, why));
        self
    }

    /// Sets the result of every probe from now on; by default, it is [`Probe::Unknown`].
    pub fn with_probe(&self, found: Result<Probe, Failure>) -> &Self {
        self.settings.lock().probe = Some(found);
        self
    }

    /// Gives the provider this number of keys of equal weight, `k0`, `k1` and so on. Only the first call has an effect.
    pub fn with_keys(&self, count: usize) -> &Self {
        let key = |index| KeyInfo::new(format!("k{index}"), 1.0);
        self.keys.get_or_init(|| (0..count).map(key).collect());
        self
    }

    /// Sets the rate limits that the heads of all answers state from now on.
    pub fn with_limits(&self, limits: RateLimits) -> &Self {
        self.settings.lock().limits = limits;
        self
    }

    /// Replaces the keys by others, which [`Provider::reload_key`] reads.
    pub fn replace_key(&self) -> &Self {
        self.settings.lock().key[1] += 1;
        self
    }

    /// Number of calls started, plain and streamed.
    pub fn calls(&self) -> u32 {
        self.count(|_| true)
    }

    /// Number of calls in flight. A streamed call ends at its end signal, its failure or its end.
    pub fn in_flight(&self) -> u32 {
        self.count(|record| record.ended.is_none())
    }

    /// Number of calls dropped before their answer was complete.
    pub fn cancelled(&self) -> u32 {
        self.count(|record| matches!(record.ended, Some((_, CallOutcome::Cancelled))))
    }

    /// Model and text of every call, in order. The text contains all messages, one per line.
    pub fn requests(&self) -> Vec<(String, String)> {
        let text = |record: &CallRecord| record.request.chat().map_or_else(ToString::to_string, text_of);
        self.log.records().iter().map(|record| (record.model.clone(), text(record))).collect()
    }

    /// The records of all calls, in order.
    pub fn log(&self) -> Vec<CallRecord> {
        self.log.records().clone()
    }

    fn count(&self, which: impl Fn(&CallRecord) -> bool) -> u32 {
        u32::try_from(self.log.records().iter().filter(|record| which(record)).count()).unwrap_or(u32::MAX)
    }

    /// Notifies the observer of a call that the head of the answer has arrived, if the answer has one.
    fn record_head(&self, call: Call<'_>, error: Option<&CallError>) {
        let status = match error {
            None => Some(200),
            Some(CallError::Failed(failure)) => failure.status(),
            Some(CallError::Blocked(block)) => match &block.form {
                BlockForm::Body { status, .. } => Some(*status),
                BlockForm::InStream => Some(200),
            },
        };
        if let Some(status) = status {
            let limits = self.settings.lock().limits;
            call.key.record_head(AnswerHead::new(status, limits));
        }
    }

    fn begin(&self, call: Call<'_>, streamed: bool) -> (Step, Option<Signature>, CallGuard) {
        let guard = self.log.begin(call, streamed);
        let signature = self.settings.lock().signs.then(|| Signature::new(call.model, guard.number()));
        let of_model = self.plans_by_model.lock();
        let step = match of_model.get(call.model) {
            Some(plan) => plan.step(self.log.calls_to(call.model, guard.number())),
            None => self.plan.lock().step(guard.number()),
        };
        (step, signature, guard)
    }
}

#[async_trait]
impl Provider for ScriptedProvider {
    fn capabilities(&self, model: &str) -> Capabilities {
        self.settings.lock().capabilities(model)
    }

    /// Refuses requests that need a missing capability of the model.
    fn has_learned_thinking(&self, _model: &str) -> bool {
        self.settings.lock().thinks
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        let settings = self.settings.lock();
        let lacking = || lacking(settings.capabilities(call.model), call.request.chat().ok()?);
        settings.refusal.clone().or_else(lacking).map_or(Ok(()), Err)
    }

    fn losses(&self, _call: Call<'_>) -> Vec<Note> {
        self.settings.lock().losses.clone()
    }

    async fn chat(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let (step, mut signature, guard) = self.begin(call, false);
        pause(step.delay).await;
        let Some(mut answer) = step.plain(call.model) else { return pending().await };
        self.record_head(call, answer.as_ref().err());
        if let Some(signature) = &mut signature {
            signature.plain(&mut answer);
            guard.set_words(signature.words());
        }
        guard.answer(&answer);
        guard.finish(match &answer {
            Ok(_) => CallOutcome::Answered,
            Err(error) => CallOutcome::from_error(error),
        });
        answer
    }

    async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError> {
        let (step, mut signature, guard) = self.begin(call, true);
        pause(step.delay).await;
        let Some(head) = step.streamed() else { return pending().await };
        self.record_head(call, head.as_ref().err());
        match head {
            Ok(mut scripted) => {
                if let Some(signature) = &mut signature {
                    scripted.items.iter_mut().flatten().for_each(|frame| signature.frame(frame));
                    guard.set_words(signature.words());
                }
                let playback = Playback { scripted, gap: step.gap, begun: false, guard: Some(guard) };
                let frames = stream::unfold(playback, Playback::next).fuse();
                Ok(Streaming { meta: Meta::default(), frames: Box::pin(frames) })
            }
            Err(error) => {
                guard.finish(CallOutcome::from_error(&error));
                Err(error)
            }
        }
    }

    async fn probe(&self, _key: usize) -> Result<Probe, Failure> {
        self.settings.lock().probe.clone().unwrap_or(Ok(Probe::Unknown))
    }

    fn keys(&self) -> &[KeyInfo] {
        self.keys.get().map_or(&[], Vec::as_slice)
    }

    async fn reload_key(&self, _key: usize) {
        let mut settings = self.settings.lock();
        settings.key[0] = settings.key[1];
    }

    fn key_generation(&self, _key: usize) -> u64 {
        self.settings.lock().key[0]
    }
}

/// A stream in progress.
struct Playback {
    scripted: ScriptedStream,
    gap: Duration,
    begun: bool,
    guard: Option<CallGuard>,
}

impl Playback {
    async fn next(mut self) -> Option<(Result<Frame, Failure>, Self)> {
        let item = match (self.scripted.items.pop_front(), self.scripted.end) {
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
                self.finish(CallOutcome::Cut);
                return None;
            }
        };
        self.begun = true;
        match &item {
            Ok(frame) => {
                if let Some(guard) = &self.guard {
                    guard.frame(frame);
                }
                let is_block = |event: &StreamEvent| matches!(event, StreamEvent::Blocked(_));
                if let Some(guard) = &mut self.guard
                    && frame.events.iter().any(is_block)
                {
                    guard.block();
                }
                // Callers do not poll after the end signal.
                if frame.is_done() {
                    self.finish(CallOutcome::Answered);
                }
            }
            Err(failure) => self.finish(CallOutcome::Failed(failure.kind())),
        }
        Some((item, self))
    }

    fn finish(&mut self, outcome: CallOutcome) {
        if let Some(guard) = self.guard.take() {
            guard.finish(outcome);
        }
    }
}

/// Sleeps. Skips a zero duration, which the timer would round up.
async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn lacking(capabilities: Capabilities, chat: &Chat) -> Option<Refusal> {
    let has_image =
        || chat.messages.iter().any(|each| each.parts.iter().any(|part| matches!(part, Part::Image(_))));
    if !capabilities.tools && !chat.tools.is_empty() {
        Some(Refusal::new("tools", "the model calls none"))
    } else if !capabilities.vision && has_image() {
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
