//! Which operation of a module each variant of a call is.

pub mod buffer;
mod change;
pub mod fd;
pub mod layout;
pub mod numbers;
pub mod path;
pub mod poll;
mod time;
