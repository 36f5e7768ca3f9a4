//! Memory: the target's, through a checked type; vload's own heap.

mod heap;
mod user;

pub use heap::{Heap, LOCK as HEAP_LOCK};
pub use user::{User, read_words, writable};
