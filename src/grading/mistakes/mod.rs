//! The catalogue of mistakes. Each file holds one: what it is called, what is said of it, and everything that a student who makes it
//! could have done, as [changes](super::change::Change) at [sites](super::site::Site).

mod activation_derivative_missing;
mod sign_flipped;

use super::change::Change;
use super::claims::Claims;
use super::exercise::Exercise;
use super::site::Site;

/// The mistakes, likelier ones first: of several that fit equally well the first is named first.
pub const CATALOG: &[&Mistake] = &[&sign_flipped::MISTAKE, &activation_derivative_missing::MISTAKE];

/// A mistake that students make.
#[derive(Debug)]
pub struct Mistake {
    /// Its name on the wire.
    pub name: &'static str,
    /// To the student: a sentence that says what to look at. `{where}` stands for the site in words, "at z5".
    pub student: &'static str,
    /// To the instructor: what the numbers show.
    pub instructor: &'static str,
    /// The part of the lecture that it concerns.
    pub section: &'static str,
    /// Whether its hypotheses are fitted to the claims, so that they cannot be kept for the next submission.
    pub fitted: bool,
    /// Every way of making it in an exercise.
    pub hypotheses: fn(&Exercise, &Clues<'_>) -> Vec<Hypothesis>,
}

/// What is known beside the exercise.
#[derive(Debug, Clone, Copy)]
pub struct Clues<'c> {
    /// The learning rate that the course uses.
    pub learning_rate: Option<f64>,
    /// The claims; nothing while an exercise is looked at by itself.
    pub claims: Option<&'c Claims>,
}

/// A mistake at a site.
#[derive(Debug)]
pub struct Hypothesis {
    /// Where.
    pub site: Site,
    /// What is particular about it, in words, if anything is.
    pub detail: Option<String>,
    /// What is done differently.
    pub change: Box<dyn Change>,
}

impl Hypothesis {
    /// A change at a site.
    pub fn new(site: Site, change: impl Change + 'static) -> Self {
        Self { site, detail: None, change: Box::new(change) }
    }

    /// With something particular to say: "twice as large".
    pub fn particular(site: Site, detail: impl Into<String>, change: impl Change + 'static) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(site, change) }
    }
}

/// The sets of nodes at which students make the same mistake at once: all of them, the hidden ones, the outputs, each level, each
/// node. `at` says whether the mistake can be made at a node at all; sets that come out equal are named once, the widest first.
pub(crate) fn node_sites(exercise: &Exercise, at: impl Fn(usize) -> bool) -> Vec<(Site, Vec<usize>)> {
    let levels = exercise.levels();
    let outputs = exercise.outputs();
    let all: Vec<usize> = levels.iter().flatten().copied().collect();
    let hidden = all.iter().copied().filter(|node| !outputs.contains(node)).collect();
    let single = all.iter().map(|&node| vec![node]);
    let mut sets: Vec<Vec<usize>> = vec![all.clone(), hidden, outputs];
    sets.extend(levels.into_iter().chain(single));
    let mut sites: Vec<(Site, Vec<usize>)> = Vec::new();
    for (i, mut set) in sets.into_iter().enumerate() {
        set.retain(|&node| at(node));
        set.sort_unstable();
        if !set.is_empty() && sites.iter().all(|(_, known)| *known != set) {
            let site = if i == 0 { Site::Everywhere } else { Site::nodes(exercise, &set) };
            sites.push((site, set));
        }
    }
    sites
}
