//! What people read: the document, a page that shows it, and a page for each type of problem.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Redirect};
use bytes::Bytes;

use super::problem::{Error, Kind, Problem};
use crate::spec::fault::Code;

/// The document does not change while the service runs.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| super::openapi::text().into());

/// Nothing is fetched from anywhere else.
static POLICY: [(HeaderName, HeaderValue); 2] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self' 'unsafe-inline'")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// This document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "documentation",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}

/// This document as a page to read and to try.
#[utoipa::path(get, path = "/docs", operation_id = "docs", tag = "documentation",
    responses((status = 200, description = "A page that needs nothing from elsewhere", body = String, content_type = "text/html")))]
pub(super) async fn docs() -> impl IntoResponse {
    (POLICY.clone(), Html(include_str!("docs.html")))
}

/// To the documentation.
#[utoipa::path(get, path = "/", operation_id = "root", tag = "documentation",
    responses((status = 307, description = "The documentation is at /docs", headers(("Location" = String, description = "`/docs`")))))]
pub(super) async fn root() -> Redirect {
    Redirect::temporary("/docs")
}

/// What a type of problem means.
#[utoipa::path(get, path = "/problems/{type}", operation_id = "problem", tag = "documentation",
    params(("type" = String, Path, description = "The last segment of a problem's `type`", example = "invalid-network")),
    responses(
        (status = 200, description = "What it means and what to do", body = String, content_type = "text/html"),
        (status = 404, description = "There is no such type", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn problem(Path(slug): Path<String>) -> Result<impl IntoResponse, Error> {
    let kind = Kind::ALL.iter().find(|kind| kind.slug == slug);
    let kind = kind.ok_or_else(|| Error::NotFound(format!("/problems/{slug}")))?;
    Ok((POLICY.clone(), Html(explained(kind))))
}

fn explained(kind: &Kind) -> String {
    let Kind { slug, status, title, meaning } = kind;
    let codes: String =
        codes_of(kind).iter().map(|code| format!("<dt><code>{}</code><dd>{}\n", code.as_str(), meaning_of(*code))).collect();
    let codes = if codes.is_empty() { codes } else { format!("<h2>Codes of its errors</h2>\n<dl>\n{codes}</dl>\n") };
    format!(
        "<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>{title}</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}}\
         dt{{margin-top:.6rem}}code{{font-size:.95em}}</style>\n\
         <h1>{title}</h1>\n<p><code>/problems/{slug}</code>, status {status}\n<p>{meaning}\n{codes}<p><a href=\"/docs\">Documentation</a>\n</html>\n"
    )
}

/// The codes that the errors of a type of problem may have.
fn codes_of(kind: &Kind) -> Vec<Code> {
    let of_text = [Code::MalformedJson];
    let of_limit = [Code::LimitExceeded];
    let of_store = [Code::UnknownNetwork];
    let all = Code::ALL.iter().copied();
    if *kind == Kind::MALFORMED_JSON {
        of_text.to_vec()
    } else if *kind == Kind::OVER_LIMIT {
        of_limit.to_vec()
    } else if *kind == Kind::UNKNOWN_NETWORK {
        of_store.to_vec()
    } else if *kind == Kind::INVALID_NETWORK || *kind == Kind::INVALID_REQUEST {
        all.filter(|code| !of_text.contains(code) && !of_store.contains(code)).collect()
    } else {
        Vec::new()
    }
}

fn meaning_of(code: Code) -> &'static str {
    match code {
        Code::MalformedJson => "the text is not JSON; the detail names line and column",
        Code::DuplicateKey => "an object names the same key twice, and readers would disagree which counts",
        Code::TooDeep => "arrays or objects are nested more deeply than the limit json_depth",
        Code::NumberOutOfRange => "a number is too large for its type, such as 1e999",
        Code::NonFinite => "\"NaN\", \"Infinity\" or \"-Infinity\" without options.allow_non_finite",
        Code::MissingField => "a field that is needed is absent",
        Code::UnknownField => "a field is not known here; it may be misspelled",
        Code::WrongType => "a value is of another JSON type than expected",
        Code::OutOfRange => "a value is outside what its field allows",
        Code::UnknownOp => "there is no op, layer, loss or activation of this name; GET /v1/ops lists them",
        Code::UnknownNode => "no node or input has this name",
        Code::DuplicateId => "two nodes, or a node and an input, have the same id",
        Code::InvalidId => "an id does not match [A-Za-z_][A-Za-z0-9_.-]{0,63}",
        Code::Cycle => "nodes feed themselves, directly or through others; the detail names them",
        Code::MissingParameter => "a parameter has no value, neither inline nor in parameters",
        Code::SurplusParameter => "an entry of parameters is used by no node",
        Code::DuplicateParameter => "a parameter has two values, inline and in parameters",
        Code::ShapeMismatch => "shapes do not fit; the detail names both",
        Code::RaggedArray => "the rows of a nested array differ in length",
        Code::LabelOutOfRange => "a class index is not below the number of classes",
        Code::EmptyBatch => "the minibatch has no sample",
        Code::LimitExceeded => "a limit of this service; the detail names it and the figure",
        Code::UnknownName => "wrt, trace, or another option names something that is not there",
        Code::UnknownNetwork => "no network is stored under this ref, or it was put out: put it again",
        Code::UnreadableSeal => {
            "a sealed exercise does not open: no key of the service sealed it, or it was altered or cut short"
        }
        Code::NoExercise => {
            "no exercise like this was found within the attempts that are made; the detail says what to ask for instead"
        }
        Code::InvalidValue => "a value cannot be what it is meant to be; the detail says why",
    }
}
