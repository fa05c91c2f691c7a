//! The real window, on an X server of its own.
#![cfg(all(feature = "inspection", target_os = "linux"))]
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, unreachable_pub, reason = "the client can do more than this test needs")]

mod inspection;

use eframe::egui::accesskit::Role;

#[test]
fn the_window_opens_and_draws() {
    let Some(mut window) = inspection::Window::open(&[]) else { return };
    let nodes = window.nodes();
    assert!(nodes.iter().any(|node| node.role() == Role::Window));
    assert!(nodes.iter().any(|node| inspection::name_of(node).is_some()), "nothing has a name");
    window.settle();
    let (path, size) = window.screenshot("real-window.png");
    let image = image::open(&path).expect("a PNG").to_rgb8();
    assert_eq!(image.dimensions(), (size[0], size[1]));
    let first = image.get_pixel(0, 0);
    assert!(image.pixels().any(|pixel| pixel != first), "an empty window: {}", path.display());
    assert!(window.is_open());
}
