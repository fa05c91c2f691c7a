//! The planner's request and results. The search runs on a thread of its own.

use std::sync::Arc;

use trainyard_plan::planner::{Explanation, Objective};

use crate::document::{Document, Reference};
use crate::effect::Effect;
use crate::human_time::human_us;
use crate::message::{DocumentMessage, Message, PlanningMessage, ViewMessage};
use crate::plan_search::{Alternative, Answer, Ask, BEST, Search, Terms};

/// The planner's request and results.
#[derive(Default)]
pub struct Planning {
    ask: Ask,
    search: Option<Search>,
    answer: Answer,
    /// Terms of the answer.
    terms: Option<Terms>,
    /// Objective of the answer.
    best_at: Objective,
    /// Whether the answer is still to be announced.
    is_fresh: bool,
}

impl Planning {
    /// Takes a message.
    pub fn update(&mut self, message: PlanningMessage) -> Vec<Effect> {
        match message {
            PlanningMessage::Ask(ask) => self.ask = ask,
            PlanningMessage::Started { search, terms } => {
                self.cancel();
                *self = Self {
                    ask: self.ask.clone(),
                    search: Some(search),
                    answer: Answer::default(),
                    terms: Some(terms),
                    best_at: self.ask.objective,
                    is_fresh: true,
                };
            }
            PlanningMessage::Cancel => self.cancel(),
            PlanningMessage::Forget => {
                self.cancel();
                *self = Self { ask: self.ask.clone(), ..Self::default() };
            }
        }
        Vec::new()
    }

    fn cancel(&mut self) {
        if let Some(search) = self.search.take() {
            search.cancel();
        }
    }

    /// Takes what the planner says; when it has found something, others hear of it.
    pub fn poll(&mut self) -> Vec<Message> {
        self.search.take_if(|search| !search.poll(&mut self.answer));
        if !self.is_fresh || self.answer.found.is_none() {
            return Vec::new();
        }
        self.is_fresh = false;
        let words = match self.alternatives() {
            [] => "The planner found no plan that fits".to_owned(),
            [best, ..] => {
                let step = human_us(best.assessment.simulation.step_us);
                format!("The planner's best takes {step} a step; it is in the plans panel")
            }
        };
        vec![DocumentMessage::Offer(self.best()).into(), ViewMessage::Status(words).into()]
    }

    /// Waits until the planner has said all it has to say. Never called while drawing.
    pub fn wait(&mut self) {
        if let Some(search) = self.search.take() {
            search.wait(&mut self.answer);
        }
    }

    /// The planner's request.
    #[must_use]
    pub fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Whether the planner has not said all it has to say.
    #[must_use]
    pub fn is_planning(&self) -> bool {
        self.search.is_some()
    }

    /// The plans that were found, best first; or why there are none, in words.
    #[must_use]
    pub fn found(&self) -> Option<Result<&[Alternative], &str>> {
        let found = self.answer.found.as_ref()?;
        Some(found.as_deref().map_err(String::as_str))
    }

    /// The plans that were found, best first.
    #[must_use]
    pub fn alternatives(&self) -> &[Alternative] {
        self.found().and_then(Result::ok).unwrap_or_default()
    }

    /// Why the best is as it is.
    #[must_use]
    pub fn explanation(&self) -> Option<&Explanation> {
        self.answer.explanation.as_deref()
    }

    /// The planner's best to compare with.
    #[must_use]
    pub fn best(&self) -> Option<Reference> {
        let best = self.alternatives().first()?;
        Some(Reference { name: BEST.to_owned(), assessment: Arc::clone(&best.assessment) })
    }

    /// Objective of the answer.
    #[must_use]
    pub fn best_at(&self) -> Objective {
        self.best_at
    }

    /// Whether the answer still keeps to what the document asks for.
    #[must_use]
    pub fn holds(&self, document: &Document) -> bool {
        self.terms.as_ref().is_some_and(|terms| terms.hold(document))
    }
}
