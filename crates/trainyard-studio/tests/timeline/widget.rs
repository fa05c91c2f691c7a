//! The widget as a person uses it.

use eframe::egui;
use egui_kittest::kittest::{NodeT as _, Queryable};
use egui_kittest::{Harness, HarnessBuilder};
use trainyard_studio::theme;
use trainyard_studio::timeline::{
    ForeignScene, Scene, Scenes, Source, Timeline, TimelineOutput, install,
};

use crate::samples;

pub(crate) struct State {
    timeline: Timeline,
    predicted: Option<Scene>,
    measured: Option<Scene>,
    preview: Option<Scene>,
    pub(crate) foreign: Option<ForeignScene>,
    cursor: Option<f64>,
    pub(crate) output: TimelineOutput,
}

fn draw(ui: &mut egui::Ui, state: &mut State) {
    egui::CentralPanel::default().show(ui, |ui| {
        let scenes = Scenes {
            predicted: state.predicted.as_ref(),
            measured: state.measured.as_ref(),
            preview: state.preview.as_ref(),
            foreign: state.foreign.as_ref(),
        };
        state.output = state.timeline.show(ui, scenes, &mut state.cursor);
    });
}

fn builder(size: [f32; 2], mode: egui::Theme) -> HarnessBuilder<State> {
    Harness::builder().with_size(size).with_theme(mode).with_context_setup(theme::install).wgpu()
}

pub(crate) fn harness(state: State, size: [f32; 2], mode: egui::Theme) -> Harness<'static, State> {
    builder(size, mode).build_ui_state(draw, state)
}

/// With nothing to show yet.
fn nothing() -> State {
    State {
        timeline: Timeline::default(),
        predicted: None,
        measured: None,
        preview: None,
        foreign: None,
        cursor: None,
        output: TimelineOutput::default(),
    }
}

/// What another program did, beside what was measured if anything was.
pub(crate) fn with_foreign(measured: Option<Scene>, foreign: ForeignScene) -> State {
    State { measured, foreign: Some(foreign), ..nothing() }
}

fn predicted() -> State {
    State { predicted: Some(Scene::new(&samples::example().1, Source::Predicted)), ..nothing() }
}

fn both() -> State {
    State { measured: Some(Scene::new(&samples::measured(12), Source::Measured)), ..predicted() }
}

/// Where the rows are: the widget that a screen reader calls a timeline.
pub(crate) fn plot(harness: &Harness<State>) -> egui::Rect {
    harness.get_by_label_contains("Timeline; ").rect()
}

/// A place over the compute row of the first device, so far along the plot.
fn on_first_row(harness: &Harness<State>, share: f32) -> egui::Pos2 {
    let plot = plot(harness);
    egui::pos2(plot.left() + share * plot.width(), plot.top() + 42.0)
}

pub(crate) fn click(harness: &mut Harness<State>, at: egui::Pos2) {
    harness.hover_at(at);
    harness.run();
    harness.drag_at(at);
    harness.run();
    harness.drop_at(at);
    harness.run();
}

pub(crate) fn drag(harness: &mut Harness<State>, from: egui::Pos2, to: egui::Pos2) {
    harness.hover_at(from);
    harness.run();
    harness.drag_at(from);
    harness.run();
    harness.hover_at(from.lerp(to, 0.5));
    harness.run();
    harness.hover_at(to);
    harness.run();
    harness.drop_at(to);
    harness.run();
}

#[test]
fn a_click_selects_and_esc_forgets() {
    let mut harness = harness(predicted(), [1400.0, 500.0], egui::Theme::Dark);
    harness.run();
    let at = on_first_row(&harness, 0.016);
    click(&mut harness, at);
    let selected = harness.state().output.selected.clone().expect("something is selected");
    assert_eq!(selected.action.to_string(), "0F0");
    harness.get_by_label("forward, stage 0, micro-batch 0");
    assert!(harness.get_by_label_contains("Timeline; ").is_focused());
    harness.key_press(egui::Key::Escape);
    harness.run();
    assert_eq!(harness.state().output.selected, None);
}

