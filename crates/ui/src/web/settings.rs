//! Settings: of the workspace, in sections, and of a project.

use askama::Template;

use super::Shell;
use super::parts::{Badge, Moment, Pager};

/// A section of the workspace's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Models,
    Prices,
    Redaction,
    Schedules,
    Keys,
    About,
}

impl Section {
    pub const ALL: [Self; 6] =
        [Self::Models, Self::Prices, Self::Redaction, Self::Schedules, Self::Keys, Self::About];

    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Models => "/workspace/models",
            Self::Prices => "/workspace/prices",
            Self::Redaction => "/workspace/redaction",
            Self::Schedules => "/workspace/schedules",
            Self::Keys => "/workspace/keys",
            Self::About => "/workspace/about",
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Models => "Language models",
            Self::Prices => "Prices",
            Self::Redaction => "Redaction and sampling",
            Self::Schedules => "Schedules and alerts",
            Self::Keys => "API keys",
            Self::About => "About and health",
        }
    }
}

/// The other sections: name, address, whether it is this one.
fn sections(current: Section) -> Vec<(&'static str, &'static str, bool)> {
    Section::ALL.iter().map(|section| (section.name(), section.path(), *section == current)).collect()
}

macro_rules! nav {
    ($($page:ident $section:ident),+) => {
        $(impl $page {
            fn sections(&self) -> Vec<(&'static str, &'static str, bool)> {
                sections(Section::$section)
            }
        })+
    };
}

nav!(ModelsPage Models, PricesPage Prices, RedactionPage Redaction, SchedulesPage Schedules, KeysPage Keys,
    AboutPage About);

/// Keys of model providers.
#[derive(Template)]
#[template(path = "web/settings_models.html")]
pub struct ModelsPage {
    pub shell: Shell,
    pub may_change: bool,
    pub secrets: Vec<Secret>,
    pub pager: Pager,
    /// Whom reports ask that name no model: role, model and provider.
    pub asked: Vec<(&'static str, String)>,
    /// Why they cannot be asked now; empty where they can.
    pub lack: String,
}

#[derive(Default)]
pub struct Secret {
    pub name: String,
    pub note: &'static str,
    /// Whether there is a value; nobody gets it back.
    pub is_set: bool,
    /// Whether the server was given one when it started.
    pub is_in_environment: bool,
    /// Whom it opens, as the API calls it; empty where that is nobody in particular.
    pub provider: &'static str,
}

/// Configs that make reports or tell somebody by themselves.
#[derive(Template)]
#[template(path = "web/settings_schedules.html")]
pub struct SchedulesPage {
    pub shell: Shell,
    pub rows: Vec<ScheduleRow>,
    pub pager: Pager,
    pub may_change: bool,
}

pub struct ScheduleRow {
    pub name: String,
    pub href: String,
    pub project: String,
    pub project_href: String,
    /// Empty where it has no schedule.
    pub when: String,
    pub next: Moment,
    /// Why the last moment made no report; empty where it did.
    pub refused: String,
    /// Whom it tells; empty where nobody.
    pub webhook: String,
    /// Of what, in words.
    pub news: String,
    pub api: String,
}

/// What tokens cost.
#[derive(Template)]
#[template(path = "web/settings_prices.html")]
pub struct PricesPage {
    pub shell: Shell,
    pub may_change: bool,
    pub rows: Vec<PriceRow>,
    pub pager: Pager,
    /// The prices that come with Assay: model, provider, input, output.
    pub base: Vec<(String, String, String, String)>,
    /// How many of these there are.
    pub base_total: String,
    pub base_pager: Pager,
    /// Whether the address says which of them are listed.
    pub is_in_base: bool,
}

pub struct PriceRow {
    pub id: String,
    pub name: String,
    pub pattern: String,
    pub provider: String,
    /// US dollars per million tokens.
    pub input: String,
    pub output: String,
    pub from: Moment,
}

/// What happens to runs on their way in.
#[derive(Template)]
#[template(path = "web/settings_redaction.html")]
pub struct RedactionPage {
    pub shell: Shell,
    pub may_change: bool,
    pub policies: Vec<PolicyRow>,
    pub pager: Pager,
    pub detectors: Vec<&'static str>,
}

pub struct PolicyRow {
    /// `*` for all projects.
    pub project: String,
    /// Where it is changed.
    pub api: String,
    /// Whether the configuration file has it, which has the last word.
    pub is_in_file: bool,
    pub words: Vec<String>,
    /// The policy as JSON, to be edited.
    pub json: String,
}

/// API keys.
#[derive(Template)]
#[template(path = "web/settings_keys.html")]
pub struct KeysPage {
    pub shell: Shell,
    pub rows: Vec<KeyRow>,
    pub pager: Pager,
    /// Whether requests need a key now.
    pub is_asked_for: bool,
}

pub struct KeyRow {
    pub id: String,
    pub description: String,
    pub short: String,
    pub role: String,
    pub status: Badge,
    pub is_working: bool,
    pub made: Moment,
    pub used: Moment,
    pub ends: Moment,
}

/// What this server is and how it is.
#[derive(Template)]
#[template(path = "web/settings_about.html")]
pub struct AboutPage {
    pub shell: Shell,
    pub health: Badge,
    pub facts: Vec<(&'static str, String)>,
    pub store: Vec<(&'static str, String)>,
}

/// Settings of a project.
#[derive(Template)]
#[template(path = "web/project_settings.html")]
pub struct ProjectSettingsPage {
    pub shell: Shell,
    pub api: String,
    pub id: String,
    pub name: String,
    pub description: String,
    pub facts: Vec<(&'static str, String)>,
    /// As it was set, such as `30d`; empty where it was not.
    pub retention: String,
    /// What holds, and who says so.
    pub retention_in_force: String,
    pub is_retention_in_file: bool,
    pub configs_href: String,
    /// Configs with a schedule or an address to tell: name, words, address.
    pub schedules: Vec<(String, String, String)>,
    pub schedules_pager: Pager,
    pub policy_href: String,
    pub may_update: bool,
    pub may_delete: bool,
}
