//! The answer of a run, and its two forms: JSON and safetensors.

use std::sync::Arc;

use super::certify::Certificate;
use super::run::NonFinite;
use super::shown::{Listed, Shown};
use super::skeleton::{MARK, Place, Skeleton};
use super::stats::{self, Stats};
use super::{ENGINE, Form, Reply, room};
use crate::losses::Echo;
use crate::ops::Scalar;
use crate::ops::attributes::{Value, Values as Attributes};
use crate::spec::problem::Encoding;
use crate::spec::safetensors::File;
use crate::spec::write::{AHEAD, Wire, Writer};
use crate::tensor::decimal::{Printer, printer_pays};
use crate::tensor::{Shape, Tensor};

/// A tensor with its name.
pub(super) type Named<S> = Vec<(String, Tensor<S>)>;

/// All that a reply may hold; what was not computed is absent.
#[derive(Debug)]
pub(super) struct Answer<'j, S: Clone> {
    pub(super) loss: Option<S>,
    pub(super) losses: Option<Shown<'j, S>>,
    pub(super) objective: Option<&'j Arc<Echo>>,
    pub(super) outputs: Listed<'j, S>,
    pub(super) gradients: Option<Listed<'j, S>>,
    pub(super) input_gradients: Option<Listed<'j, S>>,
    pub(super) regularization: Option<(S, Option<Listed<'j, S>>)>,
    pub(super) stats: Option<Vec<Stats>>,
    pub(super) certificate: Option<Certificate>,
    pub(super) trace: Option<Vec<Entry<'j, S>>>,
    pub(super) non_finite: Option<NonFinite>,
    pub(super) request_hash: &'j str,
    /// What replies to such problems have in common, if it is kept.
    pub(super) place: Option<&'j Place>,
}

/// A value of a reply.
enum Part<'a, S: Clone> {
    Number(&'a S),
    Tensor(&'a Shown<'a, S>),
    Name(&'a str),
}

impl<S: Clone> Part<'_, S> {
    fn numbers(&self) -> &[S] {
        match self {
            Self::Number(x) => std::slice::from_ref(*x),
            Self::Tensor(shown) => &shown.data,
            Self::Name(_) => &[],
        }
    }
}

/// How values are written.
#[derive(Clone, Copy)]
enum Values {
    As(Encoding),
    /// A mark for each.
    Marks,
}

/// One node of the trace.
#[derive(Debug)]
pub(super) struct Entry<'j, S: Clone> {
    pub(super) id: &'j str,
    pub(super) op: &'j str,
    pub(super) inputs: &'j [String],
    /// `a`, `z`, `dE_da`, `dE_dz`, those that there are.
    pub(super) tensors: [Option<(&'static str, Shown<'j, S>)>; 4],
}

