use bytes::Bytes;
use fb::{Error, Facts};
use fb_wire::anthropic;
use http::{HeaderValue, Request};
use serde_json::json;

use crate::{
    body::{self, Response},
    error,
    report_headers::random_request_id,
    state::State,
};

/// `POST /v1/messages/count_tokens`: the tokens of a prompt, estimated from its length without a call.
///
/// The header `x-fb-estimated` marks the answer. Clients that plan their context with the count keep a margin of their own.
pub(crate) async fn count_tokens<B: http_body::Body<Data = Bytes>>(
    state: &State,
    request: Request<B>,
) -> Response {
    let body = match state.bodies.read(request.into_body()).await {
        Ok(body) => body,
        Err(rejection) => return rejection.into_response(),
    };
    let counted = anthropic::prompt(body).and_then(|request| {
        let chat = request.chat().map_err(Clone::clone)?;
        Ok(Facts::from_request(&request).with_messages(chat).input_tokens)
    });
    match counted {
        Ok(tokens) => {
            let mut response = body::json(&json!({ "input_tokens": tokens.max(1) }));
            let headers = response.headers_mut();
            headers.insert("x-request-id", random_request_id());
            headers.insert("x-fb-estimated", HeaderValue::from_static("input_tokens"));
            response
        }
        Err(invalid) => error::respond(&Error::InvalidRequest(invalid), state.exposed),
    }
}
