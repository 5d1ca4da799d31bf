//! dedz: gradients over HTTP.
//!
//! Reading order: [`spec`] (what a client writes), [`lower`] (how it becomes a graph), [`graph`], [`tape`] (the sweeps),
//! [`ops`] (the rules), [`tensor`] (the numbers), [`analysis`] (the questions), then the two thin edges `http` and `cli`.

pub mod analysis;
pub mod config;
pub mod spec;
pub mod tensor;
