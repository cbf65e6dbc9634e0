//! Secrets by what surrounds them: PEM blocks, tokens with a readable head,
//! credentials in addresses, values after the words that announce them.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regex::Regex;

/// What announces a secret, in lower case.
pub(super) const WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "accesskey",
    "access_token",
    "accesstoken",
    "auth_token",
    "refresh_token",
    "private_key",
    "authorization",
    "bearer ",
    "credential",
];

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of the program")
}

static PEM: LazyLock<Regex> = LazyLock::new(|| {
    // In JSON within a text the lines end in `\n`, written out. A block that was cut short ends with what is base64.
    pattern(
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s:,.-]|\\[nr])*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\z|[^A-Za-z0-9+/=\s:,.\\-])",
    )
});

pub(super) fn private_keys(text: &str, add: &mut impl FnMut(usize, usize)) {
    for found in PEM.find_iter(text) {
        let whole = found.as_str();
        let is_closed = whole.ends_with("-----") || found.end() == text.len();
        let last = if is_closed { 0 } else { whole.chars().next_back().map_or(0, char::len_utf8) };
        add(found.start(), found.end() - last);
    }
}

static JWT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(eyJ[A-Za-z0-9_-]{8,})\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,3}"));

pub(super) fn jwts(text: &str, add: &mut impl FnMut(usize, usize)) {
    for found in JWT.captures_iter(text) {
        let (Some(whole), Some(head)) = (found.get(0), found.get(1)) else { continue };
        let head = URL_SAFE_NO_PAD.decode(head.as_str()).unwrap_or_default();
        let head: serde_json::Value = serde_json::from_slice(&head).unwrap_or_default();
        if head.get("alg").is_some() || head.get("enc").is_some() {
            add(whole.start(), whole.end());
        }
    }
}

static USER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/:@"'<>]{0,256}:([^\s/@"'<>]{1,256})@"#));
static PARAMETER: LazyLock<Regex> = LazyLock::new(|| {
    let names = "(?:x-amz-signature|x-amz-security-token|x-amz-credential|x-goog-signature|sig|signature|access_token|refresh_token|id_token|auth_token|token|api[_-]?key|key|secret|client_secret|password|passwd|pwd|auth|code|sas)";
    pattern(&format!(r#"(?i)[?&#;]{names}=([^\s&#"'<>\\]{{6,}})"#))
});

/// The password of a user and values of tell-tale parameters.
pub(super) fn in_urls(text: &str, add: &mut impl FnMut(usize, usize)) {
    for form in [&*USER, &*PARAMETER] {
        for found in form.captures_iter(text) {
            let Some(value) = found.get(1).filter(|value| !is_stand_in(value.as_str())) else { continue };
            add(value.start(), value.end());
        }
    }
}

static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
    let names = r"(?:[a-z0-9]+[_-])*(?:password|passwd|passphrase|pwd|secret|api[_-]?key|access[_-]?key|access[_-]?token|auth[_-]?token|refresh[_-]?token|client[_-]?secret|private[_-]?key|secret[_-]?(?:access[_-]?)?key|credentials?)";
    // Quotes may be escaped: JSON in a text. A sentence says "is".
    pattern(&format!(
        r#"(?i)\b{names}(?:\\?["'])?(?:\s*(?:=>|:=|[:=])\s*|\s+is\s+)(?:\\?(["'])([^"'\\\r\n]{{4,256}})|([^\s"'\\,;&|<>(){{}}\[\]]{{6,256}}))"#
    ))
});
static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)(?:\bauthorization\\?["']?\s*[:=]\s*\\?["']?(?:(?:bearer|basic|token|apikey)\s+)?|\bbearer\s+)([a-z0-9._~+/=-]{16,})"#,
    )
});

pub(super) fn assigned(text: &str, add: &mut impl FnMut(usize, usize)) {
    for found in ASSIGNED.captures_iter(text) {
        let quoted = found.get(2).filter(|value| !is_stand_in(value.as_str()));
        let bare = found.get(3).filter(|value| is_random(value.as_str().trim_end_matches(['.', '!', '?'])));
        for value in [quoted, bare].into_iter().flatten() {
            let end = value.as_str().trim_end_matches(['.', '!', '?']).len();
            add(value.start(), value.start() + end);
        }
    }
    for found in HEADER.captures_iter(text) {
        let Some(value) = found.get(1).filter(|value| is_random(value.as_str())) else { continue };
        add(value.start(), value.end());
    }
}

/// Whether a bare value looks chosen, not like a word of a sentence or of a program.
fn is_random(value: &str) -> bool {
    let has = |of: fn(&char) -> bool| value.chars().any(|c| of(&c));
    let is_mixed = has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase);
    let is_name = value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '.' | '_' | '-' | '/'));
    (has(char::is_ascii_digit) || is_mixed || has(|c| !c.is_ascii_alphanumeric()))
        && !is_name
        && !is_stand_in(value)
}

