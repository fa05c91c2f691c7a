//! Draws a conversation with a model: with whom, what was said, and what is being written.

mod begin;
mod turns;

use eframe::egui::{Key, KeyboardShortcut, Modifiers, RichText, ScrollArea, TextEdit, Ui};

use crate::command::Facts;
use crate::message::{ChatMessage, Message};
use crate::paths::short_name;
use crate::run_panel::primary;
use crate::state::{Chat, Mood, State};
use crate::theme::{Theme, size};
use begin::Settings;

/// Height of what is being written, with its button, in points.
const WRITING: f32 = 92.0;

/// The panel's own state: what is being written and chosen.
#[derive(Debug, Default)]
pub(crate) struct ChatPanel {
    draft: String,
    settings: Settings,
}

impl ChatPanel {
    /// Draws the panel.
    pub(crate) fn show(
        &mut self,
        ui: &mut Ui,
        state: &State,
        facts: &Facts,
        out: &mut Vec<Message>,
    ) {
        let chat = &state.chat;
        match chat.mood() {
            Mood::Off | Mood::Failed(_) => {
                begin::begin_ui(ui, state, facts, &mut self.settings, out);
            }
            Mood::Loading | Mood::Ready | Mood::Answering => head_ui(ui, chat, out),
        }
        ui.separator();
        let room = (ui.available_height() - WRITING).max(size::LANE);
        let is_on = !matches!(chat.mood(), Mood::Off | Mood::Failed(_));
        ScrollArea::vertical()
            .auto_shrink(false)
            .stick_to_bottom(true)
            .max_height(if is_on { room } else { ui.available_height() })
            .show(ui, |ui| turns::turns_ui(ui, chat));
        if is_on {
            ui.separator();
            self.writing_ui(ui, chat, out);
        }
    }

    /// What is being written. Enter says it.
    fn writing_ui(&mut self, ui: &mut Ui, chat: &Chat, out: &mut Vec<Message>) {
        let line = KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter);
        let hint = if chat.continues() {
            "Write how a text begins. Enter lets the model go on, Shift+Enter begins another line"
        } else {
            "Say something. Enter says it, Shift+Enter begins another line"
        };
        let field = TextEdit::multiline(&mut self.draft)
            .hint_text(hint)
            .desired_rows(2)
            .desired_width(f32::INFINITY)
            .return_key(line);
        let field = ui.add(field).accessible_name("What to say to the model");
        let entered = field.has_focus()
            && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
        let is_ready = *chat.mood() == Mood::Ready;
        // A text goes on without anything added, too.
        let may_say = !self.draft.trim().is_empty() || chat.continues();
        let name = if chat.continues() { "Go on" } else { "Say" };
        ui.horizontal(|ui| {
            if *chat.mood() == Mood::Answering {
                if ui.button("Stop").on_hover_text("End this answer; what was said stays").clicked()
                {
                    out.push(ChatMessage::Stop.into());
                }
                return;
            }
            let clicked =
                ui.add_enabled_ui(is_ready && may_say, |ui| primary(ui, name).clicked()).inner;
            if (clicked || entered) && is_ready && may_say {
                let text = std::mem::take(&mut self.draft).trim().to_owned();
                out.push(ChatMessage::Say(text).into());
                field.request_focus();
            }
        });
    }
}

/// With whom one talks.
fn head_ui(ui: &mut Ui, chat: &Chat, out: &mut Vec<Message>) {
    let name = chat.talk().map(|talk| short_name(&talk.target)).unwrap_or_default();
    ui.label(RichText::new(format!("With {name}")).strong());
    if chat.continues() {
        ui.weak(
            "This model has no template for chats, so it does not answer: it goes on with your text, and with what \
             it wrote.",
        );
    }
    ui.horizontal_wrapped(|ui| {
        match chat.mood() {
            Mood::Loading => {
                // Nothing turns meanwhile: where the CPU draws, that would take from what it computes.
                ui.label("the model is being loaded…");
            }
            mood => {
                let may = *mood == Mood::Ready && !chat.turns().is_empty();
                ui.add_enabled_ui(may, |ui| {
                    let tip = "Begin anew: the model forgets what was said";
                    let name = if chat.continues() { "New text" } else { "New conversation" };
                    if ui.button(name).on_hover_text(tip).clicked() {
                        out.push(ChatMessage::Forget.into());
                    }
                });
            }
        }
        turns::copy_ui(ui, chat);
        if ui.button("End").on_hover_text("Let go of the model and its memory").clicked() {
            out.push(ChatMessage::End.into());
        }
    });
}

/// What went wrong with the conversation, if something did.
fn failure_ui(ui: &mut Ui, chat: &Chat) {
    let Mood::Failed(words) = chat.mood() else { return };
    let theme = Theme::of(ui.ctx());
    ui.label(RichText::new(format!("✖ {words}")).color(theme.bad));
}
