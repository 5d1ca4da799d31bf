//! The lecture's backpropagation, top-down along the graph: `dE/dz_k = Σ_l dE/dz_l ∂z_l/∂z_k`, with a switch for every slip. By
//! unit and sample, with nothing of dedz.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::exercise::{Activation, Exercise, Kind, Op, Term, Unit};
use super::objective::Objective;
use super::slip::{Down, Rounding, Slip, Slope, Up};

/// \[unit\]\[sample\].
pub(super) type Values = Vec<Vec<f64>>;

/// One who solves an exercise.
pub(super) struct Student<'a> {
    pub(super) exercise: &'a Exercise,
    pub(super) slips: &'a [Slip],
    pub(super) rounding: Rounding,
}

/// What one use of an entry of theta adds to its gradient, by sample.
pub(super) struct Use {
    pub(super) entry: usize,
    /// Which use of its parameter: the node, and for a neuron the place among its terms.
    pub(super) place: (usize, usize),
    pub(super) samples: Vec<f64>,
}

/// All values of both passes.
pub(super) struct Passes {
    pub(super) a: Values,
    pub(super) z: Values,
    pub(super) dz: Values,
    pub(super) da: Values,
    pub(super) uses: Vec<Use>,
    pub(super) loss: f64,
}

/// Terms of dE/dz by unit, each with the node that it comes through; the loss comes after all nodes.
type Parts = Vec<Vec<(usize, Vec<f64>)>>;

