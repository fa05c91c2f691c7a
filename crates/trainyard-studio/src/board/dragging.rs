//! What is in hand over the board: where it would go, whether it fits there, and its drop.

use std::collections::BTreeMap;

use eframe::egui::{Key, Modifiers, Pos2, Ui};

use super::columns::{Column, Place};
use super::drag::{Drag, Target};
use super::menu::{self, Menu};
use super::previews::Outcome;
use super::scene::{BoardAction, Verdict};
use super::{Board, hit_test};
use crate::document::{Document, Edit, How};

impl Board {
    /// What the pointer is over with what is dragged.
    pub(super) fn target(&self, pointer: Option<Pos2>, document: &Document) -> Option<Target> {
        hit_test::target(self.drag.as_ref()?, pointer?, &self.places, document.arrangement())
    }

    /// What dropping there would do. With Alt held, stages are split.
    pub(super) fn dragged_edit(
        &self,
        ui: &Ui,
        document: &Document,
        target: Target,
    ) -> Option<Edit> {
        let how = if ui.input(|input| input.modifiers.alt) { How::Split } else { How::Boundary };
        self.drag.as_ref()?.edit(document.arrangement(), target, how)
    }

    /// Whether what is dragged fits, by device. Those that are not known yet are worked out one
    /// each frame.
    pub(super) fn verdicts(
        &mut self,
        ui: &Ui,
        document: &Document,
        columns: &[Column],
        target: Option<Target>,
        outcome: Option<&Outcome>,
    ) -> BTreeMap<usize, Verdict> {
        let mut verdicts = BTreeMap::new();
        let Some(drag) = self.drag.clone() else { return verdicts };
        let verdict = |outcome: &Outcome| match outcome {
            Outcome::Leads { costs, .. } => Verdict::Fits(costs.delta(document.present()).step),
            Outcome::Refused(words) => Verdict::Refused(words.clone()),
        };
        if let Drag::Boundary(stage) = drag {
            let sides = document.arrangement().stages.iter().skip(stage).take(2);
            if let (Some(outcome), Some(Target::Cut(_))) = (outcome, target) {
                verdicts.extend(sides.map(|side| (side.device, verdict(outcome))));
            }
            return verdicts;
        }
        let mut budget = 1;
        for column in columns.iter().filter(|column| column.place != Place::Off) {
            let device = column.device;
            let how =
                if ui.input(|input| input.modifiers.alt) { How::Split } else { How::Boundary };
            let edit = drag.edit(document.arrangement(), Target::Device(device), how);
            let Some(edit) = edit else {
                verdicts.insert(device, Verdict::Here);
                continue;
            };
            if budget > 0 && self.previews.known(&edit).is_none() {
                budget -= 1;
                self.previews.of(document, &edit);
            }
            let known = self.previews.known(&edit).map(verdict);
            if known.is_none() {
                ui.ctx().request_repaint();
            }
            verdicts.insert(device, known.unwrap_or(Verdict::Unknown));
        }
        verdicts
    }

    /// Lets go of what is dragged, once the person does; the edit that this is.
    pub(super) fn release(
        &mut self,
        ui: &Ui,
        document: &Document,
        (dragged, target, pointer): (Option<Edit>, Option<Target>, Option<Pos2>),
        actions: &mut Vec<BoardAction>,
    ) -> Option<Edit> {
        self.drag.as_ref()?;
        if ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape)) {
            actions.push(BoardAction::Cancel);
        } else if ui.input(|input| !input.pointer.primary_down()) {
            ui.ctx().request_repaint();
            return self.drop(document, dragged, target, pointer);
        }
        None
    }

    /// Drops what is dragged; the edit that this is, where it means one.
    fn drop(
        &mut self,
        document: &Document,
        edit: Option<Edit>,
        target: Option<Target>,
        pointer: Option<Pos2>,
    ) -> Option<Edit> {
        let drag = self.drag.take()?;
        let edit = edit?;
        if let (Drag::Layers(layers), Some(Target::Device(device)), Some(at)) =
            (&drag, target, pointer)
        {
            let asked = matches!(&edit, Edit::Move { how: How::Split, .. });
            if !asked && menu::means_two(document, layers, device) {
                self.menu = Some(Menu::drop(at, layers.clone(), device));
                return None;
            }
        }
        Some(edit)
    }
}
