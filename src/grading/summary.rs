//! A class at a glance: how many passed, what they scored, and which mistakes were made how often.

use indexmap::IndexMap;

use super::report::Report;
use crate::spec::write::Writer;

/// Figures of many reports.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Submissions.
    pub submissions: usize,
    /// Those whose claims could be read.
    pub gradable: usize,
    /// Those of which every part passes.
    pub passed: usize,
    /// The mean of the scores of what could be graded, as a part of the most that each could reach; 0 of nothing.
    pub mean_score: f64,
    /// By mistake, the submissions that it explains, most first. A submission that several mistakes explain counts for each.
    pub mistakes: Vec<(String, usize)>,
    /// By part, the submissions in which it fails, most first.
    pub failing: Vec<(String, usize)>,
    /// Submissions that are wrong and that no mistake explains.
    pub unexplained: usize,
}

impl Summary {
    /// Of these reports.
    pub fn of<'r>(reports: impl IntoIterator<Item = &'r Report>) -> Self {
        let mut summary = Self::default();
        let (mut mistakes, mut failing) = (IndexMap::new(), IndexMap::new());
        let mut sum = 0.0;
        for report in reports {
            summary.submissions += 1;
            if !report.gradable {
                continue;
            }
            summary.gradable += 1;
            summary.passed += usize::from(report.passed);
            summary.unexplained += usize::from(!report.passed && report.diagnosis.is_empty());
            if report.max_score > 0.0 {
                sum += report.score / report.max_score;
            }
            let mut named: Vec<_> =
                report.diagnosis.iter().flat_map(|found| [Some(found.mistake), found.with.as_ref().map(|w| w.0)]).collect();
            named.sort_unstable();
            named.dedup();
            for name in named.into_iter().flatten() {
                *mistakes.entry(name.to_owned()).or_insert(0) += 1;
            }
            for part in report.parts.iter().filter(|part| part.score < part.max_score) {
                *failing.entry(part.name.clone()).or_insert(0) += 1;
            }
        }
        if summary.gradable > 0 {
            summary.mean_score = sum / summary.gradable as f64;
        }
        (summary.mistakes, summary.failing) = (most_first(mistakes), most_first(failing));
        summary
    }

    /// As JSON.
    pub fn write(&self, w: &mut Writer) {
        w.object(|w| {
            w.key("submissions").integer(self.submissions as u64);
            w.key("gradable").integer(self.gradable as u64);
            w.key("passed").integer(self.passed as u64);
            w.key("mean_score").number(self.mean_score);
            let counts = |w: &mut Writer, list: &[(String, usize)]| {
                w.object(|w| list.iter().for_each(|(name, count)| w.key(name).integer(*count as u64)));
            };
            counts(w.key("mistakes"), &self.mistakes);
            w.key("unexplained").integer(self.unexplained as u64);
            counts(w.key("failing"), &self.failing);
        });
    }

    /// For people: a few lines, and the mistakes as bars.
    pub fn text(&self) -> String {
        const BAR: usize = 30;
        const SHOWN: usize = 20;
        let Self { submissions, gradable, passed, mean_score, .. } = self;
        let mut text =
            format!("{submissions} submissions, {gradable} gradable, {passed} passed, mean score {:.1} %\n", 100.0 * mean_score);
        let rows = || {
            self.mistakes
                .iter()
                .take(SHOWN)
                .map(|(name, count)| (name.as_str(), *count))
                .chain((self.unexplained > 0).then_some(("(unexplained)", self.unexplained)))
        };
        let width = rows().map(|(name, _)| name.len()).max().unwrap_or(0);
        let most = rows().map(|(_, count)| count).max().unwrap_or(1);
        for (name, count) in rows() {
            let bar = "█".repeat((count * BAR).div_ceil(most));
            text.push_str(&format!("  {name:<width$} {bar} {count}\n"));
        }
        text
    }
}

fn most_first(counts: IndexMap<String, usize>) -> Vec<(String, usize)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

#[cfg(test)]
mod tests {
    use super::super::report::Mistaken;
    use super::super::site::Site;
    use super::*;

    fn report(score: f64, mistakes: &[&'static str]) -> Report {
        let found = |&mistake: &&'static str| Mistaken {
            mistake,
            site: Site::Everywhere,
            with: None,
            explains: Vec::new(),
            residual: None,
            text: None,
            instructor: None,
            section: None,
        };
        let diagnosis = mistakes.iter().map(found).collect();
        Report { gradable: true, score, max_score: 4.0, passed: score == 4.0, diagnosis, ..Report::default() }
    }

    #[test]
    fn a_class_is_counted() {
        let reports = [report(4.0, &[]), report(1.0, &["b", "a"]), report(1.0, &["b", "b"]), report(0.0, &[]), Report::default()];
        let summary = Summary::of(&reports);
        assert_eq!((summary.submissions, summary.gradable, summary.passed, summary.unexplained), (5, 4, 1, 1));
        assert_eq!(summary.mean_score, 1.5 / 4.0);
        assert_eq!(summary.mistakes, [("b".to_owned(), 2), ("a".to_owned(), 1)]);
        assert!(summary.text().contains("  b             ██████████████████████████████ 2\n"), "{}", summary.text());
        assert_eq!(Summary::of(&[]).mean_score, 0.0);
    }
}
