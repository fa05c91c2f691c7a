//! What the window says, read as a screen reader would read it.

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use trainyard_studio::Studio;

#[test]
fn says_what_it_is_and_what_to_use_until_then() {
    let mut studio = Studio;
    let mut harness = Harness::new_ui(|ui| studio.show(ui));
    harness.run();
    harness.get_by_label("Trainyard Studio");
    harness.get_by_label("trainyard demo");
}
