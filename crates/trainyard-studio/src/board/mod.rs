//! The board: devices as columns, layers as blocks in them, dragged from one to the other.
//!
//! [`Board`] is the state of the view; what it shows is the [`Document`], which it changes by messages
//! alone. A frame goes so: find what the pointer is over (`hit_test`), work out what dropping there
//! would lead to (`previews`), draw (`summary_bar`, `column_header`, `stages`, `menu`), collect what
//! the person did (`scene`), and do that at the end.

mod bars;
mod blocks;
mod column_header;
mod columns;
mod drag;
mod dragging;
mod draw;
mod hit_test;
mod keys;
mod layers;
mod measure;
mod menu;
pub(crate) mod paint;
mod pick;
mod previews;
mod roles;
mod scene;
mod selection;
mod stages;
mod summary_bar;

use std::collections::BTreeSet;
use std::sync::Arc;

use eframe::egui::{Frame, Margin, Ui, Vec2, vec2};

use crate::document::{Document, Edit};
use crate::message::{DocumentMessage, Message};
use crate::state::DocumentState;
use crate::theme::{Theme, size};
use blocks::Block;
use columns::Column;
use drag::Drag;
pub use measure::Measure;
use menu::Menu;
use previews::{Outcome, Previews};
use scene::{AtCursor, BoardAction, Places, Scene};
use selection::Selection;

/// What the board keeps from one frame to the next: what is selected, dragged and pointed at.
#[derive(Clone, Debug, Default)]
pub struct Board {
    /// By what blocks are sized.
    measure: Measure,
    selection: Selection,
    drag: Option<Drag>,
    menu: Option<Menu>,
    /// What the pointer is over in the menu.
    hovered: Option<Edit>,
    /// Layers that are not folded into a run.
    unfolded: BTreeSet<usize>,
    previews: Previews,
    /// Where things were in the last frame.
    places: Places,
    /// The document that this belongs to.
    serial: u64,
}

/// Nothing can be seen of layers in less, in points.
const SHORTEST_BODY: f32 = 96.0;

