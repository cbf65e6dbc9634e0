//! What was written where: flags before environment before file before defaults.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::keys::{INGEST, KEYS, Key, Kind, PROJECT, Shape, nearest};
use super::{ConfigError, KEY_VARIABLES};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Flag(String),
    Variable(String),
    File(PathBuf),
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "--{flag}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => write!(f, "default"),
        }
    }
}

/// Everything that was said.
#[derive(Default)]
pub(super) struct Layers {
    pub(super) flags: BTreeMap<&'static str, String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) file: Option<(PathBuf, Table)>,
}

impl Layers {
    /// The text of a key and where it comes from; empty where nobody said anything.
    pub(super) fn text(&self, key: &Key) -> Result<(String, Origin), ConfigError> {
        if let Some(text) = self.flags.get(key.name) {
            return Ok((text.clone(), Origin::Flag(key.name.replace(['_', '.'], "-"))));
        }
        let variable = key.variable();
        if let Some(text) = self.environment.get(&variable).filter(|text| !text.is_empty()) {
            return Ok((text.clone(), Origin::Variable(variable)));
        }
        if let Some((path, table)) = &self.file
            && let Some(value) = find(table, key.name)
        {
            let text = plain(key, value).map_err(|why| ConfigError::Value {
                key: key.name.into(),
                origin: path.display().to_string(),
                why,
            })?;
            return Ok((text, Origin::File(path.clone())));
        }
        Ok((key.default.to_owned(), Origin::Default))
    }

    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.file.as_ref()?.1.get(name)?.as_table()
    }

    /// Refuses keys of the file that nobody knows.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Some((path, table)) = &self.file else { return Ok(()) };
        for (name, value) in table {
            match (name.as_str(), value) {
                ("ingest", value) => check_table(path, "ingest", value, INGEST)?,
                ("projects", Value::Table(projects)) => {
                    for (project, value) in projects {
                        check_table(path, &format!("projects.{project}"), value, PROJECT)?;
                    }
                }
                ("projects", _) => return Err(not_a_table(path, "projects")),
                (name, Value::Table(section))
                    if KEYS.iter().any(|key| key.name.starts_with(&format!("{name}."))) =>
                {
                    for inner in section.keys() {
                        check_key(path, &format!("{name}.{inner}"))?;
                    }
                }
                (name, _) => check_key(path, name)?,
            }
        }
        Ok(())
    }

    /// Variables that look like settings and are none.
    pub(super) fn strange_variables(&self) -> Vec<String> {
        let known = |name: &str| {
            let is_other = name == "ASSAY_CONFIG" || KEY_VARIABLES.contains(&name);
            is_other || KEYS.iter().any(|key| key.variable() == name)
        };
        self.environment.keys().filter(|name| !known(name)).cloned().collect()
    }
}

fn check_key(path: &Path, name: &str) -> Result<(), ConfigError> {
    if KEYS.iter().any(|key| key.name == name) {
        return Ok(());
    }
    let known = KEYS.iter().map(|key| key.name).chain(["ingest", "projects"]);
    Err(unknown(path, name, nearest(name, known)))
}

fn check_table(
    path: &Path,
    name: &str,
    value: &Value,
    shape: &[(&'static str, Shape)],
) -> Result<(), ConfigError> {
    let Value::Table(table) = value else { return Err(not_a_table(path, name)) };
    for (key, value) in table {
        let place = format!("{name}.{key}");
        match shape.iter().find(|(known, _)| known == key) {
            None => return Err(unknown(path, &place, nearest(key, shape.iter().map(|(known, _)| *known)))),
            Some((_, Shape::Value)) => {}
            Some((_, Shape::Table(inner))) => check_table(path, &place, value, inner)?,
            Some((_, Shape::List(inner))) => {
                let Value::Array(items) = value else { return Err(not_a_table(path, &place)) };
                for (index, item) in items.iter().enumerate() {
                    check_table(path, &format!("{place}[{index}]"), item, inner)?;
                }
            }
        }
    }
    Ok(())
}

fn unknown(path: &Path, key: &str, near: Option<&str>) -> ConfigError {
    let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    ConfigError::Unknown { key: key.into(), file: path.to_owned(), hint }
}

fn not_a_table(path: &Path, key: &str) -> ConfigError {
    let why = "a table, or a list of tables, belongs here".into();
    ConfigError::Value { key: key.into(), origin: path.display().to_string(), why }
}

fn find<'a>(table: &'a Table, name: &str) -> Option<&'a Value> {
    match name.split_once('.') {
        Some((section, rest)) => find(table.get(section)?.as_table()?, rest),
        None => table.get(name),
    }
}

/// A value as it would be written in the environment.
fn plain(key: &Key, value: &Value) -> Result<String, String> {
    match (key.kind, value) {
        (Kind::List, Value::Array(items)) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join(",")).ok_or_else(|| "write a list of texts".into())
        }
        (Kind::List, _) => Err("write a list of texts".into()),
        (Kind::Flag, Value::Boolean(flag)) => Ok(flag.to_string()),
        (Kind::Flag, _) => Err("write true or false, without quotes".into()),
        (Kind::Number | Kind::Size, Value::Integer(number)) => Ok(number.to_string()),
        (Kind::Number, _) => Err("write a number".into()),
        (_, Value::String(text)) => Ok(text.clone()),
        _ => Err("write a text in quotes".into()),
    }
}
