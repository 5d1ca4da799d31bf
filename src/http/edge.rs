//! What happens to every request, whatever its route: an id, a span, a figure in the metrics, and, if it failed, its problem
//! document.
//!
//! One function around the router instead of a stack of layers: at tens of thousands of requests a second each layer shows.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower::Service;
use tracing::Instrument;

use super::access::Gate;
use super::analyses;
use super::app::App;
use super::metrics::RouteMetrics;
use super::problem::{Error, Problem};
use super::router;
use crate::analysis::{ANALYSES, Question};
use crate::config::Config;
use crate::pool::Prepare;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request's id: the client's own, if it is sane, or a new one.
#[derive(Debug, Clone)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self(HeaderValue::from_static(""))
    }
}

/// The whole service but its sockets: from a request to a response.
#[derive(Debug, Clone)]
pub struct Edge {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    app: Arc<App>,
    gate: Gate,
    router: Router,
    routes: HashMap<String, Known>,
    elsewhere: Known,
    next_id: AtomicU64,
}

/// A path of the router's: its figures, and the question if it asks one.
#[derive(Debug)]
struct Known {
    figures: RouteMetrics,
    question: Option<Question>,
}

impl Edge {
    /// A service with its worker threads. Analyses are answered by `prepare`: [`crate::analysis::prepare`], or a test's own.
    ///
    /// # Errors
    /// The file of keys cannot be read.
    pub fn new(config: Config, prepare: Arc<Prepare>) -> io::Result<Self> {
        let gate = Gate::new(&config.access)?;
        let app = Arc::new(App::new(config, prepare));
        let (router, document) = router::build(Arc::clone(&app));
        let analyses = ANALYSES.iter().map(|analysis| format!("/v1/{}", analysis.name));
        let paths = document.paths.paths.keys().cloned().chain(analyses);
        let known = |path: &str| {
            let question = ANALYSES.iter().find(|analysis| path.strip_prefix("/v1/") == Some(analysis.name)).copied();
            Known { figures: app.metrics.route(path), question }
        };
        let routes = paths.map(|path| (path.clone(), known(&path))).collect();
        let elsewhere = known("elsewhere");
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        Ok(Self { inner: Arc::new(Inner { app, gate, router, routes, elsewhere, next_id: AtomicU64::new(seed) }) })
    }

    pub(super) fn app(&self) -> &Arc<App> {
        &self.inner.app
    }

    /// Answer a request of the client at this address, where that is known.
    pub async fn answer(&self, mut request: Request, peer: Option<IpAddr>) -> Response {
        let Inner { app, gate, router, routes, elsewhere, .. } = &*self.inner;
        let arrival = Instant::now();
        let in_flight = app.enter();
        let id = self.id_of(request.headers());
        let method = request.method().clone();
        let route = routes.get(request.uri().path()).unwrap_or(elsewhere);
        let span = tracing::debug_span!("request", id = id.as_str(), %method, route = route.figures.name());
        let admitted = gate.admit(request.uri().path(), request.headers(), peer);
        let mut response = match (admitted, route.question) {
            (Err(error), _) => error.into_response(),
            // Past the router, which would box and clone on the way to the same handler.
            (Ok(()), Some(question)) if method == Method::POST => {
                let asked = analyses::ask(Arc::clone(app), question, request, &id).instrument(span.clone()).await;
                asked.unwrap_or_else(IntoResponse::into_response)
            }
            (Ok(()), _) => {
                request.extensions_mut().insert(id.clone());
                let response = router.clone().call(request).instrument(span.clone()).await;
                response.unwrap_or_else(|never| match never {})
            }
        };
        if let Some(error) = response.extensions_mut().remove::<Error>() {
            log_failure(&error, &id);
            write_problem(&mut response, Problem::of(&error), &id);
        }
        let status = response.status();
        response.headers_mut().insert(REQUEST_ID.clone(), id.0);
        let took = arrival.elapsed();
        route.figures.record(&app.metrics, status, took);
        drop(in_flight);
        tracing::debug!(parent: &span, status = status.as_u16(), ms = took.as_secs_f64() * 1e3, "answered");
        response
    }

    fn id_of(&self, headers: &HeaderMap) -> RequestId {
        let sane = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:~+/=@".contains(byte);
        match headers.get(&REQUEST_ID) {
            Some(id) if (1..=128).contains(&id.len()) && id.as_bytes().iter().all(sane) => RequestId(id.clone()),
            _ => RequestId(self.new_id()),
        }
    }

    /// A number that does not repeat, spread over all 64 bits (the finaliser of `SplitMix64`) so that ids do not look alike.
    fn new_id(&self) -> HeaderValue {
        let mut z = self.inner.next_id.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        HeaderValue::try_from(format!("{z:016x}")).expect("hexadecimal digits are a header's value")
    }
}

/// A failure of the service itself is logged, once, here; what a client did wrong is the client's to read.
pub(super) fn log_failure(error: &Error, id: &RequestId) {
    match error {
        Error::Panicked(panic) => tracing::error!(id = id.as_str(), panic, "a job panicked"),
        Error::StoreUnavailable(why) => tracing::error!(id = id.as_str(), why, "the store does not answer"),
        _ => {}
    }
}

fn write_problem(response: &mut Response, mut problem: Problem, id: &RequestId) {
    id.as_str().clone_into(&mut problem.instance);
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = problem.retry_after {
        // Clients that were refused together must not come back together: up to two seconds more, by the id's last digit.
        let spread = id.as_str().bytes().last().map_or(0, |byte| u64::from(byte) % 3);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds + spread));
    }
    if problem.status == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let body = problem.to_json();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = Body::from(body);
}
