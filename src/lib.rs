//! dedz: gradients over HTTP.

pub mod analysis;
pub mod cli;
pub mod config;
pub mod graph;
pub mod losses;
pub mod lower;
pub mod ops;
pub mod pool;
pub mod spec;
pub mod tape;
pub mod tensor;
