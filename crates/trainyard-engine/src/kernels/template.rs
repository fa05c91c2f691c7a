//! Shaders with loops and conditions that are gone before they are compiled.
//!
//! A kernel keeps what it computes with in registers, and compilers do not put arrays there reliably: so
//! tiles are unrolled here. Lines between `#for i in 0..N` and `#end` are repeated, those between `#if A`
//! and `#else` or `#end` are there or not, and `{{…}}` is a constant by name or a whole number computed
//! from constants with `+ - * / %` and brackets.

use std::collections::BTreeMap;

/// The constants of a shader.
pub(super) type Constants = BTreeMap<&'static str, Constant>;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Constant {
    Number(u32),
    Word(&'static str),
}

impl From<u32> for Constant {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Constant {
    fn from(holds: bool) -> Self {
        Self::Number(holds.into())
    }
}

impl From<&'static str> for Constant {
    fn from(word: &'static str) -> Self {
        Self::Word(word)
    }
}

/// The shader without directives. What is not understood stays as it is, and a compiler refuses it.
pub(super) fn expand(text: &str, constants: &Constants) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut values: BTreeMap<&str, Constant> =
        constants.iter().map(|(name, value)| (*name, *value)).collect();
    let mut expander = Expander { lines: &lines, output: String::new() };
    expander.block(0, &mut values, true);
    expander.output
}

struct Expander<'a> {
    lines: &'a [&'a str],
    output: String,
}

impl<'a> Expander<'a> {
    /// Expands from a line on to the `#else` or `#end` of its block, which it gives.
    fn block(
        &mut self,
        mut at: usize,
        values: &mut BTreeMap<&'a str, Constant>,
        is_there: bool,
    ) -> usize {
        while let Some(&line) = self.lines.get(at) {
            let directive = line.trim();
            if let Some((name, end)) =
                directive.strip_prefix("#for ").and_then(|rest| rest.split_once(" in 0.."))
            {
                let last = self.block(at + 1, values, false);
                let rounds = if is_there { number(end, values).unwrap_or(0) } else { 0 };
                for round in 0..rounds {
                    values.insert(name, Constant::Number(round));
                    self.block(at + 1, values, true);
                }
                at = last + 1;
            } else if let Some(condition) = directive.strip_prefix("#if ") {
                let holds = number(condition, values).is_some_and(|value| value != 0);
                let mut last = self.block(at + 1, values, is_there && holds);
                if self.lines.get(last).is_some_and(|line| line.trim() == "#else") {
                    last = self.block(last + 1, values, is_there && !holds);
                }
                at = last + 1;
            } else if directive == "#else" || directive == "#end" {
                return at;
            } else {
                if is_there {
                    self.line(line, values);
                }
                at += 1;
            }
        }
        at
    }

    fn line(&mut self, line: &str, values: &BTreeMap<&str, Constant>) {
        let mut rest = line;
        while let Some((before, (inside, after))) =
            rest.split_once("{{").and_then(|(before, from)| Some((before, from.split_once("}}")?)))
        {
            self.output.push_str(before);
            match values.get(inside.trim()) {
                Some(Constant::Word(word)) => self.output.push_str(word),
                _ => match number(inside, values) {
                    Some(number) => self.output.push_str(&number.to_string()),
                    None => self.output.push_str(inside),
                },
            }
            rest = after;
        }
        self.output.push_str(rest);
        self.output.push('\n');
    }
}

/// The value of an expression; a name that is not known is 0 to a condition.
fn number(expression: &str, values: &BTreeMap<&str, Constant>) -> Option<u32> {
    let mut rest = expression;
    let value = sum(&mut rest, values)?;
    rest.trim().is_empty().then_some(value)
}

fn sum(rest: &mut &str, values: &BTreeMap<&str, Constant>) -> Option<u32> {
    let mut value = term(rest, values)?;
    while let Some(operator) = operator(rest, &['+', '-']) {
        let other = term(rest, values)?;
        value = if operator == '+' { value.checked_add(other) } else { value.checked_sub(other) }?;
    }
    Some(value)
}

fn term(rest: &mut &str, values: &BTreeMap<&str, Constant>) -> Option<u32> {
    let mut value = factor(rest, values)?;
    while let Some(operator) = operator(rest, &['*', '/', '%']) {
        let other = factor(rest, values)?;
        value = match operator {
            '*' => value.checked_mul(other),
            '/' => value.checked_div(other),
            _ => value.checked_rem(other),
        }?;
    }
    Some(value)
}

fn factor(rest: &mut &str, values: &BTreeMap<&str, Constant>) -> Option<u32> {
    if operator(rest, &['(']).is_some() {
        let value = sum(rest, values)?;
        return operator(rest, &[')']).map(|_| value);
    }
    let text = rest.trim_start();
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    *rest = after;
    match values.get(word) {
        Some(Constant::Number(number)) => Some(*number),
        Some(Constant::Word(_)) => None,
        None => word.parse().ok(),
    }
}

/// Takes one of some signs off the beginning.
fn operator(rest: &mut &str, signs: &[char]) -> Option<char> {
    let text = rest.trim_start();
    let sign = text.chars().next().filter(|sign| signs.contains(sign))?;
    *rest = &text[sign.len_utf8()..];
    Some(sign)
}

#[cfg(test)]
mod tests {
    use super::{Constant, Constants, expand};

    fn expanded(text: &str) -> String {
        let constants: [(&str, Constant); 4] = [
            ("N", 2.into()),
            ("WIDE", true.into()),
            ("OTHER", false.into()),
            ("ELEMENT", "vec4<f32>".into()),
        ];
        expand(text, &constants.into_iter().collect::<Constants>())
    }

    #[test]
    fn constants_are_put_in_and_computed() {
        assert_eq!(expanded("a: {{ELEMENT}}, {{N}}u"), "a: vec4<f32>, 2u\n");
        assert_eq!(expanded("{{(N + 5) % 4 * 3}} {{N / 2 - 1}} {{7 / N}}"), "9 0 3\n");
        // A compiler refuses these.
        assert_eq!(expanded("{{M}} {{1 / 0}} {{ELEMENT + 1}}"), "M 1 / 0 ELEMENT + 1\n");
    }

    #[test]
    fn loops_are_unrolled_and_conditions_decided() {
        let nested = "#for i in 0..N\n#for k in 0..N + 1\na{{i}}_{{k}}\n#end\nb\n#end";
        assert_eq!(expanded(nested), "a0_0\na0_1\na0_2\nb\na1_0\na1_1\na1_2\nb\n");
        assert_eq!(expanded("#if WIDE\na\n#else\nb\n#end\nc"), "a\nc\n");
        assert_eq!(expanded("  #if OTHER\na\n#else\n#if WIDE\nb\n#end\n#end\nc"), "b\nc\n");
        assert_eq!(expanded("#if UNKNOWN\n#for i in 0..N\na\n#end\n#end\nc"), "c\n");
        assert_eq!(expanded("#for i in 0..0\na\n#end\nc"), "c\n");
    }
}
