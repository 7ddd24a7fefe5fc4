//! Source code, packages, builds, tests, project tools.

use crate::mask::detector::row::Row;

/// One line a kind.
pub const ROWS: &[Row] = tokens! {
    "docker_token" "DOCKER" r"dckr_pat_[\w-]{27}" r"dckr_oat_[\w-]{32}";
    "artifactory_key" "ARTIFACTORY" "AKCp[A-Za-z0-9]{69}" "cmVmdGtu[A-Za-z0-9]{56}";
    "sonar_token" "SONAR" "sq[upa]_[A-Za-z0-9]{40}";
    "circleci_token" "CIRCLECI" r"CCIPAT_[A-Za-z0-9]{22}_[0-9A-Fa-f]{40}" r"CCIPRJ_[A-Za-z0-9]{22}_[0-9A-Fa-f]{40}";
    "buildkite_token" "BUILDKITE" "bkua_[0-9a-z]{40}" "bkaj_[0-9A-Za-z.-]{40,}" "bkct_[0-9A-Za-z]{40,}";
    "harness_key" "HARNESS"
        r"pat\.[\w-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}"
        r"sat\.[\w-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}";
    "octopus_key" "OCTOPUS" "API-[A-Z0-9]{26}";
    "postman_key" "POSTMAN" "PMAK-[0-9A-Fa-f]{24}-[0-9A-Fa-f]{34}" "PMAT-[0-9A-Z]{26}";
    "rapidapi_key" "RAPIDAPI" "[0-9a-z]{10}msh[0-9a-z]{15}p1[0-9a-z]{6}jsn[0-9a-z]{12}";
    "readme_key" "README" "rdme_[0-9a-z]{70}";
    "rubygems_key" "RUBYGEMS" "rubygems_[0-9a-f]{48}";
    "clojars_token" "CLOJARS" "CLOJARS_[0-9a-z]{60}";
    "nuget_key" "NUGET" "oy2[0-9a-z]{43}";
    "crates_token" "CRATES" "cio[A-Za-z0-9]{32}";
    "packagist_token" "PACKAGIST" "packagist_[ou][ru]t_[0-9a-f]{68}";
    "sourcegraph_token" "SOURCEGRAPH" "sgp_[0-9A-Fa-f]{16}_[0-9A-Fa-f]{40}" "sgp_local_[0-9A-Fa-f]{40}" "sgp_[0-9A-Fa-f]{40}" "slk_[0-9A-Fa-f]{64}";
    "linear_key" "LINEAR" "lin_api_[A-Za-z0-9]{40}" "lin_oauth_[0-9a-f]{64}";
    "notion_token" "NOTION" r"ntn_\d{11}[A-Za-z0-9]{32,35}" "secret_[A-Za-z0-9]{43}";
    "airtable_token" "AIRTABLE" r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}";
    "atlassian_token" "ATLASSIAN" r"ATATT3[\w=-]{40,250}" r"ATCTT3[\w=-]{40,250}";
    "bitbucket_password" "BITBUCKET" r"ATBB[A-Za-z0-9]{32,36}";
    "asana_token" "ASANA" r"\b[012]/\d{16}/\d{16}:[0-9a-f]{32}" r"\b[012]/\d{16}:[0-9a-f]{32}";
    "figma_token" "FIGMA" r"figd_[\w-]{40,50}" r"figor_[\w-]{40,50}";
    "clickup_token" "CLICKUP" r"pk_\d{6,9}_[A-Z0-9]{32}";
    "trello_token" "TRELLO" "ATTA[0-9a-f]{56}[0-9A-F]{8}";
    "contentful_token" "CONTENTFUL" r"CFPAT-[\w-]{43}";
    "phabricator_token" "PHABRICATOR" "cli-[0-9a-z]{28}" "api-[0-9a-z]{28}";
    "wakatime_key" "WAKATIME" "waka_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    "codesandbox_token" "CODESANDBOX" r"csb_v1_[\w-]{43}";
    "valtown_token" "VALTOWN" "vtwn_[A-Za-z0-9]{27}";
    "chromatic_token" "CHROMATIC" "chpt_[0-9a-f]{11,15}";
    "infracost_key" "INFRACOST" "ico-[A-Za-z0-9]{32}";
    "snyk_token" "SNYK" r"snyk_[us]at\.[\w.-]{20,}";
    "trigger_key" "TRIGGER" "tr_dev_[A-Za-z0-9]{20,}" "tr_prod_[A-Za-z0-9]{20,}";
    "inngest_key" "INNGEST" "signkey-prod-[0-9a-f]{32,64}" "signkey-test-[0-9a-f]{32,64}";
    "unkey_key" "UNKEY" "unkey_[A-Za-z0-9]{20,}";
    "launchdarkly_key" "LAUNCHDARKLY"
        "sdk-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
        "api-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    "configcat_key" "CONFIGCAT" r"configcat-sdk-1/[\w-]{22}/[\w-]{22}";
    "statsig_key" "STATSIG" "secret-[A-Za-z0-9]{40,50}" "console-[A-Za-z0-9]{40,50}";
    "adobe_secret" "ADOBE" "p8e-[0-9A-Za-z]{32}";
    "frameio_token" "FRAMEIO" r"fio-u-[\w=-]{64}";
    "mapbox_token" "MAPBOX" r"pk\.[a-z0-9]{60}\.[a-z0-9]{22}" r"[st]k\.eyJ[\w-]{60,200}\.[\w-]{22}";
    "maxmind_key" "MAXMIND" r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk";
    "intra42_secret" "INTRA42" "s-s4t2ud-[0-9a-f]{64}" "s-s4t2af-[0-9a-f]{64}";
    "jenkins_token" "JENKINS" r"(?i)jenkins[\w -]{0,20}[=:] *(11[0-9a-f]{32})";
    "prefect_key" "PREFECT" "pn[ub]_[A-Za-z0-9]{36}";
    "dbt_token" "DBT" r"dbt[cu]_[\w-]{30,60}";
    "apify_token" "APIFY" "apify_api_[A-Za-z0-9]{36}";
    "convex_key" "CONVEX" r"prod:[a-z]+-[a-z]+-\d{3}\|[A-Za-z0-9+/=]{40,200}";
    "n8n_key" "N8N" r"n8n_api_[\w.-]{40,}";
    "retool_token" "RETOOL" "retool_[0-9a-z]{26,}";
};
