//! `wrt` and `trace`: which gradients and which nodes a client asks for.

use std::collections::{HashMap, HashSet};

use super::{Lowered, hint};
use crate::spec::fault::{At, Code, Faults};
use crate::spec::problem::{Options, Trace};

/// What a client asked for, as places in the lists of [`Lowered`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Parameters whose gradient is asked.
    pub parameters: Vec<usize>,
    /// Inputs whose gradient is asked.
    pub inputs: Vec<usize>,
    /// Nodes to be traced.
    pub trace: Vec<usize>,
}

/// The most patterns with wildcards that a list may hold: each is held against every name.
pub(super) const MAX_PATTERNS: usize = 100;

/// Whether `name` matches `pattern`, where `*` stands for any run of characters and `?` for one.
pub(crate) fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut last_star = None;
    while n < name.len() {
        if p < pattern.len() && (pattern[p] == b'?' || (pattern[p] != b'*' && pattern[p] == name[n])) {
            p += 1;
            n += 1;
        } else if p < pattern.len() && pattern[p] == b'*' {
            last_star = Some((p, n));
            p += 1;
        } else if let Some((star, from)) = last_star {
            last_star = Some((star, from + 1));
            p = star + 1;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// Names to be found by pattern, those without wildcards in one step.
struct Names<'n> {
    list: Vec<(usize, &'n str)>,
    by_name: HashMap<&'n str, Vec<usize>>,
}

impl<'n> Names<'n> {
    fn new(names: impl Iterator<Item = (usize, &'n str)>) -> Self {
        let list: Vec<_> = names.collect();
        let mut by_name: HashMap<_, Vec<_>> = HashMap::with_capacity(list.len());
        for &(i, name) in &list {
            by_name.entry(name).or_default().push(i);
        }
        Self { list, by_name }
    }

    fn matching(&self, pattern: &str) -> impl Iterator<Item = usize> {
        let glob_for = is_glob(pattern).then_some(pattern);
        let exact = self.by_name.get(pattern).filter(|_| glob_for.is_none()).into_iter().flatten().copied();
        let globbed = glob_for.into_iter().flat_map(|pattern| self.list.iter().filter(move |(_, name)| glob(pattern, name)));
        exact.chain(globbed.map(|(i, _)| *i))
    }
}

/// Resolve what the options ask for; names that match nothing are faults.
pub fn select(lowered: &Lowered, options: &Options, faults: &mut Faults) -> Selection {
    // In a network that is not whole, what was named may be what failed.
    if !lowered.whole {
        return Selection::default();
    }
    let options_at = At::ROOT.name("options");
    let wrt = options.wrt.as_deref().unwrap_or_default();
    let (mut parameters, inputs) = named(lowered, wrt, options.wrt_is_list, options_at.name("wrt"), faults);
    if wrt.iter().all(|pattern| pattern == "inputs") {
        parameters = (0..lowered.parameters.len()).filter(|&i| lowered.parameters[i].trained).collect();
    }
    let trace = match &options.trace {
        Trace::All => (0..lowered.nodes.len()).collect(),
        Trace::None => Vec::new(),
        Trace::Only(ids) => {
            let trace_at = options_at.name("trace");
            let known: HashSet<_> = lowered.nodes.iter().map(|node| node.id.as_str()).collect();
            for (i, id) in ids.iter().enumerate().filter(|(_, id)| !known.contains(id.as_str())) {
                let hint = if faults.is_full() { String::new() } else { hint(id, known.iter().copied()) };
                faults.push(trace_at.index(i), Code::UnknownNode, format!("no node is named \"{id}\"{hint}"));
            }
            let ids: HashSet<_> = ids.iter().map(String::as_str).collect();
            (0..lowered.nodes.len()).filter(|&i| ids.contains(lowered.nodes[i].id.as_str())).collect()
        }
    };
    Selection { parameters, inputs, trace }
}

/// The parameters and the inputs that patterns name, as places in the lists of [`Lowered`]: those and no others. `inputs` stands
/// for all inputs; names that match nothing are faults.
pub fn named(lowered: &Lowered, wrt: &[String], is_list: bool, wrt_at: At<'_>, faults: &mut Faults) -> (Vec<usize>, Vec<usize>) {
    // In a network that is not whole, what was named may be what failed.
    if !lowered.whole {
        return (Vec::new(), Vec::new());
    }
    let trained = || (0..lowered.parameters.len()).filter(|&i| lowered.parameters[i].trained);
    let mut parameters = vec![false; lowered.parameters.len()];
    let mut inputs = vec![false; lowered.inputs.len()];
    let patterns: Vec<_> = wrt.iter().enumerate().filter(|(_, pattern)| *pattern != "inputs").collect();
    if wrt.iter().any(|pattern| pattern == "inputs") {
        lowered.inputs.iter().zip(&mut inputs).for_each(|(input, asked)| *asked |= input.real);
    }
    let globs = patterns.iter().filter(|(_, pattern)| is_glob(pattern)).count();
    if globs > MAX_PATTERNS {
        faults.push(wrt_at, Code::LimitExceeded, format!("{globs} patterns with wildcards, the limit is {MAX_PATTERNS}"));
    }
    let parameter_names = Names::new(trained().map(|i| (i, lowered.parameters[i].name.as_str())));
    let input_names = Names::new(lowered.inputs.iter().enumerate().map(|(i, input)| (i, input.name.as_str())));
    for (at, pattern) in patterns.into_iter().filter(|(_, pattern)| globs <= MAX_PATTERNS || !is_glob(pattern)) {
        let item = wrt_at.index(at);
        let wrt_at = if is_list { item } else { wrt_at };
        let mut any = false;
        for i in parameter_names.matching(pattern) {
            parameters[i] = true;
            any = true;
        }
        for (i, input) in input_names.matching(pattern).map(|i| (i, &lowered.inputs[i])) {
            if input.real && (pattern != "*") {
                inputs[i] = true;
                any = true;
            } else if input.name == *pattern {
                faults.push(
                    wrt_at,
                    Code::InvalidValue,
                    format!("the input \"{pattern}\" holds token indices, which have no gradient"),
                );
                any = true;
            }
        }
        if !any && pattern != "*" {
            let names = lowered.parameters.iter().map(|p| p.name.as_str());
            let hint = if faults.is_full() {
                String::new()
            } else {
                hint(pattern, names.chain(lowered.inputs.iter().map(|input| input.name.as_str())).chain(["inputs"]))
            };
            faults.push(wrt_at, Code::UnknownName, format!("no parameter or input matches \"{pattern}\"{hint}"));
        }
    }
    let indices = |asked: Vec<bool>| asked.into_iter().enumerate().filter_map(|(i, asked)| asked.then_some(i)).collect();
    (indices(parameters), indices(inputs))
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        for (pattern, name, matches) in [
            ("*", "", true),
            ("*.weight", "fc1.weight", true),
            ("*.weight", "fc1.weights", false),
            ("z?->z*", "z7->z5.1", true),
            ("fc1.weight", "fc1.weight", true),
            ("**a**b", "xxaxxab", true),
            ("a*b*c", "abcb", false),
            ("", "x", false),
        ] {
            assert_eq!(glob(pattern, name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn a_hostile_pattern_is_quadratic_at_worst() {
        assert!(!glob(&"*a".repeat(500), &"a".repeat(499)));
        assert!(!glob(&("a*".repeat(200) + "b"), &"a".repeat(5_000)));
    }
}
