//! The run: a real training as a child, journals of all sorts, and what the panel says of them.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod journals;
mod panel;
mod real;
#[path = "../common/real_program.rs"]
mod real_program;
#[expect(unreachable_pub, reason = "the file is a part of other crates too")]
#[path = "../../../../tests/src/require.rs"]
mod require;
mod support;
