//! The wire: what a client writes and what it gets back. No maths here.

pub mod decode;
pub mod fault;
pub mod json;
pub mod problem;
pub mod safetensors;
pub mod tensor;
pub mod write;
