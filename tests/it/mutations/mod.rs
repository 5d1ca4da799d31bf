//! The judge of the grader: exercises solved with every mistake by an engine of its own, written from the lecture and from nothing
//! of the grader's, and what the grader says of them.

mod agreement;
mod answer;
mod catalogue;
mod engine;
mod exercise;
mod judgement;
mod make;
mod objective;
mod planted;
mod random;
mod sites;
mod sites_graph;
mod sites_objective;
mod slip;
mod wire;
