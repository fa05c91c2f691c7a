//! The board: devices as columns, layers as blocks in them, dragged from one to the other.
//!
//! [`Board`] is the state of the view; what it shows and changes is the [`Desk`]. A frame goes so:
//! find what the pointer is over (`pointing`), work out what dropping there would lead to
//! (`previews`), draw (`strip`, `head`, `stages`, `menu`) and collect what the person did (`scene`),
//! and do that at the end.

mod bars;
mod blocks;
mod carried;
mod columns;
mod draw;
mod head;
mod keys;
mod layers;
mod measure;
mod menu;
pub(crate) mod paint;
mod pointing;
mod previews;
mod scene;
mod selection;
mod stages;
mod strip;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eframe::egui::{Frame, Key, Margin, Modifiers, Pos2, Ui, Vec2, vec2};
use serde::{Deserialize, Serialize};

use crate::desk::{Assessment, Desk, Edit, How};
use crate::theme::{Theme, size};
use blocks::Block;
use carried::{Carried, Target};
use columns::{Column, Place};
pub use measure::Measure;
use menu::Menu;
use previews::{Outcome, Previews};
use scene::{Act, AtCursor, Places, Scene, Verdict};
use selection::Selection;

/// The board's view: what is not the desk's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Board {
    /// By what blocks are sized.
    pub measure: Measure,
    /// What would be by somebody else, such as an alternative that the pointer is over. Shown while
    /// nothing is dragged.
    #[serde(skip)]
    pub considered: Option<Arc<Assessment>>,
    #[serde(skip)]
    selection: Selection,
    #[serde(skip)]
    carried: Option<Carried>,
    #[serde(skip)]
    menu: Option<Menu>,
    /// What the pointer is over in the menu.
    #[serde(skip)]
    hovered: Option<Edit>,
    /// Layers that are not folded into a run.
    #[serde(skip)]
    unfolded: BTreeSet<usize>,
    #[serde(skip)]
    previews: Previews,
    /// Why the last edit was not done, and what there was then: it is told until something is done.
    #[serde(skip)]
    refused: Option<(String, Arc<Assessment>)>,
    /// Where things were in the last frame.
    #[serde(skip)]
    places: Places,
}

/// What a frame of the board leaves to others.
#[derive(Clone, Debug, Default)]
pub struct BoardOutput {
    /// What would be, while something is dragged or looked at in a menu.
    pub would_be: Option<Arc<Assessment>>,
    /// Why something was not done, in words.
    pub refused: Option<String>,
}

/// Nothing can be seen of layers in less, in points.
const SHORTEST_BODY: f32 = 96.0;

