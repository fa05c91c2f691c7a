//! Downloads models from Hugging Face's hub, into the cache of Hugging Face's own tools.

#[cfg(test)]
mod tests;

use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};

use hf_hub::api::sync::{ApiBuilder, ApiError};

use crate::error::PretrainedError;
use crate::hub_cache::snapshots;

/// How often a part of a file is asked for again that does not come.
const RETRIES: usize = 3;

/// Downloads what a model such as `HuggingFaceTB/SmolLM2-135M` is made of into a folder of a cache, as
/// Hugging Face's tools would. At a terminal it shows how far each file has come; what is there is not asked for
/// again. `endpoint` is another hub than that of `HF_ENDPOINT` or Hugging Face; `HF_TOKEN`, or the token of
/// `hf auth login`, says who asks.
///
/// # Errors
/// [`PretrainedError::Download`].
pub(crate) fn download(
    name: &str,
    cache: &Path,
    endpoint: Option<String>,
) -> Result<PathBuf, PretrainedError> {
    let failed = |reason: String| PretrainedError::Download { name: name.to_owned(), reason };
    let api_failed = |error: ApiError| failed(error.to_string());
    let builder = ApiBuilder::from_env()
        .with_cache_dir(cache.to_owned())
        .with_retries(RETRIES)
        .with_progress(stderr().is_terminal());
    let builder = match std::env::var("HF_TOKEN") {
        Ok(token) if !token.is_empty() => builder.with_token(Some(token)),
        _ => builder,
    };
    let builder = match endpoint {
        Some(endpoint) => builder.with_endpoint(endpoint),
        None => builder,
    };
    let model = builder.build().map_err(api_failed)?.model(name.to_owned());
    let about = model.info().map_err(api_failed)?;
    let mut files: Vec<String> = about.siblings.into_iter().map(|file| file.rfilename).collect();
    files.retain(|file| is_wanted(file));
    for needed in ["config.json", ".safetensors"] {
        if !files.iter().any(|file| file.ends_with(needed)) {
            return Err(failed(format!("it has no {needed} there")));
        }
    }
    // A folder without a config is no model yet, if the download breaks off.
    files.sort_by_key(|file| file == "config.json");
    let folder = snapshots(cache, name).map(|all| all.join(&about.sha));
    let folder = folder.ok_or_else(|| failed("that is no name of a model there".to_owned()))?;
    for file in files.iter().filter(|file| !folder.join(file).exists()) {
        let path = model.download(file).map_err(api_failed)?;
        if path.parent() != Some(&*folder) {
            return Err(failed("it was changed there meanwhile; begin again".to_owned()));
        }
    }
    Ok(folder)
}

/// Whether a model is made of a file: its config, tokenizer, card or weights. Other weights are the same once more.
fn is_wanted(file: &str) -> bool {
    let is_text =
        [".json", ".jinja", ".txt", ".model", ".md"].iter().any(|end| file.ends_with(end));
    let is_weights = file.starts_with("model") && file.ends_with(".safetensors");
    !file.contains('/') && (is_text || is_weights)
}