#[test]
fn a_drag_selects_a_range_with_statistics() {
    let mut harness = harness(both(), [1400.0, 600.0], egui::Theme::Dark);
    harness.run();
    let (from, to) = (on_first_row(&harness, 0.25), on_first_row(&harness, 0.5));
    drag(&mut harness, from, to);
    let (start, end) = harness.state().output.range.expect("a range is selected");
    let view = harness.state().output.visible;
    let share = (end - start) / (view.1 - view.0);
    assert!((share - 0.25).abs() < 0.01, "the range is {share} of what is visible");
    harness.get_by_label_contains("Range of ");
    assert!(harness.query_all_by_label_contains(" actions").count() >= 4, "two devices, two sides");
}

#[test]
fn shift_drag_and_keys_move_and_f_fits() {
    let mut harness = harness(predicted(), [1400.0, 500.0], egui::Theme::Dark);
    harness.run();
    let whole = harness.state().output.visible;
    let visible = |harness: &Harness<State>| harness.state().output.visible;
    let middle = on_first_row(&harness, 0.5);
    harness.hover_at(middle);
    harness.run();
    let before = harness.state().cursor.expect("the cursor is where the pointer is");
    harness.key_press(egui::Key::W);
    harness.run();
    let zoomed = visible(&harness);
    assert!(zoomed.1 - zoomed.0 < 0.9 * (whole.1 - whole.0), "W zooms in");
    let after = harness.state().cursor.expect("the pointer is still there");
    assert!((before - after).abs() < 1e-3 * (whole.1 - whole.0), "the place pointed at stays");
    harness.key_press(egui::Key::D);
    harness.run();
    assert!(visible(&harness).0 > zoomed.0, "D moves right");
    harness.key_press(egui::Key::A);
    harness.run();
    harness.key_press(egui::Key::F);
    harness.run();
    assert_eq!(visible(&harness), whole, "F fits");
    harness.key_press(egui::Key::W);
    harness.run();
    let zoomed = visible(&harness);
    let (from, to) = (on_first_row(&harness, 0.6), on_first_row(&harness, 0.4));
    harness.event(egui::Event::ModifiersChanged(egui::Modifiers::SHIFT));
    drag(&mut harness, from, to);
    harness.event(egui::Event::ModifiersChanged(egui::Modifiers::NONE));
    let by = (visible(&harness).0 - zoomed.0) / (zoomed.1 - zoomed.0);
    assert!((by - 0.2).abs() < 0.02, "it moved by {by} of what is visible");
    assert_eq!(harness.state().output.range, None);
}

#[test]
fn the_wheel_zooms_at_the_pointer_and_shift_wheel_moves() {
    let mut harness = harness(predicted(), [1400.0, 500.0], egui::Theme::Dark);
    harness.run();
    let before = harness.state().output.visible;
    // Below all rows, where no tooltip comes.
    let at = egui::pos2(on_first_row(&harness, 0.25).x, plot(&harness).bottom() - 4.0);
    harness.hover_at(at);
    harness.run();
    let pointed = harness.state().cursor.unwrap();
    let wheel = |modifiers| egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, 100.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers,
    };
    harness.event(wheel(egui::Modifiers::NONE));
    harness.run_steps(30);
    let zoomed = harness.state().output.visible;
    assert!(zoomed.1 - zoomed.0 < 0.9 * (before.1 - before.0), "it zooms in");
    let moved = (harness.state().cursor.unwrap() - pointed).abs();
    assert!(moved < 1e-3 * (before.1 - before.0), "what is pointed at stays");
    harness.event_modifiers(wheel(egui::Modifiers::SHIFT), egui::Modifiers::SHIFT);
    harness.run_steps(30);
    let panned = harness.state().output.visible;
    assert!((panned.0 - zoomed.0).abs() > 0.01 * (zoomed.1 - zoomed.0), "it moves");
    let lengths = [zoomed, panned].map(|(start, end)| end - start);
    assert!((lengths[0] - lengths[1]).abs() < 1.0, "as it was zoomed");
}

