//! While costs are derived, one layer at a time is in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use trainyard_engine::{
    EngineError, ErasedLayer, ForwardContext, Layer, LayerSpec, MeanSquaredError, MicroBatch,
    Model, Tensors, erase, weight,
};

use crate::partitions::{ROWS, derived, random};

const LAYERS: usize = 6;

/// Which layers there are, each with how many modules share it, and the most at any time.
#[derive(Debug, Default)]
struct Alive {
    modules: BTreeMap<usize, usize>,
    most: usize,
}

/// A sign of life of one layer.
#[derive(Debug)]
struct Sign {
    layer: usize,
    alive: Arc<Mutex<Alive>>,
}

impl Sign {
    fn new(layer: usize, alive: Arc<Mutex<Alive>>) -> Self {
        {
            let mut alive = alive.lock().unwrap();
            *alive.modules.entry(layer).or_default() += 1;
            alive.most = alive.most.max(alive.modules.len());
        }
        Self { layer, alive }
    }
}

impl Clone for Sign {
    fn clone(&self) -> Self {
        Self::new(self.layer, Arc::clone(&self.alive))
    }
}

impl Drop for Sign {
    fn drop(&mut self) {
        let mut alive = self.alive.lock().unwrap();
        let modules = alive.modules.entry(self.layer).or_default();
        *modules -= 1;
        if *modules == 0 {
            alive.modules.remove(&self.layer);
        }
    }
}

#[derive(Module, Debug)]
struct Watched {
    weight: Param<Tensor<2>>,
    #[module(skip)]
    sign: Sign,
}

impl Layer for Watched {
    fn forward(&self, mut input: Tensors, _: &ForwardContext) -> Result<Tensors, EngineError> {
        let x: Tensor<2> = input.take_first()?;
        Ok(Tensors::new().with("x", x.matmul(self.weight.val())))
    }
}

#[derive(Default)]
struct WatchedModel(Arc<Mutex<Alive>>);

impl Model for WatchedModel {
    fn name(&self) -> &'static str {
        "watched"
    }

    fn layers(&self) -> Vec<LayerSpec> {
        let layer = |index: usize| LayerSpec::new(format!("layer{index}"), "layer");
        let mut layers: Vec<LayerSpec> = (0..LAYERS).map(layer).collect();
        layers[0] = layers[0].clone().takes(&["features"]);
        layers
    }

    fn build(&self, layer: usize, _: u64, device: &Device) -> Result<ErasedLayer, EngineError> {
        let weight = weight(vec![0.5; 16], [4, 4], device);
        Ok(erase(Watched { weight, sign: Sign::new(layer, Arc::clone(&self.0)) }))
    }
}

#[test]
fn one_layer_at_a_time_is_in_memory() {
    let model = WatchedModel::default();
    let data = random([ROWS, 4], &[1]);
    let sample = MicroBatch::new(ROWS).with("features", data.clone()).with("targets", data);
    let profile = derived(&model, &MeanSquaredError, &sample);
    assert_eq!(profile.layers.len(), LAYERS);
    let alive = model.0.lock().unwrap();
    assert_eq!((alive.most, alive.modules.len()), (1, 0), "{alive:?}");
}
