//! Actions of a rank, and their text form.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::PlanError;

/// The kind of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ActionKind {
    /// Run the stage's layers on one micro-batch.
    Forward,
    /// Full backward: gradients of the stage's input and of its weights.
    Backward,
    /// The half of the backward that the previous stage waits for.
    InputGrad,
    /// The other half: the gradients of the stage's own weights.
    WeightGrad,
    /// Send the stage's output to the stages that take it.
    SendForward,
    /// Receive the stage's input from the stages that make it.
    RecvForward,
    /// Send the gradient of the stage's input to the stages that made it.
    SendBackward,
    /// Receive the gradient of the stage's output from the stages that took it.
    RecvBackward,
    /// Update the stage's weights, once a step (`micro_batch` is 0).
    Optimizer,
}

impl ActionKind {
    const TEXT: [(Self, &'static str); 9] = [
        (Self::Forward, "F"),
        (Self::Backward, "B"),
        (Self::InputGrad, "I"),
        (Self::WeightGrad, "W"),
        (Self::SendForward, "SEND_F"),
        (Self::RecvForward, "RECV_F"),
        (Self::SendBackward, "SEND_B"),
        (Self::RecvBackward, "RECV_B"),
        (Self::Optimizer, "OPT"),
    ];

    /// The short form: `F`, `B`, `I`, `W`, `SEND_F`, … `OPT`.
    #[must_use]
    pub fn text(self) -> &'static str {
        Self::TEXT.iter().find(|(kind, _)| *kind == self).map_or("?", |(_, text)| text)
    }

    /// True for sends and receives.
    #[must_use]
    pub fn is_transfer(self) -> bool {
        matches!(
            self,
            Self::SendForward | Self::RecvForward | Self::SendBackward | Self::RecvBackward
        )
    }
}

/// An action of a rank: a kind, for a stage, for a micro-batch.
///
/// The text form is the one of `PyTorch`'s pipelining: `1F0` is stage 1, forward, micro-batch 0;
/// `2SEND_B2` sends stage 2's input gradient of micro-batch 2. It is also the JSON form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Action {
    /// Index of the stage in the plan.
    pub stage: usize,
    /// Its kind.
    pub kind: ActionKind,
    /// Index of the micro-batch in the step. Of rows that are cut into slices each slice counts: number `n` of
    /// `S` is slice `n mod S` of the rows `n / S`.
    pub micro_batch: usize,
}

impl Action {
    /// An action of any kind.
    #[must_use]
    pub fn new(stage: usize, kind: ActionKind, micro_batch: usize) -> Self {
        Self { stage, kind, micro_batch }
    }

    /// `sFm`.
    #[must_use]
    pub fn forward(stage: usize, micro_batch: usize) -> Self {
        Self::new(stage, ActionKind::Forward, micro_batch)
    }

    /// `sBm`.
    #[must_use]
    pub fn backward(stage: usize, micro_batch: usize) -> Self {
        Self::new(stage, ActionKind::Backward, micro_batch)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.stage, self.kind.text(), self.micro_batch)
    }
}

impl FromStr for Action {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let bad = || PlanError::BadAction { text: text.to_owned() };
        let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
        let (stage, rest) = text.split_at(digits(text));
        let kind_length = rest.bytes().take_while(|b| !b.is_ascii_digit()).count();
        let (kind, micro_batch) = rest.split_at(kind_length);
        let kind = ActionKind::TEXT.iter().find(|(_, t)| *t == kind).ok_or_else(bad)?.0;
        Ok(Self {
            stage: stage.parse().map_err(|_| bad())?,
            kind,
            micro_batch: micro_batch.parse().map_err(|_| bad())?,
        })
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

/// Parses while it reads, so that an error has the line of the action.
struct Text;

impl Visitor<'_> for Text {
    type Value = Action;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an action such as 0F3")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Action, E> {
        text.parse().map_err(E::custom)
    }
}
