//! Modules that are files: judged, laid out once in the session's memory, mapped into each process.

pub mod control;
pub mod framework;
mod guard;
mod image;
mod instructions;
mod kernel;
mod load;
mod locks;
mod offered;
mod place;
mod prepared;
mod refusal;
#[cfg(test)]
mod tests;

pub use guard::{Guard, fault, is_running};
pub use image::{Offers, Plan, export, judge};
pub use load::{load, load_built_in};
pub use offered::Offered;
pub use place::{Image, executed, raw_of};
pub use prepared::{Base, Prepared, Relocation};
pub use refusal::Refusal;
