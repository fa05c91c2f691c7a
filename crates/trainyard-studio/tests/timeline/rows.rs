//! Which rows a device has.

use trainyard_studio::timeline::{RowKind, Scene, Scenes, Source, layout};

use crate::samples;

#[test]
fn a_device_of_which_nobody_counts_the_memory_has_no_row_of_it() {
    let mut trace = samples::measured(2);
    let has_row = |trace: &trainyard_plan::Trace| {
        let scene = Scene::new(trace, Source::Measured);
        let scenes = Scenes { measured: Some(&scene), ..Scenes::default() };
        let (groups, _) = layout(&scenes, 0.0);
        let memory = |group: &trainyard_studio::timeline::Group| {
            group.rows.iter().any(|row| row.kind == RowKind::Memory)
        };
        groups.iter().map(memory).collect::<Vec<_>>()
    };
    assert_eq!(has_row(&trace), [true, true]);
    trace.memory.retain(|sample| sample.device == 1);
    assert_eq!(has_row(&trace), [false, true]);
    trace.memory.clear();
    assert_eq!(has_row(&trace), [false, false]);
}