impl<S: Wire + Scalar> Answer<'_, S> {
    /// Whether every number is finite.
    pub(super) fn is_finite(&self) -> bool {
        let named = |list: &Listed<'_, S>| list.iter().all(|(_, shown)| shown.is_finite());
        self.loss.is_none_or(super::super::tensor::scalar::Float::is_finite)
            && self.losses.as_ref().is_none_or(Shown::is_finite)
            && named(&self.outputs)
            && self.gradients.as_ref().is_none_or(named)
            && self.input_gradients.as_ref().is_none_or(named)
            && self.trace.iter().flatten().all(|entry| entry.tensors.iter().flatten().all(|(_, shown)| shown.is_finite()))
    }

    /// The reply in a form.
    pub(super) fn write(&self, form: Form, encoding: Encoding) -> Reply {
        match form {
            Form::Safetensors => Reply { content_type: form.media_type(), body: self.safetensors() },
            // Pictures are drawn elsewhere.
            Form::Json | Form::EventStream | Form::Svg | Form::Dot => {
                Reply { content_type: Form::Json.media_type(), body: self.json(encoding) }
            }
        }
    }

    fn json(&self, encoding: Encoding) -> Vec<u8> {
        let plain = self.stats.is_none() && self.certificate.is_none() && self.non_finite.is_none();
        let place = self.place.filter(|_| plain);
        let skeleton = place.and_then(|place| place.skeleton(self.objective, || self.written(Values::Marks)));
        let Some(skeleton) = skeleton else { return self.written(Values::As(encoding)) };
        let filled = self.filled(skeleton, encoding);
        debug_assert_eq!(String::from_utf8_lossy(&filled), String::from_utf8_lossy(&self.written(Values::As(encoding))));
        filled
    }

    /// The reply with its values put into what it has in common with others.
    fn filled(&self, skeleton: &Skeleton, encoding: Encoding) -> Vec<u8> {
        /// As many numbers as these are gathered and written together.
        const TOGETHER: std::ops::Range<usize> = 16..4096;
        let mut w = Writer::over(room::of(self.text_bytes(encoding)));
        let mut count = 0;
        self.parts(|part| count += part.numbers().len());
        let together = encoding == Encoding::Nested && TOGETHER.contains(&count) && printer_pays();
        let mut numbers = Vec::with_capacity(if together { count } else { 0 });
        if together {
            self.parts(|part| numbers.extend_from_slice(part.numbers()));
        }
        let mut printer = Printer::new(&numbers);
        let mut pieces = skeleton.pieces();
        let mut piece = |w: &mut Writer| w.piece(pieces.next().unwrap_or_default());
        self.parts(|part| {
            piece(&mut w);
            match part {
                Part::Number(_) if together => w.next_number(&mut printer),
                Part::Tensor(shown) if together => w.next_tensor(shown.shape, &shown.data, &mut printer),
                Part::Number(x) => w.number(*x),
                Part::Tensor(shown) => w.tensor(shown.shape, &shown.data, encoding),
                Part::Name(name) => w.string(name),
            }
        });
        piece(&mut w);
        w.into_bytes()
    }

    /// What stands in place of the marks, in their order.
    fn parts<'a>(&'a self, mut visit: impl FnMut(Part<'a, S>)) {
        let tensors = |list: &'a Listed<'_, S>, visit: &mut dyn FnMut(Part<'a, S>)| {
            list.iter().for_each(|(_, shown)| visit(Part::Tensor(shown)));
        };
        self.loss.iter().for_each(|loss| visit(Part::Number(loss)));
        self.losses.iter().for_each(|losses| visit(Part::Tensor(losses)));
        for list in [Some(&self.outputs), self.gradients.as_ref(), self.input_gradients.as_ref()].into_iter().flatten() {
            tensors(list, &mut visit);
        }
        if let Some((loss, gradients)) = &self.regularization {
            visit(Part::Number(loss));
            gradients.iter().for_each(|list| tensors(list, &mut visit));
        }
        for entry in self.trace.iter().flatten() {
            entry.tensors.iter().flatten().for_each(|(_, shown)| visit(Part::Tensor(shown)));
        }
        visit(Part::Name(self.request_hash));
    }

    fn written(&self, values: Values) -> Vec<u8> {
        let mut w = match values {
            Values::As(encoding) => Writer::over(room::of(self.text_bytes(encoding))),
            Values::Marks => Writer::new(),
        };
        let tensor = |w: &mut Writer, shown: &Shown<'_, S>| match values {
            Values::As(encoding) => w.tensor(shown.shape, &shown.data, encoding),
            Values::Marks => w.raw(&[MARK]),
        };
        let number = |w: &mut Writer, x: S| match values {
            Values::As(_) => w.number(x),
            Values::Marks => w.raw(&[MARK]),
        };
        let named = |w: &mut Writer, list: &Listed<'_, S>| {
            w.object(|w| list.iter().for_each(|(name, shown)| tensor(w.key(name), shown)));
        };
        w.object(|w| {
            if let Some(loss) = self.loss {
                number(w.key("loss"), loss);
            }
            if let Some(losses) = &self.losses {
                tensor(w.key("losses"), losses);
            }
            if let Some(echo) = self.objective {
                objective(w.key("objective"), echo);
            }
            named(w.key("outputs"), &self.outputs);
            if let Some(gradients) = &self.gradients {
                named(w.key("gradients"), gradients);
            }
            if let Some(gradients) = &self.input_gradients {
                named(w.key("input_gradients"), gradients);
            }
            if let Some((loss, gradients)) = &self.regularization {
                w.key("regularization").object(|w| {
                    number(w.key("loss"), *loss);
                    if let Some(gradients) = gradients {
                        named(w.key("gradients"), gradients);
                    }
                });
            }
            if let Some(stats) = &self.stats {
                stats::write(w.key("stats"), stats);
            }
            if let Some(certificate) = &self.certificate {
                certificate.write(w.key("certificate"));
            }
            if let Some(trace) = &self.trace {
                w.key("trace").array(|w| {
                    for entry in trace {
                        w.object(|w| {
                            w.key("id").string(entry.id);
                            w.key("op").string(entry.op);
                            w.key("inputs").strings(entry.inputs.iter().map(String::as_str));
                            entry.tensors.iter().flatten().for_each(|(name, shown)| tensor(w.key(name), shown));
                        });
                    }
                });
            }
            if let Some(found) = &self.non_finite {
                non_finite(w.key("non_finite"), found);
            }
            meta_by::<S>(w.key("meta"), |w| match values {
                Values::As(_) => w.string(self.request_hash),
                Values::Marks => w.raw(&[MARK]),
            });
        });
        w.into_bytes()
    }

    /// Room for the reply as JSON: mostly all of it, and little more.
    fn text_bytes(&self, encoding: Encoding) -> usize {
        /// Braces, a member's name, a node's op and the names of its inputs.
        const AROUND: usize = 64;
        let of = |shown: &Shown<'_, S>| AROUND + encoding.text_bytes(shown.shape, &shown.data);
        let named = |list: &Listed<'_, S>| list.iter().map(|(_, shown)| of(shown)).sum::<usize>();
        let regularization = self.regularization.as_ref().and_then(|(_, gradients)| gradients.as_ref());
        let lists = [self.gradients.as_ref(), self.input_gradients.as_ref(), regularization];
        let entry = |entry: &Entry<'_, S>| 2 * AROUND + entry.tensors.iter().flatten().map(|(_, shown)| of(shown)).sum::<usize>();
        16 * AROUND
            + AHEAD
            + self.losses.as_ref().map_or(0, of)
            + named(&self.outputs)
            + lists.into_iter().flatten().map(named).sum::<usize>()
            + self.trace.iter().flatten().map(entry).sum::<usize>()
    }

    fn meta(&self, w: &mut Writer) {
        meta::<S>(w, self.request_hash);
    }

    fn safetensors(&self) -> Vec<u8> {
        let mut file = File::default();
        if let Some(losses) = &self.losses {
            file.lend("losses", losses.shape, &losses.data);
        }
        let lists = [("outputs", Some(&self.outputs)), ("gradients", self.gradients.as_ref())];
        let regularization = self.regularization.as_ref().and_then(|(_, gradients)| gradients.as_ref());
        let lists = lists
            .into_iter()
            .chain([("input_gradients", self.input_gradients.as_ref()), ("regularization/gradients", regularization)]);
        for (folder, list) in lists {
            for (name, shown) in list.into_iter().flatten() {
                file.lend(format!("{folder}/{name}"), shown.shape, &shown.data);
            }
        }
        for entry in self.trace.iter().flatten() {
            for (name, shown) in entry.tensors.iter().flatten() {
                file.lend(format!("trace/{}/{name}", entry.id), shown.shape, &shown.data);
            }
        }
        let mut metadata = Vec::new();
        if let Some(loss) = self.loss {
            file.put("loss", &Tensor::scalar(loss));
            metadata.push(("loss", text(&|w| w.number(loss))));
        }
        if let Some((loss, _)) = &self.regularization {
            metadata.push(("regularization.loss", text(&|w| w.number(*loss))));
        }
        if let Some(echo) = self.objective {
            metadata.push(("objective", text(&|w| objective(w, echo))));
        }
        if let Some(stats) = &self.stats {
            metadata.push(("stats", text(&|w| stats::write(w, stats))));
        }
        if let Some(certificate) = &self.certificate {
            metadata.push(("certificate", text(&|w| certificate.write(w))));
        }
        if let Some(found) = &self.non_finite {
            metadata.push(("non_finite", text(&|w| non_finite(w, found))));
        }
        metadata.push(("meta", text(&|w| self.meta(w))));
        file.finish(&metadata, room::of)
    }
}

