//! Styles and modules as a server hands them out, one by one.
//!
//! They lie under `/assets/<version>/`, where the version is a digest of all of
//! them: modules import each other by relative paths, and whatever is under one
//! version never changes, so browsers may keep it for good.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// A file for the browser.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    pub bytes: &'static [u8],
    pub content_type: &'static str,
    /// Of all assets; the segment of the path before the name.
    pub version: &'static str,
}

macro_rules! assets {
    ($($name:literal),+ $(,)?) => {
        const ASSETS: &[(&str, &[u8])] = &[
            // A report that is a file reads its data from the file; here it is asked for.
            ("source.js", include_bytes!("../../assets/web/source.js")),
            $(($name, include_bytes!(concat!("../../assets/", $name)))),+
        ];
    };
}

// One line each, in order of the alphabet.
assets![
    "base.css",
    "conversation.js",
    "data.js",
    "dom.js",
    "early.js",
    "format.js",
    "map-area.js",
    "map-colors.js",
    "map.js",
    "prose.js",
    "report.css",
    "report.js",
    "router.js",
    "threads.js",
    "tree.js",
    "web/api.js",
    "web/dashboard.js",
    "web/datasets.js",
    "web/filters.js",
    "web/folding.js",
    "web/fragment.js",
    "web/icon.svg",
    "web/in-place.js",
    "web/live.js",
    "web/insights.js",
    "web/listing.js",
    "web/menus.js",
    "web/new-report.js",
    "web/projects.js",
    "web/report-edit.js",
    "web/report.js",
    "web/sends.js",
    "web/settings.js",
    "web/shell.js",
    "web/tabs.js",
    "web/thread.js",
    "web/trace.js",
    "web/traces.css",
    "web/web.css",
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut digest = Sha256::new();
    for (name, bytes) in ASSETS {
        digest.update(name.as_bytes());
        digest.update(Sha256::digest(bytes));
    }
    digest.finalize().iter().take(8).fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
});

/// The file of this name; `None` where there is none.
#[must_use]
pub fn asset(name: &str) -> Option<Asset> {
    let (_, bytes) = ASSETS.iter().find(|(known, _)| *known == name)?;
    let content_type = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    Some(Asset { bytes, content_type, version: VERSION.as_str() })
}

/// Where a page finds the file.
pub(super) fn address(name: &str) -> String {
    debug_assert!(ASSETS.iter().any(|(known, _)| *known == name), "no asset {name}");
    format!("/assets/{}/{name}", VERSION.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_import_of_a_module_leads_to_an_asset() {
        for (name, bytes) in ASSETS.iter().filter(|(name, _)| name.ends_with(".js")) {
            let text = std::str::from_utf8(bytes).expect("text");
            let folder = if name.starts_with("web/") { "web/" } else { "" };
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                let path = line.split('"').nth(1).expect("a path");
                let target = match path.strip_prefix("../") {
                    Some(rest) => rest.to_owned(),
                    None => format!("{folder}{}", path.trim_start_matches("./")),
                };
                assert!(asset(&target).is_some(), "{name} imports {path}");
            }
        }
    }

    #[test]
    fn no_module_runs_text_or_asks_another_host() {
        for (name, bytes) in ASSETS {
            let text = std::str::from_utf8(bytes).expect("text");
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "https:",
                "srcdoc",
                "@import",
                "url(",
            ] {
                assert!(!text.contains(forbidden), "{forbidden} in {name}");
            }
        }
    }

    #[test]
    fn the_address_of_an_asset_has_its_version() {
        let version = asset("base.css").expect("there").version;
        assert_eq!(address("base.css"), format!("/assets/{version}/base.css"));
        assert!(asset("../Cargo.toml").is_none() && asset("").is_none());
    }
}
