//! What is written beside the weights of an exported model.

mod base;
pub(crate) mod card;
pub(crate) mod peft;
mod usage;

pub(crate) use base::Base;
