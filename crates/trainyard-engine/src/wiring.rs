//! Which tensors go from which layer to which, and so from stage to stage.
//!
//! A tensor that a layer takes comes from the nearest earlier layer that gives one of that name, or
//! from the batch. Between stages it goes straight from the one that makes it to every one that
//! takes it.

#[cfg(test)]
use std::collections::BTreeSet;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::{EngineError, LayerSpec, Model};

/// A tensor's name.
pub(crate) type Name = Arc<str>;

/// Where a tensor that a layer takes comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    Batch,
    Layer(usize),
}

impl Source {
    /// Whether a gradient goes back to it.
    fn goes_back(self, layers: &[bool]) -> bool {
        match self {
            Self::Batch => false,
            Self::Layer(from) => layers.get(from).copied().unwrap_or(true),
        }
    }
}

/// A weight that follows another, by layer index and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tie {
    pub(crate) owner_layer: usize,
    pub(crate) owner_weight: String,
    pub(crate) follower_layer: usize,
    pub(crate) follower_weight: String,
}

/// The layers of a model with the sources of what they take.
#[derive(Clone, Debug)]
pub(crate) struct Wiring {
    pub(crate) layers: Vec<LayerSpec>,
    /// By layer, in the order of its `takes`.
    sources: Vec<Vec<Source>>,
    pub(crate) ties: Vec<Tie>,
}

/// What a stage takes and gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StageWiring {
    /// Tensors of the batch.
    pub(crate) from_batch: Vec<Name>,
    /// By stage, from the first to the last: what comes from it.
    pub(crate) inputs: Vec<(usize, Vec<Name>)>,
    /// By stage, from the first to the last: what goes to it.
    pub(crate) outputs: Vec<(usize, Vec<Name>)>,
    /// By layer of the stage and in the order of its `takes`: whether nobody needs the tensor after
    /// it.
    pub(crate) last_use: Vec<Vec<bool>>,
    /// By layer of the stage: which of its tensors anybody needs.
    pub(crate) needed: Vec<Vec<bool>>,
    /// What comes from other stages, is taken by several layers of this one, and by later stages too:
    /// gradients of these go back layer by layer, so that they can be summed from the last layer to
    /// the first.
    pub(crate) separate: Vec<Name>,
}

