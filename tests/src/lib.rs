//! Programs run natively and under vload, and compared.
//!
//! [`cases`] lists what is run, one declarative [`case::Case`] each. [`programs`] compiles what
//! they need, [`execute`] runs one of them once, [`compare`] judges two such runs, and [`runner`]
//! does all that for every case and mode and counts. The binary `compare` is its command line, and
//! the binary `confine` gives a program most of the restrictions of [`confinement`], under which vload
//! must work too. `audit` counts what vload misses, and `bounce` does without its patches; both follow
//! a program with [`tracer`].

pub mod arch;
#[cfg(target_arch = "x86_64")]
pub mod audit;
pub mod binfmt;
#[cfg(target_arch = "x86_64")]
pub mod bounce;
pub mod case;
pub mod cases;
pub mod compare;
pub mod confinement;
pub mod count;
pub mod craft;
pub mod execute;
pub mod hosted;
pub mod mutate;
pub mod native;
pub mod needs;
pub mod predict;
pub mod programs;
pub mod runner;
pub mod scratch;
pub mod suite;
#[cfg(target_arch = "x86_64")]
pub mod tracer;
pub mod verdict;
#[cfg(target_arch = "x86_64")]
pub mod walk;
