//! Where an element of a tensor stands in a request, which depends on how the tensor is written.

use std::collections::HashMap;

use crate::spec::fault::Faults;
use crate::spec::json;

/// Let faults at elements of a minibatch's tensors that are written as objects point into their `data` or `base64`. Lowering knows
/// elements by their indices alone: at an element of nested arrays they are its pointer.
pub(super) fn point(faults: &mut Faults, problem: &[u8]) {
    // However many there are, the text is gone through once.
    if faults.listed().iter().any(|fault| fault.pointer.starts_with("/batch/")) {
        let tensors = Tensors::of(problem);
        faults.repoint(|pointer| tensors.place(pointer));
    }
}

/// How the tensors of a minibatch that are objects are written, by their pointers.
#[derive(Default)]
struct Tensors(HashMap<String, (Vec<usize>, Member)>);

/// Which member of a tensor holds its numbers.
#[derive(Clone, Copy)]
enum Member {
    Data,
    Base64,
}

impl Tensors {
    fn of(problem: &[u8]) -> Self {
        let mut tensors = Self::default();
        if let Some(batch) = json::member(problem, "batch") {
            tensors.add("/batch", &problem[batch], 2);
        }
        tensors
    }

    /// The object at this pointer, if it is a tensor, and so many levels of objects in it: inputs and targets may go by names.
    fn add(&mut self, pointer: &str, object: &[u8], levels: usize) {
        let (mut shape, mut held) = (None, None);
        for (name, value) in json::members(object) {
            let value = &object[value];
            match name {
                b"shape" => shape = sizes(value),
                b"data" => held = Some(Member::Data),
                b"base64" => held = Some(Member::Base64),
                _ => {}
            }
            if levels > 0 && value.first() == Some(&b'{') {
                let name = String::from_utf8_lossy(name).replace('~', "~0").replace('/', "~1");
                self.add(&format!("{pointer}/{name}"), value, levels - 1);
            }
        }
        if let Some(written) = shape.zip(held) {
            self.0.insert(pointer.to_owned(), written);
        }
    }

    /// Where the element of this pointer is written, if not there.
    fn place(&self, pointer: &str) -> Option<String> {
        pointer.rmatch_indices('/').find_map(|(end, _)| {
            let (tensor, indices) = pointer.split_at(end);
            let (shape, held) = self.0.get(tensor)?;
            let indices = numbers(&indices[1..], '/').filter(|indices| indices.len() == shape.len())?;
            Some(match held {
                Member::Data => {
                    let element =
                        indices.iter().zip(shape).try_fold(0, |at: usize, (i, dim)| at.checked_mul(*dim)?.checked_add(*i));
                    format!("{tensor}/data/{}", element?)
                }
                Member::Base64 => format!("{tensor}/base64"),
            })
        })
    }
}

fn sizes(list: &[u8]) -> Option<Vec<usize>> {
    numbers(std::str::from_utf8(list).ok()?.strip_prefix('[')?.strip_suffix(']')?, ',')
}

fn numbers(text: &str, between: char) -> Option<Vec<usize>> {
    text.split(between).map(|number| number.trim_ascii().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_pointed_at_where_they_are_written() {
        let flat = r#"{"batch": {"inputs": {"a/b": {"data": [1, 2, 3, 4, 5, 6], "shape": [ 2, 3 ]}}, "targets": {"shape": [2], "base64": ""}}}"#;
        for (pointer, expected) in [
            ("/batch/inputs/a~1b/1/0", Some("/batch/inputs/a~1b/data/3")),
            ("/batch/targets/1", Some("/batch/targets/base64")),
            ("/batch/inputs/a~1b/1", None),
            ("/batch/inputs/a~1b/1/x", None),
            ("/batch/inputs/a~1b/shape", None),
            ("/batch/inputs/a~1b", None),
            ("/batch/inputs/c/1/0", None),
            ("", None),
        ] {
            assert_eq!(Tensors::of(flat.as_bytes()).place(pointer).as_deref(), expected, "{pointer}");
        }
        assert_eq!(Tensors::of(br#"{"batch":{"inputs":[[1],[2]]}}"#).place("/batch/inputs/1/0"), None);
        let bare = br#"{"batch":{"inputs":{"shape":[2,1],"data":[1,2]}}}"#;
        assert_eq!(Tensors::of(bare).place("/batch/inputs/1/0").as_deref(), Some("/batch/inputs/data/1"));
    }
}
