use fb_core::Refusal;
use http::Uri;

use crate::http::Base;

/// The URI that receives the calls of a model.
#[derive(Debug)]
pub(crate) enum Endpoint {
    /// One URI for all models.
    Shared(Uri),
    /// A URI per deployment, as in Azure's API before its v1.
    PerDeployment {
        /// The part of the URI before the deployment's name.
        base: Base,
        api_version: String,
    },
}

impl Endpoint {
    pub(super) fn uri(&self, model: &str) -> Result<Uri, Refusal> {
        match self {
            Self::Shared(uri) => Ok(uri.clone()),
            Self::PerDeployment { base, api_version } => {
                base.deployment(model, "chat/completions", api_version)
            }
        }
    }
}
