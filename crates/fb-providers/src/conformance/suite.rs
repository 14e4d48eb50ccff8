use std::{error::Error, fmt, sync::Arc, time::Duration};

use fb_core::{
    Call, CallError, CallKey, Capabilities, ChatRequest, Failure, FailureKind, FinishReason, Image, Message,
    Overrides, Probe, Provider, Reply, Schema, Streaming, Tool, ToolCall,
};
use futures_util::{StreamExt, future::join_all};
use serde_json::json;
use tokio::time::timeout;

use super::{
    findings::{CheckResult, Findings},
    streamed::Streamed,
    upstream::{ARGUMENTS, PROMPT, RETRY_AFTER, Scenario, TEXT, TOOL, Upstream},
};

const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Calls at once in the check of concurrent calls.
const CONCURRENT: usize = 4;
const NO_OVERRIDES: &Overrides = &Overrides(Vec::new());
const NOT_PLAYED: &str = "the upstream does not play this scenario";

/// The checks of one provider. See the [module](crate::conformance) for an example.
pub struct Suite {
    provider: Arc<dyn Provider>,
    model: String,
    secret: Option<String>,
    time_limit: Duration,
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").field("model", &self.model).finish_non_exhaustive()
    }
}

impl Suite {
    /// Creates the suite for a provider and the model that its calls name.
    pub fn new(provider: impl Provider, model: impl Into<String>) -> Self {
        Self { provider: Arc::new(provider), model: model.into(), secret: None, time_limit: TIME_LIMIT }
    }

    /// Sets the API key of the provider, which must not appear in an error. None unless set, and the check is skipped.
    #[must_use]
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Sets the time after which a call counts as hanging. Defaults to 10 s.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Runs all checks, one after another. Needs a Tokio runtime with a timer.
    ///
    /// # Cancel safety
    /// Dropping the future drops the call in flight; the upstream stays at its current scenario.
    pub async fn run(&self, upstream: &dyn Upstream) -> Findings {
        let capabilities = self.provider.capabilities(&self.model);
        let mut run = Run {
            suite: self,
            upstream,
            capabilities,
            findings: Findings::default(),
            errors: Vec::new(),
            miscounted: None,
        };
        run.without_calls().await;
        run.answers().await;
        run.failures().await;
        run.damaged_answers().await;
        run.cancellation().await;
        run.errors_as_a_whole();
        run.findings
    }

    fn call<'a>(&'a self, request: &'a ChatRequest) -> Call<'a> {
        Call { request, model: &self.model, overrides: NO_OVERRIDES, thinking: None, key: CallKey::default() }
    }
}

/// One run of the suite.
struct Run<'a> {
    suite: &'a Suite,
    upstream: &'a dyn Upstream,
    capabilities: Capabilities,
    findings: Findings,
    /// Every error so far, in all its printed forms, with its scenario.
    errors: Vec<(Scenario, String)>,
    /// The first call of the provider that was not exactly one call of the upstream.
    miscounted: Option<String>,
}

/// The result of a call, or the reason why there is none.
type Outcome<T> = Result<Result<T, CallError>, String>;

