//! What all processes of a session share: one sparse file that every member maps; and what sessions
//! share: images on disk.
//!
//! The file has its full size from creation and is written only through mappings, because a write
//! under `RLIMIT_FSIZE=0` would be a signal. It holds offsets, never addresses.

mod arena;
mod backing;
pub mod cache;
mod members;

pub use arena::{
    Session, Stored, Told, counters, create, find, is_first, join, keep, leave, map_area, members,
    put, reserve_area,
};
pub use backing::{placeholders, scratch_file, text_file};
