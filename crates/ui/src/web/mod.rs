//! The pages of a server: one file and one template per page.
//!
//! A page is a plain struct of what is shown, filled by the server and written
//! by its template in `templates/web/`. Nothing here asks anybody for data, and
//! every text that may come from a trace has passed [`crate::text`] before it
//! is in such a struct; askama escapes it on the way out.
//!
//! Start with [`Shell`], which all pages share, then [`parts`].

mod asset;
pub mod chart;
pub mod compare;
pub mod dashboard;
pub mod datasets;
pub mod insights;
pub mod json;
pub mod listing;
mod message;
pub mod parts;
pub mod projects;
mod prose;
pub mod report;
pub mod settings;
pub mod talk;
pub mod thread;
pub mod trace;

use assay_domain::ProjectId;

use crate::text;

pub use asset::{Asset, asset};
pub use message::{LoginPage, MessagePage};

/// What a page is: something that writes itself as a whole document.
pub trait Page {
    fn html(&self) -> String;
}

impl<T: askama::Template> Page for T {
    fn html(&self) -> String {
        // Writing to a string fails only where a value's own formatting does; ours are plain.
        self.render().unwrap_or_else(|error| {
            debug_assert!(false, "a template failed: {error}");
            String::from("<!doctype html><title>Assay</title><p>This page could not be written.</p>")
        })
    }
}

/// A place within a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Insights,
    Threads,
    Traces,
    Dashboard,
    Settings,
}

impl Tab {
    pub const ALL: [Self; 5] = [Self::Insights, Self::Threads, Self::Traces, Self::Dashboard, Self::Settings];

    /// The last segment of its address.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Insights => "insights",
            Self::Threads => "threads",
            Self::Traces => "traces",
            Self::Dashboard => "dashboard",
            Self::Settings => "settings",
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Insights => "Insights",
            Self::Threads => "Threads",
            Self::Traces => "Traces",
            Self::Dashboard => "Dashboard",
            Self::Settings => "Settings",
        }
    }
}

/// The address of a tab of a project.
#[must_use]
pub fn tab_href(project: ProjectId, tab: Tab) -> String {
    format!("/p/{}/{}", project.0, tab.path())
}

/// A link in the trail above a page.
pub struct Crumb {
    pub name: String,
    pub href: String,
}

/// The project a page belongs to.
pub struct ProjectNav {
    pub id: ProjectId,
    pub name: String,
    pub tab: Tab,
}

/// Who looks at the page with a key.
pub struct Viewer {
    pub name: String,
    pub role: String,
}

/// What stands around every page.
#[derive(Default)]
pub struct Shell {
    /// Of the window; the page's own heading says the same or more.
    pub title: String,
    /// From the outside in, without the page itself. `Projects` is before them.
    pub crumbs: Vec<Crumb>,
    pub project: Option<ProjectNav>,
    pub viewer: Option<Viewer>,
    /// Shown to the server with whatever changes something.
    pub token: String,
    /// The page's own module below `assets/`: `web/projects.js`. None where empty.
    pub script: &'static str,
    /// A second style sheet below `assets/`. None where empty.
    pub style: &'static str,
    /// Whether the page may use the whole width of the window.
    pub is_wide: bool,
    /// Whether the workspace's settings are shown.
    pub is_workspace: bool,
    /// Where datasets are; not linked where empty.
    pub datasets: String,
    /// Whether datasets are shown.
    pub is_datasets: bool,
    /// Whether anybody may see the page: nothing around it leads into the workspace.
    pub is_public: bool,
}

impl Shell {
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self { title: text::line(title), ..Self::default() }
    }

    /// Within a project, under one of its tabs.
    #[must_use]
    pub fn of_project(mut self, id: ProjectId, name: &str, tab: Tab) -> Self {
        self.project = Some(ProjectNav { id, name: text::name(name), tab });
        self
    }

    /// One more link in the trail.
    #[must_use]
    pub fn crumb(mut self, name: &str, href: impl Into<String>) -> Self {
        self.crumbs.push(Crumb { name: text::name(name), href: href.into() });
        self
    }

    /// With a module of its own.
    #[must_use]
    pub fn script(mut self, script: &'static str) -> Self {
        self.script = script;
        self
    }

    /// With a style sheet of its own.
    #[must_use]
    pub fn style(mut self, style: &'static str) -> Self {
        self.style = style;
        self
    }

    #[must_use]
    pub fn wide(mut self) -> Self {
        self.is_wide = true;
        self
    }

    /// The address of a file below `assets/`.
    #[must_use]
    pub fn asset(&self, name: &str) -> String {
        asset::address(name)
    }

    /// Every tab of the project: name, address, whether it is this one.
    #[must_use]
    pub fn tabs(&self) -> Vec<(&'static str, String, bool)> {
        let Some(project) = &self.project else { return Vec::new() };
        Tab::ALL.iter().map(|tab| (tab.name(), tab_href(project.id, *tab), *tab == project.tab)).collect()
    }
}
