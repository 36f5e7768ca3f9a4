//! x86-64.

mod decode;
mod decode_tables;
pub mod patch;
