//! The frame of every dialog.

use eframe::egui::{self, Align, Context, Frame, Layout, RichText, Ui};

use crate::theme::size;

/// Room for the cross beside the title, points.
const CROSS: f32 = 40.0;

/// The ground of a dialog, with room around what is in it.
pub(crate) fn frame(context: &Context) -> Frame {
    Frame::popup(&context.global_style()).inner_margin(size::DIALOG)
}

/// Shows a dialog with a title and a cross to close it; whether it is to be closed.
pub(crate) fn modal(
    context: &Context,
    title: &str,
    width: f32,
    content: impl FnOnce(&mut Ui),
) -> bool {
    let screen = context.content_rect();
    let dialog = egui::Modal::new(egui::Id::unique(title)).frame(frame(context));
    let response = dialog.show(context, |ui| {
        ui.set_width(width.min(screen.width() - 2.0 * (size::DIALOG + size::MARGIN)));
        ui.horizontal_top(|ui| {
            ui.vertical(|ui| {
                // A long title takes a second line, and none of the cross.
                ui.set_max_width(ui.available_width() - CROSS);
                ui.add(egui::Label::new(RichText::new(title).heading()).wrap());
            });
            ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                let cross = ui.button("×").on_hover_text("Close (Esc)");
                cross.widget_info(|| {
                    egui::WidgetInfo::labeled(egui::Role::Button, true, "Close dialog")
                });
                if cross.clicked() {
                    ui.close();
                }
            });
        });
        ui.add_space(size::MARGIN);
        let height = screen.height() - 120.0 - 2.0 * size::DIALOG;
        egui::ScrollArea::vertical()
            .max_height(height)
            // Content that grows makes the dialog larger; otherwise it would scroll in the old size.
            .min_scrolled_height(height)
            .auto_shrink([false, true])
            .show(ui, content);
    });
    response.should_close()
}

/// A heading inside a dialog.
pub(super) fn section(ui: &mut Ui, title: &str) {
    ui.add_space(size::MARGIN);
    ui.label(RichText::new(title).strong());
}
