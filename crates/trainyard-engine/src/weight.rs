//! Weights of a layer whose type is not known: what they are, and reading and writing them.

use burn::backend::autodiff::NodeId;
use burn::backend::{Autodiff, Flex, Wgpu};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};

use crate::{EngineError, WeightRole, WeightSpec};

/// Lists a module's weights with their roles. Every weight that initialises itself when it is first
/// used is initialised.
///
/// Burn visits running statistics and frozen weights as the same kind of parameter. They differ in
/// that running statistics cannot be made to require a gradient, which is tried here.
pub(crate) fn list<M: Module>(module: M) -> (M, Vec<WeightSpec>) {
    let mut lister = Lister::default();
    module.visit(&mut lister);
    let Lister { mut weights, tracked, .. } = lister;
    if tracked.iter().all(|tracked| *tracked) {
        return (module, weights);
    }
    let module = module.map(&mut RequireGradients { wanted: None });
    let mut probe = Lister::default();
    module.visit(&mut probe);
    for ((weight, tracked), can_be) in weights.iter_mut().zip(&tracked).zip(&probe.tracked) {
        weight.role = match (tracked, can_be) {
            (true, _) => WeightRole::Trained,
            (false, true) => WeightRole::Frozen,
            (false, false) => WeightRole::Buffer,
        };
    }
    (module.map(&mut RequireGradients { wanted: Some(tracked.into_iter()) }), weights)
}

#[derive(Default)]
struct Lister {
    path: Vec<String>,
    weights: Vec<WeightSpec>,
    tracked: Vec<bool>,
}

impl ModuleVisitor for Lister {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        self.tracked.push(value.is_require_grad());
        let (path, shape) = (self.path.join("."), value.shape().as_slice().to_vec());
        self.weights.push(WeightSpec { path, shape, role: WeightRole::Trained });
    }
}

/// Sets which parameters require gradients: all of them, or as given one by one.
struct RequireGradients {
    wanted: Option<std::vec::IntoIter<bool>>,
}

impl ModuleMapper for RequireGradients {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let wanted = match &mut self.wanted {
            None => true,
            Some(wanted) => wanted.next().unwrap_or(false),
        };
        if param.val().is_require_grad() == wanted { param } else { param.set_require_grad(wanted) }
    }
}

/// Reads weights, flat and without graph.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) values: Vec<Tensor<1>>,
}

impl ModuleVisitor for Reader {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.values.push(flat(param.val().inner()));
    }
}

/// Takes the weights' gradients out of a backward's result, flat; None where a weight took no part.
pub(crate) struct GradientTaker<'a> {
    pub(crate) gradients: &'a mut Gradients,
    pub(crate) taken: Vec<Option<Tensor<1>>>,
}

impl ModuleVisitor for GradientTaker<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let gradient =
            if value.is_require_grad() { value.grad_remove(self.gradients) } else { None };
        self.taken.push(gradient.map(flat));
    }
}

/// Lists the weights' nodes in a graph; None for one without a gradient.
#[derive(Default)]
pub(crate) struct NodeLister {
    pub(crate) nodes: Vec<Option<NodeId>>,
}

impl ModuleVisitor for NodeLister {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        self.nodes.push(if value.is_require_grad() { node(&value) } else { None });
    }
}

/// A tensor's node, on one of the engine's backends.
fn node<const D: usize>(tensor: &Tensor<D>) -> Option<NodeId> {
    let on_cpu = tensor.clone().try_into_primitive::<Autodiff<Flex>>().map(|it| it.id());
    let node =
        on_cpu.or_else(|_| tensor.clone().try_into_primitive::<Autodiff<Wgpu>>().map(|it| it.id()));
    node.ok()
}

/// Takes chosen weights out, flat and without graph, and leaves an empty tensor in their places, so
/// that whoever has them can change them where they are.
pub(crate) struct Extractor<'a> {
    pub(crate) wanted: &'a [bool],
    pub(crate) next: usize,
    pub(crate) taken: Vec<Option<Tensor<1>>>,
}

impl ModuleMapper for Extractor<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let wanted = self.wanted.get(self.next).copied().unwrap_or(false);
        self.next += 1;
        if !wanted {
            self.taken.push(None);
            return param;
        }
        let (id, old, mapper) = param.consume();
        let placeholder = Tensor::empty([1; D], &Device::flex().autodiff());
        let placeholder = placeholder.set_require_grad(old.is_require_grad());
        self.taken.push(Some(flat(old.inner())));
        Param::from_mapped_value(id, placeholder, mapper)
    }
}

/// Puts values in place of weights; None leaves one as it is.
pub(crate) struct Inserter<'a> {
    pub(crate) specs: &'a [WeightSpec],
    pub(crate) values: std::vec::IntoIter<Option<Tensor<1>>>,
    pub(crate) next: usize,
    pub(crate) error: Option<EngineError>,
}

impl ModuleMapper for Inserter<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let spec = self.specs.get(self.next);
        self.next += 1;
        let (Some(Some(value)), Some(spec)) = (self.values.next(), spec) else { return param };
        let shape: Result<[usize; D], _> = spec.shape.as_slice().try_into();
        let Ok(shape) = shape else {
            self.error = Some(EngineError::internal(format!("'{}' changed its rank", spec.path)));
            return param;
        };
        let (id, old, mapper) = param.consume();
        let tracked = old.is_require_grad();
        let with_autodiff = old.is_autodiff();
        drop(old);
        let new = value.reshape(shape);
        let new = if with_autodiff { new.autodiff() } else { new };
        let new = if tracked { new.require_grad() } else { new };
        Param::from_mapped_value(id, new, mapper)
    }
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let elements = tensor.shape().num_elements();
    tensor.reshape([elements])
}

/// A trainable weight from host values, row by row, on a device.
///
/// # Panics
/// When there are more or fewer values than the shape has: Burn does.
pub fn weight<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Param<Tensor<D>> {
    let device = device.clone().autodiff();
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), &device))
}
