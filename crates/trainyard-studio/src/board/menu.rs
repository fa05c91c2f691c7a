//! The context menu of the selected layers, and the menu at a drop that may mean two things.

use eframe::egui::containers::menu::menu_style;
use eframe::egui::{Align, Button, LayerId, Layout, Response};
use eframe::egui::{Id, Order, Popup, PopupCloseBehavior, PopupKind, Pos2, RichText, Ui};
use trainyard_plan::Recompute;

use super::columns::{self, Place};
use super::previews::{Outcome, Previews};
use crate::change::{Change, or_as_now};
use crate::document::labels;
use crate::document::{Arrangement, Document, Edit, How};
use crate::theme::{Theme, size};

/// A menu that is open.
#[derive(Clone, Debug)]
pub(super) struct Menu {
    /// Where.
    at: Pos2,
    /// For which layers.
    layers: Vec<(usize, usize)>,
    kind: Kind,
    /// Whether it was opened by a key, which goes on in it.
    by_key: bool,
    /// Whether no item has had the keyboard yet. The first frames of a menu only measure it.
    fresh: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Context,
    /// Dropped on this device.
    Drop(usize),
}

/// What a person does in a menu.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    /// What the pointer is over.
    pub(super) hovered: Option<Edit>,
    /// What was pressed.
    pub(super) pressed: Option<Edit>,
    /// Whether the menu goes away.
    pub(super) closed: bool,
    /// Whether the next item that may be pressed gets the keyboard.
    focus_next: bool,
    /// Whether an item has it.
    focused: bool,
}

impl Menu {
    /// For layers, at a place; `None` where there are none.
    #[must_use]
    pub(super) fn context(at: Pos2, layers: Vec<(usize, usize)>, by_key: bool) -> Option<Self> {
        let kind = Kind::Context;
        (!layers.is_empty()).then_some(Self { at, layers, kind, by_key, fresh: true })
    }

    /// The layer that the keyboard goes back to.
    #[must_use]
    pub(super) fn opened_from(&self) -> Option<usize> {
        self.layers.first().filter(|_| self.by_key).map(|run| run.0)
    }

    /// For layers that are dropped on a device.
    #[must_use]
    pub(super) fn drop(at: Pos2, layers: Vec<(usize, usize)>, device: usize) -> Self {
        Self { at, layers, kind: Kind::Drop(device), by_key: false, fresh: true }
    }

    /// Draws it.
    pub(super) fn show(&mut self, ui: &Ui, document: &Document, previews: &mut Previews) -> Chosen {
        let focus_next = self.by_key && self.fresh;
        let mut chosen = Chosen { focus_next, ..Chosen::default() };
        let mut open = true;
        let layer = LayerId::new(Order::Foreground, Id::unique("board menu layer"));
        let popup = Popup::new(Id::unique("board menu"), ui.ctx().clone(), self.at, layer)
            .kind(PopupKind::Menu)
            .open_bool(&mut open)
            .layout(Layout::top_down_justified(Align::Min))
            .style(menu_style)
            .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
            .accessible_name(labels::runs(document.profile(), &self.layers));
        popup.show(|ui| {
            ui.set_min_width(240.0);
            ui.set_max_width(340.0);
            let name = labels::runs(document.profile(), &self.layers);
            ui.add(eframe::egui::Label::new(RichText::new(name).strong()).truncate());
            ui.separator();
            match self.kind {
                Kind::Context => self.context_items(ui, document, previews, &mut chosen),
                Kind::Drop(device) => self.drop_items(ui, document, previews, device, &mut chosen),
            }
        });
        self.fresh &= !chosen.focused;
        chosen.closed = chosen.closed || !open || chosen.pressed.is_some();
        chosen
    }

    fn move_to(&self, device: usize, how: How) -> Edit {
        Edit::Move { layers: self.layers.clone(), device, how }
    }

    /// What the drop means.
    fn drop_items(
        &self,
        ui: &mut Ui,
        document: &Document,
        previews: &mut Previews,
        device: usize,
        chosen: &mut Chosen,
    ) {
        let id = labels::device(document.profile(), device);
        for (how, says) in
            [(How::Boundary, "move the boundary"), (How::Split, "split into a further stage")]
        {
            let edit = self.move_to(device, how);
            let outcome = previews.of(document, &edit);
            let taken = along(document.arrangement(), &outcome, &self.layers);
            let detail = match how {
                How::Boundary if taken > 0 => format!("{taken} more layers go along to {id}"),
                How::Boundary => format!("no other layer goes to {id}"),
                How::Split => "the layers around stay where they are".to_owned(),
            };
            item(ui, document, says, &edit, Some(&outcome), chosen);
            ui.weak(RichText::new(detail).size(size::SMALL));
        }
        ui.separator();
        if ui.button("leave them where they are").clicked() {
            chosen.closed = true;
            ui.close();
        }
    }

