//! The reply: exercise, key, properties, sheets.

use crate::analysis::answer::meta;
use crate::grading::generate::sheet::{POINTS_DE_DZ, POINTS_GRADIENT, POINTS_LOSS, POINTS_Z};
use crate::grading::generate::values::{Entry, Values};
use crate::grading::generate::wish::Wish;
use crate::grading::generate::{Confused, Generated, Rival, TOLERANCE, VERSION};
use crate::spec::problem::Encoding;
use crate::spec::write::Writer;

/// What is printed.
pub(super) struct Sheets {
    pub(super) problem: String,
    pub(super) solution: String,
    pub(super) network: String,
    pub(super) gradients: String,
}

pub(super) fn write(wish: &Wish, generated: &Generated, sheets: &Sheets, request_hash: &str) -> Vec<u8> {
    let Generated { attempt, exercise, values, .. } = generated;
    let mut w = Writer::new();
    w.object(|w| {
        w.key("version").integer(VERSION);
        w.key("template").string(wish.template.name());
        w.key("seed").string(&wish.seed);
        w.key("attempt").integer(*attempt as u64);
        w.key("exercise").object(|w| {
            exercise.write(w, wish);
            policy(w.key("grade"), values);
        });
        w.key("key").object(|w| key(w, values));
        w.key("properties").object(|w| properties(w, generated));
        w.key("sheet").object(|w| {
            w.key("problem").string(&sheets.problem);
            w.key("solution").string(&sheets.solution);
            w.key("network_svg").string(&sheets.network);
            w.key("gradients_svg").string(&sheets.gradients);
        });
        meta::<f64>(w.key("meta"), request_hash);
    });
    w.into_bytes()
}

/// How the exercise may be graded; claims are the student's to fill in.
fn policy(w: &mut Writer, values: &Values) {
    let points = |each: usize, entry: &Entry| (each * entry.0.sample_size().max(1)) as u64;
    w.object(|w| {
        w.key("claims").object(|_| {});
        w.key("tolerance").string(TOLERANCE);
        w.key("points").object(|w| {
            w.key("loss").integer(POINTS_LOSS as u64);
            for node in &values.nodes {
                w.key(&format!("trace/{}/z", node.id)).integer(points(POINTS_Z, &node.z));
            }
            for node in &values.nodes {
                w.key(&format!("trace/{}/dE_dz", node.id)).integer(points(POINTS_DE_DZ, &node.de_dz));
            }
            for (name, (_, data)) in &values.gradients {
                w.key(&format!("gradients/{name}")).integer((POINTS_GRADIENT * data.len()) as u64);
            }
        });
        w.key("scoring").string("weighted");
        w.key("follow_through").boolean(true);
        w.key("feedback").string("why");
    });
}

fn entry(w: &mut Writer, (shape, data): &Entry) {
    w.tensor(*shape, data, Encoding::Nested);
}

/// Every part with its value, in the shape of claims.
fn key(w: &mut Writer, values: &Values) {
    w.key("loss").number(values.loss);
    w.key("losses").array(|w| values.losses.iter().for_each(|&loss| w.number(loss)));
    w.key("outputs").object(|w| {
        for node in values.outputs.iter().map(|&i| &values.nodes[i]) {
            entry(w.key(&node.id), &node.z);
        }
    });
    for (name, list) in [("gradients", &values.gradients), ("input_gradients", &values.input_gradients)] {
        w.key(name).object(|w| list.iter().for_each(|(name, value)| entry(w.key(name), value)));
    }
    w.key("trace").object(|w| {
        for node in &values.nodes {
            w.key(&node.id).object(|w| {
                if let Some((a, _)) = &node.inner {
                    entry(w.key("a"), a);
                }
                entry(w.key("z"), &node.z);
                if let Some((_, de_da)) = &node.inner {
                    entry(w.key("dE_da"), de_da);
                }
                entry(w.key("dE_dz"), &node.de_dz);
            });
        }
    });
}

fn properties(w: &mut Writer, generated: &Generated) {
    let Generated { exercise, values, confused, .. } = generated;
    let (least, most) = values.pre_activations();
    w.key("depth").integer(exercise.neurons.last().map_or(0, |neuron| neuron.level) as u64);
    w.key("edges").integer(exercise.neurons.iter().map(|neuron| neuron.reads.len() as u64).sum());
    w.key("most_paths").integer(exercise.most_paths());
    w.key("smallest_gradient").number(values.smallest_gradient());
    w.key("smallest_pre_activation").number(least);
    w.key("largest_pre_activation").number(most);
    indistinguishable(w, confused);
}

/// What other numbers would tell apart, group by group, and how much no numbers would.
fn indistinguishable(w: &mut Writer, confused: &Confused) {
    w.key("indistinguishable")
        .array(|w| confused.groups.iter().for_each(|group| w.array(|w| group.iter().for_each(|one| rival(w, one)))));
    w.key("confusable").integer(confused.count() as u64);
    w.key("same_by_structure").integer(confused.same as u64);
    w.key("hypotheses").integer(confused.of as u64);
}

fn rival(w: &mut Writer, Rival { name, site, detail }: &Rival) {
    w.object(|w| {
        w.key("mistake").string(name);
        match site {
            Some(site) => site.write(w.key("where")),
            None => w.key("where").object(|_| {}),
        }
        if let Some(detail) = detail {
            w.key("detail").string(detail);
        }
    });
}