/// What stands where a secret would: variables, placeholders (also our own), types.
fn is_stand_in(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let is_reference = ["${", "$(", "{{", "<", "[", "%(", "%{", "os.", "process.env", "env."]
        .iter()
        .any(|start| lower.starts_with(start))
        || (value.starts_with('$')
            && value[1..].chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    let is_word = [
        "string",
        "str",
        "none",
        "null",
        "true",
        "false",
        "undefined",
        "required",
        "optional",
        "redacted",
        "your",
        "changeme_",
        "example",
        "password",
        "text",
        "secretstr",
    ]
    .iter()
    .any(|word| lower == *word);
    let is_blank = value.chars().all(|c| matches!(c, '*' | 'x' | 'X' | '.' | '•' | '-' | '_'));
    is_reference || is_word || is_blank || lower.starts_with("your_") || lower.starts_with("your-")
}

/// Keys of objects whose text values are secrets: `password`, `openai_api_key`, `X-Api-Key`, ...
pub(super) fn is_key(key: &str) -> bool {
    if key.len() > 64 {
        return false;
    }
    let plain: String =
        key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let ends = [
        "password",
        "passwd",
        "passphrase",
        "apikey",
        "secretkey",
        "secretaccesskey",
        "accesstoken",
        "refreshtoken",
        "authtoken",
        "sessiontoken",
        "idtoken",
        "clientsecret",
        "privatekey",
        "apisecret",
        "apitoken",
        "bearertoken",
    ];
    ends.iter().any(|end| plain.ends_with(end))
        || matches!(
            plain.as_str(),
            "pwd"
                | "secret"
                | "authorization"
                | "proxyauthorization"
                | "cookie"
                | "setcookie"
                | "credential"
                | "credentials"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(find: fn(&str, &mut dyn FnMut(usize, usize)), text: &str, expected: &[&str]) {
        let mut found = Vec::new();
        find(text, &mut |start, end| found.push(&text[start..end]));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn private_keys_are_found_whole_or_cut_short() {
        let find: fn(&str, &mut dyn FnMut(usize, usize)) = |text, mut add| private_keys(text, &mut add);
        for kind in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
            let key = format!(
                "-----BEGIN {kind}PRIVATE KEY-----\nMIIEvQIBADANBg+/kqhkiG9w0==\nabc=\n-----END {kind}PRIVATE KEY-----"
            );
            check(find, &format!("a {key} b"), &[&key]);
            let in_json = key.replace('\n', "\\n");
            check(find, &format!("{{\"key\": \"{in_json}\"}}"), &[&in_json]);
        }
        check(find, "x -----BEGIN PRIVATE KEY-----\nMIIEvQIB", &["-----BEGIN PRIVATE KEY-----\nMIIEvQIB"]);
        check(
            find,
            "\"-----BEGIN PRIVATE KEY-----\\nMIIEvQIB\" rest",
            &["-----BEGIN PRIVATE KEY-----\\nMIIEvQIB"],
        );
        check(find, "-----BEGIN CERTIFICATE-----\nMIIEvQIB\n-----END CERTIFICATE-----", &[]);
    }

    #[test]
    fn tokens_are_told_by_their_head() {
        let find: fn(&str, &mut dyn FnMut(usize, usize)) = |text, mut add| jwts(text, &mut add);
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
        check(find, &format!("Bearer {token};"), &[token]);
        check(find, "eyJub3RoaW5nIjoxfQ.eyJub3RoaW5nIjoxfQ.eyJub3RoaW5nIjoxfQ", &[]);
    }

    #[test]
    fn addresses_keep_everything_but_the_secret() {
        let find: fn(&str, &mut dyn FnMut(usize, usize)) = |text, mut add| in_urls(text, &mut add);
        check(find, "postgres://app:hunter2@db:5432/x", &["hunter2"]);
        check(find, "https://x.io/a?page=2&api_key=abcdef123&b=c", &["abcdef123"]);
        check(find, "https://s3.aws/x?X-Amz-Signature=0a1b2c3d4e5f", &["0a1b2c3d4e5f"]);
        check(find, "https://x.io:8080/a@b?page=abcdefgh", &[]);
        check(find, "postgres://app:${PASSWORD}@db/x https://x.io/?token=[SECRET]", &[]);
    }

    #[test]
    fn announced_values_are_found() {
        let find: fn(&str, &mut dyn FnMut(usize, usize)) = |text, mut add| assigned(text, &mut add);
        check(find, "password=hunter2x", &["hunter2x"]);
        check(find, "DB_PASSWORD: \"correct horse\"", &["correct horse"]);
        check(find, r#"{\"api_key\": \"abcd1234\"}"#, &["abcd1234"]);
        check(find, "my password is Tr0ub4dor.", &["Tr0ub4dor"]);
        check(find, "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", &["wJalrXUtnFEMI/K7MDENG"]);
        check(find, "Authorization: Basic dXNlcjpwYXNzd29yZDEyMw==", &["dXNlcjpwYXNzd29yZDEyMw=="]);
        check(find, "curl -H 'Authorization: Bearer abcdefghij1234567890'", &["abcdefghij1234567890"]);
    }

    #[test]
    fn talk_about_secrets_is_none() {
        let find: fn(&str, &mut dyn FnMut(usize, usize)) = |text, mut add| assigned(text, &mut add);
        for text in [
            "password: string",
            "the password is required",
            "password = getpass()",
            "api_key=os.environ[\"KEY\"]",
            "api_key=${API_KEY}",
            "reset your password: follow the link",
            "\"password\": \"[SECRET]\"",
            "bearer of bad news",
            "password: ********",
            "secret=config.secret",
            "the secret is out",
            "api_key: <your key>",
        ] {
            check(find, text, &[]);
        }
    }

    #[test]
    fn keys_of_objects_announce_too() {
        for key in [
            "password",
            "user_password",
            "X-Api-Key",
            "OPENAI_API_KEY",
            "authorization",
            "clientSecret",
            "refresh_token",
        ] {
            assert!(is_key(key), "{key}");
        }
        for key in [
            "token",
            "tokens",
            "key",
            "keys",
            "max_tokens",
            "password_hint_shown",
            "secretary",
            "passwords_changed",
        ] {
            assert!(!is_key(key), "{key}");
        }
    }
}
