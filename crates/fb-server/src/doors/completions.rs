use std::time::Duration;

use bytes::Bytes;
use fb::{Answer, CacheUse, ChatRequest, Error, FailureKind, InvalidRequest, ServedBy, TargetId};
use fb_wire::openai;
use http::{HeaderMap, Request};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

use crate::{
    auth::Caller,
    body::{self, Response},
    error,
    preferred_provider::{self, IsSetByField},
    report_headers::{Exposed, write_report_headers},
    request_headers::options,
    state::State,
};

/// A field that some models reject even with its default.
const TEMPERATURE: &str = "temperature";
/// The values of missing fields.
const DEFAULTS: [(&str, &str); 2] = [("model", "\"default\""), (TEMPERATURE, "0.7")];

/// The fields that this endpoint looks at itself.
#[derive(Deserialize)]
struct Fields {
    messages: Option<IgnoredAny>,
    prompt: Option<IgnoredAny>,
    temperature: Option<IgnoredAny>,
}

/// `POST /v1/completions` and its alias `/v1/completions/circuit`: a chat that names its provider in the body.
///
/// The request is that of a chat completion, except that `model` defaults to `default` and `temperature` to 0.7. The
/// answer is `{content, provider, model, level, from_cache}`, with a `reason` if it is degraded. If no target could
/// answer, the status is 503 and the message has the error of each.
pub(crate) async fn completions<B: http_body::Body<Data = Bytes>>(
    state: &State,
    request: Request<B>,
    caller: Option<&Caller>,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = match state.bodies.read(body).await {
        Ok(body) => body,
        Err(rejection) => return rejection.into_response(),
    };
    let has_temperature = match check(&body) {
        Ok(has_temperature) => has_temperature,
        Err(invalid) => return error::respond(&Error::InvalidRequest(invalid), state.exposed),
    };
    let parse = |defaults| {
        let (request, preference) = parse(body.clone(), defaults, &parts.headers, caller)?;
        Ok((state.restrict(request), preference))
    };
    let (request, preference) = match parse(&DEFAULTS) {
        Ok(parsed) => parsed,
        Err(invalid) => return error::respond(&Error::InvalidRequest(invalid), state.exposed),
    };
    let names_a_target = request.head().model.contains('/');
    let mut result = state.client.chat(request).await;
    // The adapters leave the default out for the models that are known to reject it.
    if !has_temperature
        && result.as_ref().is_err_and(rejects_temperature)
        && let Ok((request, _)) = parse(&DEFAULTS[..1])
    {
        let took = result.as_ref().err().and_then(Error::report).map_or(Duration::ZERO, |report| report.took);
        result = state.client.chat(with_less_time(request, took)).await;
    }
    match result {
        Ok(answer) => print(&answer, has_temperature, state.exposed),
        Err(error) => error::respond_unavailable(&preference.name_in(error), names_a_target, state.exposed),
    }
}

/// Checks what the chat parser would not report as well, and returns true if the body has a temperature.
fn check(body: &[u8]) -> Result<bool, InvalidRequest> {
    // Anything but an object with these fields is rejected by the chat parser, with a better message.
    let Ok(fields) = serde_json::from_slice::<Fields>(body) else { return Ok(true) };
    if fields.messages.is_none() && fields.prompt.is_some() {
        let message = "messages: missing; expected a list of messages in place of `prompt`";
        return Err(InvalidRequest::field("messages", message));
    }
    Ok(fields.temperature.is_some())
}

fn parse(
    body: Bytes,
    defaults: &[(&str, &str)],
    headers: &HeaderMap,
    caller: Option<&Caller>,
) -> Result<(ChatRequest, IsSetByField), InvalidRequest> {
    let request = openai::request_with_defaults(body, defaults)?;
    if request.head().stream {
        let message = "stream: true; expected false: /v1/chat/completions streams";
        return Err(InvalidRequest::field("stream", message));
    }
    preferred_provider::take(request.with_options(options(headers, caller)?.unwrap_or_default()))
}

/// Returns true if a provider rejected the request because of its temperature.
fn rejects_temperature(error: &Error) -> bool {
    let Error::Surfaced(ended) = error else { return false };
    ended.cause.kind() == FailureKind::InvalidRequest && ended.cause.detail().contains(TEMPERATURE)
}

/// Takes the time of an earlier try off the timeout that the caller set.
fn with_less_time(request: ChatRequest, took: Duration) -> ChatRequest {
    let mut options = request.options().clone();
    options.timeout = options.timeout.map(|timeout| timeout.saturating_sub(took));
    request.with_options(options)
}

fn print(answer: &Answer, has_temperature: bool, exposed: Exposed) -> Response {
    let report = &answer.report;
    let (from_cache, by) = match (&report.cache, &report.served_by) {
        (Some(CacheUse::Hit { by, .. } | CacheUse::Stale { by, .. }), _) => (true, Some(by)),
        (_, Some(ServedBy::Target(by))) => (false, Some(by)),
        _ => (false, None),
    };
    let mut body = json!({
        "content": answer.text(),
        "provider": by.map(|by| by.provider().as_str()),
        "model": by.map(TargetId::model),
        "level": report.level.name(),
        "from_cache": from_cache,
    });
    if let Some(reason) = &report.degraded {
        body["reason"] = json!(reason);
    }
    let mut response = body::json(&body);
    // The caller did not set the default, so nothing of the request is missing without it.
    let mut notes = answer.reply.meta.notes.clone();
    notes.retain(|note| has_temperature || note.field != TEMPERATURE);
    write_report_headers(response.headers_mut(), report, &notes, exposed);
    response
}
