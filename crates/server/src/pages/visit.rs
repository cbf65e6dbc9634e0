//! A browser's visit: who comes, and the frame their page gets.

use assay_domain::ProjectId;
use assay_store::{Catalog as _, Project};
use assay_ui::web::{Shell, Tab, Viewer};
use axum::extract::FromRequestParts;
use http::request::Parts;
use uuid::Uuid;

use crate::access::permission::{Action, Area, Permission};
use crate::access::{Caller, session};
use crate::app::{App, WORKSPACE};
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;

/// What every page handler needs.
pub(crate) struct Visit {
    pub(crate) app: App,
    /// Nobody on the pages that need no key.
    pub(crate) caller: Option<Caller>,
    pub(crate) params: Params,
    token: String,
}

impl FromRequestParts<App> for Visit {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let params = match Params::from_request_parts(parts, app).await {
            Ok(params) => params,
            Err(never) => match never {},
        };
        Ok(Self {
            app: app.clone(),
            caller: parts.extensions.get::<Caller>().cloned(),
            params,
            token: session::token(&parts.headers),
        })
    }
}

impl Visit {
    /// The frame of a page outside any project.
    pub(crate) fn shell(&self, title: &str) -> Shell {
        let mut shell = Shell::new(title);
        shell.token.clone_from(&self.token);
        if self.may(Permission(Area::Datasets, Action::Read)) {
            shell.datasets = format!("/o/{WORKSPACE}/datasets");
        }
        // Whoever needs no key is nobody in particular.
        shell.viewer = self.caller.as_ref().filter(|caller| caller.key.is_some()).map(|caller| Viewer {
            name: match caller.name.as_deref() {
                None | Some("") => "API key".to_owned(),
                Some(name) => assay_ui::text::name(name),
            },
            role: caller.role.to_string(),
        });
        shell
    }

    /// The frame of a page of a project.
    pub(crate) fn within(&self, project: &Project, tab: Tab, title: &str) -> Shell {
        self.shell(title).of_project(project.id, &project.name, tab)
    }

    /// Whether the visitor may do this.
    pub(crate) fn may(&self, permission: Permission) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.role.may(permission))
    }

    /// The project of a path; 404 where there is none.
    pub(crate) async fn project(&self, id: &str) -> ApiResult<Project> {
        // Whoever follows an address wants to know what is not there, not what is no id.
        let id = Uuid::parse_str(id).map_err(|_| {
            ApiError::not_found(format!("project {}", assay_ui::text::cut(&assay_ui::text::line(id), 80)))
        })?;
        let found = self.app.store.project_by_id(ProjectId(id)).await?;
        found.ok_or_else(|| ApiError::not_found(format!("project {id}")))
    }
}
