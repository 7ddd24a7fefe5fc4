//! Sales, support, documents, forms, content.

use crate::mask::detector::row::Row;

/// One line a kind.
pub const ROWS: &[Row] = tokens! {
    "hubspot_token" "HUBSPOT"
        "pat-na1-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
        "pat-eu1-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    "salesforce_token" "SALESFORCE" r"00D[A-Za-z0-9]{12,15}![\w.]{80,120}" r"3MVG9[\w.]{80,}" r"5Aep861[\w.]{40,}";
    "zoho_token" "ZOHO" r"1000\.[0-9a-f]{32}\.[0-9a-f]{32}";
    "calcom_key" "CALCOM" "cal_live_[0-9a-f]{32}" "cal_test_[0-9a-f]{32}";
    "imagekit_key" "IMAGEKIT" "private_[A-Za-z0-9+/]{27}=";
    "cloudinary_url" "CLOUDINARY" r"cloudinary://\d{15}:([\w-]{27})@";
    "storyblok_token" "STORYBLOK" "sb-[A-Za-z0-9]{22}tt";
    "prismic_token" "PRISMIC" r"MC5[A-Za-z0-9]{20,30}\.[\w-]{40,140}";
    "contentstack_token" "CONTENTSTACK" "cs[0-9a-f]{24}";
    "ramp_secret" "RAMP" "ramp_sec_[A-Za-z0-9]{48}" "ramp_business_tok_[A-Za-z0-9]{42}";
    "brex_token" "BREX" "bxt_[A-Za-z0-9]{36,64}";
    "apollo_key" "APOLLO" r"service:[\w-]{1,40}:([A-Za-z0-9_-]{22})" r"user:gh\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:([\w-]{22})";
    "voiceflow_key" "VOICEFLOW" r"VF\.DM\.[0-9a-f]{24}\.[A-Za-z0-9]{16}";
};
