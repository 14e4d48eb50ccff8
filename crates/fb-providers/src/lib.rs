//! Provider adapters of fb: OpenAI, Anthropic, Ollama, Azure and OpenAI-compatible presets.
