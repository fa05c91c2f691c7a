//! What is written beside the weights of an exported model.

pub(crate) mod card;
pub(crate) mod peft;
