//! `dedz draw`: the network, a derivation or the gradient's flow as a picture.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::ask::Ask;
use super::{Stopped, shown};
use crate::analysis::{self, Form, Question};

#[derive(Debug, Args)]
pub(super) struct Draw {
    #[command(flatten)]
    ask: Ask,
    /// Where the picture goes: .svg, or .dot or .gv for Graphviz.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// What is drawn; left out, what the problem asks: its member "derivation" or "flow", else gradients.
    #[arg(long, value_enum)]
    of: Option<Of>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    /// z and dE/dz of every node, weights and their gradients on the edges.
    Gradients,
    /// The same with the paths of one derivative.
    Derivation,
    /// The gradient's size, a bar a layer.
    Flow,
}

impl Draw {
    pub(super) fn run(&self) -> Result<(), Stopped> {
        let form = form(&self.output)?;
        let problem = self.ask.read()?;
        match self.ask.answer(self.question(&problem), problem, form, None)? {
            Ok(picture) => {
                let name = self.output.display();
                std::fs::write(&self.output, picture).map_err(|error| Stopped::Problem(format!("cannot write {name}: {error}")))
            }
            Err(document) => {
                shown::problem(&document);
                Err(Stopped::Problem(String::new()))
            }
        }
    }

    fn question(&self, problem: &[u8]) -> Question {
        let asks = |member: &str| serde_json::from_slice::<Value>(problem).is_ok_and(|problem| problem.get(member).is_some());
        match self.of {
            Some(Of::Derivation) => &analysis::DERIVATION,
            Some(Of::Flow) => &analysis::FLOW,
            Some(Of::Gradients) => &analysis::GRADIENTS,
            None if asks("derivation") => &analysis::DERIVATION,
            None if asks("flow") => &analysis::FLOW,
            None => &analysis::GRADIENTS,
        }
    }
}

/// The form that a file's name asks for.
fn form(output: &Path) -> Result<Form, Stopped> {
    match output.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => Ok(Form::Svg),
        Some("dot" | "gv") => Ok(Form::Dot),
        _ => Err(Stopped::Usage(format!("{} ends in neither .svg nor .dot nor .gv", output.display()))),
    }
}
