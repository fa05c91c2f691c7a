//! The conversation with a model.

use std::io;

use crate::effect::Effect;
use crate::message::ChatMessage;
use crate::run::{Conversation, Exit, Heard, Talk, Told};

/// The conversation with a model, and what was said.
#[derive(Default)]
pub struct Chat {
    /// With whom; of the last one, where it is over.
    talk: Option<Talk>,
    conversation: Option<Conversation>,
    mood: Mood,
    /// Whether the model goes on with what is said, as it has no template of chats.
    continues: bool,
    turns: Vec<Turn>,
}

/// How a conversation stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// There is none.
    #[default]
    Off,
    /// The model is being loaded.
    Loading,
    /// It waits for something to be said.
    Ready,
    /// It answers.
    Answering,
    /// It could not go on, in words.
    Failed(String),
}

/// What was said at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// By whom.
    pub speaker: Speaker,
    /// It.
    pub text: String,
    /// How many tokens, how fast, and why it ended; empty while it is said.
    pub figures: String,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The person at the window.
    You,
    /// The model.
    Model,
    /// The program, of the conversation.
    Note,
}

impl Speaker {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::You => "You",
            Self::Model => "Model",
            Self::Note => "Note",
        }
    }
}

impl Turn {
    fn new(speaker: Speaker, text: impl Into<String>) -> Self {
        Self { speaker, text: text.into(), figures: String::new() }
    }
}

impl Chat {
    /// Takes a message.
    pub fn update(&mut self, message: ChatMessage) -> Vec<Effect> {
        match message {
            ChatMessage::Began(talk, conversation) => self.begin(talk, conversation),
            ChatMessage::Say(text) => {
                let Some(conversation) = self.ready() else { return Vec::new() };
                conversation.say(&text);
                // Nothing is said where the model is only to go on.
                if !text.is_empty() {
                    self.turns.push(Turn::new(Speaker::You, text));
                }
                self.turns.push(Turn::new(Speaker::Model, ""));
                self.mood = Mood::Answering;
            }
            ChatMessage::Stop => {
                if let Some(conversation) = &mut self.conversation {
                    conversation.stop();
                }
            }
            ChatMessage::Forget => {
                let Some(conversation) = self.ready() else { return Vec::new() };
                conversation.forget();
                self.turns.clear();
            }
            ChatMessage::End => {
                // What was said stays to be read.
                (self.conversation, self.mood) = (None, Mood::Off);
            }
        }
        Vec::new()
    }

    fn begin(&mut self, talk: Talk, conversation: io::Result<Conversation>) {
        self.turns.clear();
        (self.talk, self.continues) = (Some(talk), false);
        (self.conversation, self.mood) = match conversation {
            Ok(conversation) => (Some(conversation), Mood::Loading),
            Err(error) => (None, Mood::Failed(format!("the program cannot be started: {error}"))),
        };
    }

    /// The conversation, where something may be said.
    fn ready(&mut self) -> Option<&mut Conversation> {
        self.conversation.as_mut().filter(|_| self.mood == Mood::Ready)
    }

    /// Takes what the model said since.
    pub fn poll(&mut self) {
        while let Some(heard) = self.conversation.as_mut().and_then(Conversation::poll) {
            match heard {
                Heard::Told(told) => self.take(told),
                Heard::Over(end) => {
                    self.conversation = None;
                    self.mood = match end.exit {
                        Exit::Code(0) => Mood::Off,
                        _ => Mood::Failed(end.reason().unwrap_or_else(|| end.to_string())),
                    };
                }
            }
        }
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Ready { continues, .. } => {
                (self.mood, self.continues) = (Mood::Ready, continues);
            }
            Told::Text { text } => {
                if let Some(turn) = self.answer() {
                    turn.text.push_str(&text);
                }
            }
            Told::Answer { text, tokens, tokens_per_s, end } => {
                let figures = figures(tokens.len(), tokens_per_s, &end);
                if let Some(turn) = self.answer() {
                    (turn.text, turn.figures) = (text, figures);
                }
                self.mood = Mood::Ready;
            }
            Told::Note { text } => {
                // It is of what comes, not of what was said.
                let before_answer = self.turns.len().saturating_sub(1);
                self.turns.insert(before_answer, Turn::new(Speaker::Note, text));
            }
        }
    }

    fn answer(&mut self) -> Option<&mut Turn> {
        self.turns.last_mut().filter(|turn| turn.speaker == Speaker::Model)
    }

    /// With whom; of the last one, where it is over.
    #[must_use]
    pub fn talk(&self) -> Option<&Talk> {
        self.talk.as_ref()
    }

    /// How it stands.
    #[must_use]
    pub fn mood(&self) -> &Mood {
        &self.mood
    }

    /// Whether the model goes on with what is said as with one text.
    #[must_use]
    pub fn continues(&self) -> bool {
        self.continues
    }

    /// What was said.
    #[must_use]
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }
}

/// How many tokens an answer has, how fast they came, and why it ended.
fn figures(tokens: usize, tokens_per_s: Option<f64>, end: &str) -> String {
    if end == "refused" {
        return "nothing was said".to_owned();
    }
    let speed = tokens_per_s.map(|speed| format!(", {speed:.1} tokens/s"));
    let end = match end {
        "length" => ", as long as it may be",
        "asked" => ", stopped",
        _ => "",
    };
    let unit = if tokens == 1 { "token" } else { "tokens" };
    format!("{tokens} {unit}{}{end}", speed.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(chat: &mut Chat, events: &[&str]) {
        for event in events {
            chat.take(serde_json::from_str(event).unwrap());
        }
    }

    #[test]
    fn an_answer_grows_and_ends_as_it_is_told() {
        let mut chat = Chat::default();
        assert!(chat.update(ChatMessage::Say("hi".into())).is_empty());
        assert!(chat.turns().is_empty());
        chat.turns = vec![Turn::new(Speaker::You, "hi"), Turn::new(Speaker::Model, "")];
        chat.mood = Mood::Answering;
        told(
            &mut chat,
            &[
                r#"{"event":"note","text":"it is long"}"#,
                r#"{"event":"text","text":"Good "}"#,
                r#"{"event":"text","text":"day"}"#,
            ],
        );
        let texts = |chat: &Chat| -> Vec<String> {
            chat.turns()
                .iter()
                .map(|turn| format!("{}: {}", turn.speaker.name(), turn.text))
                .collect()
        };
        assert_eq!(texts(&chat), ["You: hi", "Note: it is long", "Model: Good day"]);
        let answer = r#"{"event":"answer","text":"Good day","tokens":[1,2],"tokens_per_s":3.25,"end":"asked"}"#;
        told(&mut chat, &[answer]);
        assert_eq!(*chat.mood(), Mood::Ready);
        assert_eq!(chat.turns()[2].figures, "2 tokens, 3.2 tokens/s, stopped");
    }
}
