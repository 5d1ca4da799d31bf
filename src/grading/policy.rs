//! How an exercise is graded: what counts how much, what passes, and how much a student is told.

use super::claims::Layout;
use super::parts::Parts;
use super::tolerance::Tolerance;
use crate::lower::{glob, hint};
use crate::spec::decode::Fields;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::Json;

/// How parts become a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scoring {
    /// Each part for itself.
    #[default]
    Weighted,
    /// All parts, or nothing.
    AllOrNothing,
}

/// How much a student is told, each level with all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Feedback {
    /// Scores.
    None,
    /// And verdicts.
    Verdict,
    /// And where the first mistake is.
    Where,
    /// And what it is, and how far numbers are off.
    What,
    /// And why, in words.
    #[default]
    Why,
    /// And the right numbers.
    Answer,
}

/// The levels by their words.
pub const LEVELS: &[(&str, Feedback)] = &[
    ("none", Feedback::None),
    ("verdict", Feedback::Verdict),
    ("where", Feedback::Where),
    ("what", Feedback::What),
    ("why", Feedback::Why),
    ("answer", Feedback::Answer),
];

/// The tolerance where none is given: what a careful student has who rounds to four figures at every step.
pub const DEFAULT_TOLERANCE: &str = "hand(sf=4)";

/// The rules of one exercise.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// What passes.
    pub(crate) tolerance: Tolerance,
    /// Points by the parts' places, for those that patterns name; 1 for all others.
    pub points: Vec<Option<f64>>,
    /// Which parts must be claimed.
    pub expected: Vec<bool>,
    /// How parts become a score.
    pub scoring: Scoring,
    /// Whether what follows rightly from an earlier mistake counts as right.
    pub follow_through: bool,
    /// How much is told.
    pub feedback: Feedback,
    /// Whether the reply may hold no number that says how far a claim is off.
    pub check_only: bool,
    /// How flat claims run.
    pub layout: Layout,
    /// The learning rate that the course uses, for mistakes that involve a step.
    pub learning_rate: Option<f64>,
}

impl Policy {
    /// Read the members of `grade` but `claims`.
    pub(crate) fn read(fields: &mut Fields<'_, '_>, at: At<'_>, parts: &Parts, faults: &mut Faults) -> Option<Self> {
        let before = faults.count();
        let tolerance = match fields.take("tolerance") {
            None => Tolerance::named(DEFAULT_TOLERANCE),
            Some(json) => Tolerance::read(json, at.name("tolerance"), faults),
        };
        let count = parts.list().len();
        let (mut points, mut expected) = (vec![None; count], vec![false; count]);
        if let Some(json) = fields.take("points") {
            read_points(json, at.name("points"), parts, &mut points, &mut expected, faults);
        }
        if let Some((patterns, is_list)) = fields.strings("expect", faults) {
            let list = at.name("expect");
            for (i, pattern) in patterns.iter().enumerate() {
                let item = list.index(i);
                for part in matching(pattern, parts, if is_list { item } else { list }, faults) {
                    expected[part] = true;
                }
            }
        }
        let scorings = [("weighted", Scoring::Weighted), ("all_or_nothing", Scoring::AllOrNothing)];
        let scoring = fields.word("scoring", &scorings, faults).unwrap_or_default();
        let follow_through = fields.boolean("follow_through", faults).unwrap_or(true);
        let feedback = fields.word("feedback", LEVELS, faults).unwrap_or_default();
        let check_only = fields.boolean("check_only", faults).unwrap_or(false);
        let layouts = [("row_major", Layout::RowMajor), ("column_major", Layout::ColumnMajor)];
        let layout = fields.word("layout", &layouts, faults).unwrap_or_default();
        let learning_rate = fields.number("learning_rate", faults);
        if let Some(rate) = learning_rate.filter(|rate| *rate <= 0.0) {
            faults.push(at.name("learning_rate"), Code::InvalidValue, format!("expected a number above 0, found {rate}"));
        }
        let tolerance = tolerance.filter(|_| faults.count() == before)?;
        Some(Self { tolerance, points, expected, scoring, follow_through, feedback, check_only, layout, learning_rate })
    }

    /// The points of a part.
    pub fn points_of(&self, part: usize) -> f64 {
        self.points[part].unwrap_or(1.0)
    }
}

fn read_points(
    json: Json<'_>,
    at: At<'_>,
    parts: &Parts,
    points: &mut [Option<f64>],
    expected: &mut [bool],
    faults: &mut Faults,
) {
    let Json::Object(object) = json else {
        let detail = format!("expected an object from part to points, found {}", json.describe());
        return faults.push(at, Code::WrongType, detail);
    };
    for (pattern, json) in object.into_members() {
        let at = at.name(&pattern);
        let value = match json {
            Json::Number(number) if number.value >= 0.0 && number.value <= 1e9 => number.value,
            other => {
                faults.push(at, Code::InvalidValue, format!("expected points from 0 to 1e9, found {}", other.describe()));
                continue;
            }
        };
        for part in matching(&pattern, parts, at, faults) {
            points[part] = Some(value);
            // A pattern gives points to what is claimed; a name asks for its part.
            expected[part] |= !pattern.contains(['*', '?']);
        }
    }
}

/// The parts that a name or pattern means; one that means none is a fault.
pub(crate) fn matching(pattern: &str, parts: &Parts, at: At<'_>, faults: &mut Faults) -> Vec<usize> {
    let list = parts.list();
    let found: Vec<usize> = match parts.find(pattern) {
        Some(part) => vec![part],
        None => (0..list.len()).filter(|&i| glob(pattern, &list[i].name)).collect(),
    };
    if found.is_empty() {
        let hint = if faults.is_full() { String::new() } else { hint(pattern, list.iter().map(|part| part.name.as_str())) };
        faults.push(at, Code::UnknownName, format!("the exercise has no part \"{pattern}\"{hint}"));
    }
    found
}
