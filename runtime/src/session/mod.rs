//! What all processes of a session share: one sparse file that every member maps; and what sessions
//! share: images on disk.
//!
//! The file has its full size from creation and is written only through mappings, because a write
//! under `RLIMIT_FSIZE=0` would be a signal. It holds offsets, never addresses.

mod arena;
mod backing;
pub mod cache;
mod journal;
mod layers;
mod lock;
mod members;
mod numbers;
mod records;
mod robust;
mod rooms;
#[cfg(test)]
mod tests;
mod views;

pub use arena::{
    Session, Stored, Told, bytes, counters, create, find, is_first, join, keep, leave, map_area,
    members, put_known, reserve_area, since,
};
pub use backing::{placeholders, scratch_file, text_file};
pub use layers::{
    FIRST_EPOCH, LAYER_LOCKS, LAYERS, LOCKS, at_place, effective, epoch_of, generation, insert,
    is_there, map_shared, new_epoch, remove,
};
pub use lock::{Kept, Lock};
pub use numbers::Numbers;
pub use records::{LayerId, NewLayer, Record};
pub use rooms::ANCHOR;
pub use views::{
    ROOT, Tables, VIEWS, ViewId, attend, is_lived_in, keep_view, name, new_view, outlive, sees,
    set_view, stay, tables, view, with_wanted,
};
