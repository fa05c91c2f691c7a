//! `kind = "hf"` of an encoder: what it learns follows from the data, unless the run file says it.

use std::sync::Arc;

use trainyard_config::{ConfigError, choices};
use trainyard_data::{DType, DataInfo, DataSource, Masked, SEGMENTS};
use trainyard_engine::{CrossEntropy, Objective, Scores};
use trainyard_pretrained::{Pooling, Pretrained};

use super::encoder::{Encoder, encoder, has_dense};
use super::encoder_task::{EncoderHead, EncoderTask};
use super::{HfModel, HfOptions, context, data_options, refused};
use crate::recipe::{Job, RecipeError, Request, gives, needs, wrong_data};
use crate::{fused, gpt};

/// The longest context where a run file names none, tokens: longer than most sentences.
const USUAL_CONTEXT: u64 = 128;
/// The share that is dropped where a run file names none.
const USUAL_DROPOUT: f64 = 0.1;

choices! {
    /// What an encoder learns.
    pub enum HfTask {
        /// To find tokens that are masked.
        Masked = "masked",
        /// To tell the classes of texts.
        Classify = "classify",
        /// Vectors of texts that are as alike as their texts are.
        Embed = "embed",
    }
}

choices! {
    /// How one vector is made of a text's.
    pub enum HfPooling {
        /// The mean of all its tokens.
        Mean = "mean",
        /// That of its first token.
        First = "first",
    }
}

/// Puts model, objective and data of an encoder together.
///
/// # Errors
/// [`RecipeError`] for files that cannot be used, and for data and keys that do not go with them.
pub(super) fn load(
    request: &Request<'_>,
    options: &HfOptions,
    pretrained: Pretrained,
) -> Result<Job, RecipeError> {
    let (encoder, own) = checked(&pretrained)?;
    let config = &pretrained.config;
    let context = context(options, config, USUAL_CONTEXT)?;
    if request.data.kind.as_deref() == Some("chat") {
        return Err(RecipeError::OtherKind {
            what: "[data] chat",
            teaches: "decoders",
            model: pretrained.path.display().to_string(),
            is: format!("an encoder ({})", config.architecture.name()),
            remedy: "name texts of a table (data.sentences) or one text (data.text), or take a decoder",
        });
    }
    let mut set = data_options(request, &pretrained, context)?;
    // Classes of the model's own head have its numbers.
    if own == Some(config.labels.len()) && !request.data.options.contains_key("classes") {
        set.push(("classes", config.labels.clone().into()));
    }
    let data = request.open_data(None, &set)?.ok_or_else(|| not_one(&pretrained))?;
    needs("hf", "a text", "tokens", data.info())?;
    let task = options.task.unwrap_or_else(|| task_of(data.info()));
    check(task, data.info())?;
    let classes = data.info().classes.len();
    let head = head(task, options, (&pretrained, encoder, own), classes)?;
    let data: Arc<dyn DataSource> = match task {
        HfTask::Masked => Arc::new(Masked::new(data, config.vocabulary)?),
        HfTask::Classify | HfTask::Embed => data,
    };
    data.check_known(config.vocabulary)?;
    let has = |name: &str| gives(data.info(), name);
    let task = EncoderTask {
        head,
        dropout: options.dropout.unwrap_or(USUAL_DROPOUT),
        segments: has(SEGMENTS),
        types: has("token_types") && config.segments > 1,
    };
    let objective: Arc<dyn Objective> = match head {
        EncoderHead::Masked => Arc::new(gpt::objective()),
        EncoderHead::Classes { .. } => {
            Arc::new(CrossEntropy { kernel: fused::cross_entropy, ..CrossEntropy::default() })
        }
        EncoderHead::Pairs { .. } => Arc::new(Scores),
    };
    let model = model(request, pretrained, context, task)?;
    Ok(Job { model: Arc::new(model), objective, data: Some(data), context: None })
}

/// The encoder of a run file without its data: `classes` are those that it was trained to tell.
///
/// # Errors
/// [`RecipeError`] for files that cannot be used, and for keys that do not go with them.
pub(super) fn of_run(
    request: &Request<'_>,
    options: &HfOptions,
    pretrained: Pretrained,
    classes: usize,
) -> Result<HfModel, RecipeError> {
    let (encoder, own) = checked(&pretrained)?;
    let context = context(options, &pretrained.config, USUAL_CONTEXT)?;
    let task = options.task.unwrap_or(match () {
        () if classes > 0 => HfTask::Classify,
        () if request.data.options.contains_key("score") => HfTask::Embed,
        () => HfTask::Masked,
    });
    let head = head(task, options, (&pretrained, encoder, own), classes)?;
    let task = EncoderTask { head, dropout: 0.0, segments: true, types: true };
    model(request, pretrained, context, task)
}

