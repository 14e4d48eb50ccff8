use bytes::Bytes;
use fb::{CacheUse, Error, InvalidRequest, ServedBy, TargetId};
use fb_wire::openai;
use http::Request;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

use crate::{
    body::{self, Response},
    error,
    report_headers::write_report_headers,
    request_headers::options,
    state::State,
};

/// The fields that this endpoint reads itself.
#[derive(Deserialize)]
struct Fields {
    model: Option<IgnoredAny>,
    messages: Option<IgnoredAny>,
    prompt: Option<IgnoredAny>,
}

/// `POST /v1/completions` and its alias `/v1/completions/circuit`: a chat that names its provider in the body.
///
/// The request is that of a chat completion, except that `model` defaults to `default`. The answer is
/// `{content, provider, model, level, from_cache}`, with a `reason` if it is degraded.
pub(crate) async fn completions<B: http_body::Body<Data = Bytes>>(
    state: &State,
    request: Request<B>,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = match state.bodies.read(body).await {
        Ok(body) => body,
        Err(rejection) => return rejection.into_response(),
    };
    let parsed = with_default_model(body).and_then(|body| {
        let request = openai::request(body)?;
        if request.head().stream {
            let message = "stream: true; expected false: /v1/chat/completions streams";
            return Err(InvalidRequest::field("stream", message));
        }
        Ok(request.with_options(options(&parts.headers, &state.keys)?.unwrap_or_default()))
    });
    let request = match parsed {
        Ok(request) => request,
        Err(invalid) => return error::respond(&Error::InvalidRequest(invalid)),
    };
    let answer = match state.client.chat(request).await {
        Ok(answer) => answer,
        Err(error) => return error::respond(&error),
    };
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
    write_report_headers(response.headers_mut(), report, &answer.reply.meta.notes);
    response
}

/// Adds `model: "default"` to a body without a model.
fn with_default_model(body: Bytes) -> Result<Bytes, InvalidRequest> {
    // Anything but an object with these fields is rejected by the chat parser, with a better message.
    let Ok(fields) = serde_json::from_slice::<Fields>(&body) else { return Ok(body) };
    if fields.messages.is_none() && fields.prompt.is_some() {
        let message = "messages: missing; expected a list of messages in place of `prompt`";
        return Err(InvalidRequest::field("messages", message));
    }
    if fields.model.is_some() {
        return Ok(body);
    }
    // The last of several equal keys counts, so the model goes to the end.
    let Some(end) = body.iter().rposition(|byte| *byte == b'}') else { return Ok(body) };
    let object = body[..end].trim_ascii_end();
    let comma = if object.ends_with(b"{") { "" } else { "," };
    Ok([object, comma.as_bytes(), br#""model":"default"}"#.as_slice()].concat().into())
}
