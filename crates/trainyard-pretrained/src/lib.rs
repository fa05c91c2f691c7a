//! Pretrained models as they lie in files: a folder in Hugging Face layout, its `config.json` alone, or a
//! GGUF file.
//!
//! [`Pretrained::open`] reads what a model is without reading its weights: the architecture and its sizes
//! ([`ModelConfig`]), every weight with shape, type and place in its file ([`Weight`]), the tokenizer, name
//! and licence. The architecture follows from the config; one that is not known, and an option that would
//! change what is computed, is refused by its name.
//!
//! [`Tokenizer::open`] opens the tokenizer of a model, with its special tokens and its template of chats.
//!
//! ```no_run
//! let model = trainyard_pretrained::Pretrained::open("SmolLM2-135M".as_ref())?;
//! println!("{} weights in {} blocks", model.parameters(), model.config.blocks);
//! # Ok::<(), trainyard_pretrained::PretrainedError>(())
//! ```

mod architecture;
mod blocks;
mod check;
mod config;
mod error;
mod fingerprint;
mod gguf;
#[cfg(feature = "hub")]
mod hub;
mod hub_cache;
mod layout;
mod mapping;
mod model_card;
mod modules;
mod open;
mod place;
mod problem;
mod safetensors_files;
mod stored;
mod task;
mod tokenizer;
mod values;
mod weight;
mod write;

pub use architecture::Architecture;
pub use blocks::{decode, encode};
pub use config::{Activation, Biases, ModelConfig, Rope, RopeScaling, Windowed};
pub use error::PretrainedError;
pub use hub_cache::{find, find_or_download, in_hub_cache};
pub use modules::{DENSE, Pooling};
pub use open::Pretrained;
pub use place::{Part, Role};
pub use problem::Problem;
pub use task::SaidTask;
pub use tokenizer::{EncodedTexts, Message, TextStream, Tokenizer, TokenizerInfo};
pub use values::RawWeight;
pub use weight::{Element, Weight};
pub use write::{NewModel, NewWeight, Purpose};
