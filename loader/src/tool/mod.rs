//! Modules that are files: where they are looked for, what is made of them, and the verbs.

mod library;
mod list;
mod prepare;
mod start;
mod verbs;

pub use start::decide;