#[test]
fn rows_that_do_not_fit_are_scrolled_by_keys_and_dragged() {
    let mut harness = harness(both(), [1400.0, 260.0], egui::Theme::Dark);
    harness.run();
    let at = on_first_row(&harness, 0.016);
    let pointed_at = |harness: &mut Harness<State>| {
        harness.hover_at(at);
        harness.run();
        harness.state().output.hovered.clone()
    };
    let first = pointed_at(&mut harness);
    assert!(first.is_some());
    // Without the focus the key belongs to others.
    harness.key_press(egui::Key::PageDown);
    harness.run();
    assert_eq!(pointed_at(&mut harness), first);
    click(&mut harness, at);
    harness.key_press(egui::Key::PageDown);
    harness.run();
    assert_ne!(pointed_at(&mut harness), first);
    harness.key_press(egui::Key::PageUp);
    harness.run();
    assert_eq!(pointed_at(&mut harness), first);
    harness.key_press(egui::Key::ArrowDown);
    harness.run();
    assert_ne!(pointed_at(&mut harness), first);
    assert!(
        harness.get_by_label_contains("Timeline; ").is_focused(),
        "the arrow is the timeline's"
    );
    harness.key_press(egui::Key::ArrowUp);
    harness.run();
    harness.event(egui::Event::ModifiersChanged(egui::Modifiers::SHIFT));
    drag(&mut harness, at, at - egui::vec2(0.0, 30.0));
    harness.event(egui::Event::ModifiersChanged(egui::Modifiers::NONE));
    assert_ne!(pointed_at(&mut harness), first);
}

#[test]
fn a_double_click_zooms_to_an_action() {
    // So fast that two clicks are a double-click.
    let builder = builder([1400.0, 500.0], egui::Theme::Dark).with_step_dt(0.02);
    let mut harness = builder.build_ui_state(draw, predicted());
    harness.run_steps(4);
    let at = on_first_row(&harness, 0.016);
    harness.hover_at(at);
    for _ in 0..2 {
        for pressed in [true, false] {
            harness.event(egui::Event::PointerButton {
                pos: at,
                button: egui::PointerButton::Primary,
                pressed,
                modifiers: egui::Modifiers::NONE,
            });
        }
    }
    harness.run_steps(8);
    let (start, end) = harness.state().output.visible;
    let event = samples::example().1.events.into_iter();
    let first = event.filter(|event| event.action.to_string() == "0F0").map(|e| e.duration_ns());
    let share = first.max().unwrap() as f64 / (end - start);
    assert!(share > 0.9 && share < 1.0, "0F0 takes {share} of what is visible");
}

#[test]
fn the_flow_is_walked_and_marks_are_set() {
    let mut harness = harness(predicted(), [1400.0, 500.0], egui::Theme::Dark);
    harness.run();
    let at = on_first_row(&harness, 0.016);
    click(&mut harness, at);
    let mut names = Vec::new();
    for _ in 0..3 {
        harness.key_press(egui::Key::CloseBracket);
        harness.run();
        names.push(harness.state().output.selected.as_ref().unwrap().action.to_string());
    }
    assert_eq!(names, ["0SEND_F0", "1RECV_F0", "1F0"]);
    harness.key_press(egui::Key::OpenBracket);
    harness.key_press(egui::Key::Period);
    harness.run();
    let selected = harness.state().output.selected.clone().unwrap();
    assert_eq!(selected.action.to_string(), "1RECV_F1");
    harness.key_press(egui::Key::M);
    harness.run();
    assert_eq!(harness.state().output.marks.len(), 1);
}

#[test]
fn searching_goes_from_hit_to_hit() {
    let mut harness = harness(both(), [1400.0, 600.0], egui::Theme::Dark);
    harness.run();
    let at = on_first_row(&harness, 0.5);
    harness.hover_at(at);
    harness.run();
    harness.key_press(egui::Key::Slash);
    harness.run();
    harness.run();
    let field = harness.get_by_label("Search the timeline");
    assert!(field.is_focused());
    field.type_text("1F3");
    harness.run();
    harness.get_by_label("13 found");
    harness.key_press(egui::Key::Enter);
    harness.run();
    harness.get_by_label("1 of 13");
    harness.key_press_modifiers(egui::Modifiers::SHIFT, egui::Key::Enter);
    harness.run();
    harness.get_by_label("13 of 13");
    assert_eq!(harness.state().output.selected.as_ref().unwrap().step, 12);
    // What is written is no command: the W of a search does not zoom.
    let before = harness.state().output.visible;
    harness.get_by_label("Search the timeline").type_text("W");
    harness.run();
    assert_eq!(harness.state().output.visible, before);
}

