//! The head of a column: what the device is, what it holds and does, and its budget.

use eframe::egui::{
    Align, Align2, CursorIcon, Layout, Rect, Role, Sense, Slider, SliderClamping, Ui, UiBuilder,
    WidgetInfo, pos2, vec2,
};
use trainyard_plan::DeviceProfile;
use trainyard_plan::memory::human_bytes;

use super::bars::{self, MemoryBar};
use super::columns::{Column, Place};
use super::drag::Drag;
use super::paint::{self, small};
use super::roles::Roles;
use super::scene::{BoardAction, Scene, Verdict};
use crate::bytes_field::bytes_field;
use crate::change::{Change, or_as_now};
use crate::document::Edit;
use crate::document::labels;
use crate::theme::size;

/// How high it is, in points.
pub(super) const HEIGHT: f32 = 116.0;
/// For the words beside a bar, in points.
const WORDS: f32 = 116.0;
const PAD: f32 = 8.0;
/// The size of a device's name, in points.
const NAME: f32 = size::BODY + 2.0;

/// Draws the head of a column.
pub(super) fn show(
    ui: &mut Ui,
    scene: &Scene,
    column: &Column,
    rect: Rect,
    actions: &mut Vec<BoardAction>,
) {
    let profile = &scene.document.present().profile;
    let Some(device) = profile.devices.get(column.device) else { return };
    let theme = scene.theme;
    let id = ui.scope_id().with(("head", column.device));
    let drag = ui.interact(rect, id, Sense::click_and_drag());
    let name = format!("column of {}, {}", device.id, place_words(column.place));
    drag.widget_info(|| WidgetInfo::labeled(Role::Group, true, &name));
    if column.place != Place::Off {
        if drag.drag_started() {
            actions.push(BoardAction::Drag(Drag::Device(column.device)));
        }
        if drag.hovered() || drag.dragged() {
            ui.ctx().set_cursor_icon(if drag.dragged() {
                CursorIcon::Grabbing
            } else {
                CursorIcon::Grab
            });
        }
    }
    let inner = rect.shrink2(vec2(PAD, 6.0));
    let row = |top: f32, height: f32| {
        Rect::from_min_size(pos2(inner.left(), inner.top() + top), vec2(inner.width(), height))
    };
    let said = title(ui, scene, column, device, row(0.0, 20.0), actions);
    let place = (!said).then_some(column.place);
    subtitle(ui, scene, column, (device, place), row(21.0, 15.0));
    memory(ui, scene, column, device, row(41.0, size::BAR));
    let time = row(60.0, 9.0);
    let (bar, beside) = time.split_left_right_at_x(time.right() - WORDS);
    // While something is tried, the bar of its memory shows both; that of time what would be.
    let shown = scene.preview.unwrap_or_else(|| scene.document.present());
    let says = if let Some(simulated) = shown.device(column.device) {
        let step_us = shown.simulation.step_us;
        bars::time_bar(ui, bar, simulated, step_us);
        let busy = (simulated.busy_us + simulated.optimizer_us) / step_us.max(f64::MIN_POSITIVE);
        format!("busy {}", labels::percent(busy))
    } else {
        ui.painter().rect_filled(bar, 1.0, theme.background);
        "no work".to_owned()
    };
    let at = (pos2(beside.left() + size::SPACE, beside.center().y), Align2::LEFT_CENTER);
    paint::text(ui.painter(), at, &says, small(theme.weak), WORDS);
    budget(ui, scene, column.device, device, row(76.0, 22.0), actions);
}

fn place_words(place: Place) -> String {
    match place {
        Place::Rank(rank) => format!("rank {rank}"),
        Place::Idle => "idle".to_owned(),
        Place::Off => "switched off".to_owned(),
    }
}

