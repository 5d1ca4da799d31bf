//! One binary of integration tests: it links once, and every topic is a module.

mod answers;
mod bad_input;
mod both_levels;
mod check;
mod cli;
mod composed;
mod derivation;
mod descend;
mod descend_live;
mod determinism;
mod flow;
mod golden;
mod load;
mod maps;
mod ndjson;
mod networks;
mod openapi;
mod operations;
mod pictures;
mod pool;
mod readme;
mod router;
mod shutdown;
mod support;
mod tensors;
mod tidy;
