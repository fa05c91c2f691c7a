//! The weights of one layer, read from the files of a pretrained model when the layer is made, and frozen where
//! adapters are what trains.

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use trainyard_config::BlockFormat;
use trainyard_engine::{EngineError, check_host_room, weight};
use trainyard_pretrained::{Element, ModelConfig, Pretrained, RawWeight};

use super::adapters::{LayerAdapters, Packing};
use super::norm::Norm;
use super::projection::Projection;
use crate::nn::{PackedWeight, element, is_packed};
use crate::weight_init::WeightInit;

/// A weight of a layer by both of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightName {
    /// Its path in the layer, as checkpoints have it.
    pub path: String,
    /// Its name in Hugging Face layout.
    pub name: String,
    /// Whether it is `[inputs, outputs]` there and `[outputs, inputs]` here.
    pub turned: bool,
}

impl WeightName {
    /// One that lies there as it does here.
    pub(super) fn new(path: &str, name: &str) -> Self {
        Self { path: path.to_owned(), name: name.to_owned(), turned: false }
    }

    /// Those of a product's or a norm's weight and its bias, by what is before `.weight` and `.bias`.
    pub(super) fn both_ends(path: &str, name: &str) -> [Self; 2] {
        ["weight", "bias"].map(|end| Self::new(&format!("{path}.{end}"), &format!("{name}.{end}")))
    }
}

/// Reads the weights of one layer by their paths in it.
pub(super) struct Weights<'a> {
    pub(super) pretrained: &'a Pretrained,
    /// The layer's name, for messages.
    pub(super) layer: String,
    pub(super) names: Vec<WeightName>,
    pub(super) device: &'a Device,
    /// None where all weights train.
    pub(super) adapters: Option<LayerAdapters<'a>>,
}

