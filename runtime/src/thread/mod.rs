//! What the resident keeps for each thread.

mod block;
pub mod others;
mod pool;

pub use block::{AltStack, Block, Ownership, PrivateTables};
pub use pool::{BLOCK_COUNT, NEXT_BLOCK, POOL, Pool, STACK};
