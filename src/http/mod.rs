//! The service: thin, and without arithmetic. Bytes come in, wait for a worker thread, and go out again.
//!
//! Reading order: [`run`] (sockets), [`Edge`] (what every request gets), the router's list, the analyses, [`problem`].

mod access;
mod analyses;
mod app;
mod body;
mod edge;
mod event_stream;
mod linger;
mod media;
mod metrics;
mod multipart;
mod ndjson;
mod networks;
pub mod openapi;
mod operations;
mod pages;
pub mod problem;
mod router;
mod server;
mod threads;

pub use self::edge::Edge;
pub use self::server::{run, run_with};
