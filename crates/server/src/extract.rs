//! Taking requests apart, leniently where clients are sloppy and with clear
//! refusals where they are wrong.

use std::convert::Infallible;
use std::str::FromStr;

use assay_domain::Time;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use uuid::Uuid;

use crate::app::App;
use crate::body;
use crate::error::{ApiError, ApiResult};

/// A JSON body, whatever its content type says; an empty body is `{}`.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> ApiResult<Self> {
        let bytes = body::read(request, app).await?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Self).map_err(|error| {
            if error.is_data() {
                ApiError::invalid(&["body"], error.to_string())
            } else {
                ApiError::bad_request(format!("the body is not JSON: {error}"))
            }
        })
    }
}

/// The parameters of the query string, in order. Unknown ones are nobody's business.
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

impl Params {
    /// Those of a query string at hand.
    pub(crate) fn read(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Those that are said here.
    pub(crate) fn of_pairs<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    /// The fields of a form that a page sent.
    pub(crate) fn of_form(bytes: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The first value under a name; empty ones count as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(key, value)| key == name && !value.is_empty());
        values.next().map(|(_, value)| value.as_str())
    }

    /// All values under a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str());
        values.filter(|value| !value.is_empty())
    }

    /// The first value, read as `T`; 422 names the parameter that cannot be.
    pub(crate) fn parse<T: FromStr>(&self, name: &str) -> ApiResult<Option<T>>
    where
        T::Err: std::fmt::Display,
    {
        self.get(name).map(|text| read(name, text)).transpose()
    }

    pub(crate) fn parse_all<T: FromStr>(&self, name: &str) -> ApiResult<Vec<T>>
    where
        T::Err: std::fmt::Display,
    {
        self.all(name).map(|text| read(name, text)).collect()
    }

    /// `true`, `True`, `1`, `false`, ...
    pub(crate) fn flag(&self, name: &str) -> ApiResult<Option<bool>> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("true" | "1" | "yes") => Ok(Some(true)),
            Some("false" | "0" | "no") => Ok(Some(false)),
            Some(other) => {
                Err(ApiError::invalid(&["query", name], format!("{other:?} is neither true nor false")))
            }
        }
    }

    /// A moment: RFC 3339, with or without a zone, or epoch milliseconds.
    pub(crate) fn time(&self, name: &str) -> ApiResult<Option<Time>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        // A plus in a query is a space to those who do not escape it.
        let value = serde_json::Value::String(text.replace(' ', "+"));
        let time = assay_wire::time::of(&value);
        time.map(Some)
            .ok_or_else(|| ApiError::invalid(&["query", name], format!("{text:?} is not a date-time")))
    }

    /// `offset` and `limit`, the latter clamped to 1..=100 (100 where absent).
    pub(crate) fn page(&self) -> ApiResult<(usize, usize)> {
        let offset = self.parse("offset")?.unwrap_or(0);
        let limit = self.parse("limit")?.unwrap_or(100_usize).clamp(1, 100);
        Ok((offset, limit))
    }
}

fn read<T: FromStr>(name: &str, text: &str) -> ApiResult<T>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| {
        let shown: String = text.chars().take(80).collect();
        ApiError::invalid(&["query", name], format!("{shown:?}: {error}"))
    })
}

/// A field that is there, even as null: for `#[serde(default, deserialize_with = "stated")]`
/// on an option of what may be null.
pub(crate) fn stated<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// An id out of the path: 422 where it is none.
pub(crate) fn uuid(name: &str, text: &str) -> ApiResult<Uuid> {
    let shown: String = text.chars().take(80).collect();
    Uuid::parse_str(text).map_err(|_| ApiError::invalid(&["path", name], format!("{shown:?} is not a UUID")))
}
