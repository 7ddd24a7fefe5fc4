//! Keys of those who sell models.
//!
//! Samples are made up; they are written in two parts so that scanners of source code leave them alone.

use crate::mask::detector::row::Row;

/// One row a vendor.
pub const ROWS: &[Row] = &[
    Row {
        patterns: &[r"sk-ant-[a-z0-9]+-[\w-]{20,}"],
        confidence: 0.98,
        hits: &[concat!(
            "key=»sk-ant-",
            "api03-abc123xyz-456def789ghij-klmnopqrstuvwx-3456yzaAA«"
        )],
        misses: &[
            "sk-ant-api03-short",
            "sk-ant-api03-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ],
        ..Row::secret("anthropic_key", "SECRET_ANTHROPIC")
    },
    Row {
        patterns: &[
            r"sk-proj-[\w-]{20,}",
            r"sk-svcacct-[\w-]{20,}",
            r"sk-admin-[\w-]{20,}",
            r"sk-None-[\w-]{20,}",
            "sk-[A-Za-z0-9]{32,}",
        ],
        hits: &[
            concat!(
                "OPENAI_API_KEY=»sk-",
                "ugwg0ut5p86h0tk5k1s8T3BlbkFJ2g6i9vv211nlu4vk8ven«"
            ),
            concat!(
                "\"»sk-proj-",
                "Xi8tdMjHV6pmbBbwilTeT3BlbkFJ-3UDnpdEwNNm6_wVBpYM0o«\""
            ),
        ],
        misses: &[
            "task-0123456789abcdefghijABCDEFGHIJ0123",
            "sk-short",
            "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ],
        ..Row::secret("openai_key", "SECRET_OPENAI")
    },
    Row {
        patterns: &["sk-or-v1-[0-9a-f]{64}"],
        hits: &[concat!(
            "»sk-or-v1-",
            "0e6f44a47a05f1dad2ad7e88c4c1d6b77688157716fb1a5271146f7464951c96«"
        )],
        misses: &["sk-or-v1-0e6f44a47a05f1da"],
        ..Row::secret("openrouter_key", "SECRET_OPENROUTER")
    },
    Row {
        patterns: &["gsk_[A-Za-z0-9]{52}"],
        hits: &[concat!(
            "»gsk_",
            "x8Wn2qLr5TzVb7KmPc4JdWGdyb3FYh6Rs9Yt1UvXa3ZeBf0CgDhQ«"
        )],
        misses: &[
            "gsk_short",
            "gsk_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ],
        ..Row::secret("groq_key", "SECRET_GROQ")
    },
    Row {
        patterns: &["xai-[A-Za-z0-9]{70,}"],
        hits: &[concat!(
            "»xai-",
            "q1Wd8Ke5Rf2Tg9Yh6Uj3Ik0Ol7Pa4Sz1Xd8Ce5Vr2Bt9Ny6Mu3Qi0Wo7Ep4Ra1Ts8Yd5Uf2Ig9Oh6«"
        )],
        misses: &["xai-grok-2", "xai-short1234"],
        ..Row::secret("xai_key", "SECRET_XAI")
    },
    Row {
        patterns: &["pplx-[A-Za-z0-9]{48}"],
        hits: &[concat!(
            "»pplx-",
            "d7m9i004uJ7RXsix2847baEWQeGEbOEtHoNn7QgLSMX5wAmM«"
        )],
        misses: &["pplx-7b-online"],
        ..Row::secret("perplexity_key", "SECRET_PERPLEXITY")
    },
    Row {
        patterns: &["hf_[A-Za-z0-9]{34,40}", "api_org_[A-Za-z]{34}"],
        hits: &[concat!(
            "HF_TOKEN=»hf_",
            "mBmDjrUvlvDvgvNRNmcpPmUZPRXWWGALXr«"
        )],
        misses: &[
            "hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "kHMSymptomhf_generatedByHomeAppForDebuggingPurposesKey",
            "hf_hub_download",
        ],
        ..Row::secret("huggingface_token", "SECRET_HUGGINGFACE")
    },
];
