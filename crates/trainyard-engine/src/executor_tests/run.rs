//! Runs a case, and says whether each step went as it must.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use shuttle::thread::yield_now;
use trainyard_plan::{Api, DeviceInfo, ModelProfile, Profile};

use super::case::{Case, Fault, actions_of_step};
use super::draw::Draw;
use super::model::{Chain, Expected, LEARNING_RATE, Product, is, micro_batches, numbers};
use super::queue::{FakeQueue, QueueFault};
use crate::checkpoint::SaveAs;
use crate::concurrency::{Builder, begin_execution, end_execution};
use crate::optimizer::Sgd;
use crate::{
    DeriveSettings, Device, EngineError, Options, Pipeline, StepResult, derive_profile, discover,
    mix,
};

/// How a case went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Steps that were asked for.
    pub(super) steps: u64,
    /// What was said in the end, where it was an error.
    pub(super) error: Option<String>,
}

impl Case {
    /// Runs the case in an execution of shuttle's, and panics where it does not go as it must.
    pub(super) fn run(mut self) -> Outcome {
        let (held_back, threads) = match self.fault {
            Fault::HeldBack(number) => (Some(number), None),
            Fault::NoThread(count) => (None, Some(count)),
            _ => (None, None),
        };
        begin_execution(held_back, threads);
        if let Fault::NoWeights(layer) = self.fault {
            self.chain.refused = Some(layer);
        }
        let queues: Vec<FakeQueue> = (0..self.ranks).map(|rank| self.queue(rank)).collect();
        let outcome = match self.distribute(&queues) {
            Ok(mut pipeline) => self.train(&mut pipeline, &queues),
            Err(error) => {
                self.check_start(&error);
                Outcome { steps: 0, error: Some(error.to_string()) }
            }
        };
        // Threads that stand still must end, too: shuttle waits for all of them.
        queues.iter().for_each(FakeQueue::let_go);
        end_execution();
        outcome
    }

    fn distribute(&self, queues: &[FakeQueue]) -> Result<Pipeline, EngineError> {
        let device = |(rank, queue): (usize, &FakeQueue)| {
            let api = if self.beside[rank] { Api::Vulkan } else { Api::Cpu };
            let budget = if self.fault == Fault::NoBudget(rank) { 1 } else { 1 << 20 };
            let hardware = DeviceInfo { api, ..cpu() };
            Device::fake(format!("d{rank}"), hardware, budget, Arc::new(queue.clone()))
        };
        let devices: Vec<Device> = queues.iter().enumerate().map(device).collect();
        let budgets = devices.iter().map(|device| (device.id(), 1 << 20));
        let profile = Profile::of_budgets(costs(self.chain), budgets, self.micro_batches);
        let optimizer = Sgd { momentum: 0.0, ..Sgd::default() }.into();
        let options = Options { seed: 1, optimizer, clip: None, rows: 1 };
        let (model, objective) = (Arc::new(self.chain), Arc::new(Product));
        Pipeline::distribute(model, objective, &profile, &self.plan(), devices, options)
    }

    /// Whether a pipeline may end with this error before the first step.
    fn check_start(&self, error: &EngineError) {
        let says = error.to_string();
        let is_right = match (self.fault, error) {
            (Fault::NoBudget(rank), EngineError::Plan(_)) => says.contains(&format!("d{rank}")),
            (Fault::NoThread(_), EngineError::NoThread { .. }) => true,
            (Fault::NoWeights(layer), EngineError::Worker { stage, device, .. }) => {
                let rank = self.plan().rank_of_stage(layer).unwrap();
                *stage == layer && *device == format!("d{rank}") && says.contains("out of memory")
            }
            _ => false,
        };
        assert!(is_right, "{self:?} does not start: {says}");
    }

    fn train(&self, pipeline: &mut Pipeline, queues: &[FakeQueue]) -> Outcome {
        let starts = matches!(self.fault, Fault::NoBudget(_) | Fault::NoWeights(_));
        assert!(!starts, "{self:?} starts");
        pipeline.stall_after(Some(Duration::from_secs(30)));
        if let Fault::Cancelled(turns) = self.fault {
            let cancel = Arc::new(AtomicBool::new(false));
            pipeline.cancel_with(Arc::clone(&cancel));
            let wait = move || {
                (0..turns).for_each(|_| yield_now());
                cancel.store(true, SeqCst);
            };
            drop(Builder::new().name("cancels".to_owned()).spawn(wait).unwrap());
        }
        let mut expected = Expected::new(self.chain);
        for step in 1..=self.steps {
            let mut numbers = numbers(step, self.micro_batches);
            if self.fault == Fault::NotFinite(step) {
                numbers[0][0] = f64::NAN;
            }
            let result = pipeline.step(step, LEARNING_RATE, micro_batches(&numbers));
            let checked = self.check(step, result, (&numbers, &mut expected), queues);
            let checked = checked.and_then(|()| self.evaluate(step, pipeline, &expected, queues));
            if let Err(error) = checked {
                self.check_end(step, pipeline);
                return Outcome { steps: step, error: Some(error.to_string()) };
            }
        }
        Outcome { steps: self.steps, error: None }
    }

