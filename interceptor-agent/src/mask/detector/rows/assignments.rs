//! Secrets of no vendor that are known: what a name with a word for a secret in it is given, where that looks made by a
//! generator or, for passwords, chosen by somebody.

mod kubernetes;

use std::ops::Range;

use memchr::memmem;

use crate::mask::detector::{
    assignment::{assigned, is_about},
    check::is_placeholder,
    generated::{is_chosen, is_generated, is_identifier, is_type},
    row::{Row, Site},
    source_code::line_before,
};

/// Values that only their name gives away.
pub const ROWS: &[Row] = &[
    Row {
        patterns: &[
            "(?i)token",
            "(?i)secret",
            "(?i)credential",
            "(?i)api[_. -]?key",
            "(?i)private[_. -]?key",
            "(?i)access[_. -]?key",
            "(?i)auth[_. -]?key",
            "(?i)account[_. -]?key",
            "(?i)master[_. -]?key",
            "(?i)signing[_. -]?key",
            "(?i)encryption[_. -]?key",
            "(?i)license[_. -]?key",
            "(?i)session[_-]?id",
            "(?i)authorization",
        ],
        check: secret,
        confidence: 0.75,
        hits: &[
            "API_TOKEN=»q1Wd8Ke5Rf2Tg9Yh6Uj3«",
            r#"{"client_secret": "»0123456789abcdef0123«", "n": 1}"#,
            r#"{\"apiKey\": \"»Zf3D0LXCM3EIMbgJpUNn«\"}"#,
            "  \"access_token\" => '»eyJ0eXAioiJKV1slS3oASx==«'",
            "curl -X POST --header \"Api-Token: »Sk94HG7f6KB«\"",
            "Authorization: Token »22cb987851bc5659229114c62e60c79abd0d2c08«",
            "import a\nimport b\nimport c\nimport d\nf(\"cache:6380,token=»aGkTzRvbx3WmPaLdYfGh«,ssl=True\");\nx.token = fts5FindTokenizer_v2;\n",
            "<apiToken>\n  »pisvcviijaakb1auy«\n</apiToken>",
        ],
        misses: &[
            "token = tokens.next_token(a1b2c3)",
            "secret: your1api2key3here4",
            "API_KEY=${API_KEY} api_key=<key> token: {{ .Values.token1a2b3c4d }}",
            "credentialsId: '29f63271-dc2f-4734-8221-5b31b5169bac'",
            "access_token_url = \"a1b2c3d4e5f6g7h8i9\"",
            "let private_key: EcPrivateKeyRfc5915Der = 1;",
            "def f(private_key: ed25519.Ed25519PrivateKey, x): pass",
            "client_secret%3Dpassword&token=secret%3Dpassword",
            "secretSize must be >= XXH3_SECRET_SIZE_MIN",
        ],
        ..Row::new("assigned_secret", "SECRET")
    },
    Row {
        patterns: &[
            "(?i)passw",
            "(?i)passphrase",
            "(?i)pwd",
            "(?i)[_.-]pass",
            "(?i)[_.-]pw",
        ],
        check: password,
        confidence: 0.7,
        hits: &[
            "password: »Tr0ub4dor&3«",
            "DB_PASSWORD=»Winter2024!«",
            "\"passwd\": \"»thisIsDog11«\"",
            "administrator_login_password = \"»thisIsDog11«\"",
            "passwd = »BbUnfnze9VD9.VEmdL3NL48bZ5xG0L«",
            "using A;\nusing B;\nusing C;\nusing D;\nvar cs = \"Server=db01;User Id=app;Password=»chosen_by_ann_99«;Encrypt=true\";\n",
            "if a; then\nif b; then\nif c; then\nif d; then\nmysqldump --password=»chosen_by_ann_99«; echo\n",
            r#"password = "»ab\cd1!ef\\gh«" and {\"password\": \"»ab1!cdef«\"}"#,
        ],
        misses: &[
            "password: changeme123456",
            "password = get_password(user1)",
            "passwordFile: /run/secrets/db1",
            "password = \"$(cat file1)\"",
            "password combination.\n\nR5: Regulatory--21",
            "if password2 == password1:",
            "SOCK_OPS_PASSIVE_CB: _bindgen_ty_30 = 5;",
            "Moved(\"HTTPPasswordMgr\", \"urllib2\", \"urllib.request\")",
        ],
        ..Row::new("assigned_password", "PASSWORD")
    },
    Row {
        patterns: &["(?i)ClearTextPassword['\x22] +value=['\x22]([!#-&(-~]{6,128})['\x22]"],
        check: |site| {
            let blank = is_placeholder(site.bytes(site.value.clone()));
            (!blank).then(|| site.value.clone())
        },
        hits: &["<add key=\"ClearTextPassword\" value=\"»TestSourcePassword«\" />"],
        misses: &["<add key=\"ClearTextPassword\" value=\"XXXXXXXXXXX\" />"],
        ..Row::new("nuget_password", "PASSWORD")
    },
    Row {
        patterns: &["(?i)-u[ =]", "(?i)--user[ =]"],
        check: curl_user,
        confidence: 0.85,
        hits: &[
            "curl https://infinispan:11222/rest -d 'world' -u developer:»yqDVtkqPECriaLRi«",
            "curl --user kevin:'»pRf7vG2h1L8nQkW9«' -iX PATCH",
            "$ curl https://api.example.com/token --user \"c28wlsosanujy2z:»qgsnai0xokrw4j1«\" --data",
        ],
        misses: &[
            "curl -u <user:password> https://example.com, curl -i -u 'test:test'",
            "curl -u \"${_username}:${_password}\" curl --user \"xxx:yyy\" curl -u \":\" x",
            "curl --user \"username:password\" curl --user src@gmail.com",
            "docker run -u 1000:a1b2c3d4e5f6g7",
        ],
        ..Row::new("curl_password", "PASSWORD")
    },
    Row {
        patterns: &["kind:[ '\x22]{0,4}[Ss]ecret", "kind\x22 ?: ?\x22Secret"],
        each: Some(kubernetes::values),
        hits: &[
            "apiVersion: v1\nkind: Secret\ndata:\n\t# a comment\n\tpassword: »UyFCXCpkJHpEc2I9«\n\tusername: »YWRtaW4=«\ntype: Opaque\n",
            "data:\n  .dockercfg: |\n    »eyJhdXRocyI6eyJodHRwcz«\nmetadata:\n  name: x\nkind: Secret\n",
            "kind: Secret\nstringData:\n  key: \"»plain text«\"",
            r#"{"kind":"Secret","data":{"key":"»bXlwYXNzd29yZA==«"},"metadata":{"name":"x-y-z-secret"}}"#,
        ],
        misses: &[
            "kind: ExternalSecret\ndata:\n  key: MySecretManagerKey\nkind: SecretStore",
            "kind: Secret\ndata:\n  htpasswd: \"\"\n  b: {{ htpasswd }}\n---\nkind: ConfigMap\ndata:\n  key: bXlwYXNzd29yZA==",
        ],
        ..Row::new("kubernetes_secret", "SECRET")
    },
];

