//! One binary of integration tests: it links once, and every topic is a module.

mod bad_input;
mod both_levels;
mod determinism;
mod golden;
mod openapi;
mod readme;
mod tidy;
