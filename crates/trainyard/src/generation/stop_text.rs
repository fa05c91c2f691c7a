//! Ends what a model writes before a text that its reader does not want to see.

/// Holds back what may become a text to stop at.
pub(crate) struct StopText {
    stops: Vec<String>,
    /// Written by the model, and not yet handed out: the beginning of a text to stop at.
    held: String,
}

/// What may be shown of what the model has written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// This, and it may go on.
    More(String),
    /// This is the last: a text to stop at follows.
    Last(String),
}

impl StopText {
    /// Stops before the first of some texts, none of them empty.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        Self { stops, held: String::new() }
    }

    /// Takes what the model has written next.
    pub(crate) fn push(&mut self, text: &str) -> Shown {
        self.held.push_str(text);
        let found = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        if let Some(end) = found {
            self.held.truncate(end);
            return Shown::Last(std::mem::take(&mut self.held));
        }
        let begins =
            |place: &usize| self.stops.iter().any(|stop| stop.starts_with(&self.held[*place..]));
        let mut places = self.held.char_indices().map(|(place, _)| place);
        let end = places.find(begins).unwrap_or(self.held.len());
        let held = self.held.split_off(end);
        Shown::More(std::mem::replace(&mut self.held, held))
    }

    /// What was held back, when the model writes no more.
    pub(crate) fn rest(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All that is shown of a text that comes in pieces, and whether it was stopped.
    fn shown(text: &str, piece: usize, stops: &[String]) -> (String, bool) {
        let (mut stop, mut shown) = (StopText::new(stops.to_vec()), String::new());
        let characters: Vec<char> = text.chars().collect();
        for piece in characters.chunks(piece) {
            match stop.push(&piece.iter().collect::<String>()) {
                Shown::More(more) => shown += &more,
                Shown::Last(last) => return (shown + &last, true),
            }
        }
        (shown + &stop.rest(), false)
    }

    #[test]
    fn nothing_is_held_back_that_cannot_become_a_stop() {
        let mut stop = StopText::new(vec!["\n\n".to_owned(), "END".to_owned()]);
        assert_eq!(stop.push("a"), Shown::More("a".to_owned()));
        assert_eq!(stop.push("b\n"), Shown::More("b".to_owned()));
        assert_eq!(stop.push("E"), Shown::More("\n".to_owned()));
        assert_eq!(stop.push("NE"), Shown::More("EN".to_owned()));
        assert_eq!(stop.push("ND, more"), Shown::Last(String::new()));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_the_text_before_the_first_stop(
            text in "[abé]{0,30}", piece in 1..5_usize,
            stops in prop::collection::vec("[abé]{1,4}", 0..3)
        ) {
            // Of several that end in one piece the one that begins first counts: a piece at a time.
            let (shown, stopped) = shown(&text, piece, &stops);
            let ends = (0..=text.chars().count()).find_map(|length| {
                let part: String = text.chars().take(length).collect();
                stops.iter().filter_map(|stop| part.find(stop.as_str())).min()
            });
            prop_assert_eq!(stopped, ends.is_some());
            if piece == 1 || !stopped {
                prop_assert_eq!(&shown, &text[..ends.unwrap_or(text.len())]);
            }
            prop_assert!(!stops.iter().any(|stop| shown.contains(stop.as_str())));
            prop_assert!(text.starts_with(&shown));
        }
    }
}
