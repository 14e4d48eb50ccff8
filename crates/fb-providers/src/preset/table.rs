use super::{
    entry::{Adapter, Auth, Preset, ProbePath},
    quirks::{Flavour, Quirks, ToolIds},
};

/// OpenAI's dialect as most compatible servers implement it, without `developer` and `max_completion_tokens`.
const COMMON: Quirks = Quirks {
    flavour: Flavour::OpenAi,
    rename: OLD_LIMIT,
    refuse: &[],
    drop: &[],
    values: &[],
    max_temperature: None,
    developer: false,
    json_schema: true,
    stream_usage: true,
    tool_ids: ToolIds::Any,
    prefix: false,
    reasoning_models: false,
    signed_calls: false,
};

/// Most servers support only the older name.
const OLD_LIMIT: &[(&str, &str)] = &[("max_completion_tokens", "max_tokens")];

/// OpenAI's reasoning models accept only the newer name; its other models accept it too.
const NEW_LIMIT: &[(&str, &str)] = &[("max_tokens", "max_completion_tokens")];

const MODELS: ProbePath = ProbePath::Base("/models");

/// A hosted provider of OpenAI's dialect, authenticated by a bearer key.
const fn hosted(
    name: &'static str,
    base_url: &'static str,
    env: &'static str,
    default_model: &'static str,
    quirks: Quirks,
) -> Preset {
    Preset {
        name,
        adapter: Adapter::OpenAi,
        base_url: Some(base_url),
        auth: Auth::Bearer,
        env: Some(env),
        probe: MODELS,
        default_model: Some(default_model),
        quirks,
    }
}

/// A server on the local machine; a key is optional.
const fn local(name: &'static str, base_url: &'static str, probe: ProbePath, quirks: Quirks) -> Preset {
    Preset {
        name,
        adapter: Adapter::OpenAi,
        base_url: Some(base_url),
        auth: Auth::Bearer,
        env: None,
        probe,
        default_model: None,
        quirks,
    }
}

/// Any other server of OpenAI's dialect; its address must be configured.
pub(crate) static COMPATIBLE: Preset = Preset { base_url: None, ..local("compatible", "", MODELS, COMMON) };

