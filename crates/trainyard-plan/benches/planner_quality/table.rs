//! The tables of `planner_quality.md`.

use std::fmt::Write;
use std::fs;
use std::ops::AddAssign;

use crate::baseline::Outcome;

/// Where the tables are kept.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/planner_quality.md");

/// Relative change of a step time below which two plans count as equally fast.
pub(crate) const SAME: f64 = 1e-4;

/// Comparison of the plans of some cases with earlier ones.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) cases: usize,
    /// Cases with a plan both times.
    pub(crate) both: usize,
    /// Cases whose earlier plan does not fit any more: these are compared in nothing else.
    pub(crate) outgrown: usize,
    /// Cases that have a plan only now, and those that had one only before.
    pub(crate) gained: usize,
    pub(crate) lost: usize,
    pub(crate) faster: usize,
    pub(crate) slower: usize,
    /// Slower by more than 1 %.
    pub(crate) much_slower: usize,
    /// Sum and extremes of the relative changes.
    pub(crate) sum: f64,
    pub(crate) best: f64,
    pub(crate) worst: f64,
    /// Sum of the changes of those that are slower.
    pub(crate) sum_slower: f64,
    pub(crate) planning_before_us: u64,
    pub(crate) planning_us: u64,
}

impl Comparison {
    pub(crate) fn of(before: &Outcome, now: &Outcome) -> Self {
        let mut one = Self {
            cases: 1,
            planning_before_us: before.planning_us,
            planning_us: now.planning_us,
            ..Self::default()
        };
        match (before.step_us, now.step_us) {
            (Some(before), Some(now)) => {
                let change = now / before - 1.0;
                one.both = 1;
                one.faster = usize::from(change < -SAME);
                one.slower = usize::from(change > SAME);
                one.much_slower = usize::from(change > 0.01);
                (one.sum, one.best, one.worst) = (change, change, change);
                one.sum_slower = if change > SAME { change } else { 0.0 };
            }
            (Some(_), None) => one.lost = 1,
            (None, Some(_)) => one.gained = 1,
            (None, None) => {}
        }
        one
    }

    /// A case whose earlier plan does not fit any more.
    pub(crate) fn outgrown(before: &Outcome, now: &Outcome) -> Self {
        Self {
            cases: 1,
            outgrown: 1,
            planning_before_us: before.planning_us,
            planning_us: now.planning_us,
            ..Self::default()
        }
    }

    /// Mean relative change of the step time.
    pub(crate) fn mean(&self) -> f64 {
        self.sum / self.both.max(1) as f64
    }

    /// Planning time relative to before.
    pub(crate) fn planning(&self) -> f64 {
        self.planning_us as f64 / self.planning_before_us.max(1) as f64
    }
}

impl AddAssign for Comparison {
    fn add_assign(&mut self, other: Self) {
        self.cases += other.cases;
        self.both += other.both;
        self.outgrown += other.outgrown;
        self.gained += other.gained;
        self.lost += other.lost;
        self.faster += other.faster;
        self.slower += other.slower;
        self.much_slower += other.much_slower;
        self.sum += other.sum;
        self.sum_slower += other.sum_slower;
        self.best = self.best.min(other.best);
        self.worst = self.worst.max(other.worst);
        self.planning_before_us += other.planning_before_us;
        self.planning_us += other.planning_us;
    }
}

/// A change in percent, signed.
fn percent(change: f64) -> String {
    format!("{:+.2} %", change * 100.0)
}

/// The table of comparisons by class.
pub(crate) fn comparisons(rows: &[(String, Comparison)]) -> String {
    let mut text =
        "| memory | profiles | outgrown | plans | faster | slower | slower by > 1 % | mean change | \
                    best | worst | plans gained / lost | planning time |\n\
                    |---|---|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for (name, c) in rows {
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} / {} | × {:.2} |",
            c.cases,
            c.outgrown,
            c.both,
            c.faster,
            c.slower,
            c.much_slower,
            percent(c.mean()),
            percent(c.best),
            percent(c.worst),
            c.gained,
            c.lost,
            c.planning(),
        );
    }
    text
}

/// The table of what each generator is worth: `Comparison`s of planning without it.
pub(crate) fn ablation(rows: &[(String, Comparison)]) -> String {
    let mut text =
        "| without | profiles | slower | by, mean | by, most | plans lost | faster | planning \
                    time |\n|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for (name, c) in rows {
        let mean = c.sum_slower / c.slower.max(1) as f64;
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} | × {:.2} |",
            c.cases,
            c.slower,
            percent(mean),
            percent(c.worst.max(0.0)),
            c.lost,
            c.faster,
            c.planning(),
        );
    }
    text
}

/// Puts a table in its place on the page: between the comments `<!-- name -->` and `<!-- end -->`.
pub(crate) fn keep(name: &str, table: &str) {
    let page = fs::read_to_string(PAGE).unwrap();
    let start = format!("<!-- {name} -->\n");
    let (before, rest) = page.split_once(&start).unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    fs::write(PAGE, format!("{before}{start}\n{table}\n<!-- end -->{after}")).unwrap();
}