impl Run<'_> {
    fn check(&mut self, name: impl Into<String>, expected: &str, found: Option<String>) {
        let found = found.map(|found| match &self.suite.secret {
            Some(secret) => found.replace(secret, "[secret]"),
            None => found,
        });
        self.findings.push(name, CheckResult::of(expected, found));
    }

    fn skip(&mut self, name: impl Into<String>, reason: impl Into<String>) {
        self.findings.push(name, CheckResult::skipped(reason));
    }

    async fn chat(&mut self, scenario: Scenario, request: &ChatRequest) -> Outcome<Reply> {
        let before = self.upstream.calls();
        let outcome =
            timeout(self.suite.time_limit, self.suite.provider.chat(self.suite.call(request))).await;
        self.count(scenario, "chat", before);
        let Ok(outcome) = outcome else { return Err(self.too_late()) };
        if let Err(error) = &outcome {
            self.errors.push((scenario, printed(error)));
        }
        Ok(outcome)
    }

    /// Makes a streamed call; the stream is read to its end.
    async fn stream(&mut self, scenario: Scenario, request: &ChatRequest) -> Outcome<Streamed> {
        let before = self.upstream.calls();
        let call = self.suite.provider.stream(self.suite.call(request));
        let read = async {
            match call.await {
                Ok(Streaming { frames, .. }) => Ok(Streamed::read(frames).await),
                Err(error) => Err(error),
            }
        };
        let outcome = timeout(self.suite.time_limit, read).await;
        self.count(scenario, "stream", before);
        let Ok(outcome) = outcome else { return Err(self.too_late()) };
        match &outcome {
            Err(error) => self.errors.push((scenario, printed(error))),
            Ok(Streamed { failure: Some(failure), .. }) => {
                self.errors.push((scenario, printed_failure(failure)));
            }
            Ok(_) => {}
        }
        Ok(outcome)
    }

    fn too_late(&self) -> String {
        format!("no outcome within {:?}", self.suite.time_limit)
    }

    fn count(&mut self, scenario: Scenario, method: &str, before: Option<u64>) {
        let (Some(before), Some(after)) = (before, self.upstream.calls()) else { return };
        if after != before + 1 {
            let calls = after.saturating_sub(before);
            self.miscounted.get_or_insert_with(|| format!("{calls} for one {method} ({scenario})"));
        }
    }

    /// The methods that must not make a call.
    async fn without_calls(&mut self) {
        let (provider, model) = (&self.suite.provider, &self.suite.model);
        let played = self.upstream.play(Scenario::Text).await;
        let before = self.upstream.calls();
        let (plain, full) = (plain_request(), requests_with_a_feature());
        let refused = provider.admit(self.suite.call(&plain)).err().map(|refusal| refusal.to_string());
        let mut unnamed = None;
        for (feature, request) in &full {
            let call = self.suite.call(request);
            let _notes = provider.losses(call);
            let Err(refusal) = provider.admit(call) else { continue };
            if refusal.field.trim().is_empty() || refusal.why.trim().is_empty() {
                unnamed.get_or_insert_with(|| format!("{refusal:?} for a request with {feature}"));
            }
        }
        let (capabilities, again) = (self.capabilities, provider.capabilities(model));
        let keys = provider.keys().to_vec();
        let after = self.upstream.calls();

        self.check("admit: plain request", "no refusal of a request with one message", refused);
        self.check("admit: refusals", "the field and the reason", unnamed);
        let differs = (capabilities != again).then(|| format!("{capabilities:?}, then {again:?}"));
        self.check("capabilities: stable", "the same for the same model", differs);
        match (before, after) {
            (Some(before), Some(after)) => {
                let calls = after.saturating_sub(before);
                let found = (calls > 0).then(|| format!("{calls} calls"));
                self.check("admit, losses, capabilities, keys: no call", "no call", found);
            }
            _ => self.skip("admit, losses, capabilities, keys: no call", "the upstream does not count calls"),
        }
        let mut wrong = None;
        for (index, key) in keys.iter().enumerate() {
            let secret = self.suite.secret.as_deref().is_some_and(|secret| key.name.contains(secret));
            if secret || key.name.is_empty() || keys.iter().take(index).any(|other| other.name == key.name) {
                wrong.get_or_insert_with(|| format!("the name {:?} at place {index}", &*key.name));
            }
            if !key.weight.is_finite() || key.weight < 0.0 {
                wrong.get_or_insert_with(|| format!("the weight {} at place {index}", key.weight));
            }
        }
        self.check("keys: names and weights", "distinct names without secrets, and weights from 0", wrong);
        if played {
            let expected = "no failure while the upstream answers";
            match timeout(self.suite.time_limit, self.suite.provider.probe(0)).await {
                Ok(Ok(Probe::Unknown)) => self.skip("probe", "the provider has no probe"),
                Ok(Ok(Probe::Reachable)) => self.check("probe", expected, None),
                Ok(Err(failure)) => self.check("probe", expected, Some(failure.with_detail())),
                Err(_) => self.check("probe", expected, Some(self.too_late())),
            }
        } else {
            self.skip("probe", NOT_PLAYED);
        }
    }

    /// Complete answers.
    async fn answers(&mut self) {
        let request = plain_request();
        let usage = self.upstream.usage();
        if self.upstream.play(Scenario::Text).await {
            let losses = self.suite.provider.losses(self.suite.call(&request));
            let outcome = self.chat(Scenario::Text, &request).await;
            let reply = reply(outcome);
            self.check(
                "chat: text",
                &format!("{TEXT:?}"),
                differs(&reply, |reply| quoted(TEXT, &reply.text)),
            );
            let finish = differs(&reply, |reply| finish(&FinishReason::Stop, Some(&reply.finish)));
            self.check("chat: finish reason", "Stop", finish);
            let notes = differs(&reply, |reply| {
                (reply.meta.notes != losses).then(|| format!("{:?}, not {losses:?}", reply.meta.notes))
            });
            self.check("chat: notes", "those of `losses`", notes);
            match usage {
                Some(usage) => {
                    let found = differs(&reply, |reply| {
                        (reply.usage != Some(usage)).then(|| format!("{:?}", reply.usage))
                    });
                    self.check("chat: usage", &format!("{usage:?}"), found);
                }
                None => self.skip("chat: usage", "the upstream names no usage"),
            }
            let calls = (0..CONCURRENT).map(|_| self.suite.provider.chat(self.suite.call(&request)));
            let found = match timeout(self.suite.time_limit, join_all(calls)).await {
                Ok(outcomes) => outcomes
                    .into_iter()
                    .find_map(|outcome| differs(&reply_of(outcome), |reply| quoted(TEXT, &reply.text))),
                Err(_) => Some(self.too_late()),
            };
            self.check("chat: concurrent calls", "the answer of each", found);
        } else {
            for name in ["text", "finish reason", "notes", "usage", "concurrent calls"] {
                self.skip(format!("chat: {name}"), NOT_PLAYED);
            }
        }
        self.streamed_text(&request, usage.is_some()).await;
        self.tool_calls().await;
        if self.upstream.play(Scenario::SlowFirstByte).await {
            let outcome = reply(self.chat(Scenario::SlowFirstByte, &request).await);
            let found = differs(&outcome, |reply| quoted(TEXT, &reply.text));
            self.check("chat: slow first byte", "the answer, without a time limit of the provider", found);
        } else {
            self.skip("chat: slow first byte", NOT_PLAYED);
        }
    }

    async fn streamed_text(&mut self, request: &ChatRequest, with_usage: bool) {
        const NAMES: [&str; 4] = ["text", "finish reason", "end", "usage"];
        if !self.capabilities.streaming {
            let before = self.upstream.calls();
            let call = self.suite.provider.stream(self.suite.call(request));
            let answered = matches!(timeout(self.suite.time_limit, call).await, Ok(Ok(_)));
            let called = self.upstream.calls() != before;
            let found = (answered || called).then(|| "a call".to_owned());
            self.check("stream: refused", "an error without a call, as the model does not stream", found);
        }
        if let Some(reason) = self.unplayed(Scenario::Text, true).await {
            for name in NAMES {
                self.skip(format!("stream: {name}"), reason);
            }
            return;
        }
        let stream = streamed(self.stream(Scenario::Text, request).await);
        let text = differs(&stream, |stream| quoted(TEXT, &stream.text));
        self.check("stream: text", &format!("{TEXT:?}, in order"), text);
        let reason = differs(&stream, |stream| finish(&FinishReason::Stop, stream.finish.as_ref()));
        self.check("stream: finish reason", "Stop", reason);
        let end = differs(&stream, Streamed::incomplete);
        self.check("stream: end", "one end signal, after all output", end);
        match self.upstream.usage().filter(|_| with_usage) {
            Some(usage) => {
                let found = differs(&stream, |stream| {
                    (stream.usage != Some(usage)).then(|| format!("{:?}", stream.usage))
                });
                self.check("stream: usage", &format!("{usage:?}"), found);
            }
            None => self.skip("stream: usage", "the upstream names no usage"),
        }
    }

    async fn tool_calls(&mut self) {
        let request = request_with_tool();
        let admitted = self.suite.provider.admit(self.suite.call(&request)).is_ok();
        let names = ["chat: tool call", "stream: tool call"];
        if !self.capabilities.tools || !admitted {
            for name in names {
                self.skip(name, "the provider takes no tools");
            }
            return;
        }
        let expected = format!("{TOOL}({ARGUMENTS}) and the finish reason ToolCalls");
        if let Some(reason) = self.unplayed(Scenario::ToolCall, false).await {
            for name in names {
                self.skip(name, reason);
            }
            return;
        }
        let reply = reply(self.chat(Scenario::ToolCall, &request).await);
        let found = differs(&reply, |reply| {
            let calls =
                reply.tool_calls.iter().map(|ToolCall { name, arguments, .. }| (&**name, &**arguments));
            tool_call(&calls.collect::<Vec<_>>())
                .or_else(|| finish(&FinishReason::ToolCalls, Some(&reply.finish)))
        });
        self.check("chat: tool call", &expected, found);
        if !self.capabilities.streaming {
            self.skip("stream: tool call", "the model does not stream");
            return;
        }
        let stream = streamed(self.stream(Scenario::ToolCall, &request).await);
        let found = differs(&stream, |stream| {
            let name = |name: &Option<String>| name.clone().unwrap_or_default();
            let calls: Vec<_> =
                stream.calls.iter().map(|call| (name(&call.name), call.arguments.clone())).collect();
            tool_call(&calls.iter().map(|(name, arguments)| (&**name, &**arguments)).collect::<Vec<_>>())
                .or_else(|| finish(&FinishReason::ToolCalls, stream.finish.as_ref()))
                .or_else(|| stream.incomplete())
        });
        self.check("stream: tool call", &expected, found);
    }

    /// Errors that the upstream reports.
    async fn failures(&mut self) {
        let request = plain_request();
        let rows: [(Scenario, &[FailureKind]); 6] = [
            (Scenario::WrongKey, &[FailureKind::Auth]),
            (Scenario::InvalidRequest, &[FailureKind::InvalidRequest]),
            (Scenario::RateLimited, &[FailureKind::RateLimited]),
            (Scenario::ServerError, &[FailureKind::ServerError]),
            (Scenario::Overloaded, &[FailureKind::Overloaded, FailureKind::ServerError]),
            // A failure of any kind.
            (Scenario::Redirect, &[]),
        ];
        for (scenario, kinds) in rows {
            let expected = expected_kinds(kinds, scenario == Scenario::RateLimited);
            let wrong = |failure: &Failure| {
                let hint = scenario == Scenario::RateLimited && failure.retry_after() != Some(RETRY_AFTER);
                let kind = !kinds.is_empty() && !kinds.contains(&failure.kind());
                (kind || hint).then(|| format!("{failure}, {:?}", failure.retry_after()))
            };
            if let Some(reason) = self.unplayed(scenario, false).await {
                self.skip(format!("chat: {scenario}"), reason);
                self.skip(format!("stream: {scenario}"), reason);
                continue;
            }
            let found = not_failed(self.chat(scenario, &request).await, &wrong, |_| Some("an answer".into()));
            self.check(format!("chat: {scenario}"), &expected, found);
            if self.capabilities.streaming {
                let late = |_: &Streamed| Some("a stream instead of an error of the call".to_owned());
                let found = not_failed(self.stream(scenario, &request).await, &wrong, late);
                self.check(
                    format!("stream: {scenario}"),
                    &format!("{expected}, from the call itself"),
                    found,
                );
            } else {
                self.skip(format!("stream: {scenario}"), "the model does not stream");
            }
        }

        let scenario = Scenario::PolicyBlock;
        let expected = "a block, not a failure, which would be sent to another provider";
        if let Some(reason) = self.unplayed(scenario, false).await {
            self.skip("chat: policy block", reason);
            self.skip("stream: policy block", reason);
            return;
        }
        let found = match self.chat(scenario, &request).await {
            Ok(Err(CallError::Blocked(_))) => None,
            Ok(Err(CallError::Failed(failure))) => Some(failure.with_detail()),
            Ok(Ok(_)) => Some("an answer".to_owned()),
            Err(reason) => Some(reason),
        };
        self.check("chat: policy block", expected, found);
        if !self.capabilities.streaming {
            self.skip("stream: policy block", "the model does not stream");
            return;
        }
        let found = match self.stream(scenario, &request).await {
            Ok(Err(CallError::Blocked(_))) => None,
            Ok(Ok(stream)) if stream.blocked => None,
            Ok(Err(CallError::Failed(failure))) => Some(failure.with_detail()),
            Ok(Ok(_)) => Some("a stream without a block".to_owned()),
            Err(reason) => Some(reason),
        };
        self.check("stream: policy block", expected, found);
    }

    /// Answers that are cut, empty or of another format.
    async fn damaged_answers(&mut self) {
        let request = plain_request();
        let rows: [(Scenario, &[FailureKind]); 4] = [
            (Scenario::Empty, &[FailureKind::Malformed]),
            (Scenario::Garbage, &[FailureKind::Malformed]),
            (Scenario::Cut, &[FailureKind::Interrupted, FailureKind::Network]),
            // A failure of any kind.
            (Scenario::Oversized, &[]),
        ];
        for (scenario, kinds) in rows {
            let name = format!("chat: {scenario}");
            if let Some(reason) = self.unplayed(scenario, false).await {
                self.skip(name, reason);
                continue;
            }
            let wrong = |failure: &Failure| {
                (!kinds.is_empty() && !kinds.contains(&failure.kind())).then(|| failure.with_detail())
            };
            let found = not_failed(self.chat(scenario, &request).await, &wrong, |_| Some("an answer".into()));
            self.check(name, &expected_kinds(kinds, false), found);
        }
        for scenario in [Scenario::Empty, Scenario::Garbage, Scenario::Cut, Scenario::EndedEarly] {
            let name = format!("stream: {scenario}");
            if let Some(reason) = self.unplayed(scenario, true).await {
                self.skip(name, reason);
                continue;
            }
            let found = match self.stream(scenario, &request).await {
                Ok(Ok(stream)) => stream.complete(),
                Ok(Err(CallError::Failed(_))) => None,
                Ok(Err(CallError::Blocked(_))) => Some("a block".to_owned()),
                Err(reason) => Some(reason),
            };
            self.check(name, "a failure as the last item, or an end without the end signal", found);
        }
    }

    /// Dropping calls and streams.
    async fn cancellation(&mut self) {
        let request = plain_request();
        let limit = self.suite.time_limit;
        let (name, expected) = ("chat: dropped", "the end of the upstream call");
        if let Some(reason) = self.unplayed(Scenario::Silent, false).await {
            self.skip(name, reason);
        } else {
            let before = self.upstream.calls();
            let call = self.suite.provider.chat(self.suite.call(&request));
            let opened = tokio::select! {
                biased;
                _ = call => Err("an outcome of a call that is not answered".to_owned()),
                opened = timeout(limit, self.upstream.wait_for_open_calls(1)) => Ok(opened),
            };
            self.count(Scenario::Silent, "chat", before);
            self.closed(name, expected, opened).await;
        }

        let name = "stream: dropped";
        if let Some(reason) = self.unplayed(Scenario::Stalled, true).await {
            self.skip(name, reason);
            return;
        }
        let started = async {
            let mut frames = self.suite.provider.stream(self.suite.call(&request)).await.ok()?.frames;
            frames.next().await?.ok()?;
            Some(frames)
        };
        let opened = match timeout(limit, started).await {
            Ok(Some(frames)) => {
                let opened = timeout(limit, self.upstream.wait_for_open_calls(1)).await;
                drop(frames);
                Ok(opened)
            }
            Ok(None) => Err("no frame before the stall".to_owned()),
            Err(_) => Err("no frame before the stall, within the time limit".to_owned()),
        };
        self.closed(name, expected, opened).await;
    }

    /// Checks that no call is open after one was dropped.
    async fn closed(
        &mut self,
        name: &str,
        expected: &str,
        opened: Result<Result<bool, tokio::time::error::Elapsed>, String>,
    ) {
        let found = match opened {
            Ok(Ok(false)) => return self.skip(name, "the upstream does not count its open calls"),
            Ok(Ok(true)) => {
                let closed = timeout(self.suite.time_limit, self.upstream.wait_for_open_calls(0)).await;
                closed.is_err().then(|| format!("a call that is open after {:?}", self.suite.time_limit))
            }
            Ok(Err(_)) => Some("no call at the upstream".to_owned()),
            Err(found) => Some(found),
        };
        self.check(name, expected, found);
    }

    /// Checks of all calls and errors of the run.
    fn errors_as_a_whole(&mut self) {
        match self.upstream.calls() {
            Some(_) => {
                let found = self.miscounted.take();
                self.check(
                    "all calls: one upstream call",
                    "no retry and no redirect that is followed",
                    found,
                );
            }
            None => self.skip("all calls: one upstream call", "the upstream does not count calls"),
        }
        let with = |text: &str| {
            let found = self.errors.iter().find(|(_, error)| error.contains(text));
            found.map(|(scenario, _)| format!("it in the error of {scenario:?}"))
        };
        let prompt = with(PROMPT);
        let secret = self.suite.secret.as_deref().map(with);
        if self.errors.is_empty() {
            self.skip("errors: no prompt", "no call failed");
            self.skip("errors: no secret", "no call failed");
            return;
        }
        self.check("errors: no prompt", "no text of the prompt in an error", prompt);
        match secret {
            Some(found) => self.check("errors: no secret", "no API key in an error", found),
            None => self.skip("errors: no secret", "the suite has no secret"),
        }
    }

    /// Plays a scenario, or returns the reason why its checks are skipped.
    async fn unplayed(&self, scenario: Scenario, streamed: bool) -> Option<&'static str> {
        if streamed && !self.capabilities.streaming {
            return Some("the model does not stream");
        }
        (!self.upstream.play(scenario).await).then_some(NOT_PLAYED)
    }
}

