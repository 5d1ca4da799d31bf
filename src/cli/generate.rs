//! `dedz generate`: an exercise from a seed, printed as JSON or written to a folder ready to be handed out.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::Stopped;
use super::ask::{By, read};
use crate::analysis::{Form, GENERATE};

/// The files of an exercise, and where in the reply each stands; a text is written as it is.
const FILES: &[(&str, &str)] = &[
    ("exercise.json", "/exercise"),
    ("key.json", "/key"),
    ("sheet.md", "/sheet/problem"),
    ("solution.md", "/sheet/solution"),
    ("network.svg", "/sheet/network_svg"),
    ("gradients.svg", "/sheet/gradients_svg"),
];

#[derive(Debug, Args)]
pub(super) struct Generate {
    /// The wish, a JSON file {"generate": {…}}; - reads standard input. The flags stand above it.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The seed: the same gives the same exercise for ever.
    #[arg(long)]
    seed: Option<String>,
    /// How it is wired: layered or dag.
    #[arg(long)]
    template: Option<String>,
    /// How much there is to do: easy, medium or hard.
    #[arg(long)]
    difficulty: Option<String>,
    /// Neurons, outputs among them.
    #[arg(id = "neurons", long = "nodes", value_name = "N")]
    nodes: Option<u64>,
    /// Samples of the minibatch.
    #[arg(long, value_name = "N")]
    samples: Option<u64>,
    /// Levels of neurons.
    #[arg(long, value_name = "N")]
    depth: Option<u64>,
    /// The loss.
    #[arg(long, help = "The loss: cross_entropy, squared_error, mse, bce or bce_with_logits")]
    loss: Option<String>,
    /// Activations of hidden neurons, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "OP")]
    activations: Vec<String>,
    /// Write exercise.json, key.json, sheet.md, solution.md, network.svg and gradients.svg into this folder.
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    #[command(flatten)]
    by: By,
}

impl Generate {
    pub(super) fn run(&self) -> Result<(), Stopped> {
        let answered = self.by.answer(&GENERATE, self.request()?, "", Form::Json, None, None)?;
        match (&self.output, answered) {
            (Some(folder), Ok(reply)) => write(folder, &reply),
            (_, answered) => self.by.show(answered),
        }
    }

    /// The file's text as it is where no flag says otherwise.
    fn request(&self) -> Result<Vec<u8>, Stopped> {
        let text = self.file.as_deref().map(read).transpose()?;
        let flags = self.flags();
        match text {
            Some(text) if flags.is_empty() => Ok(text),
            Some(text) => {
                let unreadable = |error| Stopped::Usage(format!("the flags cannot be added to what is no JSON: {error}"));
                let mut request: Value = serde_json::from_slice(&text).map_err(unreadable)?;
                let wish = request.get_mut("generate").and_then(Value::as_object_mut);
                let wish = wish.ok_or_else(|| Stopped::Usage("the file has no object \"generate\" for the flags".to_owned()))?;
                wish.extend(flags);
                Ok(request.to_string().into_bytes())
            }
            None => Ok(json!({ "generate": flags }).to_string().into_bytes()),
        }
    }

    fn flags(&self) -> Map<String, Value> {
        let words = [("seed", &self.seed), ("template", &self.template), ("difficulty", &self.difficulty), ("loss", &self.loss)];
        let numbers = [("nodes", self.nodes), ("samples", self.samples), ("depth", self.depth)];
        let words = words.into_iter().filter_map(|(name, word)| Some((name.to_owned(), json!(word.as_ref()?))));
        let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), json!(number?))));
        let list = (!self.activations.is_empty()).then(|| ("activations".to_owned(), json!(self.activations)));
        words.chain(numbers).chain(list).collect()
    }
}

fn write(folder: &Path, reply: &[u8]) -> Result<(), Stopped> {
    let failed = |name: &Path, error| Stopped::Problem(format!("cannot write {}: {error}", name.display()));
    let reply: Value =
        serde_json::from_slice(reply).map_err(|error| Stopped::Problem(format!("the reply is no JSON: {error}")))?;
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (name, place) in FILES {
        let part = reply.pointer(place).ok_or_else(|| Stopped::Problem(format!("the reply has no {place}")))?;
        let text = match part {
            Value::String(text) => text.clone(),
            other => format!("{other:#}\n"),
        };
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}
