//! A factor 2 or ½ that the loss does not have, or has: `½ Σ (o − t)²` or `Σ (o − t)²`.

use super::Mistake;
use super::factors::{hypotheses, objective};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "loss_factor",
    student: "A factor of the loss is wrong {where}: look whether the loss is written with ½, and what its derivative is then.",
    instructor: "The numbers differ from the right ones by a factor of the loss {where}.",
    section: "1.1 Recap: example loss",
    fitted: false,
    hypotheses: |exercise, _| {
        let Some(objective) = objective(exercise) else { return Vec::new() };
        let squared = ["squared_error", "mse", "smooth_l1", "huber"].contains(&objective.op);
        if !squared {
            return Vec::new();
        }
        let mut all = hypotheses(exercise, 2.0, "twice as large", true);
        all.extend(hypotheses(exercise, 0.5, "half as large", true));
        let own = if objective.op == "squared_error" { objective.echo.attributes.number("factor") } else { 1.0 };
        if ![0.5, 1.0, 2.0].contains(&own) {
            all.extend(hypotheses(exercise, 1.0 / own, "without the loss's own factor", true));
        }
        all
    },
};
