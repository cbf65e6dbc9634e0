//! Checks of the house: who may import whom, and that every module says what it is for.

/// Which of our own crates each may use. Whoever adds an edge explains it here and in `ARCHITECTURE.md`.
#[cfg(test)]
const MAY_USE: &[(&str, &[&str])] = &[
    ("assay-domain", &[]),
    ("assay-transcript", &["assay-domain"]),
    ("assay-wire", &["assay-domain", "assay-transcript"]),
    ("assay-store", &["assay-domain"]),
    ("assay-llm", &["assay-domain"]),
    ("assay-redact", &["assay-domain"]),
    // It must not know what it stands in for.
    ("assay-standin", &[]),
    ("assay-insights", &["assay-domain", "assay-transcript", "assay-store", "assay-llm"]),
    ("assay-ui", &["assay-domain", "assay-transcript"]),
    // Jobs run the analysis, and their reports leave as files.
    (
        "assay-server",
        &[
            "assay-domain",
            "assay-transcript",
            "assay-wire",
            "assay-store",
            "assay-redact",
            "assay-llm",
            "assay-insights",
            "assay-ui",
        ],
    ),
    (
        "assay",
        &[
            "assay-domain",
            "assay-transcript",
            "assay-wire",
            "assay-store",
            "assay-llm",
            "assay-insights",
            "assay-ui",
            "assay-server",
            "assay-redact",
        ],
    ),
    ("xtask", &[]),
];

/// Foreign crates that only some of ours may use.
#[cfg(test)]
const ONLY: &[(&str, &[&str])] = &[
    ("rusqlite", &["assay-store"]),
    ("opentelemetry-proto", &["assay-wire"]),
    ("prost", &["assay-wire"]),
    ("clap", &["assay"]),
    ("askama", &["assay-ui"]),
    ("axum", &["assay-server", "assay-standin"]),
    // Models, and the webhooks of alerts.
    ("reqwest", &["assay-llm", "assay-server"]),
];

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// (package, its ordinary dependencies) of the workspace.
    fn packages() -> Vec<(String, Vec<String>)> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = std::process::Command::new(cargo)
            .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
            .current_dir(crate::root())
            .output()
            .expect("cargo metadata");
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let dependencies = |package: &serde_json::Value| {
            let all = package["dependencies"].as_array().into_iter().flatten();
            all.filter(|one| one["kind"].is_null()).map(|one| text(&one["name"])).collect()
        };
        let listed = metadata["packages"].as_array().into_iter().flatten();
        listed.map(|package| (text(&package["name"]), dependencies(package))).collect()
    }

    #[test]
    fn dependencies_point_one_way() {
        let packages = packages();
        assert!(packages.len() >= MAY_USE.len());
        for (package, dependencies) in packages {
            let (_, allowed) = MAY_USE
                .iter()
                .find(|(name, _)| *name == package)
                .unwrap_or_else(|| panic!("say in xtask/src/tidy.rs what {package} may use"));
            for dependency in dependencies {
                let is_ours = MAY_USE.iter().any(|(name, _)| *name == dependency);
                assert!(
                    !is_ours || allowed.contains(&dependency.as_str()),
                    "{package} must not use {dependency}"
                );
                if let Some((_, owners)) = ONLY.iter().find(|(name, _)| *name == dependency) {
                    assert!(owners.contains(&package.as_str()), "only {owners:?} may use {dependency}");
                }
            }
        }
    }

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    /// Every source file of the workspace with its text.
    fn texts() -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        sources(&crate::root().join("crates"), &mut files);
        sources(&crate::root().join("xtask/src"), &mut files);
        files
            .into_iter()
            .map(|path| {
                let text = std::fs::read_to_string(&path).expect("a source file");
                (path, text)
            })
            .collect()
    }

    #[test]
    fn every_module_says_what_it_is_for() {
        for (path, text) in texts() {
            let is_test = path.to_string_lossy().contains("tests");
            assert!(is_test || text.starts_with("//!"), "{} has no `//!` header", path.display());
        }
    }

    #[test]
    fn the_analysis_has_no_clock_and_no_environment() {
        for (path, text) in texts() {
            let name = path.to_string_lossy().replace('\\', "/");
            if name.contains("crates/insights/src") || name.contains("crates/domain/src") {
                for forbidden in ["std::env::", "SystemTime::now", "Utc::now", "Instant::now", "thread_rng"] {
                    assert!(!text.contains(forbidden), "{name} uses {forbidden}");
                }
            }
            if !name.contains("crates/store") && !name.contains("xtask/src/tidy.rs") {
                // Tests may quote it: traces hold SQL too.
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                assert!(!code.contains("SELECT "), "{name} speaks SQL; only the store does");
            }
        }
    }

    #[test]
    fn stages_do_not_know_each_other() {
        let stages =
            ["select", "sample", "read", "embed", "group", "name", "aggregate", "assemble", "executive"];
        for (path, text) in texts() {
            let name = path.to_string_lossy().replace('\\', "/");
            let Some(stage) = stages.iter().find(|stage| name.ends_with(&format!("insights/src/{stage}.rs")))
            else {
                continue;
            };
            for other in stages.iter().filter(|other| *other != stage) {
                // Types that are handed on (`Vectors`, `Drawn`, `Named`) may be named in signatures.
                let calls = format!("crate::{other}::");
                let uses = text.lines().filter(|line| line.contains(&calls));
                for line in uses {
                    let is_type = line
                        .split(&calls)
                        .skip(1)
                        .all(|rest| rest.starts_with(char::is_uppercase) || rest.starts_with('{'));
                    assert!(is_type, "{name} calls into the stage {other}: {line}");
                }
            }
        }
    }
}
