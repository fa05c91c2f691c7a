//! A bar for texts that become tokens, which takes a while for long ones.

use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Output;

static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Shows it from now on, at a terminal.
pub(crate) fn show() {
    if Output::detect(false) == Output::Terminal {
        trainyard_data::show_progress(progress);
    }
}

fn progress(done: u64, of: u64) {
    let mut shown = BAR.lock().unwrap_or_else(PoisonError::into_inner);
    let style = || {
        let style =
            ProgressStyle::with_template("making tokens of text {bar:24} {bytes}/{total_bytes}");
        style.unwrap_or_else(|_| ProgressStyle::default_bar())
    };
    let bar = shown.get_or_insert_with(|| ProgressBar::new(of).with_style(style()));
    bar.set_length(of);
    bar.set_position(done);
    if done >= of {
        bar.finish_and_clear();
        *shown = None;
    }
}