/// Its name, its lock and its switch. Whether there was room beside the name for its place.
fn title(
    ui: &mut Ui,
    scene: &Scene,
    column: &Column,
    device: &DeviceProfile,
    rect: Rect,
    actions: &mut Vec<BoardAction>,
) -> bool {
    let theme = scene.theme;
    let layout = Layout::right_to_left(Align::Center);
    let used = ui.scope_builder(UiBuilder::new().max_rect(rect).layout(layout), |ui| {
        ui.spacing_mut().item_spacing.x = size::GAP;
        let on = column.place != Place::Off;
        let verb = if on { "switch off" } else { "switch on" };
        if paint::switch(ui, on, &format!("{verb} {}", device.id)).clicked() {
            actions.push(BoardAction::Edit(Edit::Exclude { device: column.device, excluded: on }));
        }
        let layers: Vec<(usize, usize)> = scene
            .document
            .arrangement()
            .stages
            .iter()
            .filter(|stage| stage.device == column.device)
            .map(|stage| (stage.first, stage.end))
            .collect();
        if !layers.is_empty() {
            let locks = &scene.document.arrangement().locks;
            let locked = layers.iter().all(|run| (run.0..run.1).all(|l| locks.contains_key(&l)));
            let verb = if locked { "unlock" } else { "lock" };
            let name = format!("{verb} all layers of {}", device.id);
            let (rect, response) = ui.allocate_exact_size(vec2(18.0, 18.0), Sense::click());
            response.widget_info(|| WidgetInfo::selected(Role::Button, true, locked, &name));
            let live = response.hovered() || response.has_focus();
            let colour = if locked || live { theme.accent } else { theme.weak };
            paint::lock(ui.painter(), rect.center(), locked, colour);
            if response.on_hover_text(&name).clicked() {
                actions.push(BoardAction::Edit(Edit::Lock { layers, locked: !locked }));
            }
        }
        ui.min_rect().width()
    });
    let painter = ui.painter();
    let mut left = rect.left();
    if column.place != Place::Off {
        paint::grip(painter, pos2(left + 3.0, rect.center().y), theme.weak);
    }
    left += 12.0;
    let room = rect.right() - left - used.inner - size::SPACE;
    let colour = if column.place == Place::Off { theme.weak } else { theme.text };
    let at = (pos2(left, rect.center().y), Align2::LEFT_CENTER);
    let place = place_words(column.place);
    let beside = size::SPACE + paint::width(painter, &place, size::SMALL);
    let has_room = paint::width(painter, &device.id, NAME) + beside <= room;
    let room = if has_room { room - beside } else { room };
    let name = paint::name(painter, &device.id, NAME, room);
    let title = paint::text(painter, at, &name, (NAME, colour), room);
    if has_room {
        let at = (pos2(title.right() + size::SPACE, rect.center().y + 1.0), Align2::LEFT_CENTER);
        paint::text(painter, at, &place, small(theme.weak), beside);
    }
    has_room
}

/// What it is, and its `place` where nothing said that yet; while something is dragged, whether
/// that fits.
fn subtitle(
    ui: &mut Ui,
    scene: &Scene,
    column: &Column,
    (device, place): (&DeviceProfile, Option<Place>),
    rect: Rect,
) {
    let theme = scene.theme;
    let one = |words: &str, colour| vec![(words.to_owned(), colour)];
    let parts = match scene.verdicts.get(&column.device) {
        Some(Verdict::Here) => one("lies here", theme.weak),
        Some(Verdict::Unknown) => one("…", theme.weak),
        // That it fits is good; what the step would take may be better or worse.
        Some(Verdict::Fits(step)) => vec![
            ("fits, ".to_owned(), theme.good),
            ("step ".to_owned(), theme.weak),
            or_as_now(Change::of_share(*step), theme),
        ],
        Some(Verdict::Refused(reason)) => one(reason, theme.bad),
        None => {
            let kind = device.kind.map(trainyard_plan::DeviceKind::text);
            let api = device.api.map(trainyard_plan::Api::text);
            let name = Some(device.name.as_str()).filter(|name| !name.is_empty());
            let place = place.map(place_words);
            let numbers = numbers(scene, column.device, device);
            let parts = [place.as_deref(), numbers.as_deref(), kind, api, name];
            let parts: Vec<&str> = parts.into_iter().flatten().collect();
            one(&parts.join(" · "), theme.weak)
        }
    };
    let mark = rect.left_center() + vec2(5.0, 0.0);
    let indent = match scene.verdicts.get(&column.device) {
        Some(Verdict::Fits(_)) => {
            paint::tick(ui.painter(), mark, theme.good);
            14.0
        }
        Some(Verdict::Refused(_)) => {
            paint::cross(ui.painter(), mark, theme.bad);
            14.0
        }
        _ => 0.0,
    };
    let mut left = rect.left() + indent;
    for (words, colour) in &parts {
        let at = (pos2(left, rect.center().y), Align2::LEFT_CENTER);
        let room = rect.right() - left;
        left = paint::text(ui.painter(), at, words, small(*colour), room).right();
    }
    let says: String = parts.iter().map(|(words, _)| words.as_str()).collect();
    let id = ui.scope_id().with(("hardware", column.device));
    let response = ui.interact(rect, id, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &says));
    response.on_hover_text(format!("{}\n{says}", device.id));
}

/// In what numbers a device computes and holds weights, where that is not the same for all: `f16`, `f32 and q4_1`.
fn numbers(scene: &Scene, index: usize, device: &DeviceProfile) -> Option<String> {
    let profile = &scene.document.present().profile;
    let packed = roles_of(scene, index).format();
    let is_told = packed.is_some()
        || profile.devices.iter().any(|device| !device.precision.is_f32())
        || profile.model.layers.iter().any(|layer| layer.frozen_bytes > 0);
    let precision = device.precision.text();
    is_told.then(|| match packed {
        Some(packed) => format!("{precision} and {packed}"),
        None => precision.to_owned(),
    })
}

/// The roles of the weights that lie on a device.
fn roles_of(scene: &Scene, device: usize) -> Roles {
    let stages = scene.document.arrangement().stages.iter();
    let runs = stages.filter(|stage| stage.device == device).map(|stage| (stage.first, stage.end));
    Roles::of_runs(&scene.document.present().profile, runs)
}

