//! The one place that turns what went wrong into a status: RFC 9457 problem documents.
//!
//! Handlers fail with an [`Error`], which knows no status. [`Problem::of`] chooses it, and the edge writes the document, with
//! the request's id as its `instance`.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::analysis::{Failure, Stop};
use crate::pool::Refusal;
use crate::spec::fault::{Code, Faults};

/// Why a request has no answer.
#[derive(Debug, Clone)]
pub enum Error {
    /// No such route.
    NotFound(String),
    /// The route is there, for other methods.
    MethodNotAllowed(String),
    /// Nothing that `Accept` admits can be sent.
    NotAcceptable(String),
    /// The body is of a kind that is not read here.
    UnsupportedMediaType(String),
    /// The body (or a line of it) is over this many bytes.
    PayloadTooLarge(usize),
    /// The body did not arrive in time, in milliseconds.
    BodyTimeout(u64),
    /// No key came with the request.
    NoKey,
    /// The key is none of those that open this service.
    UnknownKey,
    /// The client has made as many requests as it may; after this long it may make one more.
    OverQuota(Duration),
    /// The request is broken before its JSON is: a header, the multipart frame, a body cut short.
    Malformed(String),
    /// The analysis failed and says why.
    Failed(Failure),
    /// A lane, or the budget of bytes, is full.
    Overloaded,
    /// The store that replicas share does not answer, and why: for the log alone.
    StoreUnavailable(String),
    /// The service is shutting down.
    Draining,
    /// There was no answer within this many milliseconds.
    Deadline(u64),
    /// A job panicked: message and place, for the log alone.
    Panicked(String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::Overloaded,
            Refusal::Closed => Self::Draining,
        }
    }
}

impl IntoResponse for Error {
    /// A response without a body: the edge, which knows the request's id, writes it.
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

/// A type of problem: one page under `/problems/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The last segment of its type.
    pub slug: &'static str,
    /// The HTTP status it comes with.
    pub status: u16,
    /// Its title.
    pub title: &'static str,
    /// What it means and what to do.
    pub meaning: &'static str,
}

macro_rules! kinds {
    ($($name:ident: $slug:literal $status:literal $title:literal $meaning:literal;)*) => {
        impl Kind {
            $(#[doc = $meaning]
            pub const $name: Self = Self { slug: $slug, status: $status, title: $title, meaning: $meaning };)*
            /// Every type.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

kinds! {
    MALFORMED_JSON: "malformed-json" 400 "Malformed JSON" "The body is not JSON (RFC 8259). The detail names the line and the column. NaN and Infinity are not JSON: send numbers, or the strings \"NaN\", \"Infinity\", \"-Infinity\" with options.allow_non_finite.";
    MALFORMED_REQUEST: "malformed-request" 400 "Malformed request" "The request is broken outside its JSON: a header that cannot be read, a multipart body without its boundary or with an unknown part, or a body that ended early.";
    KEY_MISSING: "key-missing" 401 "Key missing" "This service asks for a key: send the header Authorization: Bearer KEY. Its operator gives keys out.";
    KEY_UNKNOWN: "key-unknown" 403 "Key unknown" "The key in the header Authorization is none of those that open this service. Ask its operator for one.";
    NOT_FOUND: "not-found" 404 "Not found" "There is no such route. GET /openapi.json lists them all.";
    METHOD_NOT_ALLOWED: "method-not-allowed" 405 "Method not allowed" "The route is there, but not for this method. The header Allow names those it has.";
    NOT_ACCEPTABLE: "not-acceptable" 406 "Not acceptable" "Nothing that the header Accept admits can be sent. Replies are application/json, application/vnd.safetensors, or application/x-ndjson where the request was.";
    REQUEST_TIMEOUT: "request-timeout" 408 "Request timeout" "The body did not arrive in time. Send it again over a better connection, or in smaller parts.";
    PAYLOAD_TOO_LARGE: "payload-too-large" 413 "Payload too large" "The body, or one line of an NDJSON body, is larger than the limit. GET /v1/info names it.";
    UNSUPPORTED_MEDIA_TYPE: "unsupported-media-type" 415 "Unsupported media type" "The header Content-Type is missing or names a type that is not read here, or Content-Encoding names a compression. Send application/json, application/x-ndjson or multipart/form-data, not compressed.";
    INVALID_NETWORK: "invalid-network" 422 "Invalid network" "The body is JSON, but something under /network or /parameters means nothing that can be computed. All faults are listed, each with a JSON pointer and a stable code.";
    INVALID_REQUEST: "invalid-request" 422 "Invalid request" "The body is JSON, but its batch, loss or options mean nothing that can be computed. All faults are listed, each with a JSON pointer and a stable code.";
    UNKNOWN_NETWORK: "unknown-network" 404 "Unknown network" "The problem names a stored network that is not here: it was never put, or it went out for others that were used more recently. PUT /v1/networks with it again, then send the same request.";
    OVER_LIMIT: "over-limit" 422 "Over a limit" "The request could be answered, but it costs more than a limit of this service allows. Each error names the limit and the figure. GET /v1/info names all limits.";
    OVER_QUOTA: "over-quota" 429 "Over quota" "This client has made as many requests as it may in a minute. Nothing was computed; send the same request again after Retry-After seconds, or put many problems into one NDJSON request.";
    INTERNAL: "internal" 500 "Internal error" "A fault of the service, not of the request. It has been logged under the request's id, which is this document's instance.";
    OVERLOADED: "overloaded" 503 "Overloaded" "The service has as much work waiting as it may, or is shutting down. Nothing was computed; send the same request again after Retry-After seconds.";
    STORE_UNAVAILABLE: "store-unavailable" 503 "Store unavailable" "The store that keeps networks does not answer. Problems that carry their network are answered all the same; send this request again after Retry-After seconds.";
    DEADLINE_EXCEEDED: "deadline-exceeded" 504 "Deadline exceeded" "There was no answer before the deadline, which is the service's own or the header Deadline-Ms, whichever is shorter.";
}

/// One fault of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"pointer": "/network/nodes/3/inputs/z9", "code": "unknown_node", "detail": "no node or input is named \"z9\"; did you mean \"z6\"?"}))]
pub struct ProblemError {
    /// Where: a JSON pointer (RFC 6901) into the request; empty for the whole of it.
    pub pointer: String,
    /// What: a stable code, for programs.
    #[schema(schema_with = code_schema)]
    pub code: &'static str,
    /// What is wrong and what was expected, for people.
    pub detail: String,
}

fn code_schema() -> utoipa::openapi::schema::Object {
    let codes = crate::spec::fault::Code::ALL.iter().map(|code| code.as_str());
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .enum_values(Some(codes))
        .description(Some("What: a stable code, for programs."))
        .build()
}

/// A problem document (RFC 9457): the body of every failure, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ProblemDocument, example = json!({
    "type": "/problems/invalid-network", "title": "Invalid network", "status": 422, "detail": "1 problem in the network",
    "errors": [{"pointer": "/network/nodes/3/inputs/z9", "code": "unknown_node", "detail": "no node or input is named \"z9\"; did you mean \"z6\"?"}],
    "instance": "9f1c2ab03d5e7718"}))]
