//! What the target sees of itself: which descriptors are not its own, which file it is.

mod descriptors;
mod exe;
mod identity;
mod listing;
pub mod maps;
mod procfs;

pub use descriptors::{
    Descriptors, OWN, Slot, close, close_range, duplicate_onto, fcntl, hide, move_away,
};
pub use exe::{Replacement, behind, open, readlink, stat};
pub use identity::{PROGRAM, Program, path_of};
pub use listing::getdents;
