//! What an operator asks: is it well, what does it do, what may it be asked.

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::problem::Error;
use crate::analysis::catalog;
use crate::config::{Admission, Limits};

/// What this service is, and every limit in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Info {
    /// `dedz`.
    #[schema(example = "dedz")]
    name: &'static str,
    /// The version, as in `meta.engine` of a reply.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// Number types that `options.dtype` may name, the default first.
    #[schema(example = json!(["f64", "f32"]))]
    dtypes: [&'static str; 2],
    /// Threads that compute.
    #[schema(minimum = 1)]
    workers: usize,
    /// Bounds on one request.
    limits: Limits,
    /// Bounds on all requests together.
    admission: Admission,
    /// Stored networks.
    networks: NetworksInfo,
}

/// How networks are kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NetworksInfo {
    /// Bytes of memory that they may take; the one used longest ago goes out.
    stored_bytes: usize,
    /// Whether a store keeps them too, where other replicas find them.
    shared: bool,
}

/// Version, dtypes, number of workers and every limit in force.
#[utoipa::path(get, path = "/v1/info", operation_id = "info", tag = "catalogue",
    responses((status = 200, description = "What this service is", body = Info)))]
pub(super) async fn info(State(app): State<Arc<App>>) -> Response {
    json(&Info {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        dtypes: ["f64", "f32"],
        workers: app.workers,
        limits: app.config.limits.clone(),
        admission: app.config.admission.clone(),
        networks: NetworksInfo { stored_bytes: app.config.networks.stored_bytes, shared: app.config.networks.store.is_some() },
    })
}

/// Every op, layer, loss and optimiser with its attributes, parameters, formula and derivative.
#[utoipa::path(get, path = "/v1/ops", operation_id = "ops", tag = "catalogue",
    responses((status = 200, description = "The catalogue", body = serde_json::Value)))]
pub(super) async fn ops() -> Response {
    static CATALOGUE: LazyLock<Bytes> = LazyLock::new(|| catalog::json().into());
    ([(header::CONTENT_TYPE, "application/json")], CATALOGUE.clone()).into_response()
}

fn json(value: &impl Serialize) -> Response {
    let text = serde_json::to_vec(value).expect("what is written here has string keys only");
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "operations",
    responses((status = 200, description = "It lives", body = String, content_type = "text/plain", example = "ok")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether requests are admitted: 503 while shutting down.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "operations", responses(
    (status = 200, description = "Requests are admitted", body = String, content_type = "text/plain", example = "ready"),
    (status = 503, description = "The service is shutting down", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, Error> {
    if app.is_draining() { Err(Error::Draining) } else { Ok("ready\n") }
}

/// Figures for Prometheus.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "operations",
    responses((status = 200, description = "Figures in Prometheus' text format", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (StatusCode::OK, headers, app.metrics.render(&app))
}
