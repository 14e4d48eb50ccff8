//! Whole calls: a permit around an operation.

use std::future::Future;

use crate::{breaker::Breaker, state::Rejected, weight::Weight};

/// Why [`Breaker::call`] has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError<E> {
    /// The operation was not begun.
    #[error(transparent)]
    Rejected(Rejected),
    /// The operation failed.
    #[error("{0}")]
    Failed(E),
}

impl Breaker {
    /// Runs the operation if the breaker admits it. Every error is a whole failure of the target.
    ///
    /// # Errors
    ///
    /// That the breaker did not admit it, or the operation's own error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation; the breaker hears nothing and a probe's slot is free again.
    pub async fn call<T, E, Fut>(&self, op: impl FnOnce() -> Fut) -> Result<T, CallError<E>>
    where
        Fut: Future<Output = Result<T, E>>,
    {
        self.call_weighed(|_| Some(Weight::FULL), op).await
    }

    /// As [`call`](Self::call), with what each error says of the target: `None` is nothing, as for a caller's own
    /// mistake.
    ///
    /// # Errors
    ///
    /// As `call`.
    pub async fn call_weighed<T, E, Fut>(
        &self,
        weigh: impl FnOnce(&E) -> Option<Weight>,
        op: impl FnOnce() -> Fut,
    ) -> Result<T, CallError<E>>
    where
        Fut: Future<Output = Result<T, E>>,
    {
        let permit = self.try_enter(self.now()).map_err(CallError::Rejected)?;
        let result = op().await;
        match &result {
            Ok(_) => permit.success(self.now()),
            Err(error) => match weigh(error) {
                Some(weight) => permit.failure(weight, self.now()),
                None => permit.neutral(self.now()),
            },
        }
        result.map_err(CallError::Failed)
    }

    /// As [`call`](Self::call), with something else to give where there is no result.
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
