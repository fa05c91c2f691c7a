//! Saving and exporting: the plan, the data behind what is drawn, and pictures of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use eframe::egui::{ColorImage, Context, Vec2};
use trainyard_plan::PlanError;

use crate::app::Studio;
use crate::command::Export;
use crate::export::{ExportError, data, perfetto, png, stages, svg, write_atomic, write_with};
use crate::open::PLAN;
use crate::perform::home;
use crate::shell::layout::Panel;
use crate::shell::path_dialog::Purpose;
use crate::shell::trouble::Trouble;

/// Pictures of the window that were asked for and are on their way.
pub(crate) struct Pictures {
    send: Sender<(Arc<ColorImage>, PathBuf, Panel)>,
    taken: Receiver<(Arc<ColorImage>, PathBuf, Panel)>,
}

impl Default for Pictures {
    fn default() -> Self {
        // One is asked for at a time; a few more find room until the next frame.
        let (send, taken) = bounded(8);
        Self { send, taken }
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

    /// Writes something to a file. Of the timeline it is the measured one where there is one.
    fn export(&mut self, context: &Context, what: Export, file: &Path) {
        let trace = self.panels.measured_trace(self.session.as_ref());
        let trace = trace.unwrap_or_else(|| Arc::clone(&self.desk.present().trace));
        let written = match what {
            Export::Events => write_with(file, |out| data::events_csv(&trace, out)),
            Export::Memory => write_with(file, |out| data::memory_csv(&trace, out)),
            Export::Stages => {
                let present = Arc::clone(self.desk.present());
                match stages::StageRow::of(&present.profile, &present.plan) {
                    Ok(rows) => write_with(file, |out| stages::csv(&rows, out)),
                    Err(error) => return self.no_stages(&error),
                }
            }
            Export::Json => write_with(file, |out| Ok(serde_json::to_writer(out, &*trace)?)),
            Export::Perfetto => write_with(file, |out| perfetto::write(&trace, out)),
            Export::BoardPng => return self.take_picture(context, Panel::Board, file),
            Export::TimelinePng => return self.take_picture(context, Panel::Timeline, file),
            Export::BoardSvg => self.draw_svg(context, Panel::Board, file),
            Export::TimelineSvg => self.draw_svg(context, Panel::Timeline, file),
        };
        self.say_written(file, written);
    }

    fn say_written(&mut self, file: &Path, written: Result<(), ExportError>) {
        match written {
            Ok(()) => self.say(format!("Written to {}", file.display())),
            Err(error) => self.cannot_write(&error),
        }
    }

    fn no_stages(&mut self, error: &PlanError) {
        let trouble = Trouble::new("Cannot list the stages", error.to_string(), "");
        self.troubles.push_back(trouble);
    }

    /// Draws a panel once more, in the size that it has in the window.
    fn draw_svg(
        &mut self,
        context: &Context,
        panel: Panel,
        file: &Path,
    ) -> Result<(), ExportError> {
        let size =
            self.panels.rect_of(panel).map_or(Vec2::new(1200.0, 600.0), |(rect, _)| rect.size());
        let drawing = svg::draw(context, size, |ui| self.draw_for_export(ui, panel));
        write_atomic(file, drawing.text.as_bytes())
    }

    /// Asks for a picture of the window, of which a panel is kept.
    fn take_picture(&mut self, context: &Context, panel: Panel, file: &Path) {
        self.kept.layout.reveal(panel);
        let (send, file, waker) = (self.pictures.send.clone(), file.to_owned(), context.clone());
        context.request_screenshot(move |image| {
            // The studio that asked for it is there as long as its window is.
            let _sent = send.try_send((image, file, panel)).is_ok();
            waker.request_repaint();
        });
    }

    pub(crate) fn poll_pictures(&mut self) {
        while let Ok((image, file, panel)) = self.pictures.taken.try_recv() {
            let Some((rect, scale)) = self.panels.rect_of(panel) else { continue };
            let picture = png::of_panel(&image, rect, scale);
            let written = picture.and_then(|bytes| write_atomic(&file, &bytes));
            self.say_written(&file, written);
        }
    }
}