fn memory(ui: &mut Ui, scene: &Scene, column: &Column, device: &DeviceProfile, rect: Rect) {
    let theme = scene.theme;
    let peak = |assessment: &crate::document::Assessment| {
        assessment.device(column.device).map(|device| device.peak_bytes).unwrap_or_default()
    };
    let present = scene.document.present();
    let (held, when) = match scene.at_cursor {
        Some(at) => (at.held(&device.id), at.when.as_str()),
        None => (peak(present), "at its peak"),
    };
    let preview = scene.preview.map(peak);
    let budget_bytes = device.budget_bytes();
    let roles = roles_of(scene, column.device);
    let bar = MemoryBar { device: &device.id, held, when, budget_bytes, preview, roles };
    let (left, beside) = rect.split_left_right_at_x(rect.right() - WORDS);
    bar.show(ui, left);
    let layout = Layout::left_to_right(Align::Center);
    ui.scope_builder(UiBuilder::new().max_rect(beside).layout(layout), |ui| {
        ui.spacing_mut().item_spacing.x = size::GAP;
        ui.add_space(size::SPACE);
        let change =
            preview.and_then(|preview| Change::of_bytes(peak(present).total(), preview.total()));
        if let Some(change) = change {
            change.show(ui);
            return;
        }
        let over = held.total() > budget_bytes;
        let colour = if over { theme.bad } else { theme.weak };
        let room = WORDS - size::SPACE;
        let ways = held_words(held.total(), budget_bytes, scene.at_cursor.is_some());
        let says = paint::fitting(ui.painter(), &ways, size::SMALL, room);
        let at = (pos2(ui.cursor().left(), rect.center().y), Align2::LEFT_CENTER);
        paint::text(ui.painter(), at, says, small(colour), room);
    });
}

/// What a device holds of its budget, bytes, in words: the longest way first.
fn held_words(held: u64, budget: u64, now: bool) -> Vec<String> {
    let (held, budget) = (human_bytes(held), human_bytes(budget));
    let plain = format!("{held} / {budget}");
    if !now {
        return vec![plain];
    }
    let unit = |words: &str| words.rsplit(' ').next().map(str::to_owned);
    let number = held.split(' ').next().unwrap_or_default();
    let mut ways = vec![format!("now {plain}")];
    if unit(&held) == unit(&budget) {
        ways.push(format!("now {number} / {budget}"));
    }
    ways.push(plain);
    ways
}

/// Its budget as a slider and a number. Either edits only when a person changes it: neither can
/// show every budget exactly, and a profile that is merely opened stays as it is.
fn budget(
    ui: &mut Ui,
    scene: &Scene,
    index: usize,
    device: &DeviceProfile,
    rect: Rect,
    actions: &mut Vec<BoardAction>,
) {
    let reserve = device.reserve_bytes;
    let before = device.budget_bytes();
    let original = scene.document.profile().devices.get(index).map_or(0, |d| d.memory_bytes);
    let most = original.saturating_mul(2).max(device.memory_bytes).max(1) as f64;
    let layout = Layout::left_to_right(Align::Center);
    let wished = ui.scope_builder(UiBuilder::new().max_rect(rect).layout(layout), |ui| {
        ui.spacing_mut().item_spacing.x = size::SPACE;
        ui.spacing_mut().slider_width = (rect.width() - WORDS).max(20.0);
        ui.spacing_mut().interact_size.y = 18.0;
        let name = format!("budget of {}", device.id);
        let hint = format!("{name}; {} more stay free", human_bytes(reserve));
        let step = (most / 512.0).max(1.0).floor();
        let mut slid = before as f64;
        let slider = Slider::new(&mut slid, 0.0..=most)
            .show_value(false)
            .step_by(step)
            .clamping(SliderClamping::Edits);
        let slider = ui.add(slider).accessible_name(format!("{name}, slider"));
        let slid = slider.on_hover_text(&hint).changed().then_some(slid as u64);
        let written = bytes_field(ui, (name, hint), before, step);
        slid.or(written)
    });
    if let Some(budget) = wished.inner {
        let bytes = budget.saturating_add(reserve);
        actions.push(BoardAction::Edit(Edit::Memory { device: index, bytes }));
    }
}

#[cfg(test)]
mod tests {
    use super::held_words;

    #[test]
    fn a_budget_is_said_in_full_before_that_it_is_of_now() {
        let (held, budget) = (1 << 30, 3 << 30);
        assert_eq!(held_words(held, budget, false), ["1.00 GiB / 3.00 GiB"]);
        let ways = ["now 1.00 GiB / 3.00 GiB", "now 1.00 / 3.00 GiB", "1.00 GiB / 3.00 GiB"];
        assert_eq!(held_words(held, budget, true), ways);
        assert_eq!(held_words(1 << 20, budget, true).len(), 2);
    }
}
