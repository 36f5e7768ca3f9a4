//! Modules that are files: judged, laid out once in the session's memory, mapped into each process.

pub mod framework;
mod guard;
mod image;
mod instructions;
mod kernel;
mod offered;
mod place;
mod refusal;
#[cfg(test)]
mod tests;

pub use guard::{Guard, fault, is_running};
pub use image::{Base, Offers, Plan, Prepared, judge};
pub use offered::Offered;
pub use place::{Image, fini, raw_of};
pub use refusal::Refusal;