fn plain_request() -> ChatRequest {
    ChatRequest::user(PROMPT)
}

fn request_with_tool() -> ChatRequest {
    let parameters = json!({
        "type": "object",
        "properties": { "city": { "type": "string" } },
        "required": ["city"],
    });
    ChatRequest::builder().user(PROMPT).tool(Tool::new(TOOL, "The weather in a city", parameters)).build()
}

/// Requests that a provider may refuse.
fn requests_with_a_feature() -> Vec<(&'static str, ChatRequest)> {
    // One transparent pixel.
    let pixel =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let image = Message::user(PROMPT).with(Image::base64("image/png", pixel));
    let schema = Schema::new("city", json!({ "type": "object" }));
    vec![
        ("tools", request_with_tool()),
        ("a schema", ChatRequest::builder().user(PROMPT).schema(schema).build()),
        ("an image", ChatRequest::builder().message(image).build()),
        ("max_tokens", ChatRequest::builder().user(PROMPT).max_tokens(1).build()),
        ("a temperature", ChatRequest::builder().user(PROMPT).temperature(0.5).build()),
    ]
}

/// All printed forms of an error and of its sources.
fn printed(error: &CallError) -> String {
    match error {
        CallError::Failed(failure) => printed_failure(failure),
        CallError::Blocked(block) => format!("{block:?}"),
    }
}

