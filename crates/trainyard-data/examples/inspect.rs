//! Prints what a data source has, and a batch of it.
//!
//!     cargo run -p trainyard-data --example inspect -- text=input.txt context=32
//!     cargo run -p trainyard-data --example inspect -- table=train.csv target=kind rows=4
//!
//! Arguments are keys of `[data]`; a value that is TOML is taken as such. `rows` is that of the batch.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use toml::{Table, Value};
use trainyard_config::{DataSection, Document};
use trainyard_data::{Batch, Cursor, DataError, DataSource, HostTensor, Prefetch, key_groups};

fn main() -> ExitCode {
    let mut options = Table::new();
    for argument in std::env::args().skip(1) {
        let Some((key, value)) = argument.split_once('=') else {
            eprintln!("'{argument}' is no option; write KEY=VALUE");
            return ExitCode::from(2);
        };
        let value = value.parse().unwrap_or_else(|_| Value::from(value));
        options.insert(key.to_owned(), value);
    }
    let rows = options.remove("rows").and_then(|rows| rows.as_integer()).unwrap_or(4);
    match inspect(&options, usize::try_from(rows).unwrap_or(4)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(if error.is_wrong_input() { 2 } else { 1 })
        }
    }
}

fn inspect(options: &Table, rows: usize) -> Result<(), DataError> {
    let document = Document::parse(&format!("[data]\n{options}"), Path::new("arguments"))?;
    let section = DataSection::read(&document, &key_groups().collect::<Vec<_>>())?;
    let source: Arc<dyn DataSource> = trainyard_data::open(&section)?.into();
    let info = source.info();
    println!("{} ({})", info.name, &info.fingerprint[..16]);
    for remark in &info.remarks {
        println!("note: {remark}");
    }
    let count = |samples: Option<u64>| samples.map_or("endless".to_owned(), |n| n.to_string());
    let (training, validation) = (count(info.samples), count(info.validation_samples));
    println!("samples: {training} for training, {validation} for validation");
    println!("a row counts {} {}", info.items_per_row, info.unit.name());
    if !info.classes.is_empty() {
        let some: Vec<&str> = info.classes.iter().take(12).map(String::as_str).collect();
        println!("{} classes: {}", info.classes.len(), some.join(", "));
    }
    if !info.vocabulary.is_empty() {
        println!("{} tokens: {:?}", info.vocabulary.len(), info.vocabulary.concat());
    }
    let mut batches = Prefetch::new(Arc::clone(&source))?;
    println!("training batch:");
    print(&batches.batch(Cursor::new(1), rows)?);
    if let Some(batch) = source.validation(rows, Some(1)).next() {
        println!("validation batch:");
        print(&batch?);
    }
    Ok(())
}

fn print(batch: &Batch) {
    for (name, tensor) in &batch.tensors {
        let some = match tensor {
            HostTensor::F32 { values, .. } => format!("{:?}", &values[..values.len().min(8)]),
            HostTensor::I32 { values, .. } => format!("{:?}", &values[..values.len().min(12)]),
            HostTensor::Bool { values, .. } => format!("{:?}", &values[..values.len().min(12)]),
        };
        println!("  {name} {:?} {}: {some} …", tensor.shape(), tensor.dtype());
    }
}
