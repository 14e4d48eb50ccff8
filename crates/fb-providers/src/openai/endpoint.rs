use reqwest::Url;

use crate::http::Base;

/// The URL that receives the calls of a model.
#[derive(Debug)]
pub(crate) enum Endpoint {
    /// One URL for all models.
    Shared(Url),
    /// A URL per deployment, as in Azure's API before its v1.
    PerDeployment {
        /// The part of the URL before the deployment's name.
        base: Base,
        api_version: String,
    },
}

impl Endpoint {
    pub(super) fn url(&self, model: &str) -> Url {
        match self {
            Self::Shared(url) => url.clone(),
            Self::PerDeployment { base, api_version } => {
                base.deployment(model, "chat/completions", api_version)
            }
        }
    }
}
