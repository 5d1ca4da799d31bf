//! The command line: the second thin edge over the same pure functions. One file per subcommand.
//!
//! Exit codes: 0 done, 1 a problem (told on standard error), 2 the command itself was wrong.

mod ask;
mod demo;
mod descend;
mod draw;
mod generate;
mod grade;
mod health;
mod indent;
mod openapi;
mod progress;
mod seal;
mod serve;
mod shown;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::analysis;

/// Gradients over HTTP: post a network, a minibatch and a loss; get the loss, every gradient and the dE/dz of every node.
#[derive(Debug, Parser)]
#[command(name = "dedz", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve over HTTP until SIGTERM or SIGINT, then finish what was accepted.
    Serve(serve::Serve),
    /// Loss, outputs, every gradient and the trace of every node.
    Gradients(ask::Ask),
    /// Loss, outputs and every node's value, without the backward pass.
    Forward(ask::Ask),
    /// Nodes with inferred shapes, parameter names and shapes, and the cost, without a run.
    Validate(ask::Ask),
    /// The chain rule written out for one weight, bias or node.
    Derivation(ask::Ask),
    /// Gradient flow: vanishing, exploding, saturated or dead, layer by layer.
    Flow(ask::Ask),
    /// Draw the network with its gradients, a derivation's paths or the gradient's flow.
    Draw(draw::Draw),
    /// Backprop's gradient against perturbation, coordinate by coordinate.
    Check(ask::Ask),
    /// How outputs and loss move along tangents of parameters and inputs.
    Jvp(ask::Ask),
    /// Cotangents of nodes, pulled back to parameters and inputs.
    Vjp(ask::Ask),
    /// The derivative of a node by parameters and inputs.
    Jacobian(ask::Ask),
    /// How the gradient moves along tangents.
    Hvp(ask::Ask),
    /// The second derivatives of the loss, as one matrix.
    Hessian(ask::Ask),
    /// Steps of an optimiser: losses on the way and the parameters at the end.
    Descend(ask::Ask),
    /// Judge submitted answers: verdicts, points, and what went wrong.
    Grade(grade::Grade),
    /// Seal an exercise with its rules, for clients that may be graded by it but not see it.
    Seal(seal::Seal),
    /// Judge an exercise: which mistakes it cannot tell apart, and how exactly to work.
    Analyze(ask::Ask),
    /// An exercise from a seed, with its key, a sheet to print and the solution.
    Generate(generate::Generate),
    /// Print the OpenAPI document.
    Openapi(openapi::Openapi),
    /// Ask a running service whether it lives: exit 0 if so, else 1.
    Health(health::Health),
    /// Start the service on a free port, post two networks to it, and show what comes back.
    Demo(demo::Demo),
}

/// Why a command did not succeed.
#[derive(Debug)]
enum Stopped {
    /// Something is wrong with the request or the service, and this says what; nothing if it was told already.
    Problem(String),
    /// The command line, or a file that it names, is wrong.
    Usage(String),
    /// Whoever read our output has gone: nothing is wrong.
    Unread,
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Unread } else { Self::Problem(error.to_string()) }
    }
}

/// Parse the arguments, run, and say how it went.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Gradients(ask) => ask.run(&analysis::GRADIENTS),
        Command::Forward(ask) => ask.run(&analysis::FORWARD),
        Command::Validate(ask) => ask.run(&analysis::VALIDATE),
        Command::Derivation(ask) => ask.run(&analysis::DERIVATION),
        Command::Flow(ask) => ask.run(&analysis::FLOW),
        Command::Draw(draw) => draw.run(),
        Command::Check(ask) => ask.run(&analysis::CHECK),
        Command::Jvp(ask) => ask.run(&analysis::JVP),
        Command::Vjp(ask) => ask.run(&analysis::VJP),
        Command::Jacobian(ask) => ask.run(&analysis::JACOBIAN),
        Command::Hvp(ask) => ask.run(&analysis::HVP),
        Command::Hessian(ask) => ask.run(&analysis::HESSIAN),
        Command::Descend(ask) => descend::run(&ask),
        Command::Grade(grade) => grade.run(),
        Command::Seal(seal) => seal.run(),
        Command::Analyze(ask) => ask.run(&analysis::ANALYZE),
        Command::Generate(generate) => generate.run(),
        Command::Openapi(openapi) => openapi.run(),
        Command::Health(health) => health.run(),
        Command::Demo(demo) => demo.run(),
    };
    let (code, message) = match done {
        Ok(()) | Err(Stopped::Unread) => (0, String::new()),
        Err(Stopped::Problem(message)) => (1, message),
        Err(Stopped::Usage(message)) => (2, message),
    };
    if !message.is_empty() {
        shown::complain(&message);
    }
    ExitCode::from(code)
}
