//! One binary of integration tests: it links once, and every topic is a module.

mod bad_input;
mod golden;
mod openapi;
