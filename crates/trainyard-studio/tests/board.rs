//! The board, as a person uses it: by pointer, by keyboard and by menu.

use eframe::egui::{Event, Key, Modifiers, PointerButton, Pos2, Theme as Mode, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use egui_kittest::{Harness, Node, SnapshotResults};
use trainyard_plan::memory::human_bytes;
use trainyard_plan::{DeviceProfile, LinkCost, ModelProfile, Profile, Recompute};
use trainyard_studio::board::{Board, BoardOutput};
use trainyard_studio::desk::{Desk, Edit};
use trainyard_studio::theme;

struct State {
    board: Board,
    desk: Desk,
    cursor: Option<f64>,
    output: BoardOutput,
    /// The last refusal.
    refused: Option<String>,
}

type Window = Harness<'static, State>;

fn open_sized(desk: Desk, size: (f32, f32), mode: Mode) -> Window {
    let (board, output) = (Board::default(), BoardOutput::default());
    let state = State { board, desk, cursor: None, output, refused: None };
    let show = |ui: &mut eframe::egui::Ui, state: &mut State| {
        let background = theme::Theme::of(ui.ctx()).background;
        ui.painter().rect_filled(ui.max_rect().expand(50.0), 0.0, background);
        state.output = state.board.show(ui, &mut state.desk, state.cursor);
        if state.output.refused.is_some() {
            state.refused = state.output.refused.clone();
        }
    };
    let mut harness = Harness::builder()
        .with_size(vec2(size.0, size.1))
        .with_theme(mode)
        .with_context_setup(theme::install)
        .with_max_steps(40)
        .build_ui_state(show, state);
    harness.run();
    harness
}

fn open(desk: Desk) -> Window {
    open_sized(desk, (1200.0, 700.0), Mode::Dark)
}

fn snapshot(harness: &mut Window, name: &str) -> SnapshotResults {
    harness.run_ok();
    let mut results = SnapshotResults::new();
    results.add(harness.try_snapshot(name));
    results
}

#[test]
fn pictures() {
    for (mode, name) in [(Mode::Dark, "dark"), (Mode::Light, "light")] {
        for size in [(1400.0, 500.0), (1024.0, 400.0)] {
            let mut window = open_sized(Desk::example().unwrap(), size, mode);
            snapshot(&mut window, &format!("board_{name}_{}", size.0));
        }
    }
}
