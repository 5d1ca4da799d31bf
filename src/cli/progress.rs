//! How far a descent has come: one line on a terminal's standard error, drawn over again; nothing anywhere else.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::analysis::Event;

/// Drawing more often than this shows nobody more.
const PAUSE: Duration = Duration::from_millis(50);

/// Characters of the bar, and of the losses' line at the most.
const BAR: usize = 20;
const LINE: usize = 24;

/// The losses so far, and whether anybody looks.
#[derive(Debug)]
pub(super) struct Progress {
    seen: bool,
    steps: Option<u64>,
    step: u64,
    losses: Vec<f64>,
    drawn: Option<Instant>,
}

/// What is read of the problem: how many steps there will be.
#[derive(Deserialize)]
struct Planned {
    descend: Steps,
}

#[derive(Deserialize)]
struct Steps {
    steps: u64,
}

/// What an event tells. A loss that is no finite number is a string.
#[derive(Deserialize)]
struct Step {
    step: u64,
    loss: serde_json::Value,
}

impl Progress {
    /// Of this problem; if it cannot be read, nobody will hear of any step.
    pub(super) fn new(problem: &[u8]) -> Self {
        let planned = serde_json::from_slice::<Planned>(problem).ok();
        let steps = planned.map(|planned| planned.descend.steps);
        Self { seen: std::io::stderr().is_terminal(), steps, step: 0, losses: Vec::new(), drawn: None }
    }

    /// A step was reported.
    pub(super) fn hear(&mut self, event: &Event) {
        if !self.seen {
            return;
        }
        let Ok(Step { step, loss }) = serde_json::from_slice(&event.data) else { return };
        self.step = step;
        self.losses.push(loss.as_f64().unwrap_or(f64::NAN));
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= PAUSE) {
            self.draw();
            self.drawn = Some(Instant::now());
        }
    }

    /// There will be no more steps, `done` where all were taken, reported or not: leave the line as it stands.
    pub(super) fn end(&mut self, done: bool) {
        if self.seen && self.drawn.is_some() {
            if let (true, Some(steps)) = (done, self.steps) {
                self.step = steps.saturating_sub(1);
            }
            self.draw();
            // If standard error is closed there is nobody to show anything to.
            let _ = writeln!(std::io::stderr());
        }
    }

    fn draw(&self) {
        let _ = write!(std::io::stderr(), "\r{}\x1b[K", line(self.step, self.steps, &self.losses));
    }
}

/// `  400/1000 ████████░░░░░░░░░░░░ loss 0.0351 █▅▃▂▁`
fn line(step: u64, steps: Option<u64>, losses: &[f64]) -> String {
    let loss = losses.last().copied().unwrap_or(f64::NAN);
    let steps = steps.unwrap_or(step + 1).max(step + 1);
    let done = step + 1;
    let bar = bar(done, steps);
    let width = steps.to_string().len();
    let short =
        if loss != 0.0 && (loss.abs() < 1e-3 || loss.abs() >= 1e5) { format!("{loss:.3e}") } else { format!("{loss:.4}") };
    format!("  {done:>width$}/{steps} {bar} loss {short} {}", sparkline(losses, LINE))
}

/// So much of a whole as a bar.
fn bar(done: u64, whole: u64) -> String {
    let full = (done as f64 / whole.max(1) as f64 * BAR as f64) as usize;
    (0..BAR).map(|i| if i < full { '█' } else { '░' }).collect()
}

/// How many of some things are done, drawn in the same way.
#[derive(Debug)]
pub(super) struct Count {
    seen: bool,
    done: u64,
    whole: u64,
    drawn: Option<Instant>,
}

impl Count {
    /// Of so many, none.
    pub(super) fn new(whole: usize) -> Self {
        Self { seen: std::io::stderr().is_terminal(), done: 0, whole: whole as u64, drawn: None }
    }

    /// One more is done.
    pub(super) fn step(&mut self) {
        self.done += 1;
        if self.seen && self.drawn.is_none_or(|drawn| drawn.elapsed() >= PAUSE) {
            self.draw();
        }
    }

    /// No more will be: leave the line as it stands.
    pub(super) fn end(&mut self) {
        if self.seen {
            self.draw();
            // If standard error is closed there is nobody to show anything to.
            let _ = writeln!(std::io::stderr());
        }
    }

    fn draw(&mut self) {
        let Self { done, whole, .. } = self;
        let _ =
            write!(std::io::stderr(), "\r  {done:>width$}/{whole} {}\x1b[K", bar(*done, *whole), width = whole.to_string().len());
        self.drawn = Some(Instant::now());
    }
}

/// Values as a line of blocks, at most `width`, from the smallest to the largest. Where they span more than a factor of a hundred,
/// by their logarithms. What is not finite is a cross.
fn sparkline(values: &[f64], width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let count = values.len().min(width);
    let picked: Vec<f64> = (0..count).map(|i| values[(i + 1) * values.len() / count - 1]).collect();
    let bounds = |values: &[f64]| {
        let finite = values.iter().filter(|x| x.is_finite());
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)))
    };
    let (low, high) = bounds(&picked);
    let picked: Vec<f64> = if low > 0.0 && high > 100.0 * low { picked.iter().map(|x| x.ln()).collect() } else { picked };
    let (low, high) = bounds(&picked);
    let block = |&x: &f64| {
        if !x.is_finite() {
            return '×';
        }
        let height = if high > low { (x - low) / (high - low) } else { 0.5 };
        BLOCKS[((height * 7.0).round() as usize).min(7)]
    };
    picked.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_drawn_from_the_smallest_to_the_largest() {
        for (values, width, expected) in [
            (&[][..], 8, ""),
            (&[7.0][..], 8, "▅"),
            (&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 8, "▁▂▃▄▅▆▇█"),
            (&[7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0], 4, "█▆▃▁"),
            (&[1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1e0], 8, "█▇▆▅▄▃▂▁"),
            (&[1.0, f64::NAN, 2.0, f64::INFINITY], 8, "▁×█×"),
            (&[-1.0, 1000.0], 8, "▁█"),
        ] {
            assert_eq!(sparkline(values, width), expected, "{values:?}");
        }
    }

    #[test]
    fn a_line_tells_how_far_it_is() {
        assert_eq!(line(399, Some(1000), &[0.5, 0.0351]), "   400/1000 ████████░░░░░░░░░░░░ loss 0.0351 █▁");
        assert_eq!(line(0, Some(1), &[3.5e-5]), "  1/1 ████████████████████ loss 3.500e-5 ▅");
        assert_eq!(line(4, None, &[f64::NAN]), "  5/5 ████████████████████ loss NaN ×");
    }
}
