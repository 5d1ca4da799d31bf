//! What every handler sees: the configuration, the pool, and the figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::metrics::Metrics;
use crate::analysis::Library;
use crate::config::Config;
use crate::pool::{Budget, Pool, Prepare};

/// One running service.
#[derive(Debug)]
pub(super) struct App {
    pub(super) config: Config,
    pub(super) workers: usize,
    pub(super) pool: Pool,
    pub(super) budget: Budget,
    pub(super) metrics: Metrics,
    pub(super) library: Arc<Library>,
    in_flight: AtomicUsize,
    draining: AtomicBool,
}

impl App {
    pub(super) fn new(config: Config, prepare: Arc<Prepare>) -> Self {
        let workers = config.workers();
        Self {
            workers,
            pool: Pool::start(workers, &config.admission, config.limits.clone(), prepare),
            budget: Budget::new(config.admission.held_bytes),
            metrics: Metrics::new(),
            library: Arc::new(Library::new(config.networks.stored_bytes).sealed_with(config.sealing.seal_keys.clone())),
            in_flight: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            config,
        }
    }

    /// Admit nothing from now on.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.pool.close();
    }

    /// Whether the service is shutting down.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Requests whose response has not begun.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Count a request as in flight until the guard is dropped.
    pub(super) fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }
}

/// A request in flight.
pub(super) struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
