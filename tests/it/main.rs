//! One binary of integration tests: it links once, and every topic is a module.

mod answers;
mod bad_input;
mod both_levels;
mod cli;
mod composed;
mod determinism;
mod golden;
mod load;
mod ndjson;
mod networks;
mod openapi;
mod operations;
mod pool;
mod readme;
mod router;
mod shutdown;
mod support;
mod tensors;
mod tidy;
