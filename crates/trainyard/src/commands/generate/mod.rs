//! `trainyard generate`: lets a trained language model write.

mod chat;
mod course;
mod ends;
mod heard;
mod prompts;
mod shown;
mod trained;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use trainyard_pretrained::Message;

use super::run_command::RunCommand;
use crate::app::App;
use crate::cli::{Sets, number, say, whole};
use crate::error::RunError;
use crate::generation::{Sampling, Text, TextForm, Writer};
use crate::run_dir::CheckpointChoice;
use chat::Chat;
use ends::Ends;
use heard::Heard;
use prompts::{Prompt, Prompts};
use shown::{Shown, Way};
use trained::{Source, Trained};

/// Tokens of a conversation that a pretrained model sees at once where nothing is said.
const CONVERSATION: usize = 2048;

/// Let a trained language model write
#[derive(Debug, Args)]
pub struct Generate {
    /// The run directory; or a pretrained model: a folder in Hugging Face layout, a .gguf file, or the name of
    /// one that Hugging Face's tools have downloaded
    #[arg(value_name = "RUN_DIR | MODEL")]
    model: PathBuf,
    #[command(flatten)]
    prompts: Prompts,
    /// How many tokens (of a model of characters: characters) to add
    #[arg(long, default_value_t = 300, value_parser = whole::<usize>)]
    tokens: usize,
    /// Tokens the model sees at once, for which memory is set aside [default: of a pretrained model what prompts and
    /// --tokens need, or 2048 with --chat; else as many as it was trained with]
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    context: Option<usize>,
    #[command(flatten)]
    chance: Chance,
    /// Talk with the model, by the template of the run's chats or else its own: each line of standard input is said to
    /// it, after those of --prompt. What the template ends answers with ends them
    #[arg(long)]
    chat: bool,
    /// Go on after a token that ends a text
    #[arg(long)]
    ignore_eos: bool,
    #[command(flatten)]
    printed: Printed,
    /// Which checkpoint of the run
    #[arg(long, value_name = "latest|best|STEP", default_value = "latest")]
    checkpoint: CheckpointChoice,
    #[command(flatten)]
    sets: Sets,
}

/// How texts are printed.
#[derive(Clone, Copy, Debug, Args)]
struct Printed {
    /// Print JSON for machines: of each text what was added, and its tokens; of a chat a line an answer
    #[arg(long)]
    json: bool,
    /// With --chat and --json: speak with a program, an event a line as it happens. `{"event":"ready","context":N}`
    /// when the model can be talked to, with `"continues":true` where it has no template of chats and what is said and
    /// answered is one text that it goes on with (also after `{"say":""}`); of an answer its pieces,
    /// `{"event":"text","text":…}`, and then `{"event":"answer","text":…,"tokens":[…],"tokens_per_s":…,"end":…}`, whose
    /// end is "end", "stop", "length", "asked", or "refused" where a note says why nothing was said;
    /// `{"event":"note","text":…}`. Lines of standard input are `{"say":…}`; `{"stop":true}`, which ends the answer in
    /// hand; and `{"forget":true}`, which begins a new conversation
    #[arg(long, requires_all = ["chat", "json"])]
    stream: bool,
}

impl Printed {
    fn way(self) -> Way {
        match (self.stream, self.json) {
            (true, _) => Way::Events,
            (false, true) => Way::Json,
            (false, false) => Way::Text,
        }
    }
}

/// How tokens are chosen.
#[derive(Clone, Debug, Args)]
struct Chance {
    /// 0 always takes the likeliest token, 1 samples as the model says, more is wilder
    #[arg(long, default_value_t = 0.8, allow_negative_numbers = true, value_parser = number)]
    temperature: f64,
    /// Take one of the N likeliest tokens; 0 of all
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole::<usize>)]
    top_k: usize,
    /// Take one of the likeliest tokens that together reach this probability
    #[arg(long, value_name = "P", default_value_t = 1.0, allow_negative_numbers = true, value_parser = number)]
    top_p: f64,
    /// Take only tokens that are at least this many times as likely as the likeliest
    #[arg(long, value_name = "P", default_value_t = 0.0, allow_negative_numbers = true, value_parser = number)]
    min_p: f64,
    /// Make tokens that the text has already less likely: 1 changes nothing, 1.1 a little
    #[arg(long, value_name = "N", default_value_t = 1.0, allow_negative_numbers = true, value_parser = number)]
    repetition_penalty: f64,
    /// The same seed gives the same text
    #[arg(long, default_value_t = 1, value_parser = whole::<u64>)]
    seed: u64,
}

