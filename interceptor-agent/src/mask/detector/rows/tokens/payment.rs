//! Payments, shops, money.

use crate::mask::detector::row::Row;

/// One line a kind.
pub const ROWS: &[Row] = tokens! {
    "shopify_token" "SHOPIFY"
        "shpat_[0-9A-Fa-f]{32}" "shpca_[0-9A-Fa-f]{32}" "shppa_[0-9A-Fa-f]{32}" "shpss_[0-9A-Fa-f]{32}" "shptka_[0-9A-Fa-f]{32}";
    "square_token" "SQUARE" r"sq0atp-[\w-]{22,60}" r"sq0csp-[\w-]{43}" r"EAAA[\w-]{60}";
    "paypal_token" "PAYPAL" r"access_token\$production\$[0-9a-z]{16}\$[0-9a-f]{32}" r"access_token\$sandbox\$[0-9a-z]{16}\$[0-9a-f]{32}";
    "plaid_token" "PLAID"
        "access-sandbox-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
        "access-development-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
        "access-production-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    "flutterwave_key" "FLUTTERWAVE"
        "FLWSECK_TEST-[0-9A-Za-z]{32}-X" "FLWPUBK_TEST-[0-9A-Za-z]{32}-X" "FLWSECK_TEST-?[0-9A-Za-z]{12}" "FLWSECK-[0-9A-Za-z]{32}-X";
    "razorpay_key" "RAZORPAY" "rzp_live_[A-Za-z0-9]{14}" "rzp_test_[A-Za-z0-9]{14}";
    "easypost_key" "EASYPOST" "EZ[AT]K[A-Za-z0-9]{54}";
    "shippo_token" "SHIPPO" "shippo_live_[0-9A-Fa-f]{40}" "shippo_test_[0-9A-Fa-f]{40}";
    "duffel_token" "DUFFEL" r"duffel_live_[\w=-]{43}" r"duffel_test_[\w=-]{43}";
    "lob_key" "LOB" "live_[0-9a-f]{35}" "test_[0-9a-f]{35}" "live_pub_[0-9a-f]{31}" "test_pub_[0-9a-f]{31}";
    "gocardless_token" "GOCARDLESS" r"live_[A-Za-z0-9][\w=-]{39}";
    "mollie_key" "MOLLIE" "live_[A-Za-z0-9]{30}" "test_[A-Za-z0-9]{30}";
    "paddle_key" "PADDLE" r"pdl_live_apikey_[0-9a-z]{26}_[A-Za-z0-9]{22}_[A-Za-z0-9]{3}" r"pdl_sdbx_apikey_[0-9a-z]{26}_[A-Za-z0-9]{22}_[A-Za-z0-9]{3}";
    "polar_token" "POLAR" r"polar_pat_\w{40,}" r"polar_oat_\w{40,}";
    "woocommerce_key" "WOOCOMMERCE" "c[ks]_[0-9a-f]{40}";
    "checkout_key" "CHECKOUT" "sk_sbox_[0-9a-z]{26,30}" "sk_[0-9a-z]{27}";
    "adyen_key" "ADYEN" r"AQE[\w+/=-]{100,250}";
    "xendit_key" "XENDIT" "xnd_development_[A-Za-z0-9]{30,}" "xnd_production_[A-Za-z0-9]{30,}";
    "midtrans_key" "MIDTRANS" r"Mid-server-[\w-]{24}";
    "omise_key" "OMISE" "skey_test_[0-9a-z]{19}" "skey_[0-9a-z]{19}";
    "toss_key" "TOSS" r"live_sk_[\w-]{20,40}" r"test_sk_[\w-]{20,40}" r"live_gsk_[\w-]{20,40}" r"test_gsk_[\w-]{20,40}";
};
