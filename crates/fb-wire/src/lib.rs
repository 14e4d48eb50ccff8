//! The OpenAI and Anthropic dialects, error bodies, SSE and NDJSON framing, as pure code over bytes.
