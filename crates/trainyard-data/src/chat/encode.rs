//! A chat as tokens, and which of them are to be learned.

use std::ops::Range;

use trainyard_config::{list, nearest};
use trainyard_pretrained::{Message, PretrainedError, Tokenizer};

use super::messages::Conversation;
use super::options::TrainOn;
use crate::tokens::Counted;

/// The day that templates write down who name one: the same whenever a training is made, so that going on
/// with it needs no luck. 2025's first.
const TODAY: u64 = 1_735_689_600;

/// The role whose messages are answers.
pub(super) const ASSISTANT: &str = "assistant";

/// The roles that templates know; a few know others, which they name.
pub(super) const ROLES: &[&str] = &["system", "user", ASSISTANT, "tool"];

/// What an answer is where only its place is asked for: nothing that a template would strip.
const SOMETHING: &str = "\u{e000}";

/// The tokens of a chat as the template of its model writes it.
///
/// # Errors
/// In words, where the template refuses the chat, or what are answers cannot be told.
pub(super) fn encode(
    tokenizer: &Tokenizer,
    said: &Conversation,
    train_on: TrainOn,
) -> Result<Vec<Counted>, String> {
    let Conversation { messages, not_learned } = said;
    let write = |messages: &[Message], up_to_answer| {
        let written = tokenizer.chat_at(messages, up_to_answer, TODAY);
        written.map_err(|error: PretrainedError| error.to_string())
    };
    let whole = write(messages, false)?;
    let tokens = tokenizer.encode_with_places(&whole);
    let all = train_on == TrainOn::All;
    let mut answers = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let learned = !not_learned.contains(&index);
        // Where all is learned only what is not needs to be found.
        if message.role != ASSISTANT || (all && learned) {
            continue;
        }
        let before = match index {
            // Without a message templates may write what they do not write here, or nothing.
            0 => {
                let with_something = write(&[Message::new(ASSISTANT, SOMETHING)], false)?;
                with_something.split(SOMETHING).next().unwrap_or_default().to_owned()
            }
            _ => write(&messages[..index], true)?,
        };
        let with = write(&messages[..=index], false)?;
        let place = answer(&whole, &before, &with, &message.content);
        let place = place.ok_or_else(|| {
            format!(
                "the chat template writes answer {} differently inside of a chat, so that it cannot be found; train \
                 on all by data.train_on = \"all\"",
                index + 1
            )
        })?;
        answers.push((place, learned));
    }
    let mut counted = Vec::with_capacity(tokens.len());
    let mut ended = None;
    for (token, place) in tokens {
        // A token may begin with the space before an answer.
        let is_in = |answer: &Range<usize>| {
            !place.is_empty() && place.start < answer.end && answer.start < place.end
        };
        let inside = answers.iter().find(|(answer, _)| is_in(answer)).map(|(_, learned)| *learned);
        // The token that ends an answer belongs to it, wherever the template stops.
        let ends = ended.take().filter(|_| tokenizer.eos().contains(&token));
        ended = inside;
        counted.push((token, inside.or(ends).unwrap_or(all)));
    }
    Ok(counted)
}

/// Refuses a message of a role that is not known.
///
/// # Errors
/// In words, with the number of the message.
pub(super) fn check_roles(messages: &[Message], tokenizer: &Tokenizer) -> Result<(), String> {
    messages.iter().zip(1..).try_for_each(|(message, number)| {
        check_role(&message.role, tokenizer).map_err(|reason| format!("message {number}: {reason}"))
    })
}

/// Refuses a role that is none of the usual and that the template does not name, which many templates would write
/// down all the same.
fn check_role(role: &str, tokenizer: &Tokenizer) -> Result<(), String> {
    let template = tokenizer.chat_template().unwrap_or_default();
    let is_named = |quote: char| template.contains(&format!("{quote}{role}{quote}"));
    if ROLES.contains(&role) || is_named('\'') || is_named('"') {
        return Ok(());
    }
    let way_out = match nearest(role, ROLES.iter().copied()) {
        Some(meant) => format!("did you mean '{meant}'?"),
        None => format!("there are {}", list(ROLES.iter().copied())),
    };
    Err(format!("there is no role '{role}'; {way_out}"))
}

/// Where an answer stands in a chat: behind what the model is given to answer to, up to where the chat with
/// it ends, without the space that follows. A template that writes answers otherwise once the chat goes on has
/// at least what was said.
fn answer(whole: &str, before: &str, with: &str, content: &str) -> Option<Range<usize>> {
    let rest = whole.strip_prefix(before)?;
    let start = before.len();
    if let Some(answer) = with.strip_prefix(before).map(str::trim_end)
        && rest.starts_with(answer)
    {
        return Some(start..start + answer.len());
    }
    let content = content.trim();
    let at = rest.find(content)?;
    Some(start + at..start + at + content.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_its_last_mark() {
        let of = |whole, before, with| answer(whole, before, with, " yes");
        assert_eq!(
            of("<u>hi<e>\n<a> yes<e>\n", "<u>hi<e>\n<a>", "<u>hi<e>\n<a> yes<e>\n"),
            Some(12..19)
        );
        // The same inside of a chat, where the template leaves out what was thought.
        let whole = "<u>hi<e>\n<a>yes<e>\n<u>so<e>\n";
        assert_eq!(
            of(whole, "<u>hi<e>\n<a>", "<u>hi<e>\n<a><think></think>yes<e>\n"),
            Some(12..15)
        );
        assert_eq!(of("<u>no<e>", "<u>hi<e>", "<u>hi<e><a>yes"), None);
    }
}
