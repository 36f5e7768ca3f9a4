//! Which operation of a module each variant of a call is.

mod fd;
mod path;
mod poll;
