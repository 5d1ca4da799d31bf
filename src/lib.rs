//! dedz: gradients over HTTP. Post a network, a minibatch and a loss; get the loss, every gradient and the dE/dz of every node.
//!
//! # Reading order
//!
//! The path of a request is the order in which to read:
//!
//! 1. [`spec`]: the wire. JSON text to values, values to the structs of a problem; all faults collected, each with a pointer.
//! 2. [`lower`]: a problem to a graph. Names, order, shapes, parameters, the objective; `lower/layers` has one file per layer,
//!    [`losses`] one per loss.
//! 3. [`graph`]: leaves and ops in topological order, and the plan: what is computed, kept and released, at what price.
//! 4. [`tape`]: the two sweeps. They know no op.
//! 5. [`ops`]: the primitives, one file each: shape rule, forward, vjp, cost, formula, laws.
//! 6. [`tensor`]: shapes, arrays, the number types, the kernels.
//! 7. [`optim`]: the optimisers, one file each. They know numbers alone.
//! 8. [`grading`]: submitted answers against the right ones, and the catalogue of mistakes.
//! 9. [`analysis`]: the questions, pure functions from bytes to bytes; [`draw`] makes pictures of some answers.
//! 10. [`store`]: where replicas share networks. The edges read and write it; nothing else does. [`seal`]: exercises that can be
//!     graded against but not read.
//! 11. The two thin edges over them, a server and a command line, and [`config`].
//!
//! # Invariants
//!
//! - Arrows run one way: edges → analysis → grading → lower, tape → graph → ops → tensor. `spec` is seen by `lower`, `losses`, `grading`, `analysis`
//!   and the edges alone. Below `analysis` there is no IO, no clock, no async and no serde (`tests/it/tidy.rs` holds us to it).
//! - What [`lower::lower`] returns cannot be wrong: after it nothing fails but a deadline.
//! - Nothing is allocated by a client's say-so: shapes are priced before the numbers they stand for are made.
//! - No recursion over a client's graph. A chain of 100,000 nodes is a normal request.
//! - Equal requests get equal bytes: every sum has a fixed order.
//!
//! # How to add
//!
//! - **an op**: a file in `ops/` with its formula, [`ops::Describe`], [`ops::Op`] (or the ten lines of [`ops::Unary`]), its
//!   `ENTRY` and its laws; a line in [`ops::CATALOG`]. A rule that is missing does not compile.
//! - **a layer**: a file in `lower/layers/` with its attributes and how it is made of primitives; a line in its `CATALOG`.
//! - **a loss**: a file in `losses/`; a line in [`losses::CATALOG`].
//! - **an optimiser**: a file in `optim/`; a line in [`optim::CATALOG`].
//! - **a mistake**: a file in `grading/mistakes/`; a line in [`grading::mistakes::CATALOG`].
//! - **a platform**: a file in `grading/formats/`; a line in [`grading::formats::FORMATS`].
//! - **an analysis**: a file in `analysis/` with its [`analysis::Analysis`], a line in [`analysis::ANALYSES`], a subcommand in
//!   `cli`, and in `http/openapi` a file with the schemas of its arguments and its reply.

pub mod analysis;
pub mod cli;
pub mod config;
pub mod draw;
pub mod grading;
pub mod graph;
pub mod http;
pub mod losses;
pub mod lower;
pub mod ops;
pub mod optim;
pub mod pool;
pub mod seal;
pub mod spec;
pub mod store;
pub mod tape;
pub mod tensor;