/// The architecture of some files, and how many classes these have a head for.
fn checked(pretrained: &Pretrained) -> Result<(&'static Encoder, Option<usize>), RecipeError> {
    pretrained.check()?;
    let encoder = encoder(pretrained.config.architecture).ok_or_else(|| not_one(pretrained))?;
    Ok((encoder, own_classes(pretrained, encoder)?))
}

fn model(
    request: &Request<'_>,
    pretrained: Pretrained,
    context: usize,
    task: EncoderTask,
) -> Result<HfModel, RecipeError> {
    let refused = not_one(&pretrained);
    let model = HfModel::encoder(Arc::new(pretrained), context, task).ok_or(refused)?;
    model.tuned(request.tuning)
}

fn not_one(pretrained: &Pretrained) -> ConfigError {
    refused("path", pretrained.path.display().to_string(), "an encoder".to_owned())
}

/// What data are there to be learned.
fn task_of(info: &DataInfo) -> HfTask {
    match targets(info) {
        Some(DType::I32) if !info.classes.is_empty() => HfTask::Classify,
        Some(DType::F32) => HfTask::Embed,
        _ => HfTask::Masked,
    }
}

/// The type of what is to be learned of each row, where that is one number.
fn targets(info: &DataInfo) -> Option<DType> {
    let targets = info.tensors.iter().find(|tensor| tensor.name == "targets");
    targets.filter(|tensor| tensor.row_shape.is_empty()).map(|tensor| tensor.dtype)
}

/// Refuses data that a task cannot learn from.
fn check(task: HfTask, info: &DataInfo) -> Result<(), RecipeError> {
    let fits = task == HfTask::Masked || task_of(info) == task;
    let needed = match task {
        HfTask::Classify => "texts with classes (data.label)",
        _ => "pairs of texts with scores (data.second and data.score)",
    };
    if fits { Ok(()) } else { Err(wrong_data("hf", needed, info)) }
}

fn head(
    task: HfTask,
    options: &HfOptions,
    (pretrained, encoder, own): (&Pretrained, &Encoder, Option<usize>),
    classes: usize,
) -> Result<EncoderHead, RecipeError> {
    let pooling = || match options.pooling {
        Some(HfPooling::Mean) => Ok(Some(Pooling::Mean)),
        Some(HfPooling::First) => Ok(Some(Pooling::First)),
        None => pretrained.pooling(),
    };
    let path = || pretrained.path.display().to_string();
    match task {
        HfTask::Masked => {
            let [own, bias] = encoder.decoder;
            let second = own.replace(".weight", ".bias");
            if !pretrained.config.tied && second != bias && pretrained.has(&second) {
                let words =
                    format!("a model whose head has one bias; beside {bias} this one has {second}");
                return Err(refused("path", path(), words).into());
            }
            let of_head = encoder.of_masked(true);
            let missing = of_head.iter().find(|it| !pretrained.has(&it.name));
            match missing {
                None => Ok(EncoderHead::Masked),
                Some(it) => {
                    let words =
                        format!("a model with a head for masked tokens; {} is missing", it.name);
                    Err(refused("path", path(), words).into())
                }
            }
        }
        HfTask::Classify => match own.filter(|own| *own != classes) {
            None => {
                let pooling = pooling()?.unwrap_or(Pooling::First);
                Ok(EncoderHead::Classes { classes, pooling })
            }
            Some(own) => {
                let words = format!(
                    "a model for {classes} classes, as the data have, or one without a head; \
                         its own tells {own}"
                );
                Err(refused("path", path(), words).into())
            }
        },
        HfTask::Embed if options.pooling.is_none() && has_dense(pretrained) => {
            let words = "a model whose vectors are its pooling's, and this one has a Dense behind it; \
                         model.pooling says how they are made without";
            Err(refused("path", path(), words.to_owned()).into())
        }
        HfTask::Embed => Ok(EncoderHead::Pairs { pooling: pooling()?.unwrap_or(Pooling::Mean) }),
    }
}

/// How many classes the files have a head for; None where they have none.
fn own_classes(pretrained: &Pretrained, encoder: &Encoder) -> Result<Option<usize>, RecipeError> {
    let names = encoder.of_classify(Pooling::Mean, has_dense(pretrained));
    let weight = names.iter().find(|it| it.path == "classes.weight");
    let Some(weight) = weight.filter(|it| pretrained.has(&it.name)) else { return Ok(None) };
    let classes = pretrained.raw(&weight.name)?.shape.first().copied();
    Ok(classes.and_then(|classes| usize::try_from(classes).ok()))
}
