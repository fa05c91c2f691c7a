//! Saving and exporting: the plan, the data behind what is drawn, and pictures of it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eframe::egui::{Context, Ui};
use trainyard_plan::Trace;

use crate::app::{Studio, short_name};
use crate::background::Job;
use crate::command::Export;
use crate::export::{ExportError, data, perfetto, png, stages, svg, write_atomic, write_with};
use crate::open::PLAN;
use crate::perform::home;
use crate::shell::layout::Panel;
use crate::shell::path_dialog::Purpose;
use crate::shell::trouble::Trouble;

/// Data that is being written on a thread of its own, as there can be much of it. Dropping it calls
/// the work off.
pub(crate) struct Writing {
    file: PathBuf,
    job: Job<Result<(), ExportError>>,
    called_off: Arc<AtomicBool>,
}

impl Writing {
    /// What is done, for a person.
    pub(crate) fn what(&self) -> String {
        self.job.what().to_owned()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.called_off.store(true, Ordering::Relaxed);
    }
}

/// Fails as soon as nobody wants the file any more, which is then as it was before.
struct UntilCalledOff<'a> {
    out: &'a mut dyn Write,
    flag: &'a AtomicBool,
}

impl Write for UntilCalledOff<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.flag.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Studio {
    /// Where files are written unless told otherwise: beside the plan, the run file, or at home.
    pub(crate) fn folder(&self) -> PathBuf {
        let near = self.desk.file.as_deref().or(self.desk.run_file.as_deref());
        near.and_then(Path::parent).map_or_else(home, Path::to_owned)
    }

    /// The plan's file, or where it would be.
    pub(crate) fn plan_file(&self) -> PathBuf {
        self.desk.file.clone().unwrap_or_else(|| self.folder().join(PLAN))
    }

    pub(crate) fn save_plan(&mut self) {
        match self.desk.file.clone() {
            Some(file) => self.save_plan_to(&file),
            None => self.ask_for_path(Purpose::SavePlan, &self.plan_file()),
        }
    }

    pub(crate) fn take_path(&mut self, context: &Context, purpose: Purpose, path: &Path) {
        match purpose {
            Purpose::Open => self.open(context, path),
            Purpose::SavePlan => self.save_plan_to(path),
            Purpose::Export(what) => self.export(context, what, path),
        }
    }

    fn save_plan_to(&mut self, file: &Path) {
        match self.write_plan(file) {
            Ok(()) => {
                self.desk.mark_saved(file.to_owned());
                self.kept.recent.add(file);
                self.say(format!("Saved {}", file.display()));
            }
            Err(error) => self.cannot_write(&error),
        }
    }

    /// Writes the present plan.
    ///
    /// # Errors
    /// As [`write_with`].
    pub(crate) fn write_plan(&self, file: &Path) -> Result<(), ExportError> {
        let plan = &self.desk.present().plan;
        write_with(file, |out| Ok(serde_json::to_writer_pretty(out, plan)?))
    }

    fn cannot_write(&mut self, error: &ExportError) {
        self.troubles.push_back(Trouble::new("Cannot write the file", error.to_string(), ""));
    }

    /// Writes something to a file.
    fn export(&mut self, context: &Context, what: Export, file: &Path) {
        let write = match what {
            Export::Events => data::events_csv,
            Export::Memory => data::memory_csv,
            Export::Json => data::trace_json,
            Export::Perfetto => perfetto::write,
            Export::Prediction => {
                let present = Arc::clone(self.desk.present());
                let write = |out: &mut dyn Write| data::simulation_json(&present.simulation, out);
                return self.say_written(file, write_with(file, write));
            }
            Export::Stages => return self.write_stages(file),
            Export::BoardPng => return self.write_png(context, Panel::Board, file),
            Export::TimelinePng => return self.write_png(context, Panel::Timeline, file),
            Export::BoardSvg => return self.write_svg(context, Panel::Board, file),
            Export::TimelineSvg => return self.write_svg(context, Panel::Timeline, file),
        };
        self.write_trace(context, file, write);
    }

    /// Begins to write a trace: the measured one where there is one.
    fn write_trace(
        &mut self,
        context: &Context,
        file: &Path,
        write: fn(&Trace, &mut dyn Write) -> io::Result<()>,
    ) {
        let trace = self.panels.measured_trace(self.session.as_ref());
        let trace = trace.unwrap_or_else(|| Arc::clone(&self.desk.present().trace));
        let called_off = Arc::new(AtomicBool::new(false));
        let (path, flag) = (file.to_owned(), Arc::clone(&called_off));
        let job = Job::start(context, format!("Writing {}", short_name(file)), move || {
            write_with(&path, |out| write(&trace, &mut UntilCalledOff { out, flag: &flag }))
        });
        match job {
            Ok(job) => self.writing = Some(Writing { file: file.to_owned(), job, called_off }),
            Err(source) => self.cannot_write(&ExportError::Write { path: file.to_owned(), source }),
        }
    }

    pub(crate) fn poll_writing(&mut self) {
        let Some(writing) = &self.writing else { return };
        let Some(result) = writing.job.poll().transpose() else { return };
        let file = writing.file.clone();
        let written = result.unwrap_or_else(|_ended| {
            let source = io::Error::other("the work broke off");
            Err(ExportError::Write { path: file.clone(), source })
        });
        self.writing = None;
        self.say_written(&file, written);
    }

    fn write_stages(&mut self, file: &Path) {
        let present = Arc::clone(self.desk.present());
        match stages::StageRow::of(&present.profile, &present.plan) {
            Ok(rows) => self.say_written(file, write_with(file, |out| stages::csv(&rows, out))),
            Err(error) => self.troubles.push_back(Trouble::new(
                "Cannot list the stages",
                error.to_string(),
                "",
            )),
        }
    }

    fn write_svg(&mut self, context: &Context, panel: Panel, file: &Path) {
        let size = self.picture_size(panel);
        let drawing = svg::draw(context, size, |ui| self.draw_for_picture(ui, panel));
        self.say_written(file, write_atomic(file, drawing.text.as_bytes()));
    }

    fn write_png(&mut self, context: &Context, panel: Panel, file: &Path) {
        let Some(graphics) = self.graphics.clone() else {
            let reason = "no graphics device draws this window".to_owned();
            return self.cannot_write(&ExportError::Paint { reason });
        };
        let size = self.picture_size(panel);
        let show = |ui: &mut Ui| self.draw_for_picture(ui, panel);
        let picture = png::draw(context, size, &graphics, show);
        self.say_written(file, picture.and_then(|bytes| write_atomic(file, &bytes)));
    }

    fn say_written(&mut self, file: &Path, written: Result<(), ExportError>) {
        match written {
            Ok(()) => self.say(format!("Written to {}", file.display())),
            Err(error) => self.cannot_write(&error),
        }
    }
}
