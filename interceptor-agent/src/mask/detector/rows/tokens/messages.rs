//! Mail, chat, telephony, push, social networks.

use crate::mask::detector::row::Row;

/// One line a kind.
pub const ROWS: &[Row] = tokens! {
    // A bot's id in base64 (digits alone, so few letters are possible), a time, a MAC.
    "discord_token" "DISCORD" r"[MNO][DTjz][AEIMQUYcgk][w-z0-5][MNO][A-Za-z0-9]{19,21}\.[\w-]{6}\.[\w-]{27,38}" r"mfa\.[\w-]{84}";
    "discord_webhook" "DISCORD" r"discord\.com/api/webhooks/\d{17,20}/([\w-]{60,80})" r"discordapp\.com/api/webhooks/\d{17,20}/([\w-]{60,80})";
    "teams_webhook" "TEAMS" r"\.webhook\.office\.com/webhookb2/([0-9a-f]{8}-[\w@/-]{60,200})";
    "zapier_webhook" "ZAPIER" r"hooks\.zapier\.com/hooks/catch/([0-9]{4,10}/[a-z0-9]{5,10})";
    "mailgun_key" "MAILGUN" "key-[0-9a-f]{32}" "pubkey-[0-9a-f]{32}" "[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}";
    "mailchimp_key" "MAILCHIMP" r"[0-9a-f]{32}-us\d{1,2}";
    "mandrill_key" "MANDRILL" r"md-[A-Za-z0-9_-]{22}";
    "brevo_key" "BREVO" "xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}" "xsmtpsib-[0-9a-f]{64}-[A-Za-z0-9]{16}";
    "resend_key" "RESEND" r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}";
    "mailersend_token" "MAILERSEND" "mlsn\\.[0-9a-f]{64}";
    "onesignal_key" "ONESIGNAL" "os_v2_app_[0-9a-z]{103}" "os_v2_org_[0-9a-z]{103}";
    "facebook_token" "FACEBOOK" "EAACEdEose0cBA[A-Za-z0-9]{20,}" "EAA[MCB][A-Za-z0-9]{100,}" r"\b\d{15,16}\|[\w-]{27}";
    "instagram_token" "INSTAGRAM" r"IGQV[\w-]{100,}" r"IGAA[\w-]{100,}";
    "twitter_bearer" "TWITTER" "AAAAAAAAAAAAAAAAAAAAAA[A-Za-z0-9%]{80,120}";
    "linkedin_secret" "LINKEDIN" r"WPL_AP1\.[A-Za-z0-9]{16}\.[\w+/=]{6,10}" r"WPL_AP0\.[A-Za-z0-9]{16}\.[\w+/=]{6,10}";
    "line_token" "LINE" "(?i)channel_access_token[ =:'\"]{1,5}([A-Za-z0-9+/]{170,175}=?)";
    "kakao_admin_key" "KAKAO" "KakaoAK ([0-9a-f]{32})";
    "naver_secret" "NAVER" "(?i)X-Naver-Client-Secret[ =:'\"]{1,5}([A-Za-z0-9_]{10})";
    "typeform_token" "TYPEFORM" r"tfp_[\w=.-]{40,60}";
    "messagebird_key" "MESSAGEBIRD" "AccessKey ([A-Za-z0-9]{25})";
    "vonage_jwt_secret" "VONAGE" "(?i)vonage_api_secret[ =:'\"]{1,5}([A-Za-z0-9]{16})";
    "courier_key" "COURIER" "pk_prod_[A-Z0-9]{28}";
    "twitch_oauth" "TWITCH" "oauth:[a-z0-9]{30}";
    "dropbox_token" "DROPBOX" r"sl\.[A-Za-z][\w-]{130,1500}" r"sl\.u\.[\w-]{130,1500}";
    "novu_key" "NOVU" "(?i)ApiKey ([0-9a-f]{32})";
    "matrix_token" "MATRIX" r"syt_[A-Za-z0-9+/=]{2,64}_[A-Za-z]{20}_[A-Za-z0-9]{6}";
    "spotify_token" "SPOTIFY" r"BQ[A-D][\w-]{150,300}";
    "pipedream_webhook" "PIPEDREAM" r"https://([0-9a-f]{16,32})\.m\.pipedream\.net";
};
