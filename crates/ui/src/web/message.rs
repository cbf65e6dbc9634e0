//! Pages that only say something: an error, a login.

use askama::Template;

use super::Shell;

/// What went wrong, and what one can do.
#[derive(Template)]
#[template(path = "web/message.html")]
pub struct MessagePage {
    pub shell: Shell,
    /// `404`, or nothing.
    pub status: String,
    pub heading: String,
    pub text: String,
}

/// Asks for a key.
#[derive(Template)]
#[template(path = "web/login.html")]
pub struct LoginPage {
    pub shell: Shell,
    /// Where to go then; a path of this server.
    pub next: String,
    /// Why the last try failed.
    pub problem: String,
}
