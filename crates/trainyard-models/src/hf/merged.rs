//! The weights of a pretrained model after a training, by their names in Hugging Face layout.

use std::collections::BTreeMap;

use trainyard_config::LoraSection;
use trainyard_pretrained::{NewModel, NewWeight, PretrainedError};

use super::HfModel;
use super::encoder_task::EncoderShape;
use super::weights::{WeightName, turn};

/// Numbers that a training has left of a layer's weights, by layer and path; None for those that it left alone.
pub type Trained<'a, E> = dyn FnMut(usize, &str) -> Result<Option<Vec<f32>>, E> + 'a;

/// Where the weights of a model lie, by their names in Hugging Face layout.
pub struct MergedWeights<'a> {
    model: &'a HfModel,
    written: NewModel,
    /// The layer and both names.
    places: BTreeMap<String, (usize, WeightName)>,
    /// Rows and columns of matrices in Hugging Face's layout.
    shapes: BTreeMap<String, [usize; 2]>,
}

/// An adapter as PEFT has it.
#[derive(Clone, Debug, PartialEq)]
pub struct PeftWeight {
    /// The name of its product in Hugging Face layout, without `.weight`.
    pub product: String,
    /// A, `[rank, inputs]`.
    pub a: Vec<f32>,
    /// B, `[outputs, rank]`.
    pub b: Vec<f32>,
}

impl<'a> MergedWeights<'a> {
    /// Those of a model; of an encoder that tells classes, which have these names, in the order of their numbers.
    pub fn new(model: &'a HfModel, classes: &[String]) -> Self {
        let config = &model.pretrained().config;
        let head = config.blocks as usize + 1;
        let mut written =
            NewModel { context: model.context() as u64, ..model.pretrained().as_it_is() };
        let own = |layer| model.names(layer).into_iter().map(move |name| (layer, name));
        let all = (0..=head).flat_map(own);
        let mut places: BTreeMap<_, _> = all.map(|it| (it.1.name.clone(), it)).collect();
        if let Some(encoder) = model.as_encoder() {
            written.purpose = Some(encoder.purpose(classes));
            for it in encoder.of_new_head(config.tied) {
                let shape = encoder.shape_in_head(&it.path, config);
                written.weights.push(NewWeight { name: it.name.clone(), shape });
                places.insert(it.name.clone(), (head, it));
            }
        }
        let matrices = model.pretrained().layout().into_iter().filter_map(|weight| {
            let &[rows, columns] = weight.shape.as_slice() else { return None };
            Some((weight.name, [rows as usize, columns as usize]))
        });
        Self { model, written, places, shapes: matrices.collect() }
    }

    /// What is written of the model.
    pub fn written(&self) -> &NewModel {
        &self.written
    }

    /// The weights of an encoder's last layer that train beside adapters; none where these are all that does.
    pub fn beside_adapters(&self) -> &[NewWeight] {
        let trains = self.model.as_encoder().is_some_and(EncoderShape::has_own_head);
        let layout = self.model.pretrained().layout().len();
        self.written.weights.get(layout..).filter(|_| trains).unwrap_or_default()
    }

    /// The numbers of a weight in Hugging Face's layout: what was trained, or the model's own and what its adapter
    /// adds, `W + alpha ÷ rank · B·A`.
    ///
    /// # Errors
    /// [`PretrainedError`] for a weight that the model's files do not have; whatever `trained` fails with.
    pub fn values<E: From<PretrainedError>>(
        &self,
        name: &str,
        trained: &mut Trained<'_, E>,
    ) -> Result<Vec<f32>, E> {
        let pretrained = self.model.pretrained();
        // What a model has for something else stays as it is.
        let Some((layer, WeightName { path, turned, .. })) = self.places.get(name) else {
            return Ok(pretrained.values(name)?);
        };
        let mut values = match trained(*layer, path)? {
            // As it is here: of a matrix `[outputs, inputs]`.
            Some(values) => match self.shapes.get(name).filter(|_| *turned) {
                Some(shape) => turn(&values, *shape),
                None => values,
            },
            None => pretrained.values(name)?,
        };
        let product = path.strip_suffix(".weight");
        if let (Some(lora), Some(product)) = (self.model.lora(), product)
            && let Some([a, b]) = adapter(*layer, product, trained)?
        {
            add(&mut values, lora, [&a, &b], *turned);
        }
        Ok(values)
    }

    /// The adapters of all products, in the order of their names.
    ///
    /// # Errors
    /// Whatever `trained` fails with.
    pub fn adapters<E>(&self, trained: &mut Trained<'_, E>) -> Result<Vec<PeftWeight>, E> {
        let mut all = Vec::new();
        for (name, (layer, WeightName { path, .. })) in &self.places {
            let stems = path.strip_suffix(".weight").zip(name.strip_suffix(".weight"));
            let Some((path, product)) = stems else { continue };
            if let Some([a, b]) = adapter(*layer, path, trained)? {
                all.push(PeftWeight { product: product.to_owned(), a, b });
            }
        }
        Ok(all)
    }
}

fn adapter<E>(
    layer: usize,
    product: &str,
    trained: &mut Trained<'_, E>,
) -> Result<Option<[Vec<f32>; 2]>, E> {
    let a = trained(layer, &format!("{product}.lora.a"))?;
    let b = trained(layer, &format!("{product}.lora.b"))?;
    Ok(a.zip(b).map(|(a, b)| [a, b]))
}

/// Adds `alpha ÷ rank · B·A` to a weight of `[outputs, inputs]`, or `[inputs, outputs]` where it is turned.
fn add(values: &mut [f32], lora: &LoraSection, [a, b]: [&[f32]; 2], turned: bool) {
    let rank = lora.rank.max(1);
    let (inputs, outputs) = (a.len() / rank, b.len() / rank);
    let scale = (lora.alpha / rank as f64) as f32;
    for (output, of_b) in b.chunks_exact(rank).enumerate() {
        let mut row = vec![0.0; inputs];
        for (of_a, factor) in a.chunks_exact(inputs.max(1)).zip(of_b) {
            row.iter_mut().zip(of_a).for_each(|(sum, number)| *sum += factor * scale * number);
        }
        for (input, number) in row.into_iter().enumerate() {
            let at = if turned { input * outputs + output } else { output * inputs + input };
            if let Some(value) = values.get_mut(at) {
                *value += number;
            }
        }
    }
}
