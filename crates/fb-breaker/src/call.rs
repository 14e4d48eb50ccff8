//! Whole calls: an operation guarded by a permit.

use std::{error::Error, future::Future};

use crate::{breaker::Breaker, state::Rejected, weight::Weight};

/// The error of [`Breaker::call`]. Displays as the rejection or the error of the operation, and has the same source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError<E> {
    /// The breaker rejected the call; the operation did not start.
    #[error(transparent)]
    Rejected(Rejected),
    /// The operation failed.
    #[error(transparent)]
    Failed(E),
}

impl<E: Into<Box<dyn Error + Send + Sync>>> CallError<E> {
    /// Returns the rejection or the error of the operation as a boxed error, also for an `E` that is one already and
    /// therefore no [`Error`] itself.
    pub fn into_boxed(self) -> Box<dyn Error + Send + Sync> {
        match self {
            Self::Rejected(rejected) => rejected.into(),
            Self::Failed(error) => error.into(),
        }
    }
}

impl Breaker {
    /// Runs the operation if the breaker admits it. Every error counts as [`Weight::FULL`].
    ///
    /// # Errors
    ///
    /// [`CallError::Rejected`] if the breaker rejects the call, otherwise the error of the operation.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation and frees the slot of a probe; no verdict is recorded.
    pub async fn call<T, E, Fut>(&self, op: impl FnOnce() -> Fut) -> Result<T, CallError<E>>
    where
        Fut: Future<Output = Result<T, E>>,
    {
        self.call_classified(|_| Some(Weight::FULL), op).await
    }

    /// Runs the operation if the breaker admits it, and weighs an error by `classify`: `None` is no evidence about the
    /// target, as with an invalid request.
    ///
    /// # Errors
    ///
    /// As for [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As for [`call`](Self::call).
    pub async fn call_classified<T, E, Fut>(
        &self,
        classify: impl FnOnce(&E) -> Option<Weight>,
        op: impl FnOnce() -> Fut,
    ) -> Result<T, CallError<E>>
    where
        Fut: Future<Output = Result<T, E>>,
    {
        let permit = self.try_acquire_borrowed(self.now()).map_err(CallError::Rejected)?;
        let result = op().await;
        match &result {
            Ok(_) => permit.success(self.now()),
            Err(error) => match classify(error) {
                Some(weight) => permit.failure(weight, self.now()),
                None => permit.neutral(self.now()),
            },
        }
        result.map_err(CallError::Failed)
    }

    /// Runs the operation if the breaker admits it, and computes a fallback value from any error.
    ///
    /// # Cancel safety
    ///
    /// As for [`call`](Self::call).
    pub async fn call_or<T, E, Fut>(
        &self,
        op: impl FnOnce() -> Fut,
        fallback: impl FnOnce(CallError<E>) -> T,
    ) -> T
    where
        Fut: Future<Output = Result<T, E>>,
    {
        self.call(op).await.unwrap_or_else(fallback)
    }
}

#[cfg(test)]
mod tests;