    /// Evaluates between two steps, now and then.
    fn evaluate(
        &self,
        step: u64,
        pipeline: &mut Pipeline,
        expected: &Expected,
        queues: &[FakeQueue],
    ) -> Result<(), EngineError> {
        let mut draw = Draw::new(mix(&[self.seed, step]));
        if !draw.is_one_in(4) {
            return Ok(());
        }
        let numbers = numbers(draw.next(), 1 + draw.below(3) as usize);
        match pipeline.evaluate(micro_batches(&numbers)) {
            Ok(found) => {
                let loss = expected.loss(&numbers);
                assert!(
                    is(found.loss, loss),
                    "{self:?}: {} after step {step}, not {loss}",
                    found.loss
                );
                Ok(())
            }
            Err(error) => self.check(step, Err(error), (&numbers, &mut expected.clone()), queues),
        }
    }

    /// A pipeline that has failed stays failed, and can be saved if all its weights are as they were.
    fn check_end(&self, step: u64, pipeline: &mut Pipeline) {
        if let Fault::Queue(rank, QueueFault::RefusesAction(number)) = self.fault
            && number % 8 == 0
        {
            let actions = actions_of_step(&self.plan(), rank);
            let folder = tempfile::tempdir().unwrap();
            let saved = pipeline.save(&folder.path().join("left"), SaveAs::default());
            let is_update = number % actions.len() + 1 == actions.len();
            assert_eq!(saved.is_ok(), !is_update, "{self:?}: {saved:?}");
        }
        let numbers = numbers(step, self.micro_batches);
        let again = pipeline.step(step, LEARNING_RATE, micro_batches(&numbers));
        let says = again.map(|result| result.loss).unwrap_err().to_string();
        assert!(says.contains("failed before"), "{self:?}: {says}");
    }

    /// Whether a step went as it must; an error that ends the pipeline is given back.
    fn check(
        &self,
        step: u64,
        result: Result<StepResult, EngineError>,
        (numbers, expected): (&[[f64; 2]], &mut Expected),
        queues: &[FakeQueue],
    ) -> Result<(), EngineError> {
        let failed = queues.iter().position(FakeQueue::has_failed);
        match result {
            Ok(result) => {
                assert_eq!(failed, None, "{self:?}: step {step} went well");
                let (loss, norm) = (expected.loss(numbers), expected.update(numbers));
                let found = (result.loss, result.gradient_norm);
                let is_right = is(found.0, loss) && is(found.1, norm);
                assert!(is_right, "{self:?}: step {step} gave {found:?}, not {:?}", (loss, norm));
                Ok(())
            }
            Err(EngineError::NotFinite { step: at, stage: 0, .. })
                if at == step && self.fault == Fault::NotFinite(step) =>
            {
                Ok(())
            }
            Err(EngineError::Cancelled) if matches!(self.fault, Fault::Cancelled(_)) => {
                Err(EngineError::Cancelled)
            }
            Err(error) => {
                if let (Fault::HeldBack(_), EngineError::Stalled { waits: true, .. }) =
                    (self.fault, &error)
                {
                    return Err(error);
                }
                let Fault::Queue(rank, fault) = self.fault else {
                    panic!("{self:?}: step {step} ended with: {error}");
                };
                assert_eq!(failed, Some(rank), "{self:?}: step {step} ended with: {error}");
                assert!(self.names((rank, fault), step, &error), "{self:?}: {error:?}");
                Err(error)
            }
        }
    }

    /// Whether an error names the device, the stage and the action of the fault.
    fn names(&self, (rank, fault): (usize, QueueFault), at: u64, error: &EngineError) -> bool {
        let plan = self.plan();
        let hangs = matches!(fault, QueueFault::HangsAt(_) | QueueFault::HangsBeforeCopy(_));
        let (device, stage, action, step) = match error {
            EngineError::Worker { device, stage, action, step, .. } if !hangs => {
                (device, stage, action, step)
            }
            EngineError::Stalled {
                device, stage, action, step, waits: false, rank: named, ..
            } if hangs && *named == rank => (device, stage, action, step),
            _ => return false,
        };
        let is_there = *device == format!("d{rank}") && plan.rank_of_stage(*stage) == Some(rank);
        let actions = actions_of_step(&plan, rank);
        let is_it = match fault {
            QueueFault::RefusesAction(number) | QueueFault::HangsAt(number) => {
                let named = actions[number % actions.len()];
                let of_step = 1 + (number / actions.len()) as u64;
                (*stage, action, at) == (named.stage, &named.to_string(), of_step)
            }
            _ => action.starts_with(&stage.to_string()),
        };
        is_there && is_it && *step == at
    }
}

fn cpu() -> DeviceInfo {
    static CPU: OnceLock<DeviceInfo> = OnceLock::new();
    CPU.get_or_init(discover::cpu).clone()
}

/// What a model's layers cost, found out once.
fn costs(chain: Chain) -> ModelProfile {
    static DERIVED: Mutex<BTreeMap<(usize, bool, bool), ModelProfile>> =
        Mutex::new(BTreeMap::new());
    let derive = || {
        let optimizer = Sgd { momentum: 0.0, ..Sgd::default() }.into();
        let settings = DeriveSettings { seed: 1, optimizer: &optimizer, portable: false };
        let sample = micro_batches(&numbers(1, 1)).remove(0);
        let chain = Chain { refused: None, ..chain };
        derive_profile(&chain, &Product, &sample, &settings, &|_, _| {}).unwrap()
    };
    let key = (chain.layers, chain.skips, chain.is_tied);
    DERIVED.lock().unwrap().entry(key).or_insert_with(derive).clone()
}
