//! Sentences for people.

/// A text with a capital at its start and a full stop at its end. What names something, as in
/// `igpu: out of memory`, stays as it is written.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.trim();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !text.split(' ').next().is_some_and(|word| word.ends_with(':')) => {
            format!("{}{}{end}", first.to_uppercase(), letters.as_str())
        }
        _ => format!("{text}{end}"),
    }
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn a_sentence_has_a_capital_and_a_full_stop() {
        assert_eq!(sentence("it breaks off: so far"), "It breaks off: so far.");
        assert_eq!(sentence("igpu: out of memory"), "igpu: out of memory.");
        assert_eq!(sentence(" Why? "), "Why?");
    }
}