    fn context_items(
        &self,
        ui: &mut Ui,
        document: &Document,
        previews: &mut Previews,
        chosen: &mut Chosen,
    ) {
        let (arrangement, profile) = (document.arrangement(), document.profile());
        // One preview a frame, so that no frame is late; a key needs to know now where it can go.
        let mut budget = if self.by_key { usize::MAX } else { 1 };
        for column in columns::columns(arrangement, profile.devices.len()) {
            let device = column.device;
            let lies_there = |run: &(usize, usize)| {
                (run.0..run.1).all(|layer| arrangement.device_of(layer) == Some(device))
            };
            if column.place == Place::Off || self.layers.iter().all(lies_there) {
                continue;
            }
            let id = labels::device(profile, device);
            let along = self.move_to(device, How::Boundary);
            let split = self.move_to(device, How::Split);
            let mut choices = vec![(format!("move to {id}"), along)];
            if means_two(document, &self.layers, device) {
                choices.push((format!("split off to {id}"), split));
            }
            for (says, edit) in choices {
                if previews.known(&edit).is_none() && budget > 0 {
                    budget -= 1;
                    previews.of(document, &edit);
                }
                item(ui, document, &says, &edit, previews.known(&edit), chosen);
                if previews.known(&edit).is_none() {
                    ui.ctx().request_repaint();
                }
            }
        }
        ui.separator();
        self.other_items(ui, document, chosen);
    }

    /// Locks, recompute, cuts and devices.
    fn other_items(&self, ui: &mut Ui, document: &Document, chosen: &mut Chosen) {
        let arrangement = document.arrangement();
        let profile = document.profile();
        let is_locked = |run: &(usize, usize)| {
            (run.0..run.1).all(|layer| arrangement.locks.contains_key(&layer))
        };
        let locked = self.layers.iter().all(is_locked);
        let lock = Edit::Lock { layers: self.layers.clone(), locked: !locked };
        plain(ui, if locked { "unlock" } else { "lock to this device" }, "L", &lock, chosen);
        let Some(first) = self.layers.first().map(|run| run.0) else { return };
        let Some(index) = arrangement.stage_of(first) else { return };
        let Some(stage) = arrangement.stages.get(index) else { return };
        let (says, recompute) = match stage.recompute {
            Recompute::None => (format!("recompute stage {index}"), Recompute::Full),
            Recompute::Full => (format!("keep the activations of stage {index}"), Recompute::None),
        };
        plain(ui, &says, "R", &Edit::Recompute { stage: index, recompute }, chosen);
        if first > stage.first {
            let says = format!("cut stage {index} before {}", labels::layer(profile, first));
            plain(ui, &says, "", &Edit::Cut { layer: first }, chosen);
        }
        let next = arrangement.stages.get(index + 1);
        if next.is_some_and(|next| next.device == stage.device) {
            let says = format!("join stages {index} and {}", index + 1);
            plain(ui, &says, "", &Edit::Join { stage: index }, chosen);
        }
        ui.separator();
        let says = format!("switch {} off", labels::device(profile, stage.device));
        plain(ui, &says, "", &Edit::Exclude { device: stage.device, excluded: true }, chosen);
    }
}

/// Whether moving layers to a device leads elsewhere when the stage is split.
#[must_use]
pub(super) fn means_two(document: &Document, layers: &[(usize, usize)], device: usize) -> bool {
    let stages = |how| {
        let edit = Edit::Move { layers: layers.to_vec(), device, how };
        edit.apply(document.arrangement(), document.profile()).map(|arrangement| arrangement.stages)
    };
    stages(How::Boundary) != stages(How::Split)
}

/// How many layers beside those that were meant change their device.
fn along(from: &Arrangement, outcome: &Outcome, layers: &[(usize, usize)]) -> usize {
    let Outcome::Leads { to, .. } = outcome else { return 0 };
    let meant = |layer: usize| layers.iter().any(|run| run.0 <= layer && layer < run.1);
    let all = from.stages.last().map_or(0, |stage| stage.end);
    (0..all).filter(|l| !meant(*l) && from.device_of(*l) != to.device_of(*l)).count()
}

/// An item with what it leads to.
fn item(
    ui: &mut Ui,
    document: &Document,
    says: &str,
    edit: &Edit,
    outcome: Option<&Outcome>,
    chosen: &mut Chosen,
) {
    let theme = Theme::of(ui.ctx());
    let (verdict, colour, enabled) = match outcome {
        None => ("…".to_owned(), theme.weak, true),
        Some(Outcome::Refused(reason)) => (reason.clone(), theme.bad, false),
        Some(Outcome::Leads { costs, .. }) => {
            let delta = costs.delta(document.present());
            let (step, colour) = or_as_now(Change::of_share(delta.step), theme);
            let bubble = labels::percent(costs.simulation.bubble_fraction);
            (format!("step {step}, bubble {bubble}"), colour, true)
        }
    };
    let verdict = RichText::new(verdict).size(size::SMALL).color(colour);
    let button = Button::new(says).right_text(verdict).truncate();
    let response = ui.add_enabled(enabled, button).accessible_name(says);
    choose(ui, &response, edit, chosen);
    if let Some(reason) = outcome.and_then(Outcome::refusal) {
        response.on_disabled_hover_text(reason);
    }
}

/// An item that says what it does and by which key.
fn plain(ui: &mut Ui, says: &str, key: &str, edit: &Edit, chosen: &mut Chosen) {
    let response = ui.add(Button::new(says).shortcut_text(key)).accessible_name(says);
    choose(ui, &response, edit, chosen);
}

fn choose(ui: &Ui, response: &Response, edit: &Edit, chosen: &mut Chosen) {
    if response.hovered() || (response.has_focus() && chosen.hovered.is_none()) {
        chosen.hovered = Some(edit.clone());
    }
    chosen.focused |= response.has_focus();
    if chosen.focus_next && response.enabled() {
        response.request_focus();
        chosen.focus_next = false;
    }
    if response.clicked() {
        chosen.pressed = Some(edit.clone());
        ui.close();
    }
}
