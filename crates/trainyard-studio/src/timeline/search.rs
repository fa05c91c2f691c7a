//! Finding actions by words: `1F3`, `stage 2`, `SEND`, `mb 4`, `step 10 dgpu`.

use trainyard_plan::{ActionKind, TraceEvent};

use super::Scene;
use super::scene::KINDS;

/// What an action must be. All words must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    Stage(usize),
    MicroBatch(usize),
    Step(u64),
    Kinds(Vec<ActionKind>),
    /// Part of a device's id, in small letters.
    Device(String),
}

impl Query {
    /// Reads a query. Nothing but blanks asks for nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lower = text.to_lowercase();
        let mut words = lower.split_whitespace().peekable();
        let mut terms = Vec::new();
        while let Some(word) = words.next() {
            let number = words.peek().and_then(|next| next.parse::<u64>().ok());
            let counted = number.and_then(|number| match word {
                "stage" => Some(Term::Stage(number as usize)),
                "mb" | "micro-batch" | "microbatch" => Some(Term::MicroBatch(number as usize)),
                "step" => Some(Term::Step(number)),
                _ => None,
            });
            match counted {
                Some(term) => {
                    words.next();
                    terms.push(term);
                }
                None => terms.extend(word_terms(word)),
            }
        }
        Self { terms }
    }

    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether an event of a scene is what is asked for.
    #[must_use]
    pub fn matches(&self, scene: &Scene, event: &TraceEvent) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Stage(stage) => event.action.stage == *stage,
            Term::MicroBatch(index) => event.action.micro_batch == *index,
            Term::Step(step) => event.step == *step,
            Term::Kinds(kinds) => kinds.contains(&event.action.kind),
            Term::Device(part) => scene
                .devices()
                .get(event.device)
                .is_some_and(|device| device.info.id.to_lowercase().contains(part)),
        })
    }

    /// The events of a scene that match, by time.
    #[must_use]
    pub fn hits(&self, scene: &Scene) -> Vec<u32> {
        if self.is_empty() {
            return Vec::new();
        }
        let all = scene.steps().iter().flat_map(|step| &step.events).copied();
        all.filter(|index| scene.event(*index).is_some_and(|e| self.matches(scene, e))).collect()
    }
}

/// A word by itself: an action's text form or part of it, what an action is called, or a device.
fn word_terms(word: &str) -> Vec<Term> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (stage, rest) = word.split_at(digits(word));
    let letters = rest.bytes().take_while(|byte| !byte.is_ascii_digit()).count();
    let (name, micro_batch) = rest.split_at(letters);
    let kinds = kinds(name);
    let (stage, micro_batch) = match (optional(stage), optional(micro_batch)) {
        (Ok(stage), Ok(micro_batch)) if !kinds.is_empty() => (stage, micro_batch),
        _ => return vec![Term::Device(word.to_owned())],
    };
    let mut terms = vec![Term::Kinds(kinds)];
    terms.extend(stage.map(Term::Stage));
    terms.extend(micro_batch.map(Term::MicroBatch));
    terms
}

fn optional(digits: &str) -> Result<Option<usize>, std::num::ParseIntError> {
    if digits.is_empty() { Ok(None) } else { digits.parse().map(Some) }
}

fn kinds(name: &str) -> Vec<ActionKind> {
    use ActionKind::{
        Backward, Forward, InputGrad, RecvBackward, RecvForward, SendBackward, SendForward,
        WeightGrad,
    };
    let text = |kind: &ActionKind| kind.text().to_lowercase();
    if let Some(kind) = KINDS.iter().find(|kind| text(kind) == name) {
        return vec![*kind];
    }
    match name {
        "forward" => vec![Forward],
        "backward" => vec![Backward, InputGrad, WeightGrad],
        "receive" => vec![RecvForward, RecvBackward],
        "transfer" => vec![SendForward, SendBackward, RecvForward, RecvBackward],
        "optimizer" => vec![ActionKind::Optimizer],
        _ if name.len() < 3 => Vec::new(),
        _ => KINDS.into_iter().filter(|kind| text(kind).starts_with(name)).collect(),
    }
}
