//! Grading: submitted losses, outputs, gradients and traces against the true ones, and what went wrong on the way.
//!
//! An [`exercise`] is a problem that was run once; its answer is the key. [`claims`] are what a student says of its [`parts`].
//! [`judge`] compares the two by a tolerance, by other conventions where a value lies on a corner (`at_kink`) and, with
//! [`follow_through`], by the student's own numbers. A
//! [`change`] is what a student does differently; a [mistake](mistakes) at a [`site`] is a change that predicts a whole answer, and
//! [`diagnosis`] returns those whose answer is the student's. All of it stands in one [`report`], of which every platform's
//! result is a pure function.
//!
//! To add a mistake: a file in `mistakes/`, a line in [`mistakes::CATALOG`].

pub(crate) mod at_kink;
pub mod change;
pub mod claims;
pub mod diagnosis;
pub mod exercise;
pub mod follow_through;
pub mod formats;
pub(crate) mod generate;
pub mod judge;
pub(crate) mod metrics;
pub mod mistakes;
pub mod parts;
pub mod policy;
pub mod report;
pub mod site;
pub mod summary;
pub(crate) mod survey;
pub(crate) mod tolerance;
pub(crate) mod wiring;
