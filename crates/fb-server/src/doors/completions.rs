use axum::{
    body::{Body, HttpBody},
    http::{HeaderValue, Request, header::CONTENT_TYPE},
    response::Response,
};
use bytes::Bytes;
use fb::{CacheUse, Error, InvalidRequest, ServedBy, TargetId};
use fb_wire::openai;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

use super::openai_chat::JSON;
use crate::{error, report_headers::write_report_headers, request_headers::options, state::State};

/// The fields that this endpoint reads itself.
#[derive(Deserialize)]
struct Asked {
    model: Option<IgnoredAny>,
    messages: Option<IgnoredAny>,
    prompt: Option<IgnoredAny>,
}

/// `POST /v1/completions` and its alias `/v1/completions/circuit`: a chat for programs that want to know in the body who
/// answered. The request is that of a chat completion, `model` is `default` unless given; the answer is
/// `{content, provider, model, level, from_cache}`, and `reason` when it is not a whole one.
pub(crate) async fn completions<B: HttpBody<Data = Bytes> + Unpin>(
    state: &State,
    request: Request<B>,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = match state.bodies.read(body).await {
        Ok(body) => body,
        Err(response) => return *response,
    };
    let asked = whole(body).and_then(|body| {
        let request = openai::request(body)?;
        if request.head().stream {
            let message = "stream: true; expected false: /v1/chat/completions streams";
            return Err(InvalidRequest::field("stream", message));
        }
        Ok(request.with_options(options(&parts.headers, &state.tenants)?.unwrap_or_default()))
    });
    let request = match asked {
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
    let mut response = Response::new(Body::from(body.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    write_report_headers(headers, report, &answer.reply.meta.notes);
    response
}

/// The body as one of a chat completion.
fn whole(body: Bytes) -> Result<Bytes, InvalidRequest> {
    // What is no object, or has fields of other types, is for the reader of chats to complain of.
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else { return Ok(body) };
    if asked.messages.is_none() && asked.prompt.is_some() {
        let message = "messages: missing; expected a list of messages in place of `prompt`";
        return Err(InvalidRequest::field("messages", message));
    }
    if asked.model.is_some() {
        return Ok(body);
    }
    // At the end, where it counts whatever stands before it.
    let Some(end) = body.iter().rposition(|byte| *byte == b'}') else { return Ok(body) };
    let fields = body[..end].trim_ascii_end();
    let comma = if fields.ends_with(b"{") { "" } else { "," };
    Ok([fields, comma.as_bytes(), br#""model":"default"}"#.as_slice()].concat().into())
}
