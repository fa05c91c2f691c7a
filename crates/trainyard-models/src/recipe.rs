//! Recipes: a model with its objective and its data under one name, as run files use it.

use std::sync::Arc;

use trainyard_config::{
    ConfigError, DataSection, KeyGroup, Keys, KindSection, LoraSection, Show, TrainMethod, must,
};
use trainyard_data::{DataError, DataInfo, DataSource, SEGMENTS};
use trainyard_engine::{CrossEntropy, Layers, Model, Objective};
use trainyard_pretrained::PretrainedError;

/// `data.context` of run files that were written when it had a default beside the model's own.
const WRITTEN_BY_ITSELF: i64 = 64;

/// What a recipe puts together for a run.
pub struct Job {
    /// The model.
    pub model: Arc<dyn Model>,
    /// The objective.
    pub objective: Arc<dyn Objective>,
    /// The data; None where they were not asked for.
    pub data: Option<Arc<dyn DataSource>>,
    /// Of a language model: tokens that it sees at once.
    pub context: Option<usize>,
}

impl Job {
    /// The job, unless rows of its data hold several samples, and no layer of its model keeps these apart.
    ///
    /// # Errors
    /// [`RecipeError::Segments`].
    pub fn with_samples_apart(self) -> Result<Self, RecipeError> {
        let takes =
            || self.model.layers().iter().any(|it| it.takes.iter().any(|it| **it == *SEGMENTS));
        match &self.data {
            Some(data) if gives(data.info(), SEGMENTS) && !takes() => Err(RecipeError::Segments {
                model: self.model.name().to_owned(),
                source_name: data.info().name.clone(),
            }),
            _ => Ok(self),
        }
    }
}

/// What is wrong with a run's `[model]` or `[data]`.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// A key of the run file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The files of a pretrained model.
    #[error(transparent)]
    Pretrained(#[from] PretrainedError),
    /// The data are not what the model learns from.
    #[error("the model '{model}' learns from {needed}; [data] {source_name} gives {given}")]
    WrongData {
        /// The recipe's name.
        model: &'static str,
        /// What it needs.
        needed: &'static str,
        /// Name of the data.
        source_name: String,
        /// The tensors that the data have.
        given: String,
    },
    /// Texts that teach one kind of language model, given to one of the other kind.
    #[error("{what} teaches {teaches}; {model} is {is}: {remedy}")]
    OtherKind {
        /// The data, as a run file names them.
        what: &'static str,
        /// The models that learn from them.
        teaches: &'static str,
        /// The model.
        model: String,
        /// What it is.
        is: String,
        /// The way out.
        remedy: &'static str,
    },
    /// Rows of the data hold several samples, and the model would see them as one.
    #[error(
        "rows of {source_name} hold several samples, which the model '{model}' would take for one; say \
         data.packing = false, or take an hf model"
    )]
    Segments {
        /// The model's name.
        model: String,
        /// Name of the data.
        source_name: String,
    },
}

/// The sections of a run file that a recipe reads.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `[model]`
    pub model: &'a KindSection,
    /// `[data]`
    pub data: &'a DataSection,
    /// Number of tokens, where the data are not needed: for writing with a trained model.
    pub vocabulary: Option<usize>,
    /// `[train] method` and `[lora]`
    pub tuning: Tuning<'a>,
}

/// Which weights a run trains.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Tuning<'a> {
    /// All.
    #[default]
    Full,
    /// Low-rank adapters beside frozen weights.
    Lora(&'a LoraSection),
    /// The same beside frozen weights in fewer bits.
    Qlora(&'a LoraSection),
}

impl<'a> Tuning<'a> {
    /// As a run file says.
    pub fn of(method: TrainMethod, lora: &'a LoraSection) -> Self {
        match method {
            TrainMethod::Full => Self::Full,
            TrainMethod::Lora => Self::Lora(lora),
            TrainMethod::Qlora => Self::Qlora(lora),
        }
    }

    /// The adapters, where there are some.
    pub fn lora(self) -> Option<&'a LoraSection> {
        match self {
            Self::Full => None,
            Self::Lora(lora) | Self::Qlora(lora) => Some(lora),
        }
    }

    fn method(self) -> TrainMethod {
        match self {
            Self::Full => TrainMethod::Full,
            Self::Lora(_) => TrainMethod::Lora,
            Self::Qlora(_) => TrainMethod::Qlora,
        }
    }
}

/// A model, its objective and its data under one name.
pub trait Recipe: Send + Sync {
    /// Name and keys: the value of `[model] kind`, and what else `[model]` may say.
    fn group(&self) -> KeyGroup;

