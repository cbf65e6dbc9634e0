//! Our script and style, and the policy that allows nothing but them.
//!
//! The modules in `assets/` are ordinary ES modules, served one by one by a
//! server. A page that must open from a file cannot import, so [`script`]
//! joins them: imports go, `export` is dropped, names stay (they are unique
//! across modules, which a test checks).

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// The style sheet.
pub(super) const STYLE: &str =
    concat!(include_str!("../../assets/base.css"), include_str!("../../assets/report.css"));

/// Runs before anything is drawn: notes that there is a script, and the chosen theme and density.
pub(super) const EARLY_SCRIPT: &str = include_str!("../../assets/early.js");

/// Modules in the order of their dependencies.
const MODULES: [&str; 13] = [
    include_str!("../../assets/format.js"),
    include_str!("../../assets/dom.js"),
    include_str!("../../assets/source.js"),
    include_str!("../../assets/data.js"),
    include_str!("../../assets/router.js"),
    include_str!("../../assets/tree.js"),
    include_str!("../../assets/prose.js"),
    include_str!("../../assets/threads.js"),
    include_str!("../../assets/conversation.js"),
    include_str!("../../assets/map-colors.js"),
    include_str!("../../assets/map-area.js"),
    include_str!("../../assets/map.js"),
    include_str!("../../assets/report.js"),
];

/// All modules as one.
pub(super) fn script() -> &'static str {
    static SCRIPT: LazyLock<String> = LazyLock::new(|| {
        let mut out = String::new();
        for line in MODULES.iter().flat_map(|module| module.lines()) {
            if line.starts_with("import ") {
                continue;
            }
            out.push_str(line.strip_prefix("export ").unwrap_or(line));
            out.push('\n');
        }
        out
    });
    &SCRIPT
}

/// The content security policy of the page. No source at all but our own inline script and style.
pub(super) fn policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        format!(
            "default-src 'none'; script-src {} {}; style-src {}; img-src data:; base-uri 'none'; \
             form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
            hash(EARLY_SCRIPT),
            hash(script()),
            hash(STYLE)
        )
    });
    &POLICY
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn modules_join_without_two_names_alike() {
        let mut names = BTreeSet::new();
        for line in script().lines() {
            for keyword in ["function ", "const ", "let ", "class ", "async function "] {
                let Some(rest) = line.strip_prefix(keyword) else { continue };
                let name: String = rest
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '$')
                    .collect();
                assert!(!name.is_empty(), "destructuring at the top level cannot be checked: {line}");
                assert!(names.insert(name.clone()), "{name} is declared by two modules");
            }
        }
        assert!(names.len() > 20);
    }

    #[test]
    fn modules_hold_nothing_that_could_run_text_or_end_the_script() {
        let all = format!("{}{}", EARLY_SCRIPT, script());
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "</script",
            "<!--",
            "fetch(",
            "XMLHttpRequest",
            "import(",
            "http:",
            "https:",
            "srcdoc",
        ] {
            let found = all.match_indices(forbidden).count();
            // The SVG namespace is a name, not an address.
            let allowed = usize::from(forbidden == "http:");
            assert!(found <= allowed, "{forbidden} in the page's script");
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("</style") && !STYLE.contains("@import"));
    }
}
