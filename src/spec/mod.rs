//! The wire: what a client writes and what it gets back. No maths here.

pub mod fault;
pub mod json;