fn printed_failure(failure: &Failure) -> String {
    let mut text = format!("{}\n{failure:?}", failure.with_detail());
    let mut source = failure.source();
    while let Some(error) = source {
        for printed in ["\n", &error.to_string(), "\n", &format!("{error:?}")] {
            text.push_str(printed);
        }
        source = error.source();
    }
    text
}

fn reply(outcome: Outcome<Reply>) -> Result<Reply, String> {
    outcome.and_then(reply_of)
}

fn reply_of<T>(outcome: Result<T, CallError>) -> Result<T, String> {
    outcome.map_err(|error| match error {
        CallError::Failed(failure) => failure.with_detail(),
        CallError::Blocked(block) => format!("a block: {}", block.category),
    })
}

fn streamed(outcome: Outcome<Streamed>) -> Result<Streamed, String> {
    outcome.and_then(reply_of)
}

/// Returns the deviation of an answer, or the reason why there is no answer.
fn differs<T>(outcome: &Result<T, String>, deviation: impl FnOnce(&T) -> Option<String>) -> Option<String> {
    match outcome {
        Ok(answer) => deviation(answer),
        Err(reason) => Some(reason.clone()),
    }
}

fn quoted(expected: &str, found: &str) -> Option<String> {
    (expected != found).then(|| format!("{found:?}"))
}

