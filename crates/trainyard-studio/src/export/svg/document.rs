//! The text of the file: numbers, colours, escapes, groups and clips.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write};

use eframe::egui::{Color32, Context, Pos2, Rect, Stroke, Vec2};

/// egui's own bound for rectangles that are meant to be endless.
const ENDLESS: f32 = 1e7;

/// egui's own font, and what comes near it.
pub(super) const PROPORTIONAL: &str = "Ubuntu Light, Ubuntu, Cantarell, Segoe UI, sans-serif";

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Svg {
    /// The whole file.
    pub text: String,
    /// How many shapes it does not have because SVG cannot carry them.
    pub left_out: usize,
}

/// A file that grows.
pub(super) struct Document {
    /// Where drawing makes sense.
    pub(super) page: Rect,
    /// Whose fonts text was laid out with.
    pub(super) context: Context,
    background: Color32,
    body: String,
    /// Clips by their attributes, so that each is written once.
    clips: BTreeMap<String, usize>,
    /// The clip of the group that is open.
    open: Option<usize>,
    /// What cannot be written.
    pub(super) left_out: usize,
}

impl Document {
    pub(super) fn new(size: Vec2, context: &Context) -> Self {
        Self {
            page: Rect::from_min_size(Pos2::ZERO, size),
            background: context.global_style().visuals.panel_fill,
            context: context.clone(),
            body: String::new(),
            clips: BTreeMap::new(),
            open: None,
            left_out: 0,
        }
    }

    /// Makes what follows visible within a rectangle alone, or everywhere.
    pub(super) fn clip(&mut self, within: Option<Rect>) {
        let next = self.clips.len();
        let clip = within.map(|rect| *self.clips.entry(Frame(rect).to_string()).or_insert(next));
        if clip == self.open {
            return;
        }
        if self.open.is_some() {
            self.body.push_str("</g>\n");
        }
        if let Some(clip) = clip {
            self.push(format_args!("<g clip-path=\"url(#c{clip})\">\n"));
        }
        self.open = clip;
    }

    /// One element or a part of one.
    pub(super) fn push(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.body.write_fmt(text);
    }

    pub(super) fn finish(mut self) -> Svg {
        self.clip(None);
        let (width, height) = (Number(self.page.width()), Number(self.page.height()));
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" xml:space=\"preserve\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"{PROPORTIONAL}\">\n"
        );
        if !self.clips.is_empty() {
            text.push_str("<defs>\n");
            for (frame, clip) in &self.clips {
                let _ = writeln!(text, "<clipPath id=\"c{clip}\"><rect {frame}/></clipPath>");
            }
            text.push_str("</defs>\n");
        }
        let fill = Paint("fill", self.background);
        let _ = writeln!(text, "<rect width=\"{width}\" height=\"{height}\"{fill}/>");
        text.push_str(&self.body);
        text.push_str("</svg>\n");
        Svg { text, left_out: self.left_out }
    }
}

/// A number with two decimals at most: a hundredth of a point cannot be seen.
#[derive(Clone, Copy)]
pub(super) struct Number(pub(super) f32);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bounded = if self.0.is_nan() { 0.0 } else { self.0.clamp(-ENDLESS, ENDLESS) };
        let hundredths = (f64::from(bounded) * 100.0).round() as i64;
        let (sign, whole) = (if hundredths < 0 { "-" } else { "" }, hundredths.unsigned_abs());
        match (whole / 100, whole % 100) {
            (whole, 0) => write!(f, "{sign}{whole}"),
            (whole, part) if part % 10 == 0 => write!(f, "{sign}{whole}.{}", part / 10),
            (whole, part) => write!(f, "{sign}{whole}.{part:02}"),
        }
    }
}

/// `x,y`.
pub(super) struct Point(pub(super) Pos2);

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", Number(self.0.x), Number(self.0.y))
    }
}

/// Place and size of a rectangle.
pub(super) struct Frame(pub(super) Rect);

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let min = self.0.min.max(Pos2::new(-ENDLESS, -ENDLESS));
        let size = self.0.max.min(Pos2::new(ENDLESS, ENDLESS)) - min;
        let (x, y, width, height) = (min.x, min.y, size.x.max(0.0), size.y.max(0.0));
        let [x, y, width, height] = [x, y, width, height].map(Number);
        write!(f, "x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"")
    }
}

/// A colour as the named attribute, and its opacity where it has one.
pub(super) struct Paint(pub(super) &'static str, pub(super) Color32);

impl fmt::Display for Paint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name, colour) = self;
        let [r, g, b, a] = colour.to_srgba_unmultiplied();
        match a {
            0 => write!(f, " {name}=\"none\""),
            255 => write!(f, " {name}=\"#{r:02x}{g:02x}{b:02x}\""),
            a => {
                let opacity = Number(f32::from(a) / 255.0);
                write!(f, " {name}=\"#{r:02x}{g:02x}{b:02x}\" {name}-opacity=\"{opacity}\"")
            }
        }
    }
}

/// A stroke's attributes; none where there is no stroke.
pub(super) struct Line(pub(super) Stroke);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_empty(self.0) {
            return Ok(());
        }
        Paint("stroke", self.0.color).fmt(f)?;
        match Number(self.0.width).to_string().as_str() {
            "1" => Ok(()),
            width => write!(f, " stroke-width=\"{width}\""),
        }
    }
}

/// Whether nothing of a stroke can be seen.
pub(super) fn is_empty(stroke: Stroke) -> bool {
    stroke.color.a() == 0 || stroke.width.is_nan() || stroke.width <= 0.0
}

/// Text as XML: markup is escaped, and characters that XML forbids are replaced.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    let odd = |c: char| matches!(c, '&' | '<' | '>' | '"' | '\u{FFFE}' | '\u{FFFF}') || c < ' ';
    if !text.contains(odd) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            c if odd(c) => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_always_numbers() {
        let written = |value: f32| Number(value).to_string();
        assert_eq!(written(3.0), "3");
        assert_eq!(written(-0.001), "0");
        assert_eq!(written(-0.5), "-0.5");
        assert_eq!(written(12.345), "12.35");
        assert_eq!(written(0.05), "0.05");
        assert_eq!(written(f32::NAN), "0");
        assert_eq!(written(f32::NEG_INFINITY), "-10000000");
    }

    #[test]
    fn text_cannot_break_out() {
        assert_eq!(escape("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;");
        assert_eq!(escape("tab\tnull\0\u{FFFF}"), "tab null\u{FFFD}\u{FFFD}");
        assert!(matches!(escape("größe 層"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_clip_is_written_once_and_groups_are_closed() {
        let mut document = Document::new(Vec2::splat(10.0), &Context::default());
        let (a, b) = (Rect::from_min_size(Pos2::ZERO, Vec2::splat(5.0)), Rect::EVERYTHING);
        for clip in [Some(a), Some(a), None, Some(b), Some(a)] {
            document.clip(clip);
            document.push(format_args!("<i/>"));
        }
        let text = document.finish().text;
        assert_eq!(text.matches("<clipPath").count(), 2);
        assert_eq!(text.matches("<g ").count(), 3);
        assert_eq!(text.matches("</g>").count(), 3);
    }
}
