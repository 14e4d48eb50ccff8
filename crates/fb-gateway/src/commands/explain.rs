//! `fb explain`: prints the decisions of a running gateway for one request.

use std::{process::ExitCode, time::Duration};

use crate::{runtime::runtime, stdout::print_line};

/// Longest wait for the gateway.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The environment variable with the admin token.
const TOKEN: &str = "FB_ADMIN_TOKEN";

/// Prints the trace of a request, fetched from the admin listener at `admin`.
pub(crate) fn explain(id: &str, admin: &str) -> Result<ExitCode, String> {
    let base = admin.trim_end_matches('/');
    if !base.starts_with("http://") {
        return Err(format!("--admin {admin}: expected a URL such as http://127.0.0.1:9090"));
    }
    let id: fb::RequestId =
        id.parse().map_err(|error| format!("{error}; it is in the response header x-request-id"))?;
    runtime()?.block_on(async {
        let url = format!("{base}/v1/traces/{id}");
        let client = fb::providers::plain_http_client().map_err(|error| error.to_string())?;
        let mut request = client.get(&url).timeout(TIMEOUT).header("accept", "text/plain");
        if let Ok(token) = std::env::var(TOKEN) {
            request = request.bearer_auth(token);
        }
        let sent = request.send().await;
        let response = sent.map_err(|error| format!("{url}: {error}"))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| format!("{url}: {error}"))?;
        if status.is_success() {
            print_line(text.trim_end());
            return Ok(ExitCode::SUCCESS);
        }
        let body: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        Err(body["error"]["message"]
            .as_str()
            .map_or_else(|| format!("{url}: status {status}"), str::to_owned))
    })
}