#[test]
fn steps_are_chosen_and_followed() {
    let mut harness = harness(both(), [1400.0, 600.0], egui::Theme::Dark);
    harness.run();
    assert_eq!(harness.state().output.step, Some(12));
    harness.get_by_label("Previous step").click();
    harness.run();
    assert_eq!(harness.state().output.step, Some(11));
    // Two steps more come while step 11 is looked at.
    let more = samples::measured(14);
    let new: Vec<_> = more.events.iter().filter(|event| event.step > 12).cloned().collect();
    harness.state_mut().measured.as_mut().unwrap().extend(&new, &[]);
    harness.run();
    assert_eq!(harness.state().output.step, Some(11));
    harness.get_by_label("Follow newest").click();
    harness.run();
    assert_eq!(harness.state().output.step, Some(14));
    let bars = harness.get_by_label_contains("Steps: 14").rect();
    click(&mut harness, bars.left_center() + egui::vec2(5.0, 0.0));
    assert_eq!(harness.state().output.step, Some(1));
}

#[test]
fn the_cursor_is_shared_and_can_be_pinned() {
    let mut harness = harness(predicted(), [1400.0, 500.0], egui::Theme::Dark);
    harness.run();
    assert_eq!(harness.state().cursor, None);
    let at = on_first_row(&harness, 0.5);
    let ruler = egui::pos2(at.x, plot(&harness).top() + 10.0);
    click(&mut harness, ruler);
    harness.get_by_label_contains("Live at ");
    harness.remove_cursor();
    harness.run();
    let pinned = harness.state().cursor.expect("it stays where it is pinned");
    let (start, end) = harness.state().output.visible;
    assert!(((pinned - start) / (end - start) - 0.5).abs() < 0.01);
    click(&mut harness, ruler);
    harness.remove_cursor();
    harness.run();
    assert_eq!(harness.state().cursor, None);
}

#[test]
fn nothing_and_rubbish_can_be_shown() {
    let mut empty = harness(nothing(), [300.0, 200.0], egui::Theme::Light);
    empty.run();
    empty.get_by_label_contains("Nothing to show yet");
    let mut trace = samples::measured(1);
    trace.devices[0].id = "名前 ".repeat(100);
    trace.devices[1].budget_bytes = 0;
    for (index, event) in trace.events.iter_mut().enumerate() {
        match index % 5 {
            0 => event.end_ns = u64::MAX,
            1 => event.start_ns = u64::MAX,
            2 => event.device = 7,
            3 => event.action.stage = usize::MAX,
            _ => event.step = u64::MAX,
        }
    }
    let rubbish = State { measured: Some(Scene::new(&trace, Source::Measured)), ..predicted() };
    let mut rubbish = harness_of(rubbish, [640.0, 300.0]);
    rubbish.run();
    let at = on_first_row(&rubbish, 0.5);
    click(&mut rubbish, at);
}

/// Without a check for glyphs: ids may be of any script.
fn harness_of(state: State, size: [f32; 2]) -> Harness<'static, State> {
    builder(size, egui::Theme::Dark).allow_missing_glyphs().build_ui_state(draw, state)
}

/// The example and what it would be with one layer elsewhere: here, half as long again.
fn dragging() -> State {
    let mut preview = samples::example().1;
    for event in &mut preview.events {
        (event.start_ns, event.end_ns) = (event.start_ns * 3 / 2, event.end_ns * 3 / 2);
    }
    State { preview: Some(Scene::new(&preview, Source::Predicted)), ..predicted() }
}

