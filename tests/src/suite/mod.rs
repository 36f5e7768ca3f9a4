//! Suites that others wrote: each case that passes natively, twice, must pass under vload and under a
//! layer that takes every call.

mod compare;
mod go;
mod native;
mod piece;
mod python;
mod stress;
mod table;

pub use compare::{Plan, run};
pub use piece::Piece;

use anyhow::Result;
use std::path::Path;

/// A suite, and the pieces of it that are run one by one.
pub struct Suite {
    /// Its name for `--suite`.
    pub name: &'static str,
    /// The packages that it comes in: their versions are part of what a native result is kept under.
    pub packages: &'static [&'static str],
    /// Prepares what its pieces need below the folder, and gives the pieces.
    pub pieces: fn(&Path) -> Result<Vec<Piece>>,
}

/// All of them.
pub const SUITES: [Suite; 3] = [python::SUITE, go::SUITE, stress::SUITE];