pub struct Problem {
    /// The type of the problem: a path on this service where it is explained.
    #[serde(rename = "type")]
    #[schema(example = "/problems/invalid-network")]
    pub kind: String,
    /// The title of the type.
    pub title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What went wrong this time.
    pub detail: String,
    /// All faults found in the request, in the order found; absent where the request has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<ProblemError>,
    /// The id of the request (header `X-Request-Id`), under which the service logs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// After how many seconds, at the soonest, to try the same again; nothing where that is of no use.
    #[serde(skip)]
    #[schema(ignore)]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// The problem document of an error: the one match from what went wrong to a status.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::NotFound(path) => Self::new(Kind::NOT_FOUND, format!("there is no route {path:?}; /openapi.json lists them")),
            Error::MethodNotAllowed(method) => {
                Self::new(Kind::METHOD_NOT_ALLOWED, format!("{method} is not for this route; the header Allow names what is"))
            }
            Error::NotAcceptable(available) => {
                Self::new(Kind::NOT_ACCEPTABLE, format!("the header Accept admits none of what can be sent: {available}"))
            }
            Error::UnsupportedMediaType(detail) => Self::new(Kind::UNSUPPORTED_MEDIA_TYPE, detail.clone()),
            Error::PayloadTooLarge(limit) => {
                Self::new(Kind::PAYLOAD_TOO_LARGE, format!("more than {limit} bytes, the limit body_bytes"))
            }
            Error::BodyTimeout(millis) => Self::new(Kind::REQUEST_TIMEOUT, format!("the body did not arrive within {millis} ms")),
            Error::NoKey => Self::new(Kind::KEY_MISSING, "the header \"Authorization: Bearer KEY\" is missing".to_owned()),
            Error::UnknownKey => Self::new(Kind::KEY_UNKNOWN, "the key is none of those that open this service".to_owned()),
            Error::OverQuota(wait) => {
                let seconds = wait.as_secs_f64().ceil().max(1.0);
                Self::new(
                    Kind::OVER_QUOTA,
                    format!("as many requests as one client may make in a minute; in {seconds} s there is room"),
                )
                .retry_after(seconds as u64)
            }
            Error::Malformed(detail) => Self::new(Kind::MALFORMED_REQUEST, detail.clone()),
            Error::Failed(Failure::Malformed(faults)) => {
                let detail =
                    faults.listed().first().map_or_else(|| "the body is not JSON".to_owned(), |fault| fault.detail.clone());
                Self::new(Kind::MALFORMED_JSON, detail).with(faults)
            }
            Error::Failed(Failure::OverLimit(faults)) => Self::over_limit(faults),
            Error::Failed(Failure::Invalid(faults)) if faults.listed().iter().all(|fault| fault.code == Code::LimitExceeded) => {
                Self::over_limit(faults)
            }
            Error::Failed(Failure::Invalid(faults)) => {
                let of_network = |pointer: &str| {
                    ["/network", "/parameters"]
                        .iter()
                        .any(|root| pointer.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
                };
                let inside = faults.listed().iter().filter(|fault| of_network(&fault.pointer)).count();
                let kind = if inside > 0 { Kind::INVALID_NETWORK } else { Kind::INVALID_REQUEST };
                let place = if inside > 0 && inside == faults.listed().len() { "network" } else { "request" };
                Self::new(kind, counted(faults, "problem", &format!("in the {place}"))).with(faults)
            }
            Error::Failed(Failure::UnknownNetwork { name, faults }) => {
                Self::new(Kind::UNKNOWN_NETWORK, format!("no network {name} is stored here")).with(faults)
            }
            Error::Failed(Failure::Stopped(Stop::Deadline)) => {
                Self::new(Kind::DEADLINE_EXCEEDED, "no answer before the deadline".to_owned())
            }
            Error::Deadline(millis) => Self::new(Kind::DEADLINE_EXCEEDED, format!("no answer within {millis} ms")),
            Error::Overloaded => Self::new(Kind::OVERLOADED, "as much work is waiting as may".to_owned()).retry_after(1),
            Error::StoreUnavailable(_) => {
                Self::new(Kind::STORE_UNAVAILABLE, "the store that keeps networks does not answer".to_owned()).retry_after(1)
            }
            Error::Draining | Error::Failed(Failure::Stopped(Stop::Cancelled)) => {
                Self::new(Kind::OVERLOADED, "the service is shutting down".to_owned()).retry_after(1)
            }
            Error::Panicked(_) => {
                Self::new(Kind::INTERNAL, "a fault of the service; it has been logged under this request's id".to_owned())
            }
        }
    }

    /// The document as bytes.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers are JSON")
    }

    fn new(kind: Kind, detail: String) -> Self {
        Self {
            kind: format!("/problems/{}", kind.slug),
            title: kind.title,
            status: kind.status,
            detail,
            errors: Vec::new(),
            instance: String::new(),
            retry_after: None,
        }
    }

    fn over_limit(faults: &Faults) -> Self {
        Self::new(Kind::OVER_LIMIT, counted(faults, "limit", "exceeded")).with(faults)
    }

    fn with(mut self, faults: &Faults) -> Self {
        let listed = faults.listed().iter();
        self.errors = listed
            .map(|fault| ProblemError { pointer: fault.pointer.clone(), code: fault.code.as_str(), detail: fault.detail.clone() })
            .collect();
        self
    }

    fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// "1 problem in the network", "250 problems in the network, the first 100 are listed".
