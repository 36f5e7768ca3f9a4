//! What the resident keeps for each thread.

mod block;
pub mod others;
mod pool;

pub use block::{AltStack, Block, Ownership, PrivateTables};
pub use pool::{NEXT_BLOCK, POOL, Pool};