/// A piece of JSON as a string, for the metadata of a file.
pub(super) fn text(write: &dyn Fn(&mut Writer)) -> String {
    let mut w = Writer::new();
    write(&mut w);
    String::from_utf8_lossy(&w.into_bytes()).into_owned()
}

/// Who answered, in what, to which request.
pub(super) fn meta<S: Wire>(w: &mut Writer, request_hash: &str) {
    meta_by::<S>(w, |w| w.string(request_hash));
}

fn meta_by<S: Wire>(w: &mut Writer, hash: impl FnOnce(&mut Writer)) {
    w.object(|w| {
        w.key("engine").string(ENGINE);
        w.key("dtype").string(S::DTYPE);
        hash(w.key("request_hash"));
    });
}

/// Attributes with their values, members of an object; those that are absent are left out.
pub(super) fn attributes(w: &mut Writer, values: &Attributes) {
    for (name, value) in values.iter() {
        match value {
            Value::Absent => {}
            Value::Number(x) => w.key(name).number(*x),
            Value::Integer(n) => w.key(name).raw(n.to_string().as_bytes()),
            Value::Boolean(truth) => w.key(name).boolean(*truth),
            Value::Word(text) | Value::Seed(text) => w.key(name).string(text),
            Value::Integers(list) => w.key(name).array(|w| list.iter().for_each(|n| w.raw(n.to_string().as_bytes()))),
            Value::Numbers(list) => w.key(name).array(|w| list.iter().for_each(|&x| w.number(x))),
            Value::Tensor { shape, data } => {
                if let Ok(shape) = Shape::new(shape) {
                    w.key(name).tensor(shape, data, Encoding::Nested);
                }
            }
        }
    }
}

pub(super) fn non_finite(w: &mut Writer, found: &NonFinite) {
    w.object(|w| {
        w.key("first_node").string(&found.first_node);
        w.key("pass").string(found.pass);
    });
}

pub(super) fn objective(w: &mut Writer, echo: &Echo) {
    w.object(|w| {
        w.key("op").string(echo.op);
        let (of, is_list) = &echo.of;
        if *is_list {
            w.key("of").strings(of.iter().map(String::as_str));
        } else {
            w.key("of").string(&of[0]);
        }
        attributes(w, &echo.attributes);
        w.key("reduction").string(echo.reduction.as_str());
        w.key("samples").integer(echo.samples as u64);
        w.key("divisor").number(echo.divisor);
        w.key("weighted").boolean(echo.weighted);
        w.key("formula").string(echo.formula);
    });
}
