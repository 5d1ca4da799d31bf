//! A reply made of numbers, tensors and tensors by name, in JSON or as safetensors.

use super::answer::{self, Named, meta, text};
use super::run::NonFinite;
use super::{Form, Reply, room};
use crate::losses::Echo;
use crate::spec::problem::Encoding;
use crate::spec::safetensors::File;
use crate::spec::write::{Wire, Writer};
use crate::tensor::{Tensor, all_finite};

/// What stands under one key of a reply.
#[derive(Debug)]
pub(super) enum Entry<'e, S> {
    /// A number.
    Number(S),
    /// A tensor.
    Tensor(Tensor<S>),
    /// Tensors by name.
    Named(Named<S>),
    /// The objective, in full.
    Objective(&'e Echo),
    /// Names with sizes.
    Sizes(Vec<(String, usize)>),
    /// A word.
    Word(&'static str),
}

/// A reply, in the order of its keys.
#[derive(Debug)]
pub(super) struct Sheet<'e, S> {
    entries: Vec<(&'static str, Entry<'e, S>)>,
}

impl<'e, S: Wire> Sheet<'e, S> {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Add a key.
    pub(super) fn put(&mut self, key: &'static str, entry: Entry<'e, S>) {
        self.entries.push((key, entry));
    }

    /// Whether every number is finite.
    pub(super) fn is_finite(&self) -> bool {
        let finite = |tensor: &Tensor<S>| all_finite(tensor.data());
        self.entries.iter().all(|(_, entry)| match entry {
            Entry::Number(x) => x.is_finite(),
            Entry::Tensor(tensor) => finite(tensor),
            Entry::Named(list) => list.iter().all(|(_, tensor)| finite(tensor)),
            Entry::Objective(_) | Entry::Sizes(_) | Entry::Word(_) => true,
        })
    }

    /// The reply.
    pub(super) fn write(&self, form: Form, encoding: Encoding, non_finite: Option<&NonFinite>, request_hash: &str) -> Reply {
        let body = if form == Form::Safetensors {
            self.safetensors(non_finite, request_hash)
        } else {
            self.json(encoding, non_finite, request_hash)
        };
        Reply { content_type: form.media_type(), body }
    }

    fn json(&self, encoding: Encoding, non_finite: Option<&NonFinite>, request_hash: &str) -> Vec<u8> {
        let mut w = Writer::new();
        w.object(|w| {
            for (key, entry) in &self.entries {
                entry.write(w.key(key), encoding);
            }
            if let Some(found) = non_finite {
                answer::non_finite(w.key("non_finite"), found);
            }
            meta::<S>(w.key("meta"), request_hash);
        });
        w.into_bytes()
    }

    /// Tensors by path, and what is no tensor in the metadata.
    fn safetensors(&self, non_finite: Option<&NonFinite>, request_hash: &str) -> Vec<u8> {
        let mut file = File::default();
        let mut metadata = Vec::new();
        for (key, entry) in &self.entries {
            match entry {
                Entry::Number(x) => file.put(*key, &Tensor::scalar(*x)),
                Entry::Tensor(tensor) => file.put(*key, tensor),
                Entry::Named(list) => {
                    list.iter().for_each(|(name, tensor)| file.put(format!("{key}/{name}"), tensor));
                }
                Entry::Objective(_) | Entry::Sizes(_) | Entry::Word(_) => {}
            }
            if !matches!(entry, Entry::Tensor(_) | Entry::Named(_)) {
                metadata.push((*key, text(&|w| entry.write(w, Encoding::Nested))));
            }
        }
        if let Some(found) = non_finite {
            metadata.push(("non_finite", text(&|w| answer::non_finite(w, found))));
        }
        metadata.push(("meta", text(&|w| meta::<S>(w, request_hash))));
        file.finish(&metadata, room::of)
    }
}

impl<S: Wire> Entry<'_, S> {
    fn write(&self, w: &mut Writer, encoding: Encoding) {
        match self {
            Self::Number(x) => w.number(*x),
            Self::Tensor(tensor) => w.tensor(tensor.shape(), tensor.data(), encoding),
            Self::Named(list) => {
                w.object(|w| list.iter().for_each(|(name, t)| w.key(name).tensor(t.shape(), t.data(), encoding)));
            }
            Self::Objective(echo) => answer::objective(w, echo),
            Self::Word(word) => w.string(word),
            Self::Sizes(list) => w.array(|w| {
                for (name, size) in list {
                    w.array(|w| {
                        w.string(name);
                        w.integer(*size as u64);
                    });
                }
            }),
        }
    }
}
