//! What the target sees of itself: which descriptors are not its own, which file it is.

mod descriptors;
mod identity;
mod listing;

pub use descriptors::{
    Descriptors, OWN, Slot, close, close_range, duplicate_onto, fcntl, hide, move_away,
};
pub use listing::getdents;
pub use identity::{PROGRAM, Program, is_own_exe, open, path_of, readlink, stat};
