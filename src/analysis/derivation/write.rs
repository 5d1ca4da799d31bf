//! The reply of a derivation.

use super::chain::{Term, Through, target_terms, terms};
use super::formula::Formulas;
use super::paths::{Path, Paths};
use super::scalars::Scalars;
use super::symbols::Symbol;
use super::{Found, Order, Ready};
use crate::analysis::ENGINE;
use crate::analysis::places::entry_name;
use crate::analysis::places::index_of;
use crate::spec::write::Writer;

/// Beyond this many entries a node that is skipped in part is said to be so, without its entries.
const LISTED_ENTRIES: usize = 256;

/// One number, or one a sample.
struct Numbers {
    many: bool,
}

impl Numbers {
    fn write(&self, w: &mut Writer, numbers: &[f64]) {
        if self.many {
            w.array(|w| numbers.iter().for_each(|&x| w.number(x)));
        } else {
            w.number(numbers[0]);
        }
    }
}

pub(super) fn reply(ready: &Ready, found: &Found<'_>) -> Vec<u8> {
    let Found { scalars, paths, totals, seen, formulas, .. } = found;
    let numbers = Numbers { many: ready.grain.sample.is_none() && !ready.grain.coupled };
    let whole = formulas.whole(paths, totals.value);
    let mut w = Writer::new();
    w.object(|w| {
        w.key("of").string(&formulas.target.text);
        w.key("order").string(ready.order.as_str());
        w.key("value").number(totals.value);
        w.key("steps").array(|w| {
            for step in order(ready.order, scalars, seen, formulas.node) {
                match step {
                    None => target(w, &numbers, found, &|l| found.symbols.by_target(scalars.list[l], &ready.target)),
                    Some(k) => {
                        let terms = terms(scalars, totals, seen, k);
                        let formula = formulas.step(Some(k), &terms, None, &totals.scalars[k]);
                        w.object(|w| {
                            w.key("node").string(&formulas.symbols[k].text);
                            w.key("text").string(&formula.text);
                            w.key("latex").string(&formula.latex);
                            let own = scalars.list[k];
                            let local = |l| found.symbols.by_source(scalars.list[l], own);
                            w.key("terms")
                                .array(|w| terms.iter().for_each(|term| self::term(w, &numbers, term, formulas, local)));
                            numbers.write(w.key("value"), &totals.scalars[k]);
                        });
                    }
                }
            }
        });
        w.key("paths").array(|w| paths.listed.iter().for_each(|path| self::path(w, &numbers, path, formulas)));
        w.key("path_count").string(&paths.count.to_string());
        w.key("paths_truncated").boolean(paths.count.small() != Some(paths.listed.len() as u64));
        w.key("text").string(&whole.text);
        w.key("latex").string(&whole.latex);
        w.key("skipped").strings(skipped(ready, scalars, paths).iter().map(String::as_str));
        w.key("multiplications").object(|w| {
            w.key("by_paths").string(&paths.one_by_one.to_string());
            w.key("with_reuse").integer(paths.with_reuse);
        });
        if let Some((node, pass)) = &found.non_finite {
            w.key("non_finite").object(|w| {
                w.key("first_node").string(node);
                w.key("pass").string(pass);
            });
        }
        w.key("meta").object(|w| {
            w.key("engine").string(ENGINE);
            w.key("dtype").string("f64");
            w.key("request_hash").string(&ready.request_hash);
        });
    });
    w.into_bytes()
}

/// The scalars in the order of the steps; nothing stands for a target that is a parameter.
fn order(order: Order, scalars: &Scalars, seen: &[bool], node: Option<usize>) -> Vec<Option<usize>> {
    let all = (0..scalars.list.len()).filter(|&k| seen[k] && Some(k) != node).map(Some);
    // A node without a path to the loss has no step but its own.
    match order {
        Order::BottomUp => std::iter::once(node).chain(all).collect(),
        Order::TopDown => all.rev().chain([node]).collect(),
    }
}

fn target(w: &mut Writer, numbers: &Numbers, found: &Found<'_>, local: &dyn Fn(usize) -> Option<Symbol>) {
    let Found { scalars, totals, seen, formulas, .. } = found;
    let terms = target_terms(scalars, totals, seen);
    let formula = formulas.step(None, &terms, scalars.penalty, &[totals.value]);
    w.object(|w| {
        w.key("node").string(&formulas.target.text);
        w.key("text").string(&formula.text);
        w.key("latex").string(&formula.latex);
        w.key("terms").array(|w| {
            terms.iter().for_each(|term| self::term(w, numbers, term, formulas, local));
            if let Some(penalty) = scalars.penalty {
                w.object(|w| {
                    w.key("through").string("regularization");
                    w.key("dE_dz").number(1.0);
                    w.key("local").number(penalty);
                    w.key("product").number(penalty);
                });
            }
        });
        w.key("value").number(totals.value);
    });
}

fn term(w: &mut Writer, numbers: &Numbers, term: &Term<'_>, formulas: &Formulas<'_>, local: impl Fn(usize) -> Option<Symbol>) {
    let formula = match term.through {
        Through::Loss => None,
        Through::Scalar(l) => local(l),
    };
    w.object(|w| {
        w.key("through").string(match term.through {
            Through::Loss => "E",
            Through::Scalar(l) => &formulas.symbols[l].text,
        });
        numbers.write(w.key("dE_dz"), &term.outer);
        numbers.write(w.key("local"), term.local);
        numbers.write(w.key("product"), &term.product());
        if let Some(formula) = formula {
            w.key("local_text").string(&formula.text);
            w.key("local_latex").string(&formula.latex);
        }
    });
}

fn path(w: &mut Writer, numbers: &Numbers, path: &Path, formulas: &Formulas<'_>) {
    let is_penalty = path.scalars.is_empty();
    w.object(|w| {
        let nodes = path.scalars.iter().map(|&k| formulas.symbols[k].text.as_str());
        w.key("nodes").strings(nodes.chain(is_penalty.then_some("regularization")));
        w.key("factors").array(|w| {
            for factor in &path.factors {
                if is_penalty { w.number(factor[0]) } else { numbers.write(w, factor) }
            }
        });
        w.key("product").number(path.product);
    });
}

/// The nodes, or entries of nodes, that lie on no path.
fn skipped(ready: &Ready, scalars: &Scalars, paths: &Paths) -> Vec<String> {
    let places = &ready.places;
    let mut on_path: Vec<Vec<usize>> = vec![Vec::new(); places.list.len()];
    for (scalar, _) in scalars.list.iter().zip(&paths.on_path).filter(|(_, on)| **on) {
        on_path[scalar.place].push(scalar.entry);
    }
    let mut skipped = Vec::new();
    for (place, visited) in places.list.iter().zip(on_path).skip(places.inputs) {
        let shape = ready.job.lowered.graph.shape(place.z);
        let dims = ready.grain.dims(&shape);
        let entries: usize = dims.iter().product();
        if visited.is_empty() {
            skipped.push(place.name.clone());
        } else if entries > LISTED_ENTRIES && visited.len() < entries {
            skipped.push(format!("{} ({} of {entries} entries)", place.name, entries - visited.len()));
        } else {
            let rest = (0..entries).filter(|entry| visited.binary_search(entry).is_err());
            skipped.extend(rest.map(|entry| entry_name(&place.name, &index_of(dims, entry))));
        }
    }
    skipped
}
