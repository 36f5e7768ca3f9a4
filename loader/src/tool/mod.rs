//! Modules that are files: where they are looked for, what is made of them, the verbs, and what their authors need.

mod author;
mod built_in;
mod library;
mod list;
mod mount;
mod nested;
mod prepare;
mod start;
mod verbs;

pub use start::decide;
