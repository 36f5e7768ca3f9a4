//! Programs run natively and under vload, and compared.
//!
//! [`cases`] lists what is run, one declarative [`case::Case`] each. [`programs`] compiles what
//! they need, [`execute`] runs one of them once, [`compare`] judges two such runs, and [`runner`]
//! does all that for every case and mode and counts. The binary `compare` is its command line, and
//! the binary `confine` gives a program most of the restrictions of [`confinement`], under which vload
//! must work too. `audit` counts what vload misses, and `bounce` does without its patches; both follow
//! a program with the tracer of [`host`].

// What is tested here of programs without the standard library names it.
#[cfg(test)]
extern crate alloc;

pub mod arch;
pub mod binfmt;
pub mod case;
pub mod cases;
pub mod compare;
pub mod confinement;
pub mod count;
pub mod craft;
pub mod ending;
pub mod execute;
pub mod host;
pub mod hosted;
pub mod mutate;
pub mod native;
pub mod needs;
pub mod predict;
pub mod programs;
pub mod repeat;
pub mod runner;
pub mod scratch;
pub mod suite;
pub mod terminal;
pub mod verdict;
