//! Chats that teach nothing, and why.

use super::messages::Conversation;
use super::read::Chat;

/// Places that a note names; of more it says how many.
const NAMED: usize = 3;

/// What a chat lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// A message of the assistant.
    Answer,
    /// Words of an answer.
    Words,
    /// A context in which an answer begins; the whole chat needs this one, tokens.
    Context(u64),
}

impl Lack {
    /// What a chat lacks by itself.
    pub(super) fn of(said: &Conversation) -> Option<Self> {
        let mut answers = said.answers().peekable();
        if answers.peek().is_none() {
            return Some(Self::Answer);
        }
        answers.any(|it| it.content.trim().is_empty()).then_some(Self::Words)
    }
}

/// The chats that were left out.
#[derive(Default)]
pub(super) struct LeftOut {
    without_answer: Places,
    without_words: Places,
    beyond_context: Places,
    /// The context that the shortest of the latter needs.
    shortest: Option<u64>,
}

/// How many there are, and where the first of them stand.
#[derive(Default)]
struct Places {
    count: u64,
    first: Vec<String>,
}

impl Places {
    fn add(&mut self, chat: &Chat<'_>) {
        self.count += 1;
        if self.first.len() < NAMED {
            let file = chat.path.file_name().unwrap_or_default().display();
            self.first.push(format!("{} {} of {file}", chat.unit, chat.number));
        }
    }

    fn named(&self) -> String {
        let others = self.count.saturating_sub(self.first.len() as u64);
        let others = if others > 0 { format!(" and {others} others") } else { String::new() };
        self.first.join(", ") + &others
    }
}

impl LeftOut {
    /// Leaves a chat out.
    pub(super) fn add(&mut self, lack: Lack, chat: &Chat<'_>) {
        let places = match lack {
            Lack::Answer => &mut self.without_answer,
            Lack::Words => &mut self.without_words,
            Lack::Context(needed) => {
                self.shortest = Some(self.shortest.map_or(needed, |least| least.min(needed)));
                &mut self.beyond_context
            }
        };
        places.add(chat);
    }

    /// How many chats were left out.
    pub(super) fn count(&self) -> u64 {
        let all = [&self.without_answer, &self.without_words, &self.beyond_context];
        all.iter().map(|places| places.count).sum()
    }

    /// Each kind of lack in words, behind "has".
    fn all(&self, context: usize) -> [(&Places, String); 3] {
        [
            (&self.without_answer, "no answer".to_owned()),
            (&self.without_words, "an empty answer".to_owned()),
            (&self.beyond_context, format!("no answer within {context} tokens")),
        ]
    }

    /// A sentence for each kind of lack.
    pub(super) fn notes(&self, chats: u64, context: usize) -> Vec<String> {
        let all = self.all(context).into_iter().filter(|(places, _)| places.count > 0);
        all.map(|(places, lack)| {
            let count = places.count;
            let [has, was] = if count == 1 { ["has", "was"] } else { ["have", "were"] };
            format!("{count} of {chats} chats {has} {lack} and {was} left out: {}", places.named())
        })
        .collect()
    }

    /// Why nothing is left of some chats, and the way out.
    pub(super) fn refusal(&self, chats: u64, context: usize) -> String {
        if chats == 0 {
            return "it is empty; write a chat a line".to_owned();
        }
        let chats = if chats == 1 {
            "its only chat has no".to_owned()
        } else {
            format!("none of the {chats} chats has an")
        };
        match self.shortest {
            Some(shortest) => format!(
                "{chats} answer within {context} tokens; use a larger context (the shortest needs {shortest})"
            ),
            None => format!(
                "{chats} answer with words; write what the assistant is to say, or say data.train_on = \"all\""
            ),
        }
    }
}