impl Wiring {
    /// Finds the source of everything that layers take.
    ///
    /// # Errors
    /// [`EngineError::Layer`] for a model without layers, a name that two layers share, or a weight
    /// that follows one of a layer that does not come before.
    pub(crate) fn of(model: &dyn Model) -> Result<Self, EngineError> {
        let layers = model.layers();
        let bad = |layer: &str, reason: String| EngineError::Layer { layer: layer.into(), reason };
        if layers.is_empty() {
            return Err(bad(model.name(), "the model has no layers".into()));
        }
        let mut given: BTreeMap<Name, usize> = BTreeMap::new();
        let mut indices: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut sources, mut ties) = (Vec::with_capacity(layers.len()), Vec::new());
        for (index, layer) in layers.iter().enumerate() {
            let source = |name| given.get(name).map_or(Source::Batch, |&from| Source::Layer(from));
            sources.push(layer.takes.iter().map(source).collect());
            for name in &layer.gives {
                given.insert(name.clone(), index);
            }
            for shared in &layer.shares {
                let Some(&owner_layer) = indices.get(shared.owner.as_str()) else {
                    let reason = format!(
                        "its weight '{}' follows one of '{}', and no layer before has that name",
                        shared.weight, shared.owner
                    );
                    return Err(bad(&layer.name, reason));
                };
                ties.push(Tie {
                    owner_layer,
                    owner_weight: shared.owner_weight.clone(),
                    follower_layer: index,
                    follower_weight: shared.weight.clone(),
                });
            }
            if indices.insert(&layer.name, index).is_some() {
                return Err(bad(&layer.name, "two layers have this name".into()));
            }
        }
        drop(indices);
        Ok(Self { layers, sources, ties })
    }

    /// The layers' names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.layers.iter().map(|layer| layer.name.clone()).collect()
    }

    /// The later layers that take a tensor of a layer.
    pub(crate) fn takers(&self, layer: usize, name: &str) -> impl Iterator<Item = usize> {
        (layer + 1..self.layers.len()).filter(move |&later| {
            let takes = self.layers[later].takes.iter().zip(&self.sources[later]);
            takes
                .into_iter()
                .any(|(taken, source)| &**taken == name && *source == Source::Layer(layer))
        })
    }

    /// By layer, whether a backward comes to it: where it trains itself, by `trains`, or takes what a layer
    /// gives to which one comes.
    pub(crate) fn goes_back(&self, trains: &[bool]) -> Vec<bool> {
        let mut goes_back: Vec<bool> = Vec::with_capacity(trains.len());
        for (sources, trains) in self.sources.iter().zip(trains) {
            let from = sources.iter().any(|source| source.goes_back(&goes_back));
            goes_back.push(*trains || from);
        }
        goes_back
    }

    /// What layers take from earlier ones to which a backward does not come.
    pub(crate) fn constant_inputs(&self, layers: Range<usize>, goes_back: &[bool]) -> Vec<Name> {
        let taken = layers.clone().flat_map(|layer| {
            let takes = self.layers.get(layer).map(|spec| spec.takes.iter());
            takes.into_iter().flatten().zip(self.sources.get(layer).into_iter().flatten())
        });
        let constant = taken.filter(|(_, source)| match source {
            Source::Layer(from) => *from < layers.start && !source.goes_back(goes_back),
            Source::Batch => false,
        });
        constant.map(|(name, _)| name.clone()).collect()
    }

    /// What each stage takes and gives; a stage is a run of layers.
    pub(crate) fn stages(&self, stages: &[Range<usize>]) -> Vec<StageWiring> {
        let mut stage_of = vec![0; self.layers.len()];
        for (index, layers) in stages.iter().enumerate() {
            stage_of[layers.clone()].fill(index);
        }
        let mut wirings: Vec<StageWiring> = vec![StageWiring::default(); stages.len()];
        // (from, to) in order, and within each the tensors in the order in which layers take them.
        let mut moved: BTreeMap<(usize, usize), Vec<Name>> = BTreeMap::new();
        for (layer, (spec, sources)) in self.layers.iter().zip(&self.sources).enumerate() {
            let stage = stage_of[layer];
            for (name, source) in spec.takes.iter().zip(sources) {
                let names = match source {
                    Source::Batch => &mut wirings[stage].from_batch,
                    Source::Layer(from) if stage_of[*from] == stage => continue,
                    Source::Layer(from) => moved.entry((stage_of[*from], stage)).or_default(),
                };
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        for (layer, (spec, sources)) in self.layers.iter().zip(&self.sources).enumerate() {
            let stage = stage_of[layer];
            for (name, source) in spec.takes.iter().zip(sources) {
                let Source::Layer(from) = *source else { continue };
                let later = |taker: usize| taker > layer;
                let own = |taker: usize| later(taker) && stage_of[taker] == stage;
                let separate = stage_of[from] < stage
                    && self.takers(from, name).any(own)
                    && self.takers(from, name).any(|taker| stage_of[taker] > stage);
                if separate && !wirings[stage].separate.contains(name) {
                    wirings[stage].separate.push(name.clone());
                }
            }
        }
        for ((from, to), names) in moved {
            wirings[from].outputs.push((to, names.clone()));
            wirings[to].inputs.push((from, names));
        }
        for (wiring, layers) in wirings.iter_mut().zip(stages) {
            self.find_uses(wiring, layers.clone());
        }
        wirings
    }

    /// Every layer as a stage of its own.
    pub(crate) fn layers_alone(&self) -> Vec<StageWiring> {
        let alone: Vec<Range<usize>> =
            (0..self.layers.len()).map(|layer| layer..layer + 1).collect();
        self.stages(&alone)
    }

    fn find_uses(&self, wiring: &mut StageWiring, layers: Range<usize>) {
        let last_layer = self.layers.len() - 1;
        let leaves = |name: &Name| wiring.outputs.iter().any(|(_, names)| names.contains(name));
        let (mut last_use, mut needed) = (Vec::new(), Vec::new());
        // From the end: what is needed after a layer, by name and source.
        let mut later: HashSet<(Name, Source)> = HashSet::new();
        for layer in layers.clone().rev() {
            let spec = &self.layers[layer];
            let own = |name: &Name| (name.clone(), Source::Layer(layer));
            let of_layer = spec.gives.iter().map(|name| {
                let goes_on = leaves(name) && self.takers(layer, name).any(|l| l >= layers.end);
                layer == last_layer || goes_on || later.contains(&own(name))
            });
            needed.push(of_layer.collect());
            let mut uses = Vec::with_capacity(spec.takes.len());
            for (at, (name, source)) in spec.takes.iter().zip(&self.sources[layer]).enumerate() {
                let leaves_stage = match source {
                    Source::Layer(from) if layers.contains(from) => {
                        self.takers(*from, name).any(|l| l >= layers.end)
                    }
                    _ => false,
                };
                let again = spec.takes[at + 1..].contains(name);
                uses.push(!leaves_stage && !again && !later.contains(&(name.clone(), *source)));
            }
            later.extend(spec.takes.iter().cloned().zip(self.sources[layer].iter().copied()));
            last_use.push(uses);
        }
        last_use.reverse();
        needed.reverse();
        (wiring.last_use, wiring.needed) = (last_use, needed);
    }

    /// The batch's tensors that any layer takes.
    #[cfg(test)]
    pub(crate) fn batch_tensors(&self) -> BTreeSet<Name> {
        let takes = self.layers.iter().zip(&self.sources);
        let of_layer = |(layer, sources): (&LayerSpec, &Vec<Source>)| {
            let batch = layer.takes.iter().zip(sources);
            batch.filter(|(_, source)| **source == Source::Batch).map(|(n, _)| n.clone()).collect()
        };
        takes.flat_map(|pair| -> Vec<Name> { of_layer(pair) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::ErasedLayer;

    struct Named(Vec<LayerSpec>);

    impl Model for Named {
        fn name(&self) -> &'static str {
            "named"
        }

        fn layers(&self) -> Vec<LayerSpec> {
            self.0.clone()
        }

        fn build(&self, _: usize, _: u64, _: &Device) -> Result<ErasedLayer, EngineError> {
            Err(EngineError::internal("not to be built"))
        }
    }

    fn names(list: &[&str]) -> Vec<Name> {
        list.iter().map(|&name| name.into()).collect()
    }

    /// Down twice, up twice, each way up with what was on its level.
    fn unet() -> Named {
        Named(vec![
            LayerSpec::new("down0", "down").takes(&["image"]).gives(&["x", "skip0"]),
            LayerSpec::new("down1", "down").gives(&["x", "skip1"]),
            LayerSpec::new("up1", "up").takes(&["x", "skip1"]),
            LayerSpec::new("up0", "up").takes(&["x", "skip0"]),
        ])
    }

    #[test]
    fn a_skip_goes_straight_to_the_stage_that_takes_it() {
        let wiring = Wiring::of(&unet()).unwrap();
        let stages = wiring.layers_alone();
        assert_eq!(stages[0].from_batch, names(&["image"]));
        assert_eq!(stages[0].outputs, [(1, names(&["x"])), (3, names(&["skip0"]))]);
        assert_eq!(stages[1].outputs, [(2, names(&["x", "skip1"]))]);
        assert_eq!(stages[3].inputs, [(0, names(&["skip0"])), (2, names(&["x"]))]);
        let halves = wiring.stages(&[0..2, 2..4]);
        assert_eq!(halves[0].outputs, [(1, names(&["x", "skip1", "skip0"]))]);
        assert_eq!(wiring.stages(std::slice::from_ref(&(0..4)))[0].outputs, []);
    }

    #[test]
    fn the_nearest_earlier_layer_is_the_source() {
        let model = Named(vec![
            LayerSpec::new("one", "one").takes(&["x", "mask"]),
            LayerSpec::new("two", "two").takes(&["x", "mask"]),
            LayerSpec::new("three", "three").takes(&["x", "mask"]),
        ]);
        let wiring = Wiring::of(&model).unwrap();
        assert_eq!(wiring.batch_tensors(), names(&["x", "mask"]).into_iter().collect());
        let stages = wiring.layers_alone();
        assert_eq!(stages[2].from_batch, names(&["mask"]));
        assert_eq!(stages[2].inputs, [(1, names(&["x"]))]);
        assert_eq!(stages[0].outputs, [(1, names(&["x"]))], "the third takes the second's");
        let whole = &wiring.stages(std::slice::from_ref(&(0..3)))[0];
        assert_eq!(whole.last_use, [[true, false], [true, false], [true, true]]);
    }

    #[test]
    fn a_backward_comes_as_far_as_something_trains() {
        let wiring = Wiring::of(&unet()).unwrap();
        // The way up trains on its last level alone.
        let goes_back = wiring.goes_back(&[false, false, false, true]);
        assert_eq!(goes_back, [false, false, false, true]);
        assert_eq!(wiring.constant_inputs(3..4, &goes_back), names(&["x", "skip0"]));
        // The first level trains: all that takes from it is gone back through.
        let goes_back = wiring.goes_back(&[true, false, false, false]);
        assert_eq!(goes_back, [true; 4]);
        assert_eq!(wiring.constant_inputs(1..4, &goes_back), []);
        let goes_back = wiring.goes_back(&[false, true, false, false]);
        assert_eq!(goes_back, [false, true, true, true]);
        assert_eq!(wiring.constant_inputs(1..2, &goes_back), names(&["x"]));
        assert_eq!(wiring.constant_inputs(3..4, &goes_back), names(&["skip0"]));
    }

    #[test]
    fn what_cannot_be_wired_is_refused() {
        let twice = Named(vec![LayerSpec::new("a", "a"), LayerSpec::new("a", "a")]);
        let late = Named(vec![LayerSpec::new("a", "a").shares("weight", "b", "weight")]);
        for (model, expected) in
            [(twice, "two layers"), (late, "follows"), (Named(vec![]), "no layers")]
        {
            let error = Wiring::of(&model).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
