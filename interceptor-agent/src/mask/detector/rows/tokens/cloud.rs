//! Clouds, hosting, networks, identity.

use crate::mask::detector::row::Row;

/// One line a kind.
pub const ROWS: &[Row] = tokens! {
    "digitalocean_token" "DIGITALOCEAN" "do[opr]_v1_[0-9a-f]{64}";
    "flyio_token" "FLYIO" r"fo1_[\w-]{43}" "fm[12][ar]?_[A-Za-z0-9+/]{100,2000}={0,3}";
    "terraform_token" "TERRAFORM" r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}";
    "heroku_token" "HEROKU" r"HRKU-AA[\w-]{58}";
    "pulumi_token" "PULUMI" "pul-[0-9a-f]{40}";
    "render_key" "RENDER" "rnd_[A-Za-z0-9]{28,36}";
    "vercel_blob_token" "VERCEL" r"vercel_blob_rw_[A-Za-z0-9]{16}_[A-Za-z0-9]{20,}";
    "netlify_token" "NETLIFY" "nfp_[A-Za-z0-9]{36,40}" "nf[cobu]_[A-Za-z0-9]{36,40}";
    "cloudflare_origin_key" "CLOUDFLARE" r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}";
    "openshift_token" "OPENSHIFT" r"sha256~[\w-]{43}";
    "scalingo_token" "SCALINGO" r"tk-us-[\w-]{48}";
    "scaleway_key" "SCALEWAY" "SCW[A-Z0-9]{17}";
    "exoscale_key" "EXOSCALE" "EXO[0-9a-f]{24}";
    "alibaba_key" "ALIBABA" "LTAI[A-Za-z0-9]{17,21}";
    "tencent_key" "TENCENT" "AKID[A-Za-z0-9]{32}";
    "yandex_token" "YANDEX" r"t1\.[A-Za-z0-9_-]+={0,2}\.[A-Za-z0-9_-]{86}={0,2}" r"y0_[\w-]{50,}";
    "yandex_key" "YANDEX" r"AQVN[\w-]{35,38}";
    "yandex_aws_key" "YANDEX" r"YC[AMNBOP][\w-]{37}" r"YC[\w-]{38}";
    "tailscale_key" "TAILSCALE" r"tskey-[a-z]{2,12}-[A-Za-z0-9]{8,}-[A-Za-z0-9]{16,}";
    "ngrok_token" "NGROK" r"ngrok-api-[\w-]{30,}";
    "defined_networking_key" "DEFINED" r"dnkey-[\w=-]{26}-[\w=-]{52}";
    "dnsimple_token" "DNSIMPLE" "dnsimple_[aou]_[A-Za-z0-9]{32}";
    "porkbun_key" "PORKBUN" "[ps]k1_[0-9a-f]{64}";
    "deno_deploy_token" "DENO" "dd[pow]_[A-Za-z0-9]{36}";
    "azure_devops_token" "AZURE" "[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}";
    "azure_cosmos_key" "AZURE" r"[A-Za-z0-9+/]{76}ACDb[A-Za-z0-9+/]{5}=?=?";
    "azure_storage_key" "AZURE" r"[A-Za-z0-9+/]{76}\+AS[A-Za-z0-9+/]{6,7}=?=?";
    "azure_batch_key" "AZURE" r"[A-Za-z0-9+/]{76}\+ABa[A-Za-z0-9+/]{5}=?=?";
    "azure_search_key" "AZURE" "[A-Za-z0-9]{42}AzSe[A-Za-z0-9]{6}";
    "azure_functions_key" "AZURE" r"[\w-]{44}AzFu[\w-]{4,6}=?=?";
    "azure_registry_password" "AZURE" r"[A-Za-z0-9+/]{42}\+ACR[A-Za-z0-9]{6}";
    "azure_openai_key" "AZURE" "[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}";
    "azure_service_bus_key" "AZURE" r"[A-Za-z0-9+/]{33}\+ASb[A-Za-z0-9+/]{5,6}=";
    "authress_key" "AUTHRESS"
        r"sc_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30,120}"
        r"ext_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30,120}"
        r"scauth_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30,120}"
        r"authress_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30,120}";
    "stytch_secret" "STYTCH" r"secret-live-[\w-]{36}=?" r"secret-test-[\w-]{36}=?";
    "okta_token" "OKTA" r"SSWS +00[\w-]{40}";
    "onepassword_key" "ONEPASSWORD"
        "A3-[A-Z0-9]{6}-[A-Z0-9]{11}-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}"
        "A3-[A-Z0-9]{6}-[A-Z0-9]{6}-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}";
    "onepassword_token" "ONEPASSWORD" "ops_eyJ[A-Za-z0-9+/]{200,4000}={0,3}";
    "infisical_token" "INFISICAL" r"st\.[0-9a-f]{24}\.[0-9a-f]{32}\.[0-9a-f]{32}";
    "doppler_token" "DOPPLER" r"dp\.[a-z]{2,5}\.[A-Za-z0-9]{40,44}" r"dp\.st\.[a-z0-9_-]{2,35}\.[A-Za-z0-9]{40,44}";
    "akeyless_key" "AKEYLESS" "p-[a-z0-9]{12}am[A-Za-z0-9+/]{43}=";
    "wireguard_key" "WIREGUARD" r"(?i)PrivateKey *= *([A-Za-z0-9+/]{43}=)" r"(?i)PresharedKey *= *([A-Za-z0-9+/]{43}=)";
    "settlemint_token" "SETTLEMINT" "sm_aat_[A-Za-z0-9]{16}" "sm_pat_[A-Za-z0-9]{16}" "sm_sat_[A-Za-z0-9]{16}";
    "aiven_password" "AIVEN" r"AVNS_[\w-]{19,}";
    "nats_seed" "NATS" "S[AUOCN][A-Z2-7]{56}";
};