impl Weights<'_> {
    pub(super) fn config(&self) -> &ModelConfig {
        &self.pretrained.config
    }

    /// A product from `inputs` to `outputs` numbers.
    ///
    /// # Errors
    /// As [`Self::values`].
    pub(super) fn projection(
        &self,
        path: &str,
        [inputs, outputs]: [u64; 2],
        has_bias: bool,
    ) -> Result<Projection, EngineError> {
        let bias = || self.vector(&format!("{path}.bias"), outputs);
        let sizes = [inputs as usize, outputs as usize];
        let lora = |adapters: &LayerAdapters<'_>| {
            let name = self.name(&format!("{path}.weight")).map_or("", |it| it.name.as_str());
            adapters.of(path, name, sizes, self.device).transpose()
        };
        let (weight, packed) = self.held(&format!("{path}.weight"), [outputs, inputs])?;
        Ok(Projection {
            weight,
            packed,
            bias: has_bias.then(bias).transpose()?,
            lora: self.adapters.as_ref().and_then(lora).transpose()?,
        })
    }

    /// The same with a bias; drawn with a deviation, and a bias of zeros, where the files do not have it.
    ///
    /// # Errors
    /// As [`Self::values`].
    pub(super) fn projection_or_drawn(
        &self,
        path: &str,
        [inputs, outputs]: [u64; 2],
        (initial, deviation): (&mut WeightInit, f32),
    ) -> Result<Projection, EngineError> {
        let name = self.name(&format!("{path}.weight"));
        if name.is_some_and(|it| self.pretrained.has(&it.name)) {
            return self.projection(path, [inputs, outputs], true);
        }
        let shape = [outputs as usize, inputs as usize];
        let drawn = initial.normal(shape, deviation)?;
        Ok(Projection {
            weight: Some(weight(drawn, shape, self.device)),
            packed: None,
            bias: Some(weight(vec![0.0; shape[0]], [shape[0]], self.device)),
            lora: None,
        })
    }

    /// A norm over `width` numbers.
    ///
    /// # Errors
    /// As [`Self::values`].
    pub(super) fn norm(&self, path: &str, width: u64) -> Result<Norm, EngineError> {
        let vector = |end: &str| self.vector(&format!("{path}.{end}"), width);
        Norm::new(vector, self.config())
    }

    /// A matrix, row by row.
    ///
    /// # Errors
    /// As [`Self::values`].
    pub(super) fn matrix(
        &self,
        path: &str,
        [rows, columns]: [u64; 2],
    ) -> Result<Param<Tensor<2>>, EngineError> {
        let shape = [rows as usize, columns as usize];
        Ok(self.weight(self.rows(path, shape)?, shape))
    }

    /// A matrix, row by row, in blocks where it is frozen and held so.
    ///
    /// # Errors
    /// As [`Self::values`].
    pub(super) fn held(&self, path: &str, shape: [u64; 2]) -> Result<Held, EngineError> {
        let packing = self.adapters.as_ref().and_then(LayerAdapters::packing);
        let blocks = packing
            .zip(self.name(path))
            .and_then(|(packing, name)| blocks(self.pretrained, name, shape[1], packing));
        match blocks {
            Some(blocks) => Ok((None, Some(self.packed(path, shape, &blocks)?))),
            None => Ok((Some(self.matrix(path, shape)?), None)),
        }
    }

    fn packed(
        &self,
        path: &str,
        [rows, columns]: [u64; 2],
        blocks: &Blocks,
    ) -> Result<PackedWeight, EngineError> {
        let shape = [rows as usize, columns as usize];
        let packed = match blocks {
            Blocks::AsStored(raw) => {
                check_host_room(raw.bytes().len() as u64)?;
                let rows: Option<Vec<&[u8]>> = (0..raw.rows()).map(|row| raw.row(row)).collect();
                let bytes = rows.map(|rows| rows.concat());
                bytes.and_then(|it| PackedWeight::of_blocks(raw.element, shape, &it, self.device))
            }
            Blocks::OfNumbers(format) => {
                let numbers = self.rows(path, shape)?;
                PackedWeight::of_numbers(*format, shape, &numbers, self.device)
            }
        };
        packed.ok_or_else(|| {
            let reason =
                format!("the blocks of '{path}' are not those of {rows} × {columns} numbers");
            EngineError::Layer { layer: self.layer.clone(), reason }
        })
    }

    /// The numbers of a matrix, row by row.
    fn rows(&self, path: &str, shape: [usize; 2]) -> Result<Vec<f32>, EngineError> {
        let (values, is_turned) =
            self.values(path, shape.map(|size| size as u64).iter().product())?;
        Ok(if is_turned { turn(&values, shape) } else { values })
    }

    /// A vector.
    ///
    /// # Errors
    /// As [`Self::values`].
    pub(super) fn vector(&self, path: &str, width: u64) -> Result<Param<Tensor<1>>, EngineError> {
        let (values, _) = self.values(path, width)?;
        Ok(self.weight(values, [width as usize]))
    }

    /// On the device, frozen where adapters train.
    fn weight<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        let weight = weight(values, shape, self.device);
        if self.adapters.is_some() { weight.set_require_grad(false) } else { weight }
    }

    fn name(&self, path: &str) -> Option<&WeightName> {
        self.names.iter().find(|name| name.path == path)
    }

    /// The numbers of a weight, and whether they are turned.
    ///
    /// # Errors
    /// [`EngineError::Layer`] for a weight that is missing, damaged or of another size;
    /// [`EngineError::LayerTooLarge`] for one that is larger than the memory that is free.
    fn values(&self, path: &str, numbers: u64) -> Result<(Vec<f32>, bool), EngineError> {
        let failed = |reason| EngineError::Layer { layer: self.layer.clone(), reason };
        let unnamed = || failed(format!("this architecture has no name for '{path}'"));
        let WeightName { name, turned, .. } = self.name(path).ok_or_else(unnamed)?;
        check_host_room(numbers.saturating_mul(4))?;
        let values = self.pretrained.values(name).map_err(|error| failed(error.to_string()))?;
        if values.len() as u64 != numbers {
            let found = values.len();
            return Err(failed(format!("{name} has {found} numbers, but must have {numbers}")));
        }
        Ok((values, *turned))
    }
}

/// A matrix as numbers, or in blocks: the one or the other.
pub(super) type Held = (Option<Param<Tensor<2>>>, Option<PackedWeight>);

/// Where the blocks of a matrix come from.
pub(super) enum Blocks {
    /// The file has them.
    AsStored(RawWeight),
    /// Its numbers are packed.
    OfNumbers(BlockFormat),
}

impl Blocks {
    /// How files name them.
    pub(super) fn element(&self) -> Element {
        match self {
            Self::AsStored(raw) => raw.element,
            Self::OfNumbers(format) => element(*format),
        }
    }
}

/// The blocks in which a matrix with rows of `columns` numbers is held; None where it is held as numbers.
pub(super) fn blocks(
    pretrained: &Pretrained,
    name: &WeightName,
    columns: u64,
    Packing(packing): Packing,
) -> Option<Blocks> {
    let is_whole = |element: Element| element.bytes_of(&[columns]).is_some();
    // A matrix that is wanted turned may lie turned in its file, as GPT-2's do in GGUF files.
    let as_stored = pretrained.raw(&name.name).ok().filter(|raw| {
        let is_wanted = raw.is_transposed() == name.turned;
        is_wanted && is_packed(raw.element) && is_whole(raw.element)
    });
    let of_numbers = packing.filter(|format| is_whole(element(*format)));
    as_stored.map(Blocks::AsStored).or(of_numbers.map(Blocks::OfNumbers))
}

/// A matrix of `[rows, columns]` from the values of `[columns, rows]`.
pub(super) fn turn(values: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let row = |row: usize| values.iter().skip(row).step_by(rows.max(1)).take(columns).copied();
    (0..rows).flat_map(row).collect()
}
