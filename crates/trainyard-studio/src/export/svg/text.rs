//! Text: a `<text>` for every run of one format in a row.

use eframe::egui::epaint::text::{Galley, Glyph, LayoutSection, PlacedRow};
use eframe::egui::epaint::{TextShape, text::TextFormat};
use eframe::egui::{Color32, FontFamily, Pos2, Rect, Stroke, Vec2};

use super::document::{Document, Frame, Number, Paint, escape, is_empty};
use super::outline::turn;

const MONOSPACE: &str = "Hack, DejaVu Sans Mono, Menlo, Consolas, monospace";

/// Characters of one format, one after the other.
struct Run<'a> {
    format: &'a TextFormat,
    row: &'a PlacedRow,
    glyphs: &'a [Glyph],
}

/// Writes a piece of laid-out text.
pub(super) fn write(document: &mut Document, shape: &TextShape) {
    if shape.opacity_factor <= 0.0 {
        return;
    }
    for run in runs(&shape.galley) {
        write_run(document, shape, &run);
    }
}

/// The galley does not say which format a glyph has, but glyphs come in the order of the text, and
/// the text is divided into sections.
fn runs(galley: &Galley) -> Vec<Run<'_>> {
    let (text, sections) = (galley.job.text.as_str(), galley.job.sections.as_slice());
    let mut runs = Vec::new();
    let mut at = 0;
    for row in &galley.rows {
        let mut rest = row.glyphs.as_slice();
        while !rest.is_empty() {
            let Some(section) = section_at(sections, at) else { return runs };
            let baseline = rest.first().map(|glyph| glyph.pos.y);
            let mut count = 0;
            while let Some(glyph) = rest.get(count) {
                let another = at >= section.byte_range.end.0 && at < text.len();
                if count > 0 && (another || Some(glyph.pos.y) != baseline) {
                    break;
                }
                // The sign that something was cut off is not in the text.
                if text.get(at..).is_some_and(|left| left.starts_with(glyph.chr)) {
                    at += glyph.chr.len_utf8();
                }
                count += 1;
            }
            let (glyphs, after) = rest.split_at(count);
            runs.push(Run { format: &section.format, row, glyphs });
            rest = after;
        }
        if row.ends_with_newline {
            at += 1;
        }
    }
    runs
}

fn section_at(sections: &[LayoutSection], at: usize) -> Option<&LayoutSection> {
    let index = sections.partition_point(|section| section.byte_range.end.0 <= at);
    sections.get(index).or(sections.last())
}

fn write_run(document: &mut Document, shape: &TextShape, run: &Run<'_>) {
    let (Some(first), Some(last)) = (run.glyphs.first(), run.glyphs.last()) else { return };
    // A turned text turns around its own corner, so everything is placed unturned.
    let row = shape.pos + run.row.pos.to_vec2();
    let turn = turn(shape.angle, shape.pos);
    let colour = |colour: Color32| {
        let colour = if colour == Color32::PLACEHOLDER { shape.fallback_color } else { colour };
        if shape.opacity_factor < 1.0 {
            colour.gamma_multiply(shape.opacity_factor)
        } else {
            colour
        }
    };
    let width = last.max_x() - first.pos.x;
    let format = run.format;
    let background = colour(format.background);
    if background.a() > 0 {
        let size = Vec2::new(width, run.row.size.y);
        let rect = Rect::from_min_size(row + Vec2::new(first.pos.x, 0.0), size);
        let frame = Frame(rect.expand(format.expand_bg));
        let fill = Paint("fill", background);
        document.push(format_args!("<rect {frame}{fill}{turn}/>\n"));
    }
    let text: String = run.glyphs.iter().map(|glyph| glyph.chr).collect();
    let underlined = !is_empty(format.underline) || shape.underline != Stroke::NONE;
    let struck = !is_empty(format.strikethrough);
    if text.trim().is_empty() && !underlined && !struck {
        return;
    }
    let Pos2 { x, y } = row + first.pos.to_vec2();
    let [x, y, size] = [x, y, format.font_id.size].map(Number);
    let fill = Paint("fill", shape.override_text_color.map_or(colour(format.color), colour));
    document.push(format_args!("<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{fill}"));
    if format.font_id.family == FontFamily::Monospace {
        document.push(format_args!(" font-family=\"{MONOSPACE}\""));
    }
    if format.italics {
        document.push(format_args!(" font-style=\"italic\""));
    }
    match (underlined, struck) {
        (false, false) => {}
        (true, false) => document.push(format_args!(" text-decoration=\"underline\"")),
        (false, true) => document.push(format_args!(" text-decoration=\"line-through\"")),
        (true, true) => document.push(format_args!(" text-decoration=\"underline line-through\"")),
    }
    let known =
        |text: &str| document.context.fonts_mut(|fonts| fonts.has_glyphs(&format.font_id, text));
    if run.glyphs.len() > 1 && known(&text) {
        // Whatever font is there, the text takes the room that it was given. That of a script which
        // the fonts lack was measured by placeholders and means nothing.
        let width = Number(width);
        document.push(format_args!(" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\""));
    }
    document.push(format_args!("{turn}>{}</text>\n", escape(&text)));
}