    /// Puts a run's model, objective and data together.
    ///
    /// # Errors
    /// [`RecipeError`] for a key or for data that do not go with the model.
    fn load(&self, request: &Request<'_>) -> Result<Job, RecipeError>;

    /// The ways in which its models can be trained: [`Request::check_method`] refuses others.
    fn methods(&self) -> &[TrainMethod] {
        &[TrainMethod::Full]
    }
}

impl Request<'_> {
    /// Refuses a way of training that a recipe does not have.
    ///
    /// # Errors
    /// [`RecipeError::Config`] for `train.method`.
    pub fn check_method(&self, recipe: &dyn Recipe) -> Result<(), RecipeError> {
        let (method, methods) = (self.tuning.method(), recipe.methods());
        let known: Vec<String> = methods.iter().map(Show::show).collect();
        let words = format!("{} for the model '{}'", known.join(" or "), recipe.group().kind);
        let checked = must(methods.contains(&method), "method", &method.show(), words);
        Ok(checked.map_err(|bad| bad.in_section("train"))?)
    }

    /// The recipe's own options.
    ///
    /// # Errors
    /// [`RecipeError::Config`] for a value that makes no sense.
    pub fn options<O: Keys>(&self) -> Result<O, RecipeError> {
        Ok(O::from_table(&self.model.options)?)
    }

    /// Opens the data of the run file; None where only the vocabulary is needed. `unnamed` is the
    /// source where the run file names none. `set` are options that follow from the model's options of
    /// the same names, such as the length of a window; a source looks at those it has.
    ///
    /// # Errors
    /// [`RecipeError::Data`] when they cannot be used.
    pub fn open_data(
        &self,
        unnamed: Option<&str>,
        set: &[(&str, toml::Value)],
    ) -> Result<Option<Arc<dyn DataSource>>, RecipeError> {
        if self.vocabulary.is_some() {
            return Ok(None);
        }
        let mut data = self.data.clone();
        data.kind = data.kind.or_else(|| unnamed.map(str::to_owned));
        refuse_another_context(&data.options, set)?;
        for (name, value) in set {
            data.options.insert((*name).to_owned(), value.clone());
        }
        let source = trainyard_data::open(&data).map_err(|error| of_model(error, set))?;
        Ok(Some(Arc::from(source)))
    }
}

/// Refuses a context of the data that is not the model's.
fn refuse_another_context(
    given: &toml::Table,
    set: &[(&str, toml::Value)],
) -> Result<(), RecipeError> {
    let of_model = set.iter().find_map(|(name, value)| (*name == "context").then_some(value));
    let of_data = given.get("context").and_then(toml::Value::as_integer);
    let (Some(of_model), Some(of_data)) = (of_model.and_then(toml::Value::as_integer), of_data)
    else {
        return Ok(());
    };
    let words = format!("left out, or model.context, which is {of_model}");
    let fits = of_data == of_model || of_data == WRITTEN_BY_ITSELF;
    Ok(must(fits, "context", &of_data, words).map_err(|bad| bad.in_section("data"))?)
}

/// An option that follows from the model is wrong where the model says it.
fn of_model(error: DataError, set: &[(&str, toml::Value)]) -> DataError {
    match error {
        DataError::BadValue { key, value, must } => {
            let followed = set.iter().find(|(name, _)| key == format!("data.{name}"));
            let key = followed.map_or(key, |(name, _)| format!("model.{name}"));
            DataError::BadValue { key, value, must }
        }
        other => other,
    }
}

/// Whether data have a tensor of a name.
pub(crate) fn gives(info: &DataInfo, tensor: &str) -> bool {
    info.tensors.iter().any(|given| given.name == tensor)
}

/// Refuses data without a tensor that the model takes.
pub(crate) fn needs(
    model: &'static str,
    needed: &'static str,
    tensor: &str,
    info: &DataInfo,
) -> Result<(), RecipeError> {
    if gives(info, tensor) { Ok(()) } else { Err(wrong_data(model, needed, info)) }
}

