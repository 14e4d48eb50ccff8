//! Retry policies, backoff with jitter and a retry budget, as pure decisions.
