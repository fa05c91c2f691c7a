//! The weights of one layer, read from the files of a pretrained model when the layer is made, and frozen where
//! adapters are what trains.

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use trainyard_config::BlockFormat;
use trainyard_engine::{EngineError, check_host_room, weight};
use trainyard_pretrained::{Element, ModelConfig, Pretrained};

use super::adapters::LayerAdapters;
use super::norm::Norm;
use super::projection::Projection;
use crate::nn::{PackedWeight, element};

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
        let place = format!("{path}.weight");
        let packing = self.adapters.as_ref().and_then(LayerAdapters::packing);
        let packed = match packing {
            Some(format) => self.packed(&place, [outputs, inputs], format)?,
            None => None,
        };
        let weight = match packed {
            Some(_) => None,
            None => Some(self.matrix(&place, [outputs, inputs])?),
        };
        Ok(Projection {
            weight,
            packed,
            bias: has_bias.then(bias).transpose()?,
            lora: self.adapters.as_ref().and_then(lora).transpose()?,
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

    /// A matrix in blocks, as the file has it where it has such; None where its rows are no whole blocks.
    ///
    /// # Errors
    /// As [`Self::values`].
    fn packed(
        &self,
        path: &str,
        [rows, columns]: [u64; 2],
        format: BlockFormat,
    ) -> Result<Option<PackedWeight>, EngineError> {
        let shape = [rows as usize, columns as usize];
        if element(format).bytes_of(&[columns]).is_none() {
            return Ok(None);
        }
        if let Some(name) = self.name(path).filter(|name| !name.turned)
            && let Ok(raw) = self.pretrained.raw(&name.name)
            && let Some(format) = block_format(raw.element).filter(|_| !raw.is_transposed())
        {
            let rows: Option<Vec<&[u8]>> = (0..raw.rows()).map(|row| raw.row(row)).collect();
            let bytes = rows.map(|rows| rows.concat());
            let packed =
                bytes.and_then(|it| PackedWeight::of_blocks(format, shape, &it, self.device));
            if packed.is_some() {
                return Ok(packed);
            }
        }
        Ok(PackedWeight::of_numbers(format, shape, &self.rows(path, shape)?, self.device))
    }

    /// The numbers of a matrix, row by row.
    fn rows(&self, path: &str, shape: [usize; 2]) -> Result<Vec<f32>, EngineError> {
        let (values, is_turned) =
            self.values(path, shape.map(|size| size as u64).iter().product())?;
        Ok(if is_turned { turn(&values, shape) } else { values })
    }

    fn vector(&self, path: &str, width: u64) -> Result<Param<Tensor<1>>, EngineError> {
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

/// The blocks of an element that products compute with as it is.
fn block_format(stored: Element) -> Option<BlockFormat> {
    let formats = [BlockFormat::Q8_0, BlockFormat::Q4_0, BlockFormat::Q4_1];
    formats.into_iter().find(|format| element(*format) == stored)
}

/// A matrix of `[rows, columns]` from the values of `[columns, rows]`.
pub(super) fn turn(values: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let row = |row: usize| values.iter().skip(row).step_by(rows.max(1)).take(columns).copied();
    (0..rows).flat_map(row).collect()
}
