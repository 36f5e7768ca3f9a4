//! What the target sees of itself: which descriptors are not its own, which file it is.

pub mod debugger;
mod descriptors;
mod exe;
mod hidden;
mod identity;
mod listing;
pub mod maps;
mod named;
mod procfs;
mod registers;
pub mod unwind;
mod vector;

pub use descriptors::{
    Descriptors, HANDED_ON, OWN, OWN_DESCRIPTORS, PRLIMIT64, Slot, close, close_range,
    duplicate_onto, fcntl, hide, limit, move_away, new_table, open_own, together, unshare,
};
pub use exe::{Replacement, behind, open, open_how, readlink, stat};
pub use hidden::{is_named, of_process};
pub use identity::{PROGRAM, Program, path_of, pid_in_proc};
pub use listing::{NAME, NAME64, getdents};
pub use named::{CALLS as NAMED, pass};
pub use registers::ptrace;
pub use vector::{PR_GET_AUXV, get as get_auxv};
