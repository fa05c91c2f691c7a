//! The keyboard on the board.

use eframe::egui::{EventFilter, Key, Modifiers, Response, Ui};
use trainyard_plan::Recompute;

use super::columns;
use super::scene::{BoardAction, Scene};
use crate::document::{Edit, How};

/// Keys that act on what they are pressed on, and do not move egui's focus.
const OURS: EventFilter =
    EventFilter { tab: false, horizontal_arrows: true, vertical_arrows: true, escape: false };

fn pressed(ui: &Ui, modifiers: Modifiers, key: Key) -> bool {
    ui.input_mut(|input| input.consume_key(modifiers, key))
}

/// Keys while a run of layers has the focus.
pub(super) fn handle(
    ui: &Ui,
    scene: &Scene,
    response: &Response,
    run: (usize, usize),
    actions: &mut Vec<BoardAction>,
) {
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, OURS));
    let selected = match scene.selection.runs() {
        none if none.is_empty() => vec![run],
        runs => runs,
    };
    for (key, right) in [(Key::ArrowLeft, false), (Key::ArrowRight, true)] {
        for (modifiers, how) in [(Modifiers::COMMAND, How::Boundary), (Modifiers::ALT, How::Split)]
        {
            if pressed(ui, modifiers, key)
                && let Some(device) = beside(scene, run, right)
            {
                actions.push(BoardAction::Edit(Edit::Move {
                    layers: selected.clone(),
                    device,
                    how,
                }));
            }
        }
        if pressed(ui, Modifiers::NONE, key)
            && let Some(next) = across(scene, run, right)
        {
            actions.extend([BoardAction::Select(next), BoardAction::Focus(next.0)]);
        }
    }
    for (key, down) in [(Key::ArrowUp, false), (Key::ArrowDown, true)] {
        let next = along(scene, run, down);
        if pressed(ui, Modifiers::SHIFT, key)
            && let Some(next) = next
        {
            actions.extend([BoardAction::ExtendTo(next), BoardAction::Focus(next.0)]);
        }
        if pressed(ui, Modifiers::NONE, key)
            && let Some(next) = next
        {
            actions.extend([BoardAction::Select(next), BoardAction::Focus(next.0)]);
        }
    }
    if pressed(ui, Modifiers::NONE, Key::Enter) {
        actions.push(BoardAction::Menu { at: response.rect.left_bottom(), by_key: true });
    }
    if pressed(ui, Modifiers::NONE, Key::L) {
        let locks = &scene.document.arrangement().locks;
        let all = selected.iter().all(|run| (run.0..run.1).all(|layer| locks.contains_key(&layer)));
        actions.push(BoardAction::Edit(Edit::Lock { layers: selected, locked: !all }));
    }
    if pressed(ui, Modifiers::NONE, Key::R) {
        actions.extend(recompute(scene, run.0));
    }
}

/// Keys while a boundary has the focus.
pub(super) fn boundary(
    ui: &Ui,
    scene: &Scene,
    response: &Response,
    after: usize,
    actions: &mut Vec<BoardAction>,
) {
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, OURS));
    let Some(stage) = scene.document.arrangement().stages.get(after) else { return };
    if pressed(ui, Modifiers::NONE, Key::ArrowUp) {
        let layer = stage.end.saturating_sub(1);
        actions.push(BoardAction::Edit(Edit::Boundary { stage: after, layer }));
    }
    if pressed(ui, Modifiers::NONE, Key::ArrowDown) {
        actions.push(BoardAction::Edit(Edit::Boundary { stage: after, layer: stage.end + 1 }));
    }
}

/// The other way of the stage that holds a layer: recompute, or keep.
pub(super) fn recompute(scene: &Scene, layer: usize) -> Option<BoardAction> {
    let arrangement = scene.document.arrangement();
    let stage = arrangement.stage_of(layer)?;
    let recompute = match arrangement.stages.get(stage)?.recompute {
        Recompute::None => Recompute::Full,
        Recompute::Full => Recompute::None,
    };
    Some(BoardAction::Edit(Edit::Recompute { stage, recompute }))
}

/// The device beside the one that holds a run.
fn beside(scene: &Scene, run: (usize, usize), right: bool) -> Option<usize> {
    let device = scene.document.arrangement().device_of(run.0)?;
    columns::beside(scene.columns, device, right)
}

/// The block before or after a run.
fn along(scene: &Scene, run: (usize, usize), down: bool) -> Option<(usize, usize)> {
    let mut blocks = scene.blocks.iter().flatten();
    let next = if down {
        blocks.find(|block| block.first >= run.1)
    } else {
        blocks.rfind(|block| block.end <= run.0)
    };
    next.map(super::blocks::Block::run)
}

/// The first block of the next column, or the last of the one before.
fn across(scene: &Scene, run: (usize, usize), right: bool) -> Option<(usize, usize)> {
    let device = beside(scene, run, right)?;
    let column = scene.columns.iter().find(|column| column.device == device)?;
    let stage = if right { column.stages.first() } else { column.stages.last() };
    let blocks = scene.blocks.get(*stage?)?;
    let block = if right { blocks.first() } else { blocks.last() };
    block.map(super::blocks::Block::run)
}
