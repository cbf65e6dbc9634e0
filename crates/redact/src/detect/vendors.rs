//! Keys and tokens that say by their form who issued them.
//!
//! One line per form: a literal that is in every key of it (the trigger), and
//! what the whole looks like. Forms are those that issuers document.

use std::sync::LazyLock;

use regex::Regex;

/// Literal, pattern. A boundary of words is put around each.
const FORMS: &[(&str, &str)] = &[
    // Models.
    (
        "sk-",
        r"sk-(?:proj-|svcacct-|admin-|None-|ant-(?:api|admin|oat)\d{2}-|or-v1-|lf-)?[A-Za-z0-9_-]{16,200}",
    ),
    ("pk-lf-", r"pk-lf-[0-9a-f-]{36}"),
    ("gsk_", r"gsk_[A-Za-z0-9]{40,64}"),
    ("xai-", r"xai-[A-Za-z0-9]{60,100}"),
    ("pplx-", r"pplx-[A-Za-z0-9]{40,64}"),
    ("hf_", r"hf_[A-Za-z0-9]{30,64}"),
    ("r8_", r"r8_[A-Za-z0-9]{37,40}"),
    ("tvly-", r"tvly-(?:dev-|prod-)?[A-Za-z0-9-]{20,64}"),
    ("pcsk_", r"pcsk_[A-Za-z0-9_]{50,100}"),
    ("fc-", r"fc-[0-9a-f]{32}"),
    ("lsv2_", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    ("asy_sk_", r"asy_sk_[A-Za-z0-9_-]{43}"),
    // Clouds.
    ("AKIA", r"AKIA[A-Z0-9]{16}"),
    ("ASIA", r"ASIA[A-Z0-9]{16}"),
    ("ABIA", r"ABIA[A-Z0-9]{16}"),
    ("AIza", r"AIza[0-9A-Za-z_-]{35}"),
    ("ya29.", r"ya29\.[0-9A-Za-z_-]{20,400}"),
    ("GOCSPX-", r"GOCSPX-[0-9A-Za-z_-]{28}"),
    ("AccountKey=", r"AccountKey=[A-Za-z0-9+/]{60,100}={0,2}"),
    ("do", r"do[oprt]_v1_[0-9a-f]{64}"),
    ("dapi", r"dapi[0-9a-f]{32}(?:-\d)?"),
    ("hvs.", r"hvs\.[A-Za-z0-9_-]{24,150}"),
    ("dp.", r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,40}\.)?[A-Za-z0-9]{40,44}"),
    ("sb", r"sb(?:p|a)_[0-9a-f]{40}"),
    ("CFPAT-", r"CFPAT-[A-Za-z0-9_-]{43}"),
    // Code and packages.
    ("ghp_", r"ghp_[A-Za-z0-9]{36,251}"),
    ("gho_", r"gho_[A-Za-z0-9]{36,251}"),
    ("ghu_", r"ghu_[A-Za-z0-9]{36,251}"),
    ("ghs_", r"ghs_[A-Za-z0-9]{36,251}"),
    ("ghr_", r"ghr_[A-Za-z0-9]{36,251}"),
    ("github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}"),
    ("glpat-", r"glpat-[A-Za-z0-9_.-]{20,64}"),
    ("gldt-", r"gldt-[A-Za-z0-9_-]{20,64}"),
    ("glrt-", r"glrt-[A-Za-z0-9_-]{20,64}"),
    ("npm_", r"npm_[A-Za-z0-9]{36}"),
    ("pypi-", r"pypi-[A-Za-z0-9_-]{50,300}"),
    ("ATATT3", r"ATATT3[A-Za-z0-9_=-]{100,250}"),
    ("PMAK-", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    ("lin_api_", r"lin_api_[A-Za-z0-9]{32,64}"),
    ("ntn_", r"ntn_[A-Za-z0-9]{43,50}"),
    ("figd_", r"figd_[A-Za-z0-9_-]{40,64}"),
    // Money, mail, messages.
    ("_live_", r"(?:sk|rk|pk)_live_[A-Za-z0-9]{16,250}"),
    ("_test_", r"(?:sk|rk|pk)_test_[A-Za-z0-9]{16,250}"),
    ("whsec_", r"whsec_[A-Za-z0-9+/]{24,64}={0,2}"),
    ("shp", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("sq0", r"sq0(?:atp|csp)-[A-Za-z0-9_-]{22,43}"),
    ("SG.", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
    ("key-", r"key-[0-9a-f]{32}"),
    ("-us", r"[0-9a-f]{32}-us\d{1,2}"),
    ("SK", r"SK[0-9a-f]{32}"),
    ("xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,250}"),
    ("xapp-", r"xapp-\d-[A-Z0-9]{5,20}-\d{5,20}-[0-9a-f]{30,80}"),
    ("hooks.slack.com", r"hooks\.slack\.com/services/[A-Z0-9]{6,20}/[A-Z0-9]{6,20}/[A-Za-z0-9]{16,40}"),
    (":AA", r"\d{8,10}:AA[A-Za-z0-9_-]{33}"),
    // Monitoring.
    ("NRAK-", r"NRAK-[A-Z0-9]{27}"),
    ("glsa_", r"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}"),
    ("glc_", r"glc_[A-Za-z0-9+/]{32,400}={0,2}"),
    ("sntr", r"sntr(?:ys|yu)_[A-Za-z0-9+/=_-]{40,400}"),
    ("phx_", r"ph[xc]_[A-Za-z0-9]{40,60}"),
    ("AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
];

/// Each form with its trigger, by number below 128.
pub(super) fn literals() -> impl Iterator<Item = (usize, &'static str)> {
    FORMS.iter().map(|(literal, _)| *literal).enumerate()
}

static COMPILED: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let compile =
        |(_, form): &(&str, &str)| Regex::new(&format!(r"\b(?:{form})")).expect("a pattern of the program");
    FORMS.iter().map(compile).collect()
});

/// Adds the keys whose triggers (bits by number) are in the text.
pub(super) fn find(text: &str, triggers: u128, add: &mut impl FnMut(usize, usize)) {
    for (number, form) in COMPILED.iter().enumerate() {
        if triggers & (1 << number) == 0 {
            continue;
        }
        for found in form.find_iter(text) {
            let goes_on = text[found.end()..].bytes().next().is_some_and(super::is_word);
            if !goes_on && is_random(found.as_str()) {
                add(found.start(), found.end());
            }
        }
    }
}

/// Whether a key looks drawn, not written: `sk-learn-and-other-long-names` is none.
fn is_random(key: &str) -> bool {
    let longest = key.split(['-', '_', '.', '/']).max_by_key(|part| part.len()).unwrap_or_default();
    let has_digit = longest.bytes().any(|byte| byte.is_ascii_digit());
    let distinct = key.bytes().fold([false; 128], |mut seen, byte| {
        seen[usize::from(byte & 127)] = true;
        seen
    });
    (longest.len() >= 16 || (longest.len() >= 8 && has_digit))
        && distinct.into_iter().filter(|is_there| *is_there).count() >= 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut all = Vec::new();
        find(text, u128::MAX, &mut |start, end| all.push(&text[start..end]));
        all
    }

    #[test]
    fn forms_fit_into_the_bits() {
        assert!(FORMS.len() <= 128);
        assert_eq!(COMPILED.len(), FORMS.len());
    }

    #[test]
    fn every_form_contains_its_trigger() {
        let is_in = |(literal, form): &(&str, &str)| {
            let plain = form.replace('\\', "").to_lowercase();
            let first = literal.to_lowercase();
            plain.contains(&first)
        };
        for form in FORMS {
            // Where letters vary, the trigger stands for what they share.
            assert!(is_in(form) || ["_live_", "_test_", "phx_"].contains(&form.0), "{form:?}");
        }
    }

    #[test]
    fn keys_are_found() {
        let body = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z6";
        let hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        for key in [
            format!("sk-proj-{body}"),
            format!("sk-ant-api03-{body}"),
            format!("sk-{}", &body[..48]),
            format!("ghp_{}", &body[..36]),
            format!("github_pat_{body}"),
            format!("glpat-{}", &body[..20]),
            format!("xoxb-123456789012-{}", &body[..24]),
            format!("sk_live_{}", &body[..24]),
            format!("AIza{}", &body[..35]),
            "AKIAIOSFODNN7EXAMPLE".replace("EXAMPLE", "Q2W3E4R"),
            format!("lsv2_pt_{}_{}", &hex[..32], &hex[..10]),
            format!("asy_sk_{}", &body[..43]),
            format!("hf_{}", &body[..34]),
            format!("dop_v1_{hex}"),
            format!("SG.{}.{}", &body[..22], &body[..43]),
            format!("123456789:AA{}", &body[..33]),
            format!("{}-us12", &hex[..32]),
        ] {
            assert_eq!(found(&format!("key={key}, next")), [key.as_str()]);
            assert_eq!(found(&format!("\"{key}\"")), [key.as_str()]);
        }
    }

    #[test]
    fn names_that_begin_alike_are_none() {
        for text in [
            "sk-learn-pipelines-and-estimators-2024",
            "task-sk-0",
            "disk-usage-of-the-machine-123456",
            "hf_hub_download",
            "sk-000000000000000000000000",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