/// All known providers, in the order in which the environment is searched.
pub(crate) static PRESETS: &[Preset] = &[
    hosted(
        "openai",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        "gpt-6.1-sol",
        Quirks { rename: NEW_LIMIT, developer: true, reasoning_models: true, ..COMMON },
    ),
    Preset {
        name: "anthropic",
        adapter: Adapter::Anthropic,
        base_url: Some("https://api.anthropic.com"),
        auth: Auth::XApiKey,
        env: Some("ANTHROPIC_API_KEY"),
        probe: ProbePath::Base("/v1/models?limit=1"),
        default_model: Some("claude-sonnet-4-6"),
        quirks: COMMON,
    },
    Preset {
        name: "azure",
        adapter: Adapter::Azure,
        base_url: None,
        auth: Auth::ApiKey,
        env: Some("AZURE_OPENAI_API_KEY"),
        probe: MODELS,
        default_model: None,
        quirks: Quirks {
            flavour: Flavour::Azure,
            rename: &[],
            developer: true,
            reasoning_models: true,
            ..COMMON
        },
    },
    hosted(
        "groq",
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        "openai/gpt-oss-120b",
        Quirks {
            flavour: Flavour::Groq,
            rename: &[],
            refuse: &[
                ("n", "Groq gives one answer"),
                ("logprobs", NOT_THERE),
                ("top_logprobs", NOT_THERE),
                ("logit_bias", NOT_THERE),
            ],
            drop: &[
                ("frequency_penalty", "Groq has no penalties"),
                ("presence_penalty", "Groq has no penalties"),
            ],
            values: &[
                ("reasoning_effort", "minimal", "low"),
                ("reasoning_effort", "xhigh", "high"),
                ("reasoning_effort", "max", "high"),
            ],
            ..COMMON
        },
    ),
    hosted(
        "mistral",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        "mistral-large-latest",
        Quirks {
            flavour: Flavour::Mistral,
            rename: &[("max_completion_tokens", "max_tokens"), ("seed", "random_seed")],
            refuse: &[("logprobs", NOT_THERE), ("top_logprobs", NOT_THERE), ("logit_bias", NOT_THERE)],
            drop: &[("user", NO_RECORDS), ("store", NO_RECORDS), ("metadata", NO_RECORDS)],
            values: &[("tool_choice", "required", "any")],
            max_temperature: Some(1.5),
            stream_usage: false,
            tool_ids: ToolIds::NineAlphanumeric,
            prefix: true,
            ..COMMON
        },
    ),
    hosted(
        "together",
        "https://api.together.ai/v1",
        "TOGETHER_API_KEY",
        "openai/gpt-oss-120b",
        Quirks {
            values: &[
                ("reasoning_effort", "minimal", "low"),
                ("reasoning_effort", "xhigh", "high"),
                ("reasoning_effort", "max", "high"),
            ],
            ..COMMON
        },
    ),
    Preset {
        probe: ProbePath::Base("/key"),
        ..hosted(
            "openrouter",
            "https://openrouter.ai/api/v1",
            "OPENROUTER_API_KEY",
            "openrouter/auto",
            Quirks { flavour: Flavour::OpenRouter, rename: &[], developer: true, ..COMMON },
        )
    },
    hosted(
        "deepseek",
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
        "deepseek-flash",
        Quirks {
            flavour: Flavour::DeepSeek,
            refuse: &[("logit_bias", NOT_THERE), ("n", "DeepSeek gives one answer")],
            drop: &[
                ("seed", "DeepSeek has no seed"),
                ("user", NO_RECORDS),
                ("parallel_tool_calls", "DeepSeek decides"),
            ],
            values: &[
                ("reasoning_effort", "minimal", "low"),
                ("reasoning_effort", "medium", "high"),
                ("reasoning_effort", "xhigh", "max"),
            ],
            json_schema: false,
            ..COMMON
        },
    ),
    hosted(
        "xai",
        "https://api.x.ai/v1",
        "XAI_API_KEY",
        "grok-4.5",
        Quirks {
            flavour: Flavour::Xai,
            refuse: &[("logit_bias", NOT_THERE)],
            drop: &[
                ("frequency_penalty", "xAI's reasoning models reject penalties"),
                ("presence_penalty", "xAI's reasoning models reject penalties"),
            ],
            ..COMMON
        },
    ),
    hosted(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        "gemini-3.8-flash",
        Quirks {
            flavour: Flavour::Gemini,
            refuse: &[("logit_bias", NOT_THERE), ("logprobs", NOT_THERE), ("top_logprobs", NOT_THERE)],
            drop: &[("user", NO_RECORDS), ("store", NO_RECORDS), ("metadata", NO_RECORDS)],
            signed_calls: true,
            ..COMMON
        },
    ),
    hosted(
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
        "accounts/fireworks/models/gpt-oss-120b",
        COMMON,
    ),
    Preset {
        probe: ProbePath::None,
        ..hosted(
            "perplexity",
            "https://api.perplexity.ai",
            "PERPLEXITY_API_KEY",
            "sonar",
            Quirks {
                refuse: &[
                    ("tools", "Perplexity calls no tools"),
                    ("stop", "Perplexity has no stop texts"),
                    ("n", "Perplexity gives one answer"),
                    ("logprobs", NOT_THERE),
                    ("top_logprobs", NOT_THERE),
                    ("logit_bias", NOT_THERE),
                ],
                drop: &[
                    ("seed", "Perplexity has no seed"),
                    ("user", NO_RECORDS),
                    ("tool_choice", "Perplexity calls no tools"),
                    ("parallel_tool_calls", "Perplexity calls no tools"),
                ],
                stream_usage: false,
                ..COMMON
            },
        )
    },
    hosted(
        "cerebras",
        "https://api.cerebras.ai/v1",
        "CEREBRAS_API_KEY",
        "gpt-oss-120b",
        Quirks {
            flavour: Flavour::Cerebras,
            rename: &[],
            refuse: &[("logit_bias", NOT_THERE), ("n", "Cerebras gives one answer")],
            drop: &[
                ("frequency_penalty", "Cerebras has no penalties"),
                ("presence_penalty", "Cerebras has no penalties"),
            ],
            max_temperature: Some(1.5),
            ..COMMON
        },
    ),
    hosted("nvidia", "https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY", "openai/gpt-oss-120b", COMMON),
    hosted(
        "moonshot",
        "https://api.moonshot.ai/v1",
        "MOONSHOT_API_KEY",
        "kimi-latest",
        Quirks { max_temperature: Some(1.0), stream_usage: false, ..COMMON },
    ),
    hosted(
        "dashscope",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
        "qwen-plus",
        COMMON,
    ),
    hosted(
        "cohere",
        "https://api.cohere.ai/compatibility/v1",
        "COHERE_API_KEY",
        "command-a-03-2025",
        Quirks {
            refuse: &[
                ("n", "Cohere gives one answer"),
                ("logit_bias", NOT_THERE),
                ("logprobs", NOT_THERE),
                ("top_logprobs", NOT_THERE),
            ],
            drop: &[
                ("user", NO_RECORDS),
                ("store", NO_RECORDS),
                ("metadata", NO_RECORDS),
                ("parallel_tool_calls", "Cohere decides"),
            ],
            max_temperature: Some(1.0),
            ..COMMON
        },
    ),
    hosted("sambanova", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY", "gpt-oss-120b", COMMON),
    hosted(
        "hyperbolic",
        "https://api.hyperbolic.xyz/v1",
        "HYPERBOLIC_API_KEY",
        "openai/gpt-oss-120b",
        COMMON,
    ),
    hosted("lambda", "https://api.lambda.ai/v1", "LAMBDA_API_KEY", "llama3.3-70b-instruct-fp8", COMMON),
    hosted(
        "featherless",
        "https://api.featherless.ai/v1",
        "FEATHERLESS_API_KEY",
        "openai/gpt-oss-120b",
        COMMON,
    ),
    hosted("nebius", "https://api.studio.nebius.ai/v1", "NEBIUS_API_KEY", "openai/gpt-oss-120b", COMMON),
    hosted("baseten", "https://inference.baseten.co/v1", "BASETEN_API_KEY", "openai/gpt-oss-120b", COMMON),
    hosted("novita", "https://api.novita.ai/v3/openai", "NOVITA_API_KEY", "openai/gpt-oss-120b", COMMON),
    Preset {
        name: "ollama",
        adapter: Adapter::Ollama,
        base_url: Some("http://127.0.0.1:11434"),
        auth: Auth::Bearer,
        env: None,
        probe: ProbePath::Base("/api/version"),
        default_model: Some("llama3.2"),
        quirks: COMMON,
    },
    local(
        "vllm",
        "http://127.0.0.1:8000/v1",
        ProbePath::Root("/health"),
        Quirks { flavour: Flavour::Vllm, ..COMMON },
    ),
    local(
        "llamacpp",
        "http://127.0.0.1:8080/v1",
        ProbePath::Root("/health"),
        Quirks { flavour: Flavour::LlamaCpp, ..COMMON },
    ),
    local("lmstudio", "http://127.0.0.1:1234/v1", MODELS, Quirks { flavour: Flavour::LmStudio, ..COMMON }),
];

const NOT_THERE: &str = "the provider has no such parameter";
const NO_RECORDS: &str = "the provider keeps no such records";
