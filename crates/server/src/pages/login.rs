//! Logging in with an API key, and out.

use assay_ui::web::LoginPage;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{HeaderValue, StatusCode, header};

use super::{Visit, page};
use crate::access::{self, session};
use crate::app::App;
use crate::body;
use crate::error::ApiResult;
use crate::extract::Params;

fn form(visit: &Visit, next: &str, problem: &str) -> Response {
    page(&LoginPage {
        shell: visit.shell("Log in"),
        next: own_path(next).to_owned(),
        problem: problem.to_owned(),
    })
}

pub(super) async fn show(visit: Visit) -> ApiResult<Response> {
    let next = visit.params.get("next").unwrap_or("/").to_owned();
    if !access::asks_for_keys(&visit.app).await? {
        return Ok(Redirect::to(own_path(&next)).into_response());
    }
    Ok(form(&visit, &next, ""))
}

pub(super) async fn enter(visit: Visit, State(app): State<App>, request: Request) -> ApiResult<Response> {
    session::check_own_form(&app, request.headers())?;
    let fields = Params::of_form(&body::read(request, &app).await?);
    let (key, next) = (fields.get("key").unwrap_or_default(), fields.get("next").unwrap_or("/"));
    match session::begin(&app, key.trim()).await? {
        Ok(cookie) => Ok(with_cookie(Redirect::to(own_path(next)).into_response(), &cookie)),
        Err(problem) => {
            let mut response = form(&visit, next, problem);
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(response)
        }
    }
}

pub(super) async fn leave(State(app): State<App>, request: Request) -> ApiResult<Response> {
    let headers = request.headers().clone();
    session::check_own_form(&app, &headers)?;
    let fields = Params::of_form(&body::read(request, &app).await?);
    session::check_token(&headers, fields.get("token").unwrap_or_default())?;
    Ok(with_cookie(Redirect::to("/login").into_response(), &session::end(&app)))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// A path of this server, whatever was asked: nobody is sent elsewhere after logging in.
fn own_path(next: &str) -> &str {
    let is_own = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(['\\', '\r', '\n', '\t'])
        && next.is_ascii();
    if is_own { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn nobody_is_sent_to_another_host() {
        for (asked, led) in [
            ("/p/1/insights?x=%2F", "/p/1/insights?x=%2F"),
            ("https://evil.example/", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("javascript:alert(1)", "/"),
            ("", "/"),
        ] {
            assert_eq!(own_path(asked), led, "{asked}");
        }
    }
}