impl Board {
    /// Draws the board. `cursor` is the time cursor, ns in the step. What the person does to the
    /// document, and what that would lead to, is pushed to `out`.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        state: &DocumentState,
        cursor: Option<f64>,
        out: &mut Vec<Message>,
    ) {
        let document = state.document();
        self.follow(state);
        // Nothing is dragged under a dialog.
        if !ui.memory(|memory| memory.allows_interaction(ui.layer_id())) {
            self.drag = None;
        }
        let pointer = ui.input(|input| input.pointer.latest_pos());
        let target = self.target(pointer, document);
        let dragged = target.and_then(|target| self.dragged_edit(ui, document, target));
        let looked_at = dragged.clone().or_else(|| self.hovered.clone());
        let outcome = looked_at.map(|edit| self.previews.of(document, &edit));
        let own = outcome.as_ref().and_then(Outcome::assessment);
        out.extend(own.map(|it| DocumentMessage::Preview(Some(Arc::clone(it))).into()));
        let preview = own.or(state.preview()).map(Arc::as_ref);
        let columns = columns::columns(document.arrangement(), document.profile().devices.len());
        let verdicts = self.verdicts(ui, document, &columns, target, outcome.as_ref());
        let mut actions = Vec::new();
        let theme = Theme::of(ui.ctx());
        Frame::new().inner_margin(Margin::same(size::SPACE as i8)).show(ui, |ui| {
            summary_bar::show(ui, document, preview, state.refusal(), &mut self.measure);
            let at_cursor = cursor.map(|ns| AtCursor::of(&document.present().trace, ns));
            let costs = measure::costs(document.present(), &document.arrangement().stages);
            let room = ui.available_height().max(draw::AROUND_BODY + SHORTEST_BODY);
            let (blocks, scale) = self.layout(document, &columns, &costs, room);
            let scene = Scene {
                document,
                theme,
                columns: &columns,
                costs: &costs,
                blocks: &blocks,
                scale,
                measure: self.measure,
                selection: &self.selection,
                drag: self.drag.as_ref(),
                target,
                preview,
                verdicts: &verdicts,
                at_cursor: at_cursor.as_ref(),
            };
            self.places = draw::draw(ui, &scene, room, pointer, &mut actions);
        });
        if let (Some(drag), Some(pointer)) = (&self.drag, pointer) {
            draw::at_pointer(ui, document, drag, pointer, outcome.as_ref());
        }
        self.show_menu(ui, document, &mut actions);
        let dropped = self.release(ui, document, (dragged, target, pointer), &mut actions);
        if !actions.is_empty() && state.refusal().is_some() {
            out.push(DocumentMessage::ForgetRefusal.into());
        }
        out.extend(dropped.map(edited));
        for action in actions {
            out.extend(self.apply(ui, document, action));
        }
    }

    /// Lets go of what belongs to a document that is no longer open.
    fn follow(&mut self, state: &DocumentState) {
        if self.serial != state.serial() {
            *self = Self { measure: self.measure, serial: state.serial(), ..Self::default() };
        }
        self.previews.follow(state.document());
        self.selection.retain_below(state.document().profile().model.layers.len());
    }

    fn show_menu(&mut self, ui: &Ui, document: &Document, actions: &mut Vec<BoardAction>) {
        let before = self.hovered.take();
        let Some(mut menu) = self.menu.take() else { return };
        let chosen = menu.show(ui, document, &mut self.previews);
        if before != chosen.hovered {
            ui.ctx().request_repaint();
        }
        self.hovered = chosen.hovered;
        actions.extend(chosen.pressed.map(BoardAction::Edit));
        if chosen.closed {
            self.hovered = None;
            actions.extend(menu.opened_from().map(BoardAction::Focus));
        } else {
            self.menu = Some(menu);
        }
    }

    /// The same view, for a picture: with nothing in hand.
    #[must_use]
    pub fn for_picture(&self) -> Self {
        let unfolded = self.unfolded.clone();
        Self { measure: self.measure, unfolded, serial: self.serial, ..Self::default() }
    }

    /// How large a picture of all columns and blocks must be, in points, and not smaller than
    /// `least`.
    #[must_use]
    pub fn whole_size(&self, document: &Document, least: Vec2) -> Vec2 {
        let columns = columns::columns(document.arrangement(), document.profile().devices.len());
        let costs = measure::costs(document.present(), &document.arrangement().stages);
        let around = 2.0 * size::SPACE;
        let mut room = least.y - summary_bar::HEIGHT - around;
        // A higher room may unfold what was folded, and so need more.
        loop {
            let (blocks, scale) = self.layout(document, &columns, &costs, room);
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
        least.max(vec2(width, room + summary_bar::HEIGHT + around))
    }

    /// Whether something is being dragged.
    #[must_use]
    pub fn is_dragging(&self) -> bool {
        self.drag.is_some()
    }

    /// The selected layers as runs, half-open.
    #[must_use]
    pub fn selected(&self) -> Vec<(usize, usize)> {
        self.selection.runs()
    }

    /// The blocks of every stage, and points a unit of the measure.
    fn layout(
        &self,
        document: &Document,
        columns: &[Column],
        costs: &[measure::Cost],
        room: f32,
    ) -> (Vec<Vec<Block>>, f64) {
        let arrangement = document.arrangement();
        let layers = &document.profile().model.layers;
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

    fn apply(&mut self, ui: &Ui, document: &Document, action: BoardAction) -> Option<Message> {
        ui.ctx().request_repaint();
        match action {
            BoardAction::Edit(edit) => return Some(edited(edit)),
            BoardAction::Select(run) => self.selection.only(run),
            BoardAction::ExtendTo(run) => self.selection.extend_to(run),
            BoardAction::Toggle(run) => self.selection.toggle(run),
            BoardAction::ClearSelection => self.selection.clear(),
            BoardAction::Focus(layer) => {
                ui.memory_mut(|memory| memory.request_focus(scene::block_id(layer)));
            }
            BoardAction::Drag(drag) => self.drag = Some(drag),
            BoardAction::Cancel => self.drag = None,
            BoardAction::Menu { at, by_key } => {
                self.menu = Menu::context(at, self.selection.runs(), by_key);
            }
            BoardAction::Fold(run) if run.1 > run.0 + 1 => self.unfolded.extend(run.0..run.1),
            BoardAction::Fold(run) => {
                self.fold_around(run.0, document.profile().model.layers.len());
            }
        }
        None
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

fn edited(edit: Edit) -> Message {
    DocumentMessage::Edit { edit, on_board: true }.into()
}