impl Student<'_> {
    pub(super) fn answer(&self) -> Answer {
        let (a, z) = self.forward();
        let objective = Objective { student: self, z: &z };
        let (loss, seeds) = (objective.value(), objective.seeds());
        let (dz, da, uses) = self.backward(&a, &z, seeds);
        Answer::of(self, Passes { a, z, dz, da, uses, loss })
    }

    fn forward(&self) -> (Values, Values) {
        let e = self.exercise;
        let count = e.samples();
        let mut a = vec![vec![0.0; count]; e.units.len()];
        let mut z = a.clone();
        for node in &e.nodes {
            if node.op == Op::Softmax {
                let from = e.nodes[node.sources[0]].units.clone();
                let p = self.softmax(&z[from]);
                z[node.units.clone()].clone_from_slice(&p);
                continue;
            }
            for u in node.units.clone() {
                for s in 0..count {
                    if let Kind::Affine { terms, bias, activation } = &e.units[u].kind {
                        let product = |term: &Term| self.weight(term) * z[term.source][s];
                        a[u][s] = self.rounding.sum(terms.iter().map(product).chain(bias.map(|entry| self.theta(entry))));
                        z[u][s] = self.rounding.step(activation.value(a[u][s]));
                    } else {
                        z[u][s] = self.rounding.inner(e.inputs[s][u]);
                    }
                }
            }
        }
        (a, z)
    }

    /// Softmax of logits \[class\]\[sample\] over classes; over samples if that is the slip.
    pub(super) fn softmax(&self, logits: &[Vec<f64>]) -> Values {
        let over_batch = self.slips.iter().any(|slip| matches!(slip, Slip::BatchSoftmax { .. }));
        let mut p: Values = logits.iter().map(|row| row.iter().map(|o| self.rounding.step(o.exp())).collect()).collect();
        let totals: Values = p
            .iter()
            .map(|row| {
                let over = |s: usize| if over_batch { row.clone() } else { p.iter().map(|other| other[s]).collect() };
                (0..row.len()).map(|s| self.rounding.sum(over(s))).collect()
            })
            .collect();
        for (row, totals) in p.iter_mut().zip(&totals) {
            for (p, total) in row.iter_mut().zip(totals) {
                *p = self.rounding.step(*p / total);
            }
        }
        p
    }

    fn theta(&self, entry: usize) -> f64 {
        self.rounding.inner(self.exercise.theta[entry])
    }

    fn weight(&self, term: &Term) -> f64 {
        term.weight.map_or(1.0, |entry| self.theta(entry))
    }

    fn backward(&self, a: &Values, z: &Values, seeds: Values) -> (Values, Values, Vec<Use>) {
        let e = self.exercise;
        let count = e.samples();
        let (mut dz, mut da) = (vec![vec![0.0; count]; e.units.len()], vec![vec![0.0; count]; e.units.len()]);
        let (mut parts, mut uses): (Parts, Vec<Use>) = (vec![Vec::new(); e.units.len()], Vec::new());
        for (&output, seed) in e.outputs.iter().zip(seeds) {
            parts[output].push((e.nodes.len(), seed));
        }
        for (index, node) in e.nodes.iter().enumerate().rev() {
            if node.op == Op::Input {
                continue;
            }
            for u in node.units.clone() {
                dz[u] = self.gathered(u, std::mem::take(&mut parts[u]));
            }
            if node.op == Op::Softmax {
                self.down_softmax(index, z, &dz, &mut parts);
                continue;
            }
            for u in node.units.clone() {
                da[u] = self.delta(u, a, z, &dz[u]);
                self.count_uses(u, a, z, &da[u], &mut uses);
                self.down(u, &da[u], &uses, &mut parts);
            }
        }
        (dz, da, uses)
    }

    /// dE/dz of a unit: the sum of its terms.
    fn gathered(&self, u: usize, parts: Vec<(usize, Vec<f64>)>) -> Vec<f64> {
        let node = self.exercise.units[u].node;
        let mut through: BTreeMap<usize, Vec<Vec<f64>>> = BTreeMap::new();
        for (via, term) in parts {
            through.entry(via).or_default().push(term);
        }
        for slip in self.slips {
            match slip {
                Slip::Path { from, to, times } if *from == node => {
                    for term in through.get_mut(to).into_iter().flatten() {
                        term.iter_mut().for_each(|x| *x *= times);
                    }
                }
                Slip::OnePath { nodes, last } if nodes.contains(&node) && through.len() > 1 => {
                    let kept = if *last { through.pop_last() } else { through.pop_first() };
                    through = kept.into_iter().collect();
                }
                _ => {}
            }
        }
        let terms: Vec<Vec<f64>> = through.into_values().flatten().collect();
        let sum = |s: usize| self.rounding.sum(terms.iter().map(|term| term[s]));
        let negated = self.slips.iter().filter(|slip| matches!(slip, Slip::NegateDz(units) if units.contains(&u))).count();
        let sign = if negated % 2 == 1 { -1.0 } else { 1.0 };
        (0..self.exercise.samples()).map(|s| sign * sum(s)).collect()
    }

    /// dE/da of a unit: dE/dz · g'(a).
    fn delta(&self, u: usize, a: &Values, z: &Values, dz: &[f64]) -> Vec<f64> {
        let e = self.exercise;
        let place = e.outputs.iter().position(|&output| output == u);
        let one = |s: usize| {
            if let Some(d) = place.filter(|_| self.slips.iter().any(|slip| matches!(slip, Slip::Shortcut))) {
                let scale = if e.mean { 1.0 / e.denominator() } else { 1.0 };
                return self.rounding.step((z[u][s] - e.targets[s][d]) * scale);
            }
            let slope = self.slope(u, a[u][s], z[u][s]);
            let mut delta = self.rounding.step(self.rounding.step(slope) * dz[s]);
            for slip in self.slips {
                match slip {
                    Slip::NegateDa(units) if units.contains(&u) => delta = -delta,
                    // Of logits and of a softmax node it is the objective's, and the softmax's, to do.
                    Slip::ExtraSlope if place.is_some() && e.units[u].activation() == Activation::Sigmoid => {
                        delta *= z[u][s] * (1.0 - z[u][s]);
                    }
                    _ => {}
                }
            }
            delta
        };
        (0..e.samples()).map(one).collect()
    }

    fn slope(&self, u: usize, a: f64, z: f64) -> f64 {
        let own = self.exercise.units[u].activation();
        let wrong = self.slips.iter().find_map(|slip| match slip {
            Slip::Derivative { units, slope } if units.contains(&u) => Some(*slope),
            _ => None,
        });
        match wrong {
            // By hand one takes the output that was written down.
            None => match own.slope_by_output(z) {
                Some(slope) if self.rounding != Rounding::None => slope,
                _ => own.slope(a),
            },
            Some(Slope::Missing) => 1.0,
            Some(Slope::FormulaAtPreActivation) => own.slope_by_output(a).unwrap_or_else(|| own.slope(a)),
            Some(Slope::AtOutput) => own.slope(z),
            Some(Slope::Of(other)) => other.slope(a),
            Some(Slope::FormulaOf(other)) => other.slope_by_output(z).unwrap_or_else(|| other.slope(a)),
        }
    }

    /// dE/dw = δ · z of the source, dE/db = δ, by sample.
    fn count_uses(&self, u: usize, a: &Values, z: &Values, delta: &[f64], uses: &mut Vec<Use>) {
        let Unit { node, kind } = &self.exercise.units[u];
        let Kind::Affine { terms, bias, .. } = kind else { return };
        let neuron = self.exercise.nodes[*node].op == Op::Neuron;
        for (slot, term) in terms.iter().enumerate() {
            let Some(entry) = term.weight else { continue };
            let instead = self.slips.iter().find_map(|slip| match slip {
                Slip::Up(up) => up.get(&(u, term.source)).copied(),
                _ => None,
            });
            let input = match instead {
                None => &z[term.source],
                Some(Up::Unit(other)) => &z[other],
                Some(Up::PreActivation) => &a[term.source],
            };
            let samples = delta.iter().zip(input).map(|(delta, z)| self.rounding.step(delta * z)).collect();
            uses.push(Use { entry, place: (*node, if neuron { slot } else { 0 }), samples });
        }
        if let Some(entry) = bias {
            uses.push(Use { entry: *entry, place: (*node, usize::MAX), samples: delta.to_vec() });
        }
    }

    /// What a unit passes down: δ · w.
    fn down(&self, u: usize, delta: &[f64], uses: &[Use], parts: &mut Parts) {
        let e = self.exercise;
        let node = e.units[u].node;
        let stale = self.slips.iter().any(|slip| matches!(slip, Slip::Stale));
        for term in e.units[u].terms() {
            if e.is_input(e.units[term.source].node) {
                continue;
            }
            let instead = self.slips.iter().find_map(|slip| match slip {
                Slip::Down(down) => down.get(&(u, term.source)).copied(),
                _ => None,
            });
            let weight = match instead {
                Some(Down::Entry(entry)) => self.theta(entry),
                Some(Down::Value(value)) => value,
                None => match term.weight {
                    Some(entry) if stale => self.theta(entry) - e.learning_rate * self.entry_gradient(entry, uses),
                    _ => self.weight(term),
                },
            };
            parts[term.source].push((node, delta.iter().map(|delta| self.rounding.step(delta * weight)).collect()));
        }
    }

    /// Through a softmax node: `dE/do_j = Σ_i dE/dp_i p_i ([i = j] − p_j)`.
    fn down_softmax(&self, index: usize, z: &Values, dz: &Values, parts: &mut Parts) {
        let e = self.exercise;
        let (node, source) = (&e.nodes[index], &e.nodes[e.nodes[index].sources[0]]);
        let (p, p_bar) = (&z[node.units.clone()], &dz[node.units.clone()]);
        let objective = Objective { student: self, z };
        let has = |wanted: fn(&Slip) -> bool| self.slips.iter().any(wanted);
        let diagonal = has(|slip| matches!(slip, Slip::DiagonalSoftmax));
        let extra = has(|slip| matches!(slip, Slip::ExtraSlope));
        let batch = self.slips.iter().find_map(|slip| match slip {
            Slip::BatchSoftmax { shortcut } => Some(*shortcut),
            _ => None,
        });
        for (j, unit) in source.units.clone().enumerate() {
            let one = |s: usize| {
                if batch == Some(true) || extra {
                    let shortcut = objective.probability_seed(p, j, s);
                    return if extra { shortcut * p[j][s] * (1.0 - p[j][s]) } else { shortcut };
                }
                let weighted = |i: usize, r: usize| self.rounding.step(p_bar[i][r] * p[i][r]);
                let rest = match (diagonal, batch) {
                    (true, _) => weighted(j, s),
                    (false, Some(_)) => self.rounding.sum((0..e.samples()).map(|r| weighted(j, r))),
                    (false, None) => self.rounding.sum((0..p.len()).map(|i| weighted(i, s))),
                };
                self.rounding.step(weighted(j, s) - self.rounding.inner(p[j][s] * rest))
            };
            parts[unit].push((index, (0..e.samples()).map(one).collect()));
        }
    }

    /// The gradient of an entry, with its penalty, from the uses so far.
    pub(super) fn entry_gradient(&self, entry: usize, uses: &[Use]) -> f64 {
        let samples = uses.iter().filter(|one| one.entry == entry).flat_map(|one| one.samples.iter().copied());
        self.rounding.sum(samples.chain([self.penalty_gradient(entry)]))
    }

    /// d/dw factor · l2 · w² of an entry.
    pub(super) fn penalty_gradient(&self, entry: usize) -> f64 {
        let e = self.exercise;
        let Some(penalty) = e.penalty else { return 0.0 };
        let owner = e.parameters.iter().position(|parameter| parameter.entries.contains(&entry)).expect("an owner");
        let mut by = f64::from(e.parameters[owner].regularized);
        for slip in self.slips {
            match slip {
                Slip::Penalty { parameters, gradients, .. } if parameters.contains(&owner) => by *= gradients,
                Slip::PenalizeBiases { .. } if e.parameters[owner].bias => by = 1.0,
                _ => {}
            }
        }
        by * 2.0 * penalty.factor * penalty.l2 * self.theta(entry)
    }
}
