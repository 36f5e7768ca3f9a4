//! Memory: the target's, through a checked type; vload's own heap, and what guards vload's own ranges.

pub mod guard;
mod heap;
mod lock;
mod user;

pub use heap::{Heap, LOCK as HEAP_LOCK};
pub use lock::{Mutex, MutexGuard, fall_asleep, forked, take_over, wake_up};
pub use user::{User, copy_in, copy_out, equals, read_words, readable};
