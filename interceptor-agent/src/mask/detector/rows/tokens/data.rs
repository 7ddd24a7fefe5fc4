//! Databases, observability, analytics, search.

use crate::mask::detector::row::Row;

/// One line a kind.
pub const ROWS: &[Row] = tokens! {
    "planetscale_token" "PLANETSCALE" r"pscale_tkn_[\w=.-]{32,64}" r"pscale_oauth_[\w=.-]{32,64}" r"pscale_pw_[\w=.-]{32,64}";
    "databricks_token" "DATABRICKS" "dapi[0-9a-f]{32}" "dose[0-9a-f]{32}" r"dkea[0-9a-f]{32}";
    "supabase_token" "SUPABASE" "sbp_[0-9a-f]{40}" r"sb_secret_[\w-]{31}" "sbp_oauth_[0-9a-f]{40}";
    "confluent_key" "CONFLUENT" "cflt[A-Za-z0-9+/]{60}";
    "mongodb_atlas_secret" "MONGODB" r"mdb_sa_sk_[\w-]{40}";
    "neon_key" "NEON" "napi_[a-z0-9]{64}";
    "clickhouse_key" "CLICKHOUSE" "4b1d[A-Za-z0-9]{38}";
    "cockroach_key" "COCKROACH" r"CCDB1_[A-Za-z0-9]{22}_[A-Za-z0-9]{40}";
    "pinecone_key" "PINECONE" r"pcsk_[A-Za-z0-9]{5,6}_[A-Za-z0-9]{60,66}";
    "xata_key" "XATA" "xau_[A-Za-z0-9]{36,44}";
    "fauna_key" "FAUNA" r"fnA[A-Za-z][\w-]{36}";
    "materialize_key" "MATERIALIZE" "mzp_[0-9a-f]{64}";
    "elastic_key" "ELASTIC" "essu_[A-Za-z0-9+/]{40,}={0,2}";
    "dynatrace_token" "DYNATRACE" r"dt0[a-z]\d{2}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{64}";
    "newrelic_key" "NEWRELIC"
        "NRAK-[A-Za-z0-9]{27}" "NRJS-[0-9a-f]{19}" r"NRII-[\w-]{32}" "NRRA-[0-9a-f]{42}"
        "[0-9a-f]{36}NRAL" "[0-9a-f]{36}FFFFNRAL";
    "grafana_key" "GRAFANA" "eyJrIjoi[A-Za-z0-9]{70,400}={0,3}";
    "grafana_cloud_token" "GRAFANA" "glc_[A-Za-z0-9+/]{32,400}={0,3}";
    "grafana_token" "GRAFANA" "glsa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}";
    "sentry_token" "SENTRY" r"sntrys_eyJpYXQiO[A-Za-z0-9+/=]{10,400}_[A-Za-z0-9+/]{43}" "sntryu_[0-9a-f]{64}";
    "sentry_dsn" "SENTRY" r"://([0-9a-f]{32})@o\d{1,12}\.ingest";
    "honeycomb_key" "HONEYCOMB" "hc[abx]ik_[0-9a-z]{58}" "hcamk_[0-9a-z]{58}";
    "axiom_token" "AXIOM"
        "xaat-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
        "xapt-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    "posthog_key" "POSTHOG" "phx_[A-Za-z0-9]{43,48}" "phs_[A-Za-z0-9]{43,48}";
    "coralogix_key" "CORALOGIX" "cxtp_[A-Za-z0-9]{30}" "cxup_[A-Za-z0-9]{30}";
    "rootly_key" "ROOTLY" "rootly_[0-9a-f]{64}";
    "firehydrant_token" "FIREHYDRANT" "fhb-[0-9a-f]{32,64}";
    "pagerduty_token" "PAGERDUTY" r"pdus\+_0XBPWQQ_[\w-]{36,}" r"pd[ue][sr]\+_[\w-]{36,}";
    "opsgenie_key" "OPSGENIE" "(?i)GenieKey ([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})";
    "lightdash_token" "LIGHTDASH" "ldpat_[0-9a-f]{32}" "ldsa_[0-9a-f]{32}";
    "tinybird_token" "TINYBIRD" r"p\.eyJ[\w-]{60,300}\.[\w-]{43}";
    "ghost_admin_key" "GHOST" "[0-9a-f]{24}:[0-9a-f]{64}";
    "liveblocks_key" "LIVEBLOCKS" r"sk_prod_[\w-]{64}";
};
