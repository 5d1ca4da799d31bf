//! Where an element of a tensor stands in a request, which depends on how the tensor is written.

use crate::spec::fault::Faults;
use crate::spec::json;

/// Let faults at elements of tensors that are written as objects point into their `data` or `base64`. Lowering knows elements by
/// their indices alone: at an element of nested arrays they are its pointer.
pub(super) fn point(faults: &mut Faults, problem: &[u8]) {
    faults.repoint(|pointer| place(pointer, problem));
}

/// Where the element of this pointer is written instead.
fn place(pointer: &str, problem: &[u8]) -> Option<String> {
    let (mut here, mut passed) = (problem, 0);
    for step in pointer.split('/').skip(1) {
        let Some(value) = json::member(here, &step.replace("~1", "/").replace("~0", "~")) else {
            let data = ["data", "base64"].into_iter().find(|form| json::member(here, form).is_some())?;
            let indices = numbers(pointer[passed + 1..].split('/'))?;
            let shape = &here[json::member(here, "shape")?];
            let shape = numbers(std::str::from_utf8(shape).ok()?.strip_prefix('[')?.strip_suffix(']')?.split(','))?;
            if indices.len() != shape.len() {
                return None;
            }
            let element =
                indices.iter().zip(&shape).try_fold(0_usize, |at, (index, dim)| at.checked_mul(*dim)?.checked_add(*index))?;
            let index = if data == "data" { format!("/{element}") } else { String::new() };
            return Some(format!("{}/{data}{index}", &pointer[..passed]));
        };
        here = &here[value];
        passed += 1 + step.len();
    }
    None
}

fn numbers<'t>(texts: impl Iterator<Item = &'t str>) -> Option<Vec<usize>> {
    texts.map(|text| text.trim_ascii().parse().ok()).collect()
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
            assert_eq!(place(pointer, flat.as_bytes()).as_deref(), expected, "{pointer}");
        }
        assert_eq!(place("/batch/inputs/1/0", br#"{"batch":{"inputs":[[1],[2]]}}"#), None);
    }
}
