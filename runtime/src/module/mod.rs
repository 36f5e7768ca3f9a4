//! Modules that are files: judged, laid out once in the session's memory, mapped into each process.

mod image;
mod instructions;
mod refusal;
#[cfg(test)]
mod tests;

pub use image::{Base, Offers, Plan, Prepared, judge};
pub use refusal::Refusal;
