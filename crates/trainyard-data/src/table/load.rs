//! Reads tables into memory: a matrix of features, and the targets.

use std::path::PathBuf;

use crate::error::DataError;
use crate::files::name_of;
use crate::plain_text::Remarks;
use crate::table::options::TableOptions;
use crate::table::read::{Record, TableFile, number};
use crate::table::target::{Target, finite};

/// A table in memory.
pub(super) struct Table {
    pub(super) rows: usize,
    pub(super) feature_names: Vec<String>,
    /// `[rows, features]`
    pub(super) features: Vec<f32>,
    pub(super) targets: Targets,
}

pub(super) enum Targets {
    /// Names of the classes, and the class of each row.
    Classes(Vec<String>, Vec<i32>),
    /// `[rows, columns]`
    Numbers(Vec<f32>),
}

/// Reads files with the same columns, one after the other.
/// Also what is worth knowing of them.
pub(super) fn load(
    files: &[PathBuf],
    options: &TableOptions,
) -> Result<(Table, Vec<String>), DataError> {
    let (mut rows, mut remarks) = (Reading::new(options), Remarks::default());
    for path in files {
        rows.read(TableFile::open(path, options, &mut remarks)?)?;
    }
    Ok((rows.finish(files)?, remarks.of_cells()))
}

struct Reading<'a> {
    options: &'a TableOptions,
    rows: usize,
    feature_names: Vec<String>,
    features: Vec<f32>,
    targets: Vec<Target>,
}

impl<'a> Reading<'a> {
    fn new(options: &'a TableOptions) -> Self {
        let columns = options.target.len();
        let target = |_| Target::new(options.task, &options.classes, columns);
        Self {
            options,
            rows: 0,
            feature_names: options.features.clone(),
            features: Vec::new(),
            targets: (0..columns).map(target).collect(),
        }
    }

    fn read(&mut self, mut file: TableFile) -> Result<(), DataError> {
        if self.feature_names.is_empty() {
            self.choose_features(&mut file)?;
        }
        if file.peek()?.is_none() {
            return Ok(());
        }
        let place = |names: &[String]| -> Result<Vec<usize>, DataError> {
            names.iter().map(|name| place_of(name, &file)).collect()
        };
        let (features, targets) = (place(&self.feature_names)?, place(&self.options.target)?);
        while let Some(record) = file.next_record()? {
            let cell_error = |column: usize, reason| DataError::Cell {
                file: file.path.clone(),
                line: file.line_of(&record),
                column: file.columns[column].clone(),
                reason,
            };
            for &column in &features {
                let value = finite(&record.cells[column]);
                self.features.push(value.map_err(|reason| cell_error(column, reason))?);
            }
            for (&column, target) in targets.iter().zip(&mut self.targets) {
                let pushed = target.push(&record.cells[column]);
                pushed.map_err(|reason| cell_error(column, reason))?;
            }
            self.rows += 1;
        }
        Ok(())
    }

    /// Takes all columns that have a number, or nothing, in the first row; later cells that are
    /// empty or no number are errors then.
    fn choose_features(&mut self, file: &mut TableFile) -> Result<(), DataError> {
        let Some(Record { cells, .. }) = file.peek()? else { return Ok(()) };
        let fits: Vec<bool> =
            cells.iter().map(|cell| cell.trim().is_empty() || number(cell).is_some()).collect();
        let names = file.columns.iter().zip(fits);
        self.feature_names = names
            .filter(|(name, fits)| *fits && !self.options.target.contains(name))
            .map(|(name, _)| name.clone())
            .collect();
        if self.feature_names.is_empty() {
            let reason = format!(
                "no column beside the target has numbers to learn from (its columns: {}); add one, \
                 or choose another table",
                file.columns.join(", ")
            );
            // A target that does not exist is the better thing to complain about.
            for target in &self.options.target {
                place_of(target, file)?;
            }
            return Err(DataError::bad_file(&file.path, reason));
        }
        Ok(())
    }

    fn finish(self, files: &[PathBuf]) -> Result<Table, DataError> {
        let name = name_of(files);
        if self.rows == 0 {
            let reason = "the table has no rows; give one with at least two".to_owned();
            return Err(DataError::BadFile { file: name.into(), reason });
        }
        let mut numbers = Vec::new();
        for target in self.targets {
            match target {
                Target::Open(values) | Target::Classes(values) => {
                    // There is a single target where there are classes.
                    let (classes, rows) = values.classes();
                    return Ok(Table {
                        rows: self.rows,
                        feature_names: self.feature_names,
                        features: self.features,
                        targets: Targets::Classes(classes, rows),
                    });
                }
                Target::Numbers(values) => numbers.push(values),
            }
        }
        let row = |row: usize| numbers.iter().filter_map(move |column| column.get(row).copied());
        let targets = Targets::Numbers((0..self.rows).flat_map(row).collect());
        let Self { rows, feature_names, features, .. } = self;
        Ok(Table { rows, feature_names, features, targets })
    }
}

/// The place of a column by its name.
///
/// # Errors
/// [`DataError::NoColumn`].
pub(crate) fn place_of(name: &str, file: &TableFile) -> Result<usize, DataError> {
    file.columns.iter().position(|column| column == name).ok_or_else(|| DataError::NoColumn {
        file: file.path.clone(),
        column: name.to_owned(),
        known: file.columns.join(", ") + unlike_delimiter(&file.columns),
    })
}

/// The way out where all columns are one: what is between the cells is another character.
fn unlike_delimiter(columns: &[String]) -> &'static str {
    match columns {
        [only] if only.contains([';', ',', '\t', '|']) => {
            "; set data.delimiter to what stands between the columns"
        }
        _ => "",
    }
}
