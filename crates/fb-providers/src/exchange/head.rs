use fb_core::{Failure, FailureKind, Meta, Scope};

use super::error::ErrorResponse;

/// The parts of an answer with a success status that are known before its body.
#[derive(Debug, Clone)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) meta: Meta,
}

impl ResponseHead {
    /// Creates a failure that carries the request id of the answer.
    pub(super) fn failure(&self, kind: FailureKind, detail: impl Into<String>) -> Failure {
        Failure::new(kind, detail).with_request_id(self.meta.request_id.clone())
    }

    /// Creates the failure for an error that the provider reported inside an answer with a success status.
    pub(super) fn reported_failure(
        &self,
        kind: FailureKind,
        scope: Scope,
        error: &ErrorResponse<'_>,
    ) -> Failure {
        let id = self.meta.request_id.clone().or_else(|| error.request_id().map(ToOwned::to_owned));
        Failure::new(kind, error.detail())
            .with_code(error.display_code())
            .with_request_id(id)
            .with_retry_after(error.retry_delay())
            .with_scope(scope)
    }
}
