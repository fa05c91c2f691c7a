//! How what is said becomes the tokens that a model goes on with.

use trainyard_pretrained::Message;

use crate::error::RunError;
use crate::generation::TextForm;

/// What was said, in turn.
pub(super) enum Course {
    /// By the model's template of chats.
    Chat(Vec<Message>),
    /// As one text that the model goes on with.
    Text(String),
}

impl Course {
    /// Nothing yet; by the template where the model has one.
    pub(super) fn of(form: &TextForm) -> Self {
        if form.has_chat_template() { Self::Chat(Vec::new()) } else { Self::Text(String::new()) }
    }

    /// Whether the model goes on with a text.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Adds what somebody said to the model, and gives the tokens up to where its answer begins. In a text it begins a
    /// line; nothing lets the model go on.
    ///
    /// # Errors
    /// What the template refuses; characters that have no token, which are not added.
    pub(super) fn say(&mut self, said: &str, form: &TextForm) -> Result<Vec<u32>, RunError> {
        match self {
            Self::Chat(messages) => {
                messages.push(Message::new("user", said));
                form.chat(messages)
            }
            Self::Text(text) => {
                let is_line = text.is_empty() || said.is_empty() || text.ends_with('\n');
                let gap = if is_line || form.encode("\n").is_err() { "" } else { "\n" };
                let grown = [text.as_str(), gap, said].concat();
                let tokens = form.encode(&grown)?;
                *text = grown;
                Ok(tokens)
            }
        }
    }

    /// Adds what the model answered.
    pub(super) fn answer(&mut self, answer: String) {
        match self {
            Self::Chat(messages) => messages.push(Message::new("assistant", answer)),
            Self::Text(text) => text.push_str(&answer),
        }
    }

    /// Forgets all of it.
    pub(super) fn forget(&mut self) {
        match self {
            Self::Chat(messages) => messages.clear(),
            Self::Text(text) => text.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_grows_line_by_line_and_answers_go_on_with_it() {
        let form = TextForm::Vocabulary("aT \n".chars().map(String::from).collect());
        let mut course = Course::Text(String::new());
        let text = |course: &Course| match course {
            Course::Text(text) => text.clone(),
            Course::Chat(_) => panic!("it is a chat"),
        };
        assert_eq!(course.say("a", &form).unwrap(), [0]);
        course.answer(" a".to_owned());
        course.say("", &form).unwrap();
        course.answer("aa".to_owned());
        course.say("T", &form).unwrap();
        assert_eq!(text(&course), "a aaa\nT");
        // What it has no characters for is not said.
        assert!(course.say("b", &form).is_err());
        assert_eq!(text(&course), "a aaa\nT");
        course.forget();
        assert!(matches!(course, Course::Text(text) if text.is_empty()));
    }
}
