//! The frame of every dialog.

use eframe::egui::{self, Align, Context, Layout, RichText, Ui};

use crate::theme::size;

/// Shows a dialog with a title and a cross to close it; whether it is to be closed.
pub(super) fn modal(
    context: &Context,
    title: &str,
    width: f32,
    content: impl FnOnce(&mut Ui),
) -> bool {
    let screen = context.content_rect();
    let response = egui::Modal::new(egui::Id::unique(title)).show(context, |ui| {
        ui.set_width(width.min(screen.width() - 64.0));
        ui.horizontal(|ui| {
            ui.heading(title);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let cross = ui.button("×").on_hover_text("Close (Esc)");
                cross.widget_info(|| {
                    egui::WidgetInfo::labeled(egui::Role::Button, true, "Close dialog")
                });
                if cross.clicked() {
                    ui.close();
                }
            });
        });
        ui.add_space(size::SPACE);
        egui::ScrollArea::vertical()
            .max_height(screen.height() - 160.0)
            // Content that grows makes the dialog larger; otherwise it would scroll in the old size.
            .min_scrolled_height(screen.height() - 160.0)
            .auto_shrink([false, true])
            .show(ui, content);
    });
    response.should_close()
}

/// A heading inside a dialog.
pub(super) fn section(ui: &mut Ui, title: &str) {
    ui.add_space(size::SPACE);
    ui.label(RichText::new(title).strong());
}