impl Chance {
    fn sampling(&self) -> Result<Sampling, RunError> {
        let Self { temperature, top_k, top_p, min_p, repetition_penalty, .. } = *self;
        let sampling = Sampling { temperature, top_k, top_p, min_p, repetition_penalty };
        sampling.check()?;
        Ok(sampling)
    }
}

impl RunCommand for Generate {
    /// Loads the newest checkpoint onto the run's devices and writes to standard output.
    ///
    /// # Errors
    /// When the directory holds no run or checkpoint, the prompt has unknown characters, it does not fit, or a
    /// device fails.
    fn run(&self, app: &App) -> Result<ExitCode, RunError> {
        let sampling = self.chance.sampling()?;
        let source = Source::open(app, &self.model, self.checkpoint, &self.sets)?;
        let given = self.prompts.read(&source.form, source.data())?;
        let prompts = if self.chat { Vec::new() } else { prompts(&given, &source.form)? };
        let longest = prompts.iter().map(|prompt| prompt.tokens.len()).max();
        let needs = longest.map_or(CONVERSATION, |longest| longest.saturating_add(self.tokens));
        let mut trained = source.set_up(app, self.context, needs)?;
        let context = trained.context;
        let ends = self.ends(&trained)?;
        if self.chat {
            // What cannot chat is refused before anything is opened; a program is told that a text goes on instead.
            if !self.printed.stream || trained.form.has_chat_template() {
                trained.form.chat(&[Message::new("user", "")])?;
            }
            let mut pipeline = trained.start(1)?;
            let writer = Writer { context, sampling, at_once: 1 };
            let form = &trained.form;
            let text = Text::new(Vec::new(), 0, self.chance.seed, 0);
            let way = self.printed.way();
            let chat = Chat { form, writer, way, ends: &ends, tokens: self.tokens };
            let mut heard = if self.printed.stream { Heard::events()? } else { Heard::lines() };
            chat.run(&mut pipeline, text, given, &mut heard)?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(longest) = longest.filter(|longest| *longest > context) {
            say(format_args!(
                "note: {longest} tokens are given, and the model sees {context} at once: it has forgotten how \
                 that begins"
            ));
        }
        let at_once = trained.at_once(prompts.len());
        let mut pipeline = trained.start(at_once)?;
        let writer = Writer { context, sampling, at_once };
        let text = |(number, prompt): (usize, &Prompt)| {
            Text::new(prompt.tokens.clone(), self.tokens, self.chance.seed, number)
        };
        let mut texts: Vec<Text> = prompts.iter().enumerate().map(text).collect();
        let out = &mut std::io::stdout();
        let mut shown = Shown::new(out, self.printed.way(), &trained.form, &ends);
        for prompt in &prompts {
            shown.add(prompt);
        }
        shown.begin()?;
        writer.write(&mut pipeline.sequences(), &mut texts, &mut shown)?;
        shown.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What texts begin with: of none that is given, with what the model begins of itself.
fn prompts(given: &[String], form: &TextForm) -> Result<Vec<Prompt>, RunError> {
    let own = [form.beginning()];
    let given = if given.is_empty() { &own } else { given };
    given.iter().map(|text| Ok(Prompt::new(text.clone(), form)?)).collect()
}

impl Generate {
    /// Where texts end.
    fn ends(&self, trained: &Trained) -> Result<Ends, RunError> {
        let form = &trained.form;
        let tokens = match (self.ignore_eos, self.chat) {
            (true, _) => Vec::new(),
            (false, true) => form.ends_of_answers(),
            (false, false) => form.ends().to_vec(),
        };
        Ends::new(tokens, &self.prompts.stop, form, &trained.data)
    }
}
