//! What is derived: an edge, a bias, an entry of a parameter, or a node, found by its name.

use crate::analysis::places::{Grain, Places, entry_name, index_of};
use crate::lower::{Lowered, hint};
use crate::spec::fault::{At, Code, Faults};
use crate::tensor::{Dims, Shape};

/// What E is differentiated by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// An entry of a parameter.
    Parameter {
        /// Which of the network's.
        parameter: usize,
        /// The element of its leaf.
        element: usize,
        /// Its index, one number an axis.
        index: Vec<usize>,
    },
    /// An entry of a node or an input.
    Node {
        /// Its place.
        place: usize,
        /// Its entry.
        entry: usize,
    },
}

/// Find what `of` names.
pub(super) fn find(
    of: &str,
    at: At<'_>,
    lowered: &Lowered,
    places: &Places,
    grain: Grain,
    faults: &mut Faults,
) -> Option<Target> {
    let parameter = |name: &str| lowered.parameters.iter().position(|parameter| parameter.name == name);
    let known = |name: &str| parameter(name).is_some() || places.find(name).is_some();
    let (name, index) = match of.strip_suffix(']').and_then(|of| of.rsplit_once('[')) {
        Some((name, index)) if !known(of) => (name, Some(index)),
        _ => (of, None),
    };
    let index = match index.map(numbers) {
        Some(None) => {
            faults.push(
                at,
                Code::InvalidValue,
                format!("the index of \"{of}\" is not a list of whole numbers, as in fc1.weight[3,7]"),
            );
            return None;
        }
        Some(Some(index)) => Some(index),
        None => None,
    };
    if let Some(place) = places.find(name) {
        if places.inputs > place && !lowered.inputs[place].real {
            faults.push(at, Code::InvalidValue, format!("the input \"{name}\" holds token indices, which have no gradient"));
            return None;
        }
        let shape = lowered.graph.shape(places.list[place].z);
        let entry = element(name, grain.dims(&shape), index, at, faults)?;
        return Some(Target::Node { place, entry });
    }
    let Some(parameter) = parameter(name) else {
        let names = lowered.parameters.iter().filter(|parameter| parameter.trained).map(|parameter| parameter.name.as_str());
        let hint = hint(name, names.chain(places.list.iter().map(|place| place.name.as_str())));
        faults.push(at, Code::UnknownName, format!("no edge, bias, parameter or node is named \"{name}\"{hint}"));
        return None;
    };
    let found = &lowered.parameters[parameter];
    if !found.trained {
        faults.push(at, Code::InvalidValue, format!("\"{name}\" is a running statistic, which has no gradient"));
        return None;
    }
    let entry = element(name, found.shape.dims(), index, at, faults)?;
    let index = index_of(found.shape.dims(), entry);
    Some(Target::Parameter { parameter, element: found.element.map_or(entry, |element| element as usize), index })
}

fn numbers(text: &str) -> Option<Vec<usize>> {
    let digits = |text: &str| text.trim().parse().ok().filter(|_| text.trim().bytes().all(|byte| byte.is_ascii_digit()));
    text.split(',').map(digits).collect()
}

/// The flat place of an index; where there is only one entry, it need not be named.
fn element(name: &str, dims: &[usize], index: Option<Vec<usize>>, at: At<'_>, faults: &mut Faults) -> Option<usize> {
    let size: usize = dims.iter().product();
    let Some(index) = index else {
        if size == 1 {
            return Some(0);
        }
        let detail = if size == 0 {
            format!("\"{name}\" has shape {} and so no entries", Dims(dims))
        } else {
            let (first, last) = (entry_name(name, &index_of(dims, 0)), entry_name(name, &index_of(dims, size - 1)));
            format!("\"{name}\" has {size} entries, of shape {}; name one of them, {first} to {last}", Dims(dims))
        };
        faults.push(at, Code::InvalidValue, detail);
        return None;
    };
    if index.len() != dims.len() {
        let found = if dims.is_empty() {
            format!("\"{name}\" is a single number, which takes no index")
        } else {
            format!("\"{name}\" has shape {}, so its index has {} numbers, found {}", Dims(dims), dims.len(), index.len())
        };
        faults.push(at, Code::OutOfRange, found);
        return None;
    }
    if index.iter().zip(dims).any(|(index, dim)| index >= dim) {
        let detail = format!("{} does not exist: the shape is {}, and indices start at 0", entry_name(name, &index), Dims(dims));
        faults.push(at, Code::OutOfRange, detail);
        return None;
    }
    let strides = Shape::new(dims).ok()?.strides();
    Some(index.iter().zip(strides).map(|(index, stride)| index * stride).sum())
}
