//! What the files of `sentence-transformers` say of a model: how a text's positions become one vector, and a product
//! behind it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::PretrainedError;
use crate::open::{Pretrained, read_config};
use crate::safetensors_files::of_file;
use crate::weight::Weight;

/// What weights of the product behind a text's vector are called here, before `linear.weight` and `linear.bias`.
pub const DENSE: &str = "2_Dense.";

/// Which modules follow each other, and in which folders they lie.
pub(crate) const MODULES: &str = "modules.json";
/// How vectors are pooled, by the name that the tool gives this folder.
pub(crate) const POOLING: &str = "1_Pooling";

/// How one vector is made of those of all positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// That of the first.
    First,
}

impl Pretrained {
    /// How the model was made to be pooled; None where its files do not say it.
    ///
    /// # Errors
    /// [`PretrainedError`] for a file that cannot be read; [`PretrainedError::Unsupported`] for another way, and for
    /// modules that change the vectors.
    pub fn pooling(&self) -> Result<Option<Pooling>, PretrainedError> {
        let modules = Modules::of_folder(&self.path)?;
        let unsupported = |path: PathBuf, key: &str, value: String, remedy: &str| {
            let (key, remedy) = (key.to_owned(), remedy.to_owned());
            Err(PretrainedError::Unsupported { path, key, value, remedy })
        };
        if let Some(Module { kind, .. }) = modules.all.iter().find(|it| !it.is_known()) {
            let remedy = "a Transformer with Pooling, Normalize and one plain Dense is; model.pooling says how \
                          vectors are made without it";
            return unsupported(self.path.join(MODULES), "a module", kind.clone(), remedy);
        }
        match self.pooling_type {
            None | Some(0) => {}
            Some(1) => return Ok(Some(Pooling::Mean)),
            Some(2) => return Ok(Some(Pooling::First)),
            Some(other) => {
                let remedy = "1, the mean of all tokens, and 2, the first token, are";
                return unsupported(self.path.clone(), "pooling_type", other.to_string(), remedy);
            }
        }
        let path = self.path.join(POOLING).join("config.json");
        if !path.is_file() {
            return Ok(None);
        }
        let config = read_config(&path)?;
        let said = match config.get("pooling_mode") {
            // As newer versions of the tool write it.
            Some(Value::String(mode)) => mode.clone(),
            Some(other) => other.to_string(),
            None => {
                let modes = config.iter().filter(|(_, value)| **value == Value::Bool(true));
                let modes = modes.filter_map(|(key, _)| key.strip_prefix("pooling_mode_"));
                modes.collect::<Vec<_>>().join(", ")
            }
        };
        match said.as_str() {
            "mean" | "mean_tokens" => Ok(Some(Pooling::Mean)),
            "cls" | "cls_token" => Ok(Some(Pooling::First)),
            _ => {
                let remedy = "the mean of all tokens and the first token are";
                unsupported(path, "pooling_mode", said, remedy)
            }
        }
    }

    /// Whether its vectors are made as long as 1, as its files say.
    ///
    /// # Errors
    /// [`PretrainedError`] for a file that cannot be read.
    pub(crate) fn normalizes(&self) -> Result<bool, PretrainedError> {
        Ok(Modules::of_folder(&self.path)?.all.iter().any(|module| module.kind == "Normalize"))
    }
}

/// The modules of a folder.
#[derive(Default)]
struct Modules {
    all: Vec<Module>,
}

struct Module {
    /// The last part of its class's name.
    kind: String,
    /// Of a Dense: whether it is a product with a bias and nothing else, in the format of safetensors.
    is_plain: bool,
    folder: PathBuf,
}

impl Modules {
    /// Those that a folder lists; none where it lists none, and for what is no folder.
    fn of_folder(folder: &Path) -> Result<Self, PretrainedError> {
        let path = folder.join(MODULES);
        if !path.is_file() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(&path).map_err(PretrainedError::io(&path))?;
        let listed: Vec<Map<String, Value>> = serde_json::from_str(&text)
            .map_err(|error| PretrainedError::bad_file(&path, format!("{error}")))?;
        let all = listed.iter().map(|module| Module::new(folder, &path, module));
        Ok(Self { all: all.collect::<Result<_, _>>()? })
    }
}

impl Module {
    fn new(
        folder: &Path,
        list: &Path,
        module: &Map<String, Value>,
    ) -> Result<Self, PretrainedError> {
        let text = |key: &str| module.get(key).and_then(Value::as_str).unwrap_or_default();
        let (class, name) = (text("type"), text("path"));
        if name.contains(['/', '\\']) || name == ".." {
            let reason = format!("it names '{name}', which is not a folder beside it");
            return Err(PretrainedError::bad_file(list, reason));
        }
        let kind = class.rsplit('.').next().unwrap_or(class).to_owned();
        let folder = folder.join(name);
        let is_plain = kind == "Dense" && is_plain(&folder)?;
        Ok(Self { kind, is_plain, folder })
    }

    fn is_known(&self) -> bool {
        matches!(self.kind.as_str(), "Transformer" | "Pooling" | "Normalize") || self.is_plain
    }
}

/// Whether a Dense is a product with a bias and nothing else.
fn is_plain(folder: &Path) -> Result<bool, PretrainedError> {
    let path = folder.join("config.json");
    if !path.is_file() || !folder.join("model.safetensors").is_file() {
        return Ok(false);
    }
    let config = read_config(&path)?;
    let is = |key: &str, wanted: &Value| config.get(key).is_none_or(|value| value == wanted);
    let activation = config.get("activation_function").and_then(Value::as_str);
    let vector = Value::from("sentence_embedding");
    let goes_on = ["module_input_name", "module_output_name"];
    Ok(activation.is_some_and(|name| name.ends_with(".Identity"))
        && is("bias", &Value::Bool(true))
        && is("use_residual", &Value::Bool(false))
        && goes_on.iter().all(|key| is(key, &vector) || config.get(*key) == Some(&Value::Null)))
}

/// The weights of the product behind a text's vector, with [`DENSE`] before their names; none where there is no such.
///
/// # Errors
/// [`PretrainedError`] for a file that cannot be read, or is damaged.
pub(crate) fn dense(folder: &Path) -> Result<Vec<Weight>, PretrainedError> {
    let modules = Modules::of_folder(folder)?;
    let Some(module) = modules.all.iter().find(|module| module.is_plain) else {
        return Ok(Vec::new());
    };
    let name = module.folder.file_name().unwrap_or_default().to_string_lossy();
    let weights = of_file(folder, &format!("{name}/model.safetensors"))?.into_iter();
    Ok(weights.map(|weight| Weight { name: format!("{DENSE}{}", weight.name), ..weight }).collect())
}
