//! Keeps a program's LLM calls alive: retries, circuit breakers and failover over a chain of targets.
