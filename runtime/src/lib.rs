//! The resident: everything of vload that runs inside the target's process.
//!
//! `ARCHITECTURE.md` has the map. The rule for this crate: portable code never asks which
//! processor it is on; what depends on it has one name in [`arch`] for every architecture.
#![no_std]
#![deny(missing_docs)]

#[cfg(test)]
extern crate std;

extern crate alloc;

pub mod adopt;
pub mod arch;
pub mod digits;
pub mod image;
pub mod layer;
pub mod log;
pub mod memory;
pub mod module;
pub mod patch;
pub mod process;
pub mod seccomp;
pub mod session;
pub mod shown;
pub mod signal;
pub mod sort;
pub mod sys;
pub mod text;
pub mod thread;
pub mod trace;
pub mod trial;
pub mod view;
pub mod watch;

pub use abi;
