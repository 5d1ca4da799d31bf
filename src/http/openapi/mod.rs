//! The OpenAPI 3.1 document. Routes, problems and figures come from the code by way of utoipa; what a client writes and what an
//! analysis replies is plain JSON Schema in [`request`] and [`reply`], since no Rust type has those shapes.

mod reply;
mod request;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr, Response};

/// The document without its routes.
pub(super) fn frame() -> OpenApi {
    let license = LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("dedz")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("description.md")))
        .license(Some(license));
    let tag = |name, description: &str| TagBuilder::new().name(name).description(Some(description)).build();
    OpenApiBuilder::new()
        .info(info.build())
        .tags(Some([
            tag("analyses", "Questions about one problem: a network, its parameters, a minibatch and a loss."),
            tag("catalogue", "What there is to build networks from, and the limits in force."),
            tag("operations", "For those who run the service."),
            tag("documentation", "For those who read."),
        ]))
        .build()
}

/// The failures that every analysis may answer with.
pub(super) struct Failures;

impl utoipa::IntoResponses for Failures {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::new()
    }
}

/// The document.
pub fn document() -> Value {
    json!({})
}

/// The document as it is served and checked in: indented, with a final line break.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&document()).expect("a JSON value is JSON");
    text.push('\n');
    text
}