fn counted(faults: &Faults, noun: &str, what: &str) -> String {
    let count = faults.count();
    let plural = if count == 1 { "" } else { "s" };
    let listed = faults.listed().len();
    let rest = if listed < count { format!(", the first {listed} are listed") } else { String::new() };
    format!("{count} {noun}{plural} {what}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::fault::At;

    fn invalid(pointers: &[&str], cap: usize) -> Problem {
        let mut faults = Faults::new(cap);
        for pointer in pointers {
            let (root, leaf) = pointer.split_once('/').unwrap_or((pointer, ""));
            let at = At::ROOT.name(root);
            faults.push(if leaf.is_empty() { at } else { at.name(leaf) }, Code::InvalidValue, "wrong");
        }
        Problem::of(&Error::Failed(Failure::Invalid(faults)))
    }

    fn check(problem: &Problem, kind: &str, detail: &str) {
        assert_eq!((problem.kind.as_str(), problem.detail.as_str()), (kind, detail));
        assert_eq!(problem.status, 422);
    }

    #[test]
    fn faults_are_counted_and_placed() {
        check(&invalid(&["network/nodes"], 9), "/problems/invalid-network", "1 problem in the network");
        check(&invalid(&["network", "parameters/w"], 9), "/problems/invalid-network", "2 problems in the network");
        check(&invalid(&["network", "batch"], 9), "/problems/invalid-network", "2 problems in the request");
        check(&invalid(&["networks"], 9), "/problems/invalid-request", "1 problem in the request");
        let mut limits = Faults::new(9);
        limits.push(At::ROOT.name("network"), Code::LimitExceeded, "too many nodes");
        check(&Problem::of(&Error::Failed(Failure::Invalid(limits.clone()))), "/problems/over-limit", "1 limit exceeded");
        limits.push(At::ROOT.name("network"), Code::InvalidValue, "wrong");
        check(&Problem::of(&Error::Failed(Failure::Invalid(limits))), "/problems/invalid-network", "2 problems in the network");
        let many = invalid(&["batch"; 5], 2);
        check(&many, "/problems/invalid-request", "5 problems in the request, the first 2 are listed");
        assert_eq!(many.errors.len(), 2);
    }

    #[test]
    fn kinds_are_told_apart_by_their_slugs() {
        let mut slugs: Vec<_> = Kind::ALL.iter().map(|kind| kind.slug).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
    }
}
