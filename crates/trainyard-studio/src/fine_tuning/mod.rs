//! The fine-tuning of a pretrained model, as a person describes it. No window and no files in here.
//!
//! A [`Form`] is what they write, kept as they wrote it. Where it makes sense, it is a [`Wanted`] training, of
//! which a run file is written; where not, it is [`Wrong`] in words beside its fields. [`Sizes`] are the part of
//! it that memory and time follow from, and [`Preview`] is what the model would see of the data.

mod check;
mod form;
mod preview;
mod refusal;
mod run_file;
mod sizes;
mod texts;

pub use crate::run_file::Entry;
pub use check::{Wanted, Wrong};
pub use form::{DataKind, Field, Form, Learned, Method};
pub use preview::{Piece, Preview, Sample};
pub use refusal::of_program;
pub use run_file::run_file;
pub use sizes::Sizes;
pub use texts::{Pooling, Task, Texts};
