//! A circuit breaker as a pure state machine with permits that survive cancellation.
