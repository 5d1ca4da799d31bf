//! Every route, as a list; and the OpenAPI document of the same list.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::app::App;
use super::problem::Error;
use super::{analyses, networks, operations, pages};

/// The routes and what is documented of them.
pub(super) fn build(app: Arc<App>) -> (Router, OpenApi) {
    let (router, document) = list().split_for_parts();
    let router = router.merge(analyses::routes());
    (router.fallback(not_found).method_not_allowed_fallback(method_not_allowed).with_state(app), document)
}

/// All routes but those of the analyses, which are listed in [`crate::analysis::ANALYSES`].
pub(super) fn list() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(super::openapi::frame())
        // What is kept.
        .routes(routes!(networks::put))
        .routes(routes!(networks::get, networks::delete))
        // What there is.
        .routes(routes!(operations::ops))
        .routes(routes!(operations::info))
        // Operations.
        .routes(routes!(operations::healthz))
        .routes(routes!(operations::readyz))
        .routes(routes!(operations::metrics))
        // To read.
        .routes(routes!(pages::openapi))
        .routes(routes!(pages::docs))
        .routes(routes!(pages::problem))
        .routes(routes!(pages::root))
}

async fn not_found(request: Request) -> Error {
    Error::NotFound(request.uri().path().to_owned())
}

async fn method_not_allowed(request: Request) -> Error {
    Error::MethodNotAllowed(request.method().to_string())
}