impl Board {
    /// Draws the board. `cursor` is the time cursor, ns in the step.
    pub fn show(&mut self, ui: &mut Ui, desk: &mut Desk, cursor: Option<f64>) -> BoardOutput {
        let mut output = BoardOutput::default();
        self.previews.follow(desk);
        self.refused.take_if(|(_, then)| !Arc::ptr_eq(then, desk.present()));
        self.selection.retain_below(desk.profile().model.layers.len());
        // Nothing is dragged under a dialog.
        if !ui.memory(|memory| memory.allows_interaction(ui.layer_id())) {
            self.carried = None;
        }
        let pointer = ui.input(|input| input.pointer.latest_pos());
        let target = self.target(pointer, desk);
        let dragged = target.and_then(|target| self.dragged_edit(ui, desk, target));
        let looked_at = dragged.clone().or_else(|| self.hovered.clone());
        let outcome = looked_at.map(|edit| self.previews.of(desk, &edit));
        output.would_be = outcome.as_ref().and_then(Outcome::assessment).cloned();
        let columns = columns::columns(desk.arrangement(), desk.profile().devices.len());
        let verdicts = self.verdicts(ui, desk, &columns, target, outcome.as_ref());
        let mut acts = Vec::new();
        let theme = Theme::of(ui.ctx());
        Frame::new().inner_margin(Margin::same(size::SPACE as i8)).show(ui, |ui| {
            let would_be = output.would_be.as_deref().or(self.considered.as_deref());
            let refused = self.refused.as_ref().map(|(words, _)| words.as_str());
            strip::show(ui, desk, would_be, refused, &mut self.measure);
            let at_cursor = cursor.map(|ns| AtCursor::of(&desk.present().trace, ns));
            let costs = measure::costs(desk.present(), &desk.arrangement().stages);
            let room = ui.available_height().max(draw::AROUND_BODY + SHORTEST_BODY);
            let (blocks, scale) = self.layout(desk, &columns, &costs, room);
            let scene = Scene {
                desk,
                theme,
                columns: &columns,
                costs: &costs,
                blocks: &blocks,
                scale,
                measure: self.measure,
                selection: &self.selection,
                carried: self.carried.as_ref(),
                target,
                would_be,
                verdicts: &verdicts,
                at_cursor: at_cursor.as_ref(),
            };
            self.places = draw::draw(ui, &scene, room, pointer, &mut acts);
        });
        if let (Some(carried), Some(pointer)) = (&self.carried, pointer) {
            draw::at_pointer(ui, desk, carried, pointer, outcome.as_ref());
        }
        let before = self.hovered.take();
        if let Some(mut menu) = self.menu.take() {
            let chosen = menu.show(ui, desk, &mut self.previews);
            if before != chosen.hovered {
                ui.ctx().request_repaint();
            }
            self.hovered = chosen.hovered;
            acts.extend(chosen.pressed.map(Act::Edit));
            if chosen.closed {
                self.hovered = None;
                acts.extend(menu.opened_from().map(Act::Focus));
            } else {
                self.menu = Some(menu);
            }
        }
        if self.carried.is_some()
            && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape))
        {
            acts.push(Act::Cancel);
        } else if self.carried.is_some() && ui.input(|input| !input.pointer.primary_down()) {
            output.refused = self.drop(desk, dragged, target, pointer);
        }
        self.refused.take_if(|_| !acts.is_empty());
        for act in acts {
            self.act(ui, desk, act, &mut output);
        }
        if let Some(words) = &output.refused {
            self.refused = Some((words.clone(), Arc::clone(desk.present())));
            ui.ctx().request_repaint();
        }
        output
    }

    /// Forgets what is selected, unfolded and carried, for another desk.
    pub(crate) fn forget(&mut self) {
        *self = Self { measure: self.measure, ..Self::default() };
    }

    /// The same view, for a picture: with nothing in hand.
    #[must_use]
    pub fn for_picture(&self) -> Self {
        let unfolded = self.unfolded.clone();
        Self { measure: self.measure, unfolded, ..Self::default() }
    }

    /// How large a picture of all columns and blocks must be, in points, and not smaller than
    /// `least`.
    #[must_use]
    pub fn whole_size(&self, desk: &Desk, least: Vec2) -> Vec2 {
        let columns = columns::columns(desk.arrangement(), desk.profile().devices.len());
        let costs = measure::costs(desk.present(), &desk.arrangement().stages);
        let around = 2.0 * size::SPACE;
        let mut room = least.y - strip::HEIGHT - around;
        // A higher room may unfold what was folded, and so need more.
        loop {
            let (blocks, scale) = self.layout(desk, &columns, &costs, room);
            let of_stage = |stage: &usize| {
                let blocks = blocks.get(*stage).map(Vec::as_slice).unwrap_or_default();
                stages::height(blocks, &costs, self.measure, scale)
            };
            let of_column = |column: &Column| column.stages.iter().map(of_stage).sum::<f32>();
            let body = columns.iter().map(of_column).fold(SHORTEST_BODY, f32::max);
            let needed = body + draw::AROUND_BODY;
            if needed <= room {
                break;
            }
            room = needed + 1.0;
        }
        let width = draw::least_width(columns.len()) + around;
        least.max(vec2(width, room + strip::HEIGHT + around))
    }

    /// Whether something is being dragged.
    #[must_use]
    pub fn is_dragging(&self) -> bool {
        self.carried.is_some()
    }

    /// The selected layers as runs, half-open.
    #[must_use]
    pub fn selected(&self) -> Vec<(usize, usize)> {
        self.selection.runs()
    }

    /// What the pointer is over with what is dragged.
    fn target(&self, pointer: Option<Pos2>, desk: &Desk) -> Option<Target> {
        pointing::target(self.carried.as_ref()?, pointer?, &self.places, desk.arrangement())
    }

    /// What dropping there would do. With Alt held, stages are split.
    fn dragged_edit(&self, ui: &Ui, desk: &Desk, target: Target) -> Option<Edit> {
        let how = if ui.input(|input| input.modifiers.alt) { How::Split } else { How::Boundary };
        self.carried.as_ref()?.edit(desk.arrangement(), target, how)
    }

    /// Whether what is dragged fits, by device. Those that are not known yet are worked out one
    /// each frame.
    fn verdicts(
        &mut self,
        ui: &Ui,
        desk: &Desk,
        columns: &[Column],
        target: Option<Target>,
        outcome: Option<&Outcome>,
    ) -> BTreeMap<usize, Verdict> {
        let mut verdicts = BTreeMap::new();
        let Some(carried) = self.carried.clone() else { return verdicts };
        let verdict = |outcome: &Outcome| match outcome {
            Outcome::Leads { costs, .. } => Verdict::Fits(costs.delta(desk.present()).step),
            Outcome::Refused(words) => Verdict::Refused(words.clone()),
        };
        if let Carried::Boundary(stage) = carried {
            let sides = desk.arrangement().stages.iter().skip(stage).take(2);
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
            let edit = carried.edit(desk.arrangement(), Target::Device(device), how);
            let Some(edit) = edit else {
                verdicts.insert(device, Verdict::Here);
                continue;
            };
            if budget > 0 && self.previews.known(&edit).is_none() {
                budget -= 1;
                self.previews.of(desk, &edit);
            }
            let known = self.previews.known(&edit).map(verdict);
            if known.is_none() {
                ui.ctx().request_repaint();
            }
            verdicts.insert(device, known.unwrap_or(Verdict::Unknown));
        }
        verdicts
    }

    /// The blocks of every stage, and points a unit of the measure.
    fn layout(
        &self,
        desk: &Desk,
        columns: &[Column],
        costs: &[measure::Cost],
        room: f32,
    ) -> (Vec<Vec<Block>>, f64) {
        let arrangement = desk.arrangement();
        let layers = &desk.profile().model.layers;
        let body = (room - draw::AROUND_BODY).max(SHORTEST_BODY);
        let kind = |layer: usize| layers.get(layer).map_or("", |layer| layer.kind.as_str());
        let mut blocks = vec![Vec::new(); arrangement.stages.len()];
        let mut weights = Vec::with_capacity(columns.len());
        for column in columns {
            let runs = || {
                let stages = column.stages.iter();
                stages.filter_map(|index| Some((*index, arrangement.stages.get(*index)?)))
            };
            let count: usize = runs().map(|(_, stage)| stage.end - stage.first).sum();
            let fold = count as f32 * blocks::LOWEST > body * blocks::SCREENS;
            let mut weighed = Vec::new();
            for (index, stage) in runs() {
                let of_stage = blocks::blocks((stage.first, stage.end), kind, fold, &self.unfolded);
                weighed.extend(
                    of_stage.iter().map(|block| {
                        (*block, self.measure.of(measure::of_run(costs, block.run())))
                    }),
                );
                if let Some(slot) = blocks.get_mut(index) {
                    *slot = of_stage;
                }
            }
            let overhead = column.stages.len() as f32 * stages::overhead();
            weights.push(((body - overhead).max(0.0), weighed));
        }
        let scale = blocks::scale(&weights);
        (blocks, scale)
    }

    /// Drops what is dragged; the reason where that is refused.
    fn drop(
        &mut self,
        desk: &mut Desk,
        edit: Option<Edit>,
        target: Option<Target>,
        pointer: Option<Pos2>,
    ) -> Option<String> {
        let carried = self.carried.take()?;
        let edit = edit?;
        if let (Carried::Layers(layers), Some(Target::Device(device)), Some(at)) =
            (&carried, target, pointer)
        {
            let asked = matches!(&edit, Edit::Move { how: How::Split, .. });
            if !asked && menu::means_two(desk, layers, device) {
                self.menu = Some(Menu::drop(at, layers.clone(), device));
                return None;
            }
        }
        desk.edit(&edit).err().map(|refusal| refusal.0)
    }

    fn act(&mut self, ui: &Ui, desk: &mut Desk, act: Act, output: &mut BoardOutput) {
        match act {
            Act::Edit(edit) => {
                if let Err(refusal) = desk.edit(&edit) {
                    output.refused = Some(refusal.0);
                }
            }
            Act::Select(run) => self.selection.only(run),
            Act::ExtendTo(run) => self.selection.extend_to(run),
            Act::Toggle(run) => self.selection.toggle(run),
            Act::ClearSelection => self.selection.clear(),
            Act::Focus(layer) => {
                ui.memory_mut(|memory| memory.request_focus(scene::block_id(layer)));
            }
            Act::Carry(carried) => self.carried = Some(carried),
            Act::Cancel => self.carried = None,
            Act::Menu { at, by_key } => {
                self.menu = Menu::context(at, self.selection.runs(), by_key);
            }
            Act::Fold(run) if run.1 > run.0 + 1 => self.unfolded.extend(run.0..run.1),
            Act::Fold(run) => self.fold_around(run.0, desk.profile().model.layers.len()),
        }
        ui.ctx().request_repaint();
    }

    /// Folds the run of unfolded layers around one.
    fn fold_around(&mut self, layer: usize, layers: usize) {
        let unfolded = &self.unfolded;
        let first = (0..=layer).rev().take_while(|layer| unfolded.contains(layer)).last();
        let last = (layer..layers).take_while(|layer| unfolded.contains(layer)).last();
        if let (Some(first), Some(last)) = (first, last) {
            self.unfolded.retain(|layer| *layer < first || last < *layer);
        }
    }
}
