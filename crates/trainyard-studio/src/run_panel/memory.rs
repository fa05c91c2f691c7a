//! Memory of every device against its budget, live, and the checkpoints on disk.

use eframe::egui::{
    Align, Label, Layout, Pos2, Rect, RichText, Role, Sense, TextStyle, Ui, WidgetInfo, vec2,
};

use super::labels;
use super::parts::title;
use crate::run::Session;
use crate::run::{DeviceMemory, MeasuredMemory};
use crate::theme::{Theme, size};

/// Number of checkpoints named.
const CHECKPOINTS: usize = 5;

pub(super) fn show(ui: &mut Ui, theme: &Theme, session: &Session) {
    title(ui, "Memory");
    let devices = session.state().devices();
    if devices.is_empty() {
        ui.weak("The journal names no devices.");
    }
    for device in devices {
        show_device(ui, theme, device);
    }
    let checkpoints: Vec<String> = session
        .checkpoints()
        .rev()
        .take(CHECKPOINTS)
        .map(|checkpoint| checkpoint.step.to_string())
        .collect();
    ui.add_space(size::SPACE);
    title(ui, "Checkpoints");
    if checkpoints.is_empty() {
        let were_saved = session.state().checkpoints().next().is_some();
        ui.weak(if were_saved { "None is there any more." } else { "None is saved yet." });
    } else {
        ui.label(format!("After step {}, the newest first.", checkpoints.join(", ")));
    }
}

fn show_device(ui: &mut Ui, theme: &Theme, device: &DeviceMemory) {
    ui.add_space(size::GAP);
    let budget = labels::bytes(device.budget_bytes as f64);
    let text = match device.measured {
        Some(measured) => format!("{} of {budget}", labels::bytes(measured.in_use_bytes as f64)),
        None => format!("budget {budget}; its use is not reported"),
    };
    // The figures have their room first: a name may be of any length.
    let height = ui.text_style_height(&TextStyle::Body);
    let row = vec2(ui.available_width(), height);
    ui.allocate_ui_with_layout(row, Layout::right_to_left(Align::Center), |ui| {
        ui.label(&text);
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let name = Label::new(RichText::new(&device.id).strong()).truncate();
            ui.add(name).on_hover_text(&device.name);
        });
    });
    let size = vec2(ui.available_width(), size::BAR);
    let (response, painter) = ui.allocate_painter(size, Sense::hover());
    let bar = response.rect;
    painter.rect_filled(bar, size::CORNER, theme.background);
    let details = match device.measured {
        Some(measured) => {
            paint(&painter, theme, bar, device.budget_bytes, &measured);
            format!(
                "peak {} (line), predicted {} (notch){}",
                labels::bytes(measured.peak_bytes as f64),
                labels::bytes(measured.predicted_bytes as f64),
                pools(&measured)
            )
        }
        None => String::new(),
    };
    let label = format!("Memory of {}: {text}, {details}", device.id);
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, &label));
    if !details.is_empty() {
        ui.label(RichText::new(details).size(size::SMALL).weak());
    }
}

/// What the device's allocator holds beside what is in use, where it tells.
fn pools(measured: &MeasuredMemory) -> String {
    let told = [(measured.reserved_bytes, "pools"), (measured.padding_bytes, "padding")];
    let words = told.into_iter().filter_map(|(bytes, what)| {
        bytes.map(|bytes| format!(", {what} {}", labels::bytes(bytes as f64)))
    });
    words.collect()
}

/// What is in use, a line at the peak, a notch at what was predicted. Whatever is largest fits in.
fn paint(
    painter: &eframe::egui::Painter,
    theme: &Theme,
    bar: Rect,
    budget_bytes: u64,
    measured: &MeasuredMemory,
) {
    let all = budget_bytes.max(measured.peak_bytes).max(measured.predicted_bytes).max(1);
    let at = |bytes: u64| bar.left() + bar.width() * (bytes as f64 / all as f64).min(1.0) as f32;
    let over = measured.in_use_bytes > budget_bytes;
    let colour = if over { theme.bad } else { theme.accent };
    let in_use = at(measured.in_use_bytes);
    // What is in use at all is seen, however large the budget.
    let in_use =
        if measured.in_use_bytes > 0 { in_use.max(bar.left() + size::SLIVER) } else { in_use };
    let used = Rect::from_min_max(bar.min, Pos2::new(in_use, bar.max.y));
    painter.rect_filled(used, size::CORNER, colour);
    painter.vline(at(measured.peak_bytes), bar.y_range(), (2.0, theme.text));
    let notch = at(measured.predicted_bytes);
    painter.add(eframe::egui::Shape::convex_polygon(
        vec![
            Pos2::new(notch - 4.0, bar.top() - 2.0),
            Pos2::new(notch + 4.0, bar.top() - 2.0),
            Pos2::new(notch, bar.top() + 5.0),
        ],
        theme.warn,
        (1.0, theme.raised),
    ));
    if budget_bytes < all {
        painter.vline(at(budget_bytes), bar.y_range(), (2.0, theme.bad));
    }
}
