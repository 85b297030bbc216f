//! Medians of two programs and their ratio.

use std::fmt;

/// One number that a run gave.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// What it is, with its unit.
    pub(crate) name: String,
    pub(crate) value: f64,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), value }
    }
}

/// What all runs of a measure gave: by figure, then by program, each in the order of its first appearance.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<(String, Programs)>,
}

/// What each program gave, run by run.
type Programs = Vec<(String, Vec<f64>)>;

impl Table {
    pub(crate) fn add(&mut self, program: &str, figures: Vec<Figure>) {
        for Figure { name, value } in figures {
            let row = find_or_add(&mut self.rows, &name);
            find_or_add(row, program).push(value);
        }
    }
}

fn find_or_add<'a, T: Default>(list: &'a mut Vec<(String, T)>, name: &str) -> &'a mut T {
    let at = list.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
        list.push((name.to_owned(), T::default()));
        list.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "found or pushed just before")]
    &mut list[at].1
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, programs) in &self.rows {
            write!(f, "  {name:56}")?;
            let medians: Vec<_> = programs.iter().map(|(_, values)| median(values)).collect();
            for ((program, _), median) in programs.iter().zip(&medians) {
                write!(f, "  {program} {median:10.3}")?;
            }
            match medians.as_slice() {
                [ours, theirs] if *theirs > 0.0 => writeln!(f, "  ratio {:.3}", ours / theirs)?,
                _ => writeln!(f)?,
            }
        }
        Ok(())
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}
