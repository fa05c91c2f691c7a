//! Triangles, joined where they have one colour.

use eframe::egui::epaint::{Mesh, Vertex, WHITE_UV};
use eframe::egui::{Color32, Pos2, Stroke, TextureId};

use super::document::Document;
use super::outline::{path, polygon};

/// Writes the triangles of a mesh; one path for as long as the colour stays the same.
pub(super) fn write(document: &mut Document, mesh: &Mesh) {
    let textured = mesh.texture_id != TextureId::default()
        || mesh.vertices.iter().any(|vertex| vertex.uv != WHITE_UV);
    if textured {
        document.left_out += 1;
        return;
    }
    let mut run = Run::default();
    let corner = |index: &u32| mesh.vertices.get(*index as usize);
    for corners in mesh.indices.chunks_exact(3) {
        let corners: Vec<&Vertex> = corners.iter().filter_map(corner).collect();
        let [a, b, c] = corners[..] else { continue };
        let colour = mean([a.color, b.color, c.color]);
        if colour != run.colour {
            run.write(document);
            run = Run { colour, ..Run::default() };
        }
        run.add([a.pos, b.pos, c.pos]);
    }
    run.write(document);
}

fn mean(colours: [Color32; 3]) -> Color32 {
    let [a, b, c] = colours.map(|colour| colour.to_array());
    if a == b && b == c {
        return colours[0];
    }
    let part = |channel: usize| {
        let sum: u16 = [a, b, c].iter().map(|colour| u16::from(colour[channel])).sum();
        (sum / 3) as u8
    };
    Color32::from_rgba_premultiplied(part(0), part(1), part(2), part(3))
}

/// Triangles of one colour.
#[derive(Default)]
struct Run {
    colour: Color32,
    data: String,
    /// The last triangle, as long as a second may make it a quadrilateral.
    waiting: Option<[Pos2; 3]>,
}

impl Run {
    /// All triangles turn the same way, so that edges inside the run leave no trace.
    fn add(&mut self, triangle: [Pos2; 3]) {
        let [a, b, c] = triangle;
        let area = (b - a).x * (c - a).y - (b - a).y * (c - a).x;
        let triangle = if area < 0.0 { [a, c, b] } else { triangle };
        let Some(before) = self.waiting.replace(triangle) else { return };
        if let Some(corners) = quadrilateral(before, triangle) {
            self.data.push_str(&polygon(&corners, true));
            self.waiting = None;
        } else {
            self.data.push_str(&polygon(&before, true));
        }
    }

    fn write(&mut self, document: &mut Document) {
        if let Some(last) = self.waiting.take() {
            self.data.push_str(&polygon(&last, true));
        }
        path(document, &self.data, self.colour, Stroke::NONE);
    }
}

/// Two triangles that turn the same way and share an edge, as one outline.
fn quadrilateral(one: [Pos2; 3], other: [Pos2; 3]) -> Option<[Pos2; 4]> {
    (0..3).find_map(|start| {
        let [from, to, apex] = rotated(one, start);
        // The other has the shared edge the other way round.
        let beyond = (0..3).map(|start| rotated(other, start));
        let mut beyond = beyond.filter(|[a, b, _]| *a == to && *b == from);
        beyond.next().map(|[_, _, beyond]| [to, apex, from, beyond])
    })
}

fn rotated([a, b, c]: [Pos2; 3], start: usize) -> [Pos2; 3] {
    match start {
        0 => [a, b, c],
        1 => [b, c, a],
        _ => [c, a, b],
    }
}
