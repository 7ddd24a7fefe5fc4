//! Those who sell models, and tools around them.

use crate::mask::detector::row::Row;

/// One line a kind.
pub const ROWS: &[Row] = tokens! {
    "replicate_token" "REPLICATE" "r8_[A-Za-z0-9]{37}";
    "fireworks_key" "FIREWORKS" "fw_[A-Za-z0-9]{22,24}";
    "together_key" "TOGETHER" r"tgp_v1_[\w-]{43}";
    "anyscale_key" "ANYSCALE" "esecret_[A-Za-z0-9]{25,40}";
    "cerebras_key" "CEREBRAS" "csk-[a-z0-9]{48}";
    "elevenlabs_key" "ELEVENLABS" "sk_[0-9a-f]{48}";
    "voyage_key" "VOYAGE" r"pa-[\w-]{43}";
    "jina_key" "JINA" r"jina_[\w-]{60,68}";
    "langsmith_key" "LANGSMITH" "lsv2_pt_[0-9a-f]{32}_[0-9a-f]{10}" "lsv2_sk_[0-9a-f]{32}_[0-9a-f]{10}" "ls__[0-9a-f]{32}";
    "langfuse_key" "LANGFUSE" "[sp]k-lf-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    "wandb_key" "WANDB" r"wandb_v1_[\w-]{70,}";
    "tavily_key" "TAVILY" "tvly-[A-Za-z0-9-]{32,50}";
    "firecrawl_key" "FIRECRAWL" "fc-[0-9a-f]{32}";
    "nvidia_key" "NVIDIA" r"nvapi-[\w-]{60,70}";
    "helicone_key" "HELICONE" r"sk-helicone-[\w-]{20,}";
    "llamacloud_key" "LLAMACLOUD" "llx-[A-Za-z0-9]{48}";
    "e2b_key" "E2B" "e2b_[0-9a-f]{40}" "sk_e2b_[0-9a-f]{40}";
    "browserbase_key" "BROWSERBASE" r"bb_live_[\w-]{27}";
    "cursor_key" "CURSOR" "key_[0-9a-f]{64}";
    "modal_token" "MODAL" "a[ks]-[A-Za-z0-9]{22}";
    "runpod_key" "RUNPOD" "rpa_[A-Z0-9]{40,50}";
    "friendli_token" "FRIENDLI" "flp_[A-Za-z0-9]{40,60}";
    "mem0_key" "MEM0" "m0-[A-Za-z0-9]{40}";
};