fn finish(expected: &FinishReason, found: Option<&FinishReason>) -> Option<String> {
    (found != Some(expected)).then(|| format!("the finish reason {found:?}"))
}

/// Returns the deviation from the one call of [`Scenario::ToolCall`].
fn tool_call(calls: &[(&str, &str)]) -> Option<String> {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    match calls {
        [(TOOL, arguments)] if json(arguments) == json(ARGUMENTS) => None,
        calls => Some(format!("the calls {calls:?}")),
    }
}

fn expected_kinds(kinds: &[FailureKind], hint: bool) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    let kind =
        if names.is_empty() { "a failure".to_owned() } else { format!("a failure {}", names.join(" or ")) };
    if hint { format!("{kind} with {RETRY_AFTER:?} to wait") } else { kind }
}

/// Returns the deviation of an outcome that has to be a failure.
fn not_failed<T>(
    outcome: Outcome<T>,
    wrong: &dyn Fn(&Failure) -> Option<String>,
    answered: impl FnOnce(&T) -> Option<String>,
) -> Option<String> {
    match outcome {
        Ok(Err(CallError::Failed(failure))) => wrong(&failure),
        Ok(Err(CallError::Blocked(block))) => Some(format!("a block: {}", block.category)),
        Ok(Ok(answer)) => answered(&answer),
        Err(reason) => Some(reason),
    }
}
