//! Names and places that a file gives its processes and threads. They may come after the events.

use std::collections::HashMap;

/// What a process or thread is called, and where it stands among the others.
#[derive(Clone, Debug, Default)]
struct Named {
    name: String,
    labels: String,
    sort_index: f64,
}

/// Names of processes and threads, by their ids as the file has them.
#[derive(Debug, Default)]
pub(crate) struct Names<'a> {
    processes: HashMap<&'a str, Named>,
    threads: HashMap<(&'a str, &'a str), Named>,
}

/// Something that a file says of a process or thread.
pub(crate) enum Said {
    Name(String),
    Labels(String),
    SortIndex(f64),
}

impl Named {
    fn take(&mut self, said: Said) {
        match said {
            Said::Name(name) => self.name = name,
            Said::Labels(labels) => self.labels = labels,
            Said::SortIndex(sort_index) => self.sort_index = sort_index,
        }
    }
}

impl<'a> Names<'a> {
    pub(crate) fn of_process(&mut self, pid: &'a str, said: Said) {
        self.processes.entry(pid).or_default().take(said);
    }

    pub(crate) fn of_thread(&mut self, pid: &'a str, tid: &'a str, said: Said) {
        self.threads.entry((pid, tid)).or_default().take(said);
    }

    /// Name and labels of a process; empty where the file has none.
    pub(crate) fn process(&self, pid: &str) -> String {
        let Some(Named { name, labels, .. }) = self.processes.get(pid) else {
            return String::new();
        };
        match (name.is_empty(), labels.is_empty()) {
            (_, true) => name.clone(),
            (true, false) => labels.clone(),
            (false, false) => format!("{name} ({labels})"),
        }
    }

    pub(super) fn thread(&self, pid: &str, tid: &str) -> String {
        self.threads.get(&(pid, tid)).map_or_else(String::new, |named| named.name.clone())
    }

    pub(super) fn process_order(&self, pid: &str) -> i64 {
        self.processes.get(pid).map_or(0, |named| named.sort_index as i64)
    }

    pub(super) fn thread_order(&self, pid: &str, tid: &str) -> i64 {
        self.threads.get(&(pid, tid)).map_or(0, |named| named.sort_index as i64)
    }
}

/// Numbers come before words, by their size.
pub(super) fn order_of_id(id: &str) -> (bool, i128, &str) {
    let number = id.parse::<i128>();
    (number.is_err(), number.unwrap_or(0), id)
}