fn secret(site: &Site<'_>) -> Option<Range<usize>> {
    let found = assigned(site.text, site.all.clone())?;
    let is_secret =
        !is_about(site.bytes(found.name)) && is_generated(site.bytes(found.value.clone()));
    let value = site.bytes(found.value.clone());
    let is_secret = is_secret && (found.quoted || !is_type(value) && !is_name(site, &found.value));
    is_secret.then_some(found.value)
}

fn password(site: &Site<'_>) -> Option<Range<usize>> {
    // `PASSIVE` is no password.
    let goes_on = site.after(1).first().is_some_and(u8::is_ascii_alphabetic);
    if goes_on && site.bytes(site.all.start..site.all.start + 1)[0].is_ascii_punctuation() {
        return None;
    }
    let found = assigned(site.text, site.all.clone())?;
    let value = site.bytes(found.value.clone());
    let is_password = !is_about(site.bytes(found.name))
        && (is_generated(value) || is_chosen(value, found.quoted && !found.listed))
        && (found.quoted || !is_name(site, &found.value));
    is_password.then_some(found.value)
}

/// Whether a value without quotes is the name of something in a program: a variable, a type.
fn is_name(site: &Site<'_>, value: &Range<usize>) -> bool {
    let (before, behind) = (&site.text[..value.start], &site.text[value.end..]);
    let ends = match behind {
        // Shells and connection strings have no blank there.
        [b';', ..] => !before.ends_with(b"="),
        _ => matches!(behind, [b')' | b',' | b'|', ..] | [b' ', b'=', ..]),
    };
    ends && is_identifier(site.bytes(value.clone()))
        && !is_in_string(before)
        && site.around.are_code(site.text, value.start)
}

/// Whether what stands before, on the same line, leaves a string open; it may where that line is very long.
fn is_in_string(before: &[u8]) -> bool {
    const LONGEST: usize = 512;
    let open = |quote, line| memchr::memchr_iter(quote, line).count() % 2 == 1;
    line_before(before, LONGEST).is_none_or(|line| b"\"'`".iter().any(|quote| open(*quote, line)))
}

/// The password in curl's `-u user:password`.
fn curl_user(site: &Site<'_>) -> Option<Range<usize>> {
    const REACH: usize = 512;
    memmem::rfind(site.before(REACH), b"curl")?;
    let rest = site.after(REACH);
    let colon = rest
        .iter()
        .position(|byte| byte.is_ascii_whitespace() || *byte == b':')
        .filter(|&at| at > 0 && rest[at] == b':')?;
    let is_edge = |byte: &u8| b"\"'{\\".contains(byte);
    let opening = rest[colon + 1..]
        .iter()
        .take_while(|byte| is_edge(byte))
        .count();
    let start = colon + 1 + opening;
    let length = rest[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_graphic() && !b"\"'\\}".contains(byte))
        .count();
    let value = &rest[start..start + length];
    let user = &rest[..colon];
    let cases =
        value.iter().any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase);
    let varied = cases || value.iter().any(u8::is_ascii_digit);
    (length >= 6
        && varied
        && !is_placeholder(value)
        && !b"$<%{".contains(&value[0])
        && !user.ends_with(value))
    .then(|| site.all.end + start..site.all.end + start + length)
}