#[test]
fn what_would_be_takes_the_place_of_the_prediction() {
    let mut harness = harness(predicted(), [1400.0, 500.0], egui::Theme::Dark);
    harness.run();
    let at = on_first_row(&harness, 0.016);
    click(&mut harness, at);
    let before = harness.state().output.visible;
    harness.state_mut().preview = dragging().preview;
    harness.run();
    let visible = harness.state().output.visible;
    let longer = (visible.1 - visible.0) / (before.1 - before.0);
    assert!((longer - 1.5).abs() < 0.01, "all of the longer step is visible, not {longer}");
    harness.get_by_label("+50 %");
    // What was selected is the same action in the other plan.
    harness.get_by_label("as it would be");
    harness.state_mut().preview = None;
    harness.run();
    assert_eq!(harness.state().output.visible, before);
}

#[test]
fn the_shader_draws_the_widget_as_its_twin_does() {
    let setup = egui_kittest::wgpu::default_wgpu_setup();
    let options = eframe::egui_wgpu::RendererOptions::PREDICTABLE;
    let render = egui_kittest::wgpu::create_render_state(setup, options);
    install(&render);
    let state = State { timeline: Timeline::on_gpu(), ..both() };
    let mut gpu = Harness::builder()
        .with_size([1024.0, 640.0])
        .with_context_setup(theme::install)
        .renderer(egui_kittest::wgpu::WgpuTestRenderer::from_render_state(render))
        .build_ui_state(draw, state);
    let mut cpu = harness(both(), [1024.0, 640.0], egui::Theme::Dark);
    gpu.run();
    cpu.run();
    let (gpu, cpu) = (gpu.render().unwrap(), cpu.render().unwrap());
    let far = |(a, b): (&image::Rgba<u8>, &image::Rgba<u8>)| {
        a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 4)
    };
    let different = gpu.pixels().zip(cpu.pixels()).filter(|pair| far(*pair)).count();
    assert_eq!(different, 0, "pixels that differ");
}

/// What it looks like, light and dark, on the CPU and as the shader draws it.
#[test]
fn snapshots() {
    let mut results = egui_kittest::SnapshotResults::new();
    for (mode, name) in [(egui::Theme::Dark, "dark"), (egui::Theme::Light, "light")] {
        let mut one = harness(predicted(), [1400.0, 500.0], mode);
        one.run();
        let at = on_first_row(&one, 0.22);
        click(&mut one, at);
        one.remove_cursor();
        one.run();
        results.add(one.try_snapshot(format!("timeline-predicted-{name}")));
        let mut two = harness(both(), [1024.0, 640.0], mode);
        two.run();
        let (from, to) = (on_first_row(&two, 0.3), on_first_row(&two, 0.6));
        drag(&mut two, from, to);
        two.remove_cursor();
        two.run();
        results.add(two.try_snapshot(format!("timeline-both-{name}")));
        let mut three = harness(dragging(), [1400.0, 500.0], mode);
        three.run();
        let at = on_first_row(&three, 0.2);
        three.hover_at(at);
        for _ in 0..10 {
            three.key_press(egui::Key::W);
            three.run();
        }
        three.remove_cursor();
        three.run();
        results.add(three.try_snapshot(format!("timeline-would-be-{name}")));
    }
}

#[test]
fn in_a_narrow_window_the_legend_is_whole_and_details_are_offered_where_there_are_some() {
    for (width, names) in [
        (1400.0, ["F forward", "waits for a link"]),
        (760.0, ["F forward", "link"]),
        (560.0, ["F", "link"]),
        (420.0, ["F", "…"]),
    ] {
        let mut harness = harness(both(), [width, 420.0], egui::Theme::Dark);
        harness.run();
        for name in names {
            let place = harness.get_by_label(name).rect();
            assert!(place.right() <= width - 8.0 && place.bottom() <= 420.0, "{name}: {place}");
        }
    }
    let mut harness = harness(both(), [720.0, 420.0], egui::Theme::Dark);
    harness.run();
    let is_offered =
        |harness: &Harness<State>| !harness.get_by_label("Details").accesskit_node().is_disabled();
    assert!(!is_offered(&harness));
    let at = on_first_row(&harness, 0.016);
    click(&mut harness, at);
    harness.get_by_label("forward, stage 0, micro-batch 0");
    assert!(is_offered(&harness));
    harness.get_by_label("Details").click();
    harness.run();
    assert!(harness.query_by_label("forward, stage 0, micro-batch 0").is_none());
}
