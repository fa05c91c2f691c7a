//! Draws the columns, and what is dragged beside the pointer.

use eframe::egui::containers::scroll_area::{DragScroll, ScrollSource};
use eframe::egui::{
    Pos2, Rect, RichText, ScrollArea, Sense, Stroke, StrokeKind, Tooltip, Ui, UiBuilder, pos2, vec2,
};

use super::columns::{Column, Place};
use super::drag::{Drag, Target};
use super::previews::Outcome;
use super::scene::{BoardAction, Places, Scene, Verdict};
use super::{column_header, stages};
use crate::change::Change;
use crate::document::Document;
use crate::document::labels;
use crate::human_time::human_us;
use crate::theme::{Theme, size};

/// The widths of a column, in points.
const NARROWEST: f32 = 184.0;
const WIDEST: f32 = 460.0;

/// Between the edges of a column and its stages, in points.
const INSET: f32 = 2.0;

/// What the stages of a column do not have of the board's height, in points.
pub(super) const AROUND_BODY: f32 = size::SPACE + column_header::HEIGHT + 1.0 + 2.0 * INSET;

/// Least width of `columns` columns, in points.
pub(super) fn least_width(columns: usize) -> f32 {
    (NARROWEST + size::SPACE) * columns as f32
}

/// Draws the columns; where they and their blocks are.
pub(super) fn draw(
    ui: &mut Ui,
    scene: &Scene,
    room: f32,
    pointer: Option<Pos2>,
    actions: &mut Vec<BoardAction>,
) -> Places {
    let mut places = Places::default();
    let count = scene.columns.len().max(1) as f32;
    let width = (ui.available_width() - size::SPACE * (count - 1.0)) / count;
    let width = width.clamp(NARROWEST, WIDEST).floor();
    let source = ScrollSource { drag: DragScroll::Never, ..ScrollSource::default() };
    ScrollArea::both().auto_shrink(false).scroll_source(source).show(ui, |ui| {
        if scene.drag.is_some() {
            let all = (width + size::SPACE) * count;
            scroll_at_edge(ui, pointer, all);
        }
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = size::SPACE;
            for column in scene.columns {
                let wished = vec2(width, room - size::SPACE);
                let (rect, response) = ui.allocate_exact_size(wished, Sense::click());
                if response.clicked() {
                    actions.push(BoardAction::ClearSelection);
                }
                places.columns.push((column.device, rect));
                ui.scope_builder(UiBuilder::new().max_rect(rect).id_salt(column.device), |ui| {
                    self::column(ui, scene, column, rect, actions, &mut places);
                });
            }
        });
    });
    places
}

fn column(
    ui: &mut Ui,
    scene: &Scene,
    column: &Column,
    rect: Rect,
    actions: &mut Vec<BoardAction>,
    places: &mut Places,
) {
    let theme = scene.theme;
    let off = column.place == Place::Off;
    ui.painter().rect_filled(rect, 8.0, if off { theme.background } else { theme.raised });
    let hovered = scene.target == Some(Target::Device(column.device));
    let stroke = match scene.verdicts.get(&column.device) {
        Some(Verdict::Refused(_)) if hovered => Stroke::new(2.0, theme.bad),
        Some(Verdict::Fits(_)) if hovered => Stroke::new(2.0, theme.good),
        Some(Verdict::Refused(_)) => Stroke::new(1.0, theme.bad),
        Some(Verdict::Fits(_)) => Stroke::new(1.0, theme.good),
        _ => Stroke::new(1.0, theme.line),
    };
    ui.painter().rect_stroke(rect, 8.0, stroke, StrokeKind::Inside);
    let split = rect.top() + column_header::HEIGHT;
    column_header::show(ui, scene, column, rect.with_max_y(split), actions);
    ui.painter().hline(rect.x_range().shrink(1.0), split, Stroke::new(1.0, theme.line));
    let body = rect.with_min_y(split + 1.0).shrink(INSET);
    stages::show(ui, scene, column, body, actions, places);
}

/// While something is dragged to an edge, the board scrolls there.
fn scroll_at_edge(ui: &Ui, pointer: Option<Pos2>, all: f32) {
    const EDGE: f32 = 32.0;
    const SPEED: f32 = 10.0;
    let (clip, Some(pointer)) = (ui.clip_rect(), pointer) else { return };
    let towards = if pointer.x < clip.left() + EDGE {
        SPEED
    } else if pointer.x > clip.right() - EDGE {
        -SPEED
    } else {
        return;
    };
    let left = ui.min_rect().left();
    let more =
        if towards > 0.0 { left < clip.left() - 1.0 } else { left + all > clip.right() + 1.0 };
    if more && clip.y_range().contains(pointer.y) {
        ui.scroll_with_delta(vec2(towards, 0.0));
        ui.ctx().request_repaint();
    }
}

/// What is dragged and what dropping it would do, beside the pointer.
pub(super) fn at_pointer(
    ui: &Ui,
    document: &Document,
    drag: &Drag,
    pointer: Pos2,
    outcome: Option<&Outcome>,
) {
    let theme = Theme::of(ui.ctx());
    let what = match drag {
        Drag::Layers(runs) => labels::runs(document.profile(), runs),
        Drag::Boundary(stage) => format!("boundary after stage {stage}"),
        Drag::Device(device) => {
            format!("all of {}", labels::device(document.profile(), *device))
        }
    };
    let id = eframe::egui::Id::unique("board dragged");
    let anchor = Rect::from_min_size(pointer, vec2(1.0, 1.0)).translate(vec2(14.0, 10.0));
    let tooltip = Tooltip::always_open(
        ui.ctx().clone(),
        ui.layer_id(),
        id,
        pos2(anchor.left(), anchor.bottom()),
    );
    tooltip.show(|ui| {
        ui.set_max_width(320.0);
        ui.add(eframe::egui::Label::new(RichText::new(what).strong()).truncate());
        match outcome {
            Some(Outcome::Refused(reason)) => {
                ui.label(RichText::new(reason).color(theme.bad));
            }
            Some(Outcome::Leads { costs, .. }) => {
                let delta = costs.delta(document.present());
                ui.horizontal(|ui| {
                    ui.label(RichText::new("fits,").color(theme.good));
                    ui.label(RichText::new("step").color(theme.weak));
                    ui.label(human_us(costs.simulation.step_us));
                    if let Some(change) = Change::of_share(delta.step) {
                        change.show(ui);
                    }
                });
            }
            None => {
                ui.weak("drop it on another device");
            }
        }
        if drag.may_split() {
            ui.weak(RichText::new("Alt: split the stage · Esc: let go").size(size::SMALL));
        }
    });
}