/// Refuses data without tokens and the tokens that follow them, as a model that goes on with texts learns from; it
/// is called `name`, a decoder of that architecture where it has one, and sees `context` tokens at once.
pub(crate) fn needs_text(
    (model, name, architecture): (&'static str, &str, Option<&str>),
    context: usize,
    info: &DataInfo,
) -> Result<(), RecipeError> {
    needs(model, "a text", "tokens", info)?;
    let row =
        |name: &str| info.tensors.iter().find(|it| it.name == name).map(|it| &it.row_shape[..]);
    if row("tokens") != row("targets") {
        return Err(RecipeError::OtherKind {
            what: match info.classes[..] {
                [] => "[data] sentences",
                _ => "[data] sentences with a label",
            },
            teaches: "encoders (BERT, RoBERTa, DistilBERT)",
            model: name.to_owned(),
            is: architecture.map_or("a decoder".into(), |it| format!("a decoder ({it})")),
            remedy: "write the texts as chats (data.chat) or as one text (data.text), or take an encoder",
        });
    }
    // Rows that are made of a text are as long as the model's.
    match row("tokens") {
        Some([tokens]) if *tokens <= context => Ok(()),
        Some([tokens]) => {
            let words = format!("at least {tokens}, the tokens of a row of {}", info.name);
            let fits = must(false, "context", &context, words);
            Ok(fits.map_err(|bad| bad.in_section("model"))?)
        }
        _ => Err(wrong_data(model, "rows of tokens", info)),
    }
}

/// That data are not what a model learns from.
pub(crate) fn wrong_data(
    model: &'static str,
    needed: &'static str,
    info: &DataInfo,
) -> RecipeError {
    let given: Vec<&str> = info.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let (source_name, given) = (info.name.clone(), given.join(", "));
    RecipeError::WrongData { model, needed, source_name, given }
}

type MakeModel<O> = Box<dyn Fn(&O) -> Layers + Send + Sync>;
type MakeData<O> = Box<dyn Fn(&O) -> Result<Box<dyn DataSource>, DataError> + Send + Sync>;

/// A recipe of one's own: a model from [`Layers`], an objective, and data from the run file unless
/// it brings its own.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::Tensor;
/// use trainyard_config::{DataSection, KindSection, keys};
/// use trainyard_engine::{Layers, MeanSquaredError};
/// use trainyard_models::{OwnRecipe, Recipe, Request, Tuning};
///
/// keys! {
///     /// Linear layers.
///     pub struct Options in "model" {
///         /// How many there are.
///         depth: usize = 3, in 1..=100;
///     }
/// }
///
/// fn layers(options: &Options) -> Layers {
///     Layers::new("line", "features").repeat("linear", options.depth, |layers, name, _| {
///         let init = |device: &_| LinearConfig::new(4, 4).init(device);
///         layers.layer(name, init, |linear: &Linear, x: Tensor<2>| linear.forward(x))
///     })
/// }
///
/// let recipe = OwnRecipe::new("line", layers).objective(MeanSquaredError);
/// // What a run file says under `[model]`; rows of numbers are made by the program itself.
/// let options = [("depth".to_owned(), 5.into())].into_iter().collect();
/// let model = KindSection { kind: "line".to_owned(), options };
/// let sizes = ["inputs", "outputs"].map(|key| (key.to_owned(), 4.into()));
/// let data = DataSection {
///     kind: Some("rows".to_owned()),
///     validation_fraction: 0.1,
///     options: sizes.into_iter().collect(),
/// };
/// let request = Request { model: &model, data: &data, vocabulary: None, tuning: Tuning::Full };
/// let job = recipe.load(&request)?;
/// assert_eq!(job.model.layers().len(), 5);
/// # Ok::<(), trainyard_models::RecipeError>(())
/// ```
pub struct OwnRecipe<O> {
    name: &'static str,
    model: MakeModel<O>,
    objective: Arc<dyn Objective>,
    data: Option<MakeData<O>>,
}

impl<O: Keys> OwnRecipe<O> {
    /// A recipe with a name for `[model] kind` and a function from its options to its model. Its
    /// objective is cross-entropy.
    pub fn new(name: &'static str, model: impl Fn(&O) -> Layers + Send + Sync + 'static) -> Self {
        let objective = Arc::new(CrossEntropy::default());
        Self { name, model: Box::new(model), objective, data: None }
    }

    /// The same with another objective.
    #[must_use]
    pub fn objective(self, objective: impl Objective + 'static) -> Self {
        Self { objective: Arc::new(objective), ..self }
    }

    /// The same with data of its own instead of those of the run file.
    #[must_use]
    pub fn data<D: DataSource + 'static>(
        self,
        open: impl Fn(&O) -> Result<D, DataError> + Send + Sync + 'static,
    ) -> Self {
        Self { data: Some(Box::new(move |options| Ok(Box::new(open(options)?)))), ..self }
    }
}

impl<O: Keys + 'static> Recipe for OwnRecipe<O> {
    fn group(&self) -> KeyGroup {
        KeyGroup::of::<O>(self.name)
    }

    fn load(&self, request: &Request<'_>) -> Result<Job, RecipeError> {
        let options: O = request.options()?;
        let data = match &self.data {
            Some(open) if request.vocabulary.is_none() => Some(Arc::from(open(&options)?)),
            Some(_) => None,
            None => request.open_data(None, &[])?,
        };
        Ok(Job {
            model: Arc::new((self.model)(&options)),
            objective: Arc::clone(&self.objective),
            data,
            context: None,
        })
    }
}
