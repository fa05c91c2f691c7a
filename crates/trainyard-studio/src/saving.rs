//! Saving and exporting: the plan, the data behind what is drawn, and pictures of it.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use eframe::egui::{ColorImage, Context};
use trainyard_plan::{Trace, chrome};

use crate::app::{Studio, short_name};
use crate::command::Export;
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
        let (send, taken) = unbounded();
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
                self.said = format!("Saved {}", file.display());
            }
            Err(error) => self.cannot_write(file, &error),
        }
    }

    /// Writes the present plan.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(crate) fn write_plan(&self, file: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(&self.desk.present().plan)?;
        write_file(file, text.as_bytes())
    }

    fn cannot_write(&mut self, file: &Path, error: &io::Error) {
        self.troubles.push_back(Trouble::new(
            format!("Cannot write {}", short_name(file)),
            format!("{}: {error}", file.display()),
            "Choose a folder that is there and may be written to.",
        ));
    }

    /// Writes something to a file. Of the timeline it is the measured one where there is one.
    fn export(&mut self, context: &Context, what: Export, file: &Path) {
        let trace = self.panels.measured_trace(self.session.as_ref());
        let trace = trace.unwrap_or_else(|| Arc::clone(&self.desk.present().trace));
        let text = match what {
            Export::Csv => csv(&trace),
            Export::Json => match serde_json::to_string(&*trace) {
                Ok(text) => text,
                Err(error) => return self.cannot_write(file, &error.into()),
            },
            Export::Perfetto => chrome::to_string(&trace),
            Export::BoardPng => return self.take_picture(context, Panel::Board, file),
            Export::TimelinePng => return self.take_picture(context, Panel::Timeline, file),
            Export::BoardSvg | Export::TimelineSvg => {
                return self.cannot_write(file, &io::Error::other("not there yet"));
            }
        };
        match write_file(file, text.as_bytes()) {
            Ok(()) => self.said = format!("Written to {}", file.display()),
            Err(error) => self.cannot_write(file, &error),
        }
    }

    /// Asks for a picture of the window, of which a panel is kept.
    fn take_picture(&mut self, context: &Context, panel: Panel, file: &Path) {
        self.kept.layout.reveal(panel);
        let (send, file, waker) = (self.pictures.send.clone(), file.to_owned(), context.clone());
        context.request_screenshot(move |image| {
            // The studio that asked for it is there as long as its window is.
            let _sent = send.send((image, file, panel)).is_ok();
            waker.request_repaint();
        });
    }

    pub(crate) fn poll_pictures(&mut self) {
        while let Ok((image, file, panel)) = self.pictures.taken.try_recv() {
            let part = self.panels.rect_of(panel);
            let image = part.map_or_else(|| (*image).clone(), |(rect, scale)| image.region(&rect, Some(scale)));
            match png(&image).and_then(|bytes| write_file(&file, &bytes)) {
                Ok(()) => self.said = format!("Written to {}", file.display()),
                Err(error) => self.cannot_write(&file, &error),
            }
        }
    }
}

/// A picture as PNG.
///
/// # Errors
/// If it has no points.
pub(crate) fn png(image: &ColorImage) -> io::Result<Vec<u8>> {
    let [width, height] = image.size.map(|side| u32::try_from(side).unwrap_or(u32::MAX));
    let pixels: Vec<u8> = image.pixels.iter().flat_map(|pixel| pixel.to_array()).collect();
    let buffer = image::RgbaImage::from_raw(width, height, pixels);
    let buffer = buffer.ok_or_else(|| io::Error::other("the picture is too large"))?;
    let mut bytes = io::Cursor::new(Vec::new());
    buffer.write_to(&mut bytes, image::ImageFormat::Png).map_err(io::Error::other)?;
    Ok(bytes.into_inner())
}

/// Writes a file whole or not at all: beside, then renamed.
///
/// # Errors
/// Whatever the system says.
pub(crate) fn write_file(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut beside = tempfile::NamedTempFile::new_in(folder.unwrap_or_else(|| Path::new(".")))?;
    beside.write_all(bytes)?;
    beside.as_file().sync_all()?;
    // A temporary file is for its owner's eyes alone; this one is like any other file.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let before = fs::metadata(file).map(|about| about.permissions());
        let mode = before.unwrap_or_else(|_| fs::Permissions::from_mode(0o644));
        fs::set_permissions(beside.path(), mode)?;
    }
    beside.persist(file).map_err(|error| error.error)?;
    Ok(())
}

/// The events as a table, ns and bytes.
fn csv(trace: &Trace) -> String {
    let mut text = String::from("step,device,lane,action,stage,micro_batch,start_ns,end_ns,bytes\n");
    for event in &trace.events {
        let device = trace.devices.get(event.device).map_or("", |device| device.id.as_str());
        let lane = match event.lane {
            trainyard_plan::Lane::Compute => "compute",
            trainyard_plan::Lane::TransferOut => "transfer_out",
            trainyard_plan::Lane::TransferIn => "transfer_in",
        };
        let action = event.action;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{},{device},{lane},{action},{},{},{},{},{}",
            event.step, action.stage, action.micro_batch, event.start_ns, event.end_ns, event.bytes
        );
    }
    text
}
