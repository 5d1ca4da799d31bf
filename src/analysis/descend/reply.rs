//! The reply of `descend`, and its two forms: JSON and safetensors.

use super::Ready;
use super::train::Trained;
use crate::analysis::answer::{attributes, meta, objective, text};
use crate::analysis::run::NonFinite;
use crate::analysis::{Form, Reply, room};
use crate::spec::safetensors::File;
use crate::spec::write::{Wire, Writer};
use crate::tensor::{Shape, Tensor};

impl<S: Wire> Trained<S> {
    /// The reply in the form that was asked for; what an event stream ends with is JSON.
    pub(super) fn write(&self, ready: &Ready) -> Reply {
        match ready.form {
            Form::Safetensors => Reply { content_type: "application/vnd.safetensors", body: self.safetensors(ready) },
            // There is no picture of it.
            Form::Json | Form::EventStream | Form::Svg | Form::Dot => {
                Reply { content_type: "application/json", body: self.json(ready) }
            }
        }
    }

    fn losses(&self) -> Tensor<S> {
        vector(self.reports.iter().map(|report| report.loss).collect())
    }

    fn gradient_norms(&self) -> Tensor<S> {
        vector(self.reports.iter().map(|report| report.gradient_norm).collect())
    }

    fn steps(&self, w: &mut Writer) {
        w.array(|w| self.reports.iter().for_each(|report| w.integer(report.step)));
    }

    fn json(&self, ready: &Ready) -> Vec<u8> {
        let encoding = ready.options.encoding;
        let mut w = Writer::new();
        w.object(|w| {
            w.key("loss").number(self.loss);
            for (name, tensor) in [("losses", self.losses()), ("gradient_norms", self.gradient_norms())] {
                w.key(name).tensor(tensor.shape(), tensor.data(), encoding);
            }
            self.steps(w.key("steps"));
            w.key("parameters").object(|w| {
                for (name, tensor) in &self.parameters {
                    w.key(name).tensor(tensor.shape(), tensor.data(), encoding);
                }
            });
            if let Some(echo) = &ready.whole.lowered.objective {
                objective(w.key("objective"), &echo.echo);
            }
            optimizer(w.key("optimizer"), ready);
            if let Some((step, found)) = &self.non_finite {
                non_finite(w.key("non_finite"), *step, found);
            }
            meta::<S>(w.key("meta"), &ready.request_hash);
        });
        w.into_bytes()
    }

    fn safetensors(&self, ready: &Ready) -> Vec<u8> {
        let mut file = File::default();
        file.put("loss", &Tensor::scalar(self.loss));
        for (name, tensor) in [("losses", self.losses()), ("gradient_norms", self.gradient_norms())] {
            file.put(name, &tensor);
        }
        for (name, tensor) in &self.parameters {
            file.put(format!("parameters/{name}"), tensor);
        }
        let mut metadata = vec![("loss", text(&|w| w.number(self.loss))), ("steps", text(&|w| self.steps(w)))];
        if let Some(echo) = &ready.whole.lowered.objective {
            metadata.push(("objective", text(&|w| objective(w, &echo.echo))));
        }
        metadata.push(("optimizer", text(&|w| optimizer(w, ready))));
        if let Some((step, found)) = &self.non_finite {
            metadata.push(("non_finite", text(&|w| non_finite(w, *step, found))));
        }
        metadata.push(("meta", text(&|w| meta::<S>(w, &ready.request_hash))));
        file.finish(&metadata, room::of)
    }
}

fn vector<S: Wire>(data: Vec<S>) -> Tensor<S> {
    let shape = Shape::new(&[data.len()]).expect("priced below the limits");
    Tensor::new(shape, data)
}

/// The optimiser with every argument's value, so that none is guessed.
fn optimizer(w: &mut Writer, ready: &Ready) {
    w.object(|w| {
        w.key("op").string(ready.arguments.optimizer.name);
        attributes(w, &ready.arguments.values);
    });
}

fn non_finite(w: &mut Writer, step: u64, found: &NonFinite) {
    w.object(|w| {
        w.key("step").integer(step);
        w.key("first_node").string(&found.first_node);
        w.key("pass").string(found.pass);
    });
}
