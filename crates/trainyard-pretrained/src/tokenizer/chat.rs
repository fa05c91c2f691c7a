//! Templates of chats, which are Jinja as `transformers` has it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::{Deserialize, Serialize};
use serde_json::Map;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::dates::strftime;
use crate::error::PretrainedError;

/// The name of the template in messages.
const NAME: &str = "chat";

/// What a template may cost: so many steps, or 64 bytes of text for each.
const FUEL: u64 = 1 << 24;
/// The widest indent of JSON, spaces.
const WIDEST_INDENT: usize = 100;
/// A width in what is formatted has no more digits.
const LONGEST_WIDTH: usize = 4;

/// What one of those who chat says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who: `system`, `user`, `assistant`, or what else the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
    /// What else templates look at, such as `name`.
    #[serde(flatten)]
    pub more: Map<String, serde_json::Value>,
}

impl Message {
    /// A message.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into(), more: Map::new() }
    }
}

/// A template of chats.
pub(super) struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    /// The file that has it.
    file: PathBuf,
}

impl ChatTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// [`PretrainedError::BadFile`] for one that is wrong.
    pub(super) fn new(source: &str, file: &Path) -> Result<Self, PretrainedError> {
        Self::compile(source)
            .map(|environment| Self {
                environment,
                source: source.to_owned(),
                file: file.to_owned(),
            })
            .map_err(|error| unusable(file, &error))
    }

    fn compile(source: &str) -> Result<Environment<'static>, Error> {
        let mut environment = Environment::new();
        // As `transformers` sets Jinja.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
        environment.set_syntax(syntax);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(method);
        environment.add_function("raise_exception", |reason: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, reason))
        });
        environment.add_filter("tojson", to_json);
        environment.add_template_owned(NAME, without_marks_of_answers(source))?;
        Ok(environment)
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The text of a chat. `names` are those of special tokens, such as `bos_token`.
    ///
    /// # Errors
    /// [`PretrainedError::BadFile`] with the reason that the template gives.
    pub(super) fn render(
        &self,
        names: &BTreeMap<String, String>,
        messages: &[Message],
        add_generation_prompt: bool,
        seconds: u64,
    ) -> Result<String, PretrainedError> {
        let strftime = Value::from_function(move |format: String| strftime(seconds, &format));
        let given = [
            ("messages", Value::from(Serde(messages))),
            ("add_generation_prompt", Value::from(add_generation_prompt)),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
            ("strftime_now", strftime),
        ];
        let names = names.iter().map(|(name, text)| (name.as_str(), Value::from(text.as_str())));
        let context: Value = Value::from_pairs(names.chain(given));
        let text = self.environment.get_template(NAME).and_then(|it| it.render(context));
        text.map_err(|error| unusable(&self.file, &error))
    }
}

fn unusable(file: &Path, error: &Error) -> PretrainedError {
    // What a template raises is said in its own words.
    let line = error.line().map_or_else(String::new, |line| format!(" (line {line})"));
    let reason = match error.detail() {
        _ if error.kind() == ErrorKind::OutOfFuel => {
            "it takes more steps or more text than a template may".to_owned()
        }
        Some(detail) => detail.to_owned(),
        None => error.to_string(),
    };
    PretrainedError::bad_file(
        file,
        format!(
            "its chat template refuses: {reason}{line}; change the chat, or give another template"
        ),
    )
}

/// A template without `{% generation %}`, by which `transformers` marks answers in a few of them.
fn without_marks_of_answers(source: &str) -> String {
    let (mut text, mut rest) = (String::new(), source);
    while let Some((before, tag, after)) = next_tag(rest) {
        text.push_str(before);
        let word = tag.trim_matches(['-', '+']).trim();
        match word {
            "generation" => text.extend(["{%", &tag.replace(word, "if true"), "%}"]),
            "endgeneration" => text.extend(["{%", &tag.replace(word, "endif"), "%}"]),
            _ => text.extend(["{%", tag, "%}"]),
        }
        rest = after;
    }
    text + rest
}

/// What stands before the next `{% … %}`, inside of it and after it.
fn next_tag(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{%")?;
    let (tag, after) = rest.split_once("%}")?;
    Some((before, tag, after))
}

/// Methods of Python's values. What `format` makes is counted only when it is there, so widths are bounded.
fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let text = value.as_str().filter(|_| name == "format").unwrap_or_default();
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit());
    if let Some(number) = numbers.find(|number| number.len() > LONGEST_WIDTH) {
        let reason =
            format!("format('{number}') is too wide; a width has at most {LONGEST_WIDTH} digits");
        return Err(Error::new(ErrorKind::InvalidOperation, reason));
    }
    unknown_method_callback(state, value, name, arguments)
}

