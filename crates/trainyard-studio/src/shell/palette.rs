//! The command palette: a command is found by a few of its letters.

use std::path::{Path, PathBuf};

use eframe::egui::text::LayoutJob;
use eframe::egui::{self, Align2, Color32, Context, FontId, Key, Modifiers, TextFormat, Ui};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::menu::with_reason;
use super::modal;
use crate::command::{Command, Facts};
use crate::event::Event;
use crate::menus::commands;
use crate::message::{Message, ViewMessage};
use crate::panel::Frame;
use crate::theme::{Theme, size};

/// Query and choice so far.
#[derive(Debug, Default)]
pub(crate) struct Palette {
    query: String,
    chosen: usize,
}

/// An entry of the palette.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A command.
    Command(Command),
    /// A file that was open before.
    Recent(PathBuf),
}

/// A line of the palette.
struct Line {
    found: Found,
    text: String,
    /// Which letters were matched, by index.
    matched: Vec<u32>,
}

const WIDTH: f32 = 520.0;
const ROW: f32 = 28.0;

impl Palette {
    pub(crate) fn show(&mut self, context: &Context, frame: &Frame, out: &mut Vec<Message>) {
        let facts = frame.facts;
        let lines = lines(&self.query, facts, frame.state.preferences.recent().paths());
        self.move_choice(context, lines.len());
        let mut clicked = None;
        let id = egui::Id::unique("palette");
        let area = egui::Modal::default_area(id).anchor(Align2::CENTER_TOP, [0.0, 72.0]);
        let width = WIDTH.min(context.content_rect().width() - 2.0 * (size::DIALOG + size::MARGIN));
        let response =
            egui::Modal::new(id).area(area).frame(modal::frame(context)).show(context, |ui| {
                ui.set_width(width);
                let label = ui.weak("Find a command or a recent file");
                let field = egui::TextEdit::singleline(&mut self.query)
                    .hint_text("undo, auto-plan, light theme…")
                    .desired_width(f32::INFINITY);
                let field = ui.add(field).labelled_by(label.id);
                if field.changed() {
                    self.chosen = 0;
                }
                field.request_focus();
                ui.add_space(size::GAP);
                if lines.is_empty() {
                    ui.weak(format!("Nothing is called “{}”.", self.query));
                }
                let height = (context.content_rect().height() - 200.0 - size::DIALOG).max(ROW);
                let list =
                    egui::ScrollArea::vertical().max_height(height).min_scrolled_height(height);
                list.auto_shrink([false, true]).show(ui, |ui| {
                    for (index, line) in lines.iter().enumerate() {
                        if show_line(ui, line, facts, index == self.chosen) {
                            clicked = Some(line.found.clone());
                        }
                    }
                });
            });
        let enter = context.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
        let entered =
            lines.get(self.chosen).filter(|line| enter && is_available(&line.found, facts));
        let found = entered.map(|line| line.found.clone()).or(clicked);
        if found.is_some() || response.should_close() {
            out.push(ViewMessage::CloseDialog.into());
        }
        out.extend(found.map(|found| match found {
            Found::Command(command) => command.into(),
            Found::Recent(path) => Event::Open(path).into(),
        }));
    }

    fn move_choice(&mut self, context: &Context, count: usize) {
        let pressed = |key| context.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        if pressed(Key::ArrowDown) {
            self.chosen += 1;
        }
        if pressed(Key::ArrowUp) {
            self.chosen = self.chosen.checked_sub(1).unwrap_or(count.saturating_sub(1));
        }
        if self.chosen >= count {
            self.chosen = 0;
        }
    }
}

fn is_available(found: &Found, facts: &Facts) -> bool {
    match found {
        Found::Command(command) => command.unavailable(facts).is_none(),
        Found::Recent(_) => true,
    }
}

/// What a query finds, the best first; without a query everything, in the order of the menus.
fn lines<'a>(query: &str, facts: &Facts, recent: impl Iterator<Item = &'a Path>) -> Vec<Line> {
    let commands = commands()
        .filter(|command| *command != Command::Palette)
        .map(|command| (Found::Command(command), command.title(facts)));
    let recent = recent
        .map(|path| (Found::Recent(path.to_owned()), format!("Open recent: {}", path.display())));
    let pattern = Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut letters = Vec::new();
    let mut scored: Vec<(u32, Line)> = commands
        .chain(recent)
        .filter_map(|(found, text)| {
            let mut matched = Vec::new();
            let haystack = Utf32Str::new(&text, &mut letters);
            let score = pattern.indices(haystack, &mut matcher, &mut matched)?;
            Some((score, Line { found, text, matched }))
        })
        .collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().map(|(_, line)| line).collect()
}

/// Draws a line; whether it was clicked.
fn show_line(ui: &mut Ui, line: &Line, facts: &Facts, chosen: bool) -> bool {
    let theme = Theme::of(ui.ctx());
    let (keys, why_not) = match &line.found {
        Found::Command(command) => (command.keys(ui.ctx()), command.unavailable(facts)),
        Found::Recent(_) => (None, None),
    };
    let colour = if why_not.is_some() { theme.weak } else { theme.text };
    let text = highlighted(line, colour, theme.accent);
    let mut button =
        egui::Button::selectable(chosen, text).min_size([ui.available_width(), ROW].into());
    if let Some(keys) = keys {
        button = button.shortcut_text(keys);
    }
    let response = ui.add_enabled(why_not.is_none(), button.truncate());
    if chosen {
        response.scroll_to_me(None);
    }
    let response = match &line.found {
        Found::Command(command) => response.on_hover_text(command.spec().tip),
        Found::Recent(_) => response,
    };
    with_reason(response, why_not).clicked()
}

fn highlighted(line: &Line, colour: Color32, accent: Color32) -> LayoutJob {
    let mut job = LayoutJob::default();
    for (index, letter) in line.text.chars().enumerate() {
        let is_match = line.matched.contains(&(index as u32));
        let colour = if is_match { accent } else { colour };
        let format = TextFormat {
            font_id: FontId::proportional(size::BODY),
            color: colour,
            ..TextFormat::default()
        };
        job.append(letter.encode_utf8(&mut [0; 4]), 0.0, format);
    }
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_letters_find_a_command() {
        let first = |query: &str| {
            let lines = lines(query, &Facts::default(), std::iter::empty());
            lines.into_iter().next().map(|line| line.found)
        };
        assert_eq!(first("autop"), Some(Found::Command(Command::AutoPlan)));
        assert_eq!(first("undo"), Some(Found::Command(Command::Undo)));
        assert_eq!(first("reset lay"), Some(Found::Command(Command::ResetLayout)));
        assert_eq!(first("drk"), Some(Found::Command(Command::Theme(egui::ThemePreference::Dark))));
        assert_eq!(first("zzzz"), None);
    }

    #[test]
    fn recent_files_are_found_too() {
        let recent = [Path::new("/yard/plan.json")];
        let lines = lines("yard/plan", &Facts::default(), recent.into_iter());
        assert_eq!(lines[0].found, Found::Recent("/yard/plan.json".into()));
    }
}
