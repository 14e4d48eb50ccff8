use fb_core::InvalidConfig;
use http::Uri;

use crate::{http::Base, openai::Endpoint};

/// Returns the endpoint for calls and the URI for probes. The address may be given up to any of the resource's
/// endpoints.
pub(super) fn resolve(base: &Base, api_version: Option<&str>) -> Result<(Endpoint, Uri), InvalidConfig> {
    let root = base.without(&["/openai/v1", "/openai/deployments", "/openai"]);
    let dated = api_version.filter(|version| !matches!(*version, "v1" | "latest"));
    if let Some(version) = dated.filter(|version| !version.starts_with("20")) {
        let expected = "expected a dated version such as \"2024-10-21\", or none for the v1 API";
        return Err(InvalidConfig::quoted("api_version", version, expected));
    }
    Ok(match dated {
        None => {
            let v1 = root.join("/openai/v1");
            // A simulator or a gateway of OpenAI's dialect has a path of its own.
            let v1 = if base.path().ends_with("/v1") { base.clone() } else { v1 };
            (Endpoint::Shared(v1.endpoint("/chat/completions")?), v1.endpoint("/models")?)
        }
        Some(version) => {
            let probe = root.endpoint(&format!("/openai/models?api-version={version}"))?;
            let base = root.join("/openai/deployments");
            (Endpoint::PerDeployment { base, api_version: version.to_owned() }, probe)
        }
    })
}