/// JSON as Python writes it, and as `transformers` does: nothing in it is escaped for web pages.
#[expect(clippy::needless_pass_by_value, reason = "filters are given them so")]
fn to_json(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<String, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get::<Option<usize>>("indent")?,
    };
    let _escaped: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let written = match indent {
        Some(indent) if indent > WIDEST_INDENT => {
            let reason = format!("tojson(indent={indent}) is too wide; at most {WIDEST_INDENT} is");
            return Err(Error::new(ErrorKind::InvalidOperation, reason));
        }
        Some(indent) => {
            let indent = " ".repeat(indent);
            written(value, PrettyFormatter::with_indent(indent.as_bytes()))
        }
        None => written(value, Spaced),
    };
    written.map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

fn written(value: &Value, formatter: impl Formatter) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A space after each comma and colon.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: std::io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: std::io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: std::io::Write + ?Sized>(
        &mut self,
        out: &mut W,
    ) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str, messages: &[Message]) -> Result<String, String> {
        let names = BTreeMap::from([("bos_token".to_owned(), "<s>".to_owned())]);
        let template = ChatTemplate::new(template, "chat.jinja".as_ref());
        let text = template.and_then(|it| it.render(&names, messages, true, 1_735_689_600));
        text.map_err(|error| error.to_string())
    }

    #[test]
    fn blocks_take_their_line_ends_with_them() {
        let template = "{{ bos_token }}{% for message in messages %}\n    {% if loop.first %}\n\
                        [{{ message['content'].strip() }}]\n    {% endif %}\n{% endfor %}\n\
                        {% if add_generation_prompt %}\n>>{% endif %}\n";
        let text = render(template, &[Message::new("user", " hi "), Message::new("user", "no")]);
        assert_eq!(text.unwrap(), "<s>[hi]\n>>");
    }

    #[test]
    fn python_is_understood_as_far_as_templates_use_it() {
        let one = [Message::new("user", "<a> & 'b' é")];
        for (template, expected) in [
            ("{{ messages[0] | tojson }}", r#"{"role": "user", "content": "<a> & 'b' é"}"#),
            ("{{ [1, true, none] | tojson }}", "[1, true, null]"),
            ("{{ [1] | tojson(indent=2) }}", "[\n  1\n]"),
            ("{{ strftime_now('%d %b %Y') }}", "01 Jan 2025"),
            ("{{ messages[-1]['role'].upper() + '!' }}", "USER!"),
            ("{{ 'a b'.split(' ')[-1] }}", "b"),
            (
                "{{ true }} {{ none }} {{ tools is none }} {{ nothing is defined }}",
                "True None True False",
            ),
            (
                "{% set ns = namespace(n=1) %}{% for m in messages %}{% set ns.n = 2 %}{% endfor %}{{ ns.n }}",
                "2",
            ),
            (
                "{% for m in [1, 2, 3] %}{% if m == 2 %}{% break %}{% endif %}{{ m }}{% endfor %}",
                "1",
            ),
            (
                "{% for n in [1, 2, 3][::-1] %}{{ n }}{% endfor %}{{ [1, 2, 3][1:] | length }}",
                "3212",
            ),
            ("{{ 'a</think>\n\nb'.split('</think>')[-1].lstrip('\\n') }}", "b"),
            ("{{ messages[0].get('tool_calls') }} {{ messages[0].role is string }}", "None True"),
            ("{{ (messages[0].role == 'x') and 'model' or 'user' }}", "user"),
            (
                "{% if not('ab'.startswith('a') and 'ab'.endswith('b')) %}no{% else %}yes{% endif %}",
                "yes",
            ),
            ("{{ messages | selectattr('role', 'equalto', 'user') | list | length }}", "1"),
            ("{% macro f(x) %}<{{ x | trim }}>{% endmacro %}{{ f(' a ') ~ 1 }}", "<a>1"),
            ("{%- set x = 'a' if messages | length > 1 else 'b' -%} {{ x }}", "b"),
            ("a {%- generation -%} b {%- endgeneration %} c", "ab c"),
        ] {
            assert_eq!(render(template, &one).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn what_a_template_refuses_is_said_in_its_words() {
        let error = render("{{ raise_exception('roles must alternate') }}", &[]).unwrap_err();
        assert!(
            error.contains("chat.jinja: its chat template refuses: roles must alternate"),
            "{error}"
        );
        let error = render("{% if %}", &[]).unwrap_err();
        assert!(error.contains("line 1"), "{error}");
    }

    #[test]
    fn a_template_that_asks_for_too_much_is_refused_before_there_is_room_for_it() {
        let too_much = "it takes more steps or more text than a template may";
        for (template, words) in [
            ("{{ [1] | tojson(indent=10**15) }}", "tojson(indent=1000000000000000) is too wide"),
            ("{{ [1] | tojson(101) }}", "at most 100 is"),
            ("{{ 'a' | indent(10**15, true) }}", too_much),
            ("{{ '%1000000000000000d' | format(1) }}", too_much),
            ("{{ '{:>1000000000000000}'.format('a') }}", "is too wide"),
            (
                "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
                too_much,
            ),
        ] {
            let error = render(template, &[]).unwrap_err();
            assert!(error.contains(words) && error.contains("chat.jinja"), "{template}: {error}");
        }
        assert_eq!(render("{{ '{:>4} {}'.format('a', 2024) }}", &[]).unwrap(), "   a 2024");
    }
}
