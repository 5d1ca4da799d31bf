//! The bands of rounding by hand, part by part: what may be claimed of each number of an exercise's answer.

use super::bands::{Bands, Kink, Work, propagate};
use crate::grading::exercise::Exercise;
use crate::grading::parts::Kind;
use crate::graph::NodeId;
use crate::tensor::{Digits, Interval, Tensor};

/// What may be claimed of every part of an answer by somebody who rounds each step.
#[derive(Debug)]
pub(crate) struct Claimable {
    /// On whichever side of a corner rounding puts somebody.
    parts: Vec<Vec<Interval>>,
    /// On the exact numbers' side of every corner; nothing where no corner may be crossed.
    certain: Option<Vec<Vec<Interval>>>,
    /// Where corners may be crossed.
    pub(crate) kinks: Vec<Kink>,
}

impl Claimable {
    /// Of an exercise whose steps are written to so many digits. `go_on` is asked between nodes.
    ///
    /// # Errors
    /// Whatever `go_on` says.
    pub(crate) fn of<E>(exercise: &Exercise, digits: Digits, go_on: impl FnMut() -> Result<(), E>) -> Result<Self, E> {
        let work = Work::of(&exercise.lowered);
        let bands = propagate(&work, digits, |id| exercise.value(id).clone(), go_on)?;
        let parts = collect(exercise, &bands, digits, |id| bands.cotangent(id));
        let certain = (!bands.kinks.is_empty()).then(|| collect(exercise, &bands, digits, |id| bands.certain(id)));
        Ok(Self { parts, certain, kinks: bands.kinks })
    }

    /// What may be claimed of a part's numbers.
    pub(crate) fn part(&self, part: usize) -> &[Interval] {
        &self.parts[part]
    }

    /// The same without crossing a corner.
    pub(crate) fn certain(&self, part: usize) -> &[Interval] {
        &self.certain.as_ref().unwrap_or(&self.parts)[part]
    }

    /// Whether each number of a claim may be said of `value`, which is the part's own or what a mistake makes of it: as far from it
    /// as the band reaches from the exact number, in proportion where it is larger.
    pub(crate) fn near(&self, part: usize, claim: &[f64], value: &[f64], key: &[f64]) -> Option<Vec<bool>> {
        let bands = &self.parts[part];
        if bands.len() != claim.len() || value.len() != claim.len() {
            return None;
        }
        let numbers = claim.iter().zip(value).zip(bands.iter().zip(key));
        let near = |((&claim, &value), (band, &key)): ((&f64, &f64), (&Interval, &f64))| {
            let scale = if key == 0.0 { 1.0 } else { (value / key).abs().max(1.0) };
            claim >= value - scale * (key - band.lo()) && claim <= value + scale * (band.hi() - key)
        };
        Some(numbers.map(near).collect())
    }
}

fn collect<'b>(
    exercise: &Exercise,
    bands: &'b Bands,
    digits: Digits,
    cotangent: impl Fn(NodeId) -> Option<&'b Tensor<Interval>>,
) -> Vec<Vec<Interval>> {
    let lowered = &exercise.lowered;
    let pre = |i: usize| lowered.nodes[i].a.expect("a node whose a is a part has one");
    let bar =
        |id: NodeId, count: usize| cotangent(id).map_or_else(|| vec![Interval::thin(0.0); count], |bar| bar.data().to_vec());
    let parts = exercise.parts.list().iter().zip(&exercise.key().0);
    let of = |(part, key): (&crate::grading::parts::Part, &Tensor<f64>)| {
        let count = part.shape.size();
        let band = match part.kind {
            Kind::Loss => vec![bands.loss],
            Kind::Losses => {
                let objective = lowered.objective.as_ref().expect("there is a loss where it is a part");
                bands.value(objective.losses).data().to_vec()
            }
            Kind::Output(i) | Kind::Z(i) => bands.value(lowered.nodes[i].z).data().to_vec(),
            Kind::A(i) => bands.value(pre(i)).data().to_vec(),
            Kind::BarZ(i) => bar(lowered.nodes[i].z, count),
            Kind::BarA(i) => bar(pre(i), count),
            Kind::InputGradient(i) => bar(lowered.inputs[i].leaf, count),
            Kind::Gradient(i) => {
                let parameter = &lowered.parameters[i];
                let leaf = bar(parameter.leaf, lowered.graph.shape(parameter.leaf).size());
                parameter.element.map_or_else(|| leaf.clone(), |element| vec![leaf[element as usize]])
            }
        };
        band.into_iter().zip(key.data()).map(|(band, &key)| Bands::claimable(band, key, digits)).collect()
    };
    parts.map(of).collect()
}
