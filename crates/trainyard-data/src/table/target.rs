//! Target columns while they are read: classes or numbers.

use std::collections::BTreeMap;

use crate::table::options::TableTask;
use crate::table::read::number;

/// Values of a target column.
pub(crate) enum Target {
    /// Words or whole numbers so far.
    Open(Values),
    /// Classes, whatever they look like.
    Classes(Values),
    /// Numbers.
    Numbers(Vec<f32>),
}

/// Distinct values, numbered as they come, and the number of each row's.
#[derive(Default)]
pub(crate) struct Values {
    distinct: BTreeMap<String, u32>,
    rows: Vec<u32>,
    /// Whether a value is no number.
    words: bool,
    /// Classes that were given; no others may come.
    given: bool,
}

impl Target {
    pub(crate) fn new(task: TableTask, classes: &[String], columns: usize) -> Self {
        let given = !classes.is_empty();
        let distinct = classes.iter().cloned().zip(0..).collect();
        let values = Values { distinct, given, ..Values::default() };
        match task {
            TableTask::Numbers => Self::Numbers(Vec::new()),
            TableTask::Auto if columns > 1 => Self::Numbers(Vec::new()),
            TableTask::Auto if !given => Self::Open(values),
            TableTask::Auto | TableTask::Classes => Self::Classes(values),
        }
    }

    /// Takes a row's value.
    ///
    /// # Errors
    /// What is wrong with it, and the way out.
    pub(crate) fn push(&mut self, cell: &str) -> Result<(), String> {
        let cell = cell.trim();
        if cell.is_empty() {
            return Err("the cell is empty; fill it, or take the row out".to_owned());
        }
        if let Self::Open(values) = self {
            let has_decimals = cell.parse::<f32>().is_ok() && whole(cell).is_none();
            if has_decimals && values.words {
                return Err(format!(
                    "{cell:?} is a number with decimals, but other values are words; set \
                     data.task to \"classes\" or mend it"
                ));
            }
            if has_decimals {
                *self = Self::Numbers(values.numbers());
            }
        }
        match self {
            Self::Open(values) | Self::Classes(values) => values.push(cell),
            Self::Numbers(values) => {
                values.push(finite(cell)?);
                Ok(())
            }
        }
    }
}

impl Target {
    /// The classes in order, and the number of each row's; none of numbers.
    pub(crate) fn into_classes(self) -> (Vec<String>, Vec<i32>) {
        match self {
            Self::Open(values) | Self::Classes(values) => values.classes(),
            Self::Numbers(_) => Default::default(),
        }
    }
}

impl Values {
    fn push(&mut self, cell: &str) -> Result<(), String> {
        let value = match self.distinct.get(cell) {
            Some(&value) => value,
            None if self.given => {
                return Err(format!(
                    "{cell:?} is none of data.classes; mend it, or add it there before a training begins: a trained \
                     model has the classes of its checkpoint"
                ));
            }
            None => {
                let value =
                    u32::try_from(self.distinct.len()).map_err(|error| error.to_string())?;
                self.distinct.insert(cell.to_owned(), value);
                self.words |= whole(cell).is_none();
                value
            }
        };
        self.rows.push(value);
        Ok(())
    }

    /// Values of the rows, all of them whole numbers.
    fn numbers(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.distinct.len()];
        for (text, &value) in &self.distinct {
            values[value as usize] = text.parse().unwrap_or_default();
        }
        self.rows.iter().map(|&row| values[row as usize]).collect()
    }

    /// The classes in order (given ones as given, whole numbers by size, words by their characters),
    /// and the number of each row's.
    pub(super) fn classes(self) -> (Vec<String>, Vec<i32>) {
        let mut order: Vec<(&String, u32)> = self.distinct.iter().map(|(k, &v)| (k, v)).collect();
        if self.given {
            order.sort_by_key(|&(_, value)| value);
        } else if order.iter().all(|(text, _)| whole(text).is_some()) {
            order.sort_by_key(|(text, _)| whole(text));
        }
        let mut numbers = vec![0; order.len()];
        for ((_, value), number) in order.iter().zip(0..) {
            numbers[*value as usize] = number;
        }
        let names = order.into_iter().map(|(text, _)| text.clone()).collect();
        (names, self.rows.iter().map(|&row| numbers[row as usize]).collect())
    }
}

fn whole(cell: &str) -> Option<i64> {
    cell.parse().ok()
}

/// The finite number in a cell.
///
/// # Errors
/// What is wrong with it, and the way out.
pub(crate) fn finite(cell: &str) -> Result<f32, String> {
    match number(cell) {
        Some(value) if value.is_finite() => Ok(value),
        Some(_) => Err(format!("{cell:?} is not a finite number that 32 bits can hold; mend it")),
        None if cell.trim().is_empty() => {
            Err("the cell is empty; fill it, or choose other columns \
                                               with data.features"
                .to_owned())
        }
        None => Err(format!(
            "{cell:?} is no number; mend it, or choose other columns with data.features"
        )),
    }
}
