//! Figures for Prometheus. Handles are made once and kept, since looking them up by name costs more than a small request.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::StatusCode;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::app::App;
use crate::analysis::{Holdings, Remembered};

/// Seconds; a small network takes well under a millisecond.
const BUCKETS: &[f64] =
    &[0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

/// Statuses that are counted apart, the most frequent first.
const STATUSES: [u16; 16] = [200, 201, 204, 422, 400, 503, 404, 405, 406, 408, 413, 415, 500, 504, 307, 0];

/// All figures of one service. Its own recorder, not a global one: tests run many services in one process.
pub(super) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    now: Now,
    lines: [OnceLock<Counter>; STATUSES.len()],
}

/// Figures that are read when they are asked for.
struct Now {
    in_flight: Gauge,
    short_queue: Gauge,
    long_queue: Gauge,
    idle: Gauge,
    held_bytes: Gauge,
    abandoned: Counter,
    panicked: Counter,
    stored: Stored,
}

/// Figures of stored networks.
struct Stored {
    networks: Gauge,
    bytes: Gauge,
    hits: Counter,
    misses: Counter,
    evicted: Counter,
    lowered_bytes: Gauge,
    lowered_hits: Counter,
    lowered_misses: Counter,
}

impl Stored {
    fn new() -> Self {
        Self {
            networks: gauge!("dedz_stored_networks"),
            bytes: gauge!("dedz_stored_bytes"),
            hits: counter!("dedz_stored_hits_total"),
            misses: counter!("dedz_stored_misses_total"),
            evicted: counter!("dedz_stored_evicted_total"),
            lowered_bytes: gauge!("dedz_lowered_bytes"),
            lowered_hits: counter!("dedz_lowered_hits_total"),
            lowered_misses: counter!("dedz_lowered_misses_total"),
        }
    }

    fn set(&self, now: Holdings, lowered: Remembered) {
        self.lowered_bytes.set(lowered.bytes as f64);
        self.lowered_hits.absolute(lowered.hits);
        self.lowered_misses.absolute(lowered.misses);
        self.networks.set(now.networks as f64);
        self.bytes.set(now.bytes as f64);
        self.hits.absolute(now.hits);
        self.misses.absolute(now.misses);
        self.evicted.absolute(now.evicted);
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    pub(super) fn new() -> Self {
        let recorder = PrometheusBuilder::new().set_buckets(BUCKETS).expect("there are buckets").build_recorder();
        let now = with_local_recorder(&recorder, || {
            describe();
            Now {
                in_flight: gauge!("dedz_requests_in_flight"),
                short_queue: gauge!("dedz_queue_depth", "lane" => "short"),
                long_queue: gauge!("dedz_queue_depth", "lane" => "long"),
                idle: gauge!("dedz_workers_idle"),
                held_bytes: gauge!("dedz_held_bytes"),
                abandoned: counter!("dedz_jobs_abandoned_total"),
                panicked: counter!("dedz_jobs_panicked_total"),
                stored: Stored::new(),
            }
        });
        Self { handle: recorder.handle(), recorder, now, lines: Default::default() }
    }

    /// The figures of one route.
    pub(super) fn route(&self, route: &str) -> RouteMetrics {
        let duration = with_local_recorder(&self.recorder, || histogram!("dedz_request_seconds", "route" => route.to_owned()));
        RouteMetrics { route: route.to_owned(), duration, requests: Default::default() }
    }

    /// Count a line of NDJSON.
    pub(super) fn line(&self, status: u16) {
        let new = || with_local_recorder(&self.recorder, || counter!("dedz_ndjson_lines_total", "status" => status.to_string()));
        self.lines[slot(status)].get_or_init(new).increment(1);
    }

    /// All figures in Prometheus' text format. Those that say how things are now are read now.
    pub(super) fn render(&self, app: &App) -> String {
        let load = app.pool.load();
        let Now { in_flight, short_queue, long_queue, idle, held_bytes, abandoned, panicked, stored } = &self.now;
        in_flight.set(app.in_flight() as f64);
        short_queue.set(load.short_queue as f64);
        long_queue.set(load.long_queue as f64);
        idle.set(load.idle as f64);
        held_bytes.set(app.budget.held() as f64);
        abandoned.absolute(load.abandoned);
        panicked.absolute(load.panicked);
        stored.set(app.library.holdings(), app.library.remembered());
        self.handle.render()
    }

    /// Fold recorded durations into their buckets; to be called now and then, or they pile up until the next scrape.
    pub(super) fn tidy(&self) {
        self.handle.run_upkeep();
    }
}

/// The figures of one route.
pub(super) struct RouteMetrics {
    route: String,
    duration: Histogram,
    requests: [OnceLock<Counter>; STATUSES.len()],
}

impl std::fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RouteMetrics").field("route", &self.route).finish_non_exhaustive()
    }
}

impl RouteMetrics {
    pub(super) fn name(&self) -> &str {
        &self.route
    }

    pub(super) fn record(&self, metrics: &Metrics, status: StatusCode, took: Duration) {
        let status = status.as_u16();
        let new = || {
            let labels = [("route", self.route.clone()), ("status", status.to_string())];
            with_local_recorder(&metrics.recorder, || counter!("dedz_requests_total", &labels))
        };
        self.requests[slot(status)].get_or_init(new).increment(1);
        self.duration.record(took.as_secs_f64());
    }
}

fn slot(status: u16) -> usize {
    STATUSES.iter().position(|&known| known == status).unwrap_or(STATUSES.len() - 1)
}

fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!("dedz_requests_total", "requests answered, by route and status");
    describe_histogram!("dedz_request_seconds", Unit::Seconds, "time from a request's head to its response's, by route");
    describe_gauge!("dedz_requests_in_flight", "requests whose response has not begun");
    describe_gauge!("dedz_queue_depth", "jobs waiting for a worker, by lane");
    describe_gauge!("dedz_workers_idle", "workers without a job");
    describe_gauge!("dedz_held_bytes", Unit::Bytes, "bodies being read, waiting or being worked on");
    describe_counter!("dedz_jobs_abandoned_total", "jobs skipped or stopped because nobody waited any more");
    describe_counter!("dedz_jobs_panicked_total", "jobs that panicked");
    describe_gauge!("dedz_stored_networks", "networks kept in memory");
    describe_gauge!("dedz_stored_bytes", Unit::Bytes, "memory that stored networks take");
    describe_counter!("dedz_stored_hits_total", "problems that named a network which was in memory");
    describe_counter!("dedz_stored_misses_total", "problems that named a network which was not");
    describe_counter!("dedz_stored_evicted_total", "networks put out of memory for others");
    describe_gauge!(
        "dedz_lowered_bytes",
        Unit::Bytes,
        "memory that lowered networks take, kept for the next problem that carries them"
    );
    describe_counter!("dedz_lowered_hits_total", "problems whose network was lowered before");
    describe_counter!("dedz_lowered_misses_total", "problems whose network was not, or that were faulty");
    describe_counter!("dedz_ndjson_lines_total", "lines of NDJSON answered, by status");
}
