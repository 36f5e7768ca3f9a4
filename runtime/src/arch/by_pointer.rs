//! The thread block is found through the thread pointer, which is the target's: it is a key.
//!
//! [`SLOTS`] leads from a key to the block that was last seen with it. A block is taken for the
//! calling thread's only when it is in use and its own [`Binding`] names the same key, and a block
//! names a key only while no other block in use may have it: threads that share a thread pointer
//! (a clone without `CLONE_SETTLS`, the child of a vfork) name none, and are found by gettid. So
//! is a thread that has changed its thread pointer, which takes no call (libc's first thread does);
//! the new one is learned then.
//!
//! What this takes for granted is that no thread takes over the thread pointer that another thread
//! has left behind without a call of its own in between.

use core::mem::offset_of;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use super::thread_pointer;
use crate::memory::{Mutex, MutexGuard};
use crate::sys;
use crate::thread::{Block, POOL};

/// The table has two to the power of this many slots.
pub const SLOT_BITS: usize = 10;

/// The blocks by their key; aarch64's `entry.rs` has the same hash.
pub static SLOTS: [AtomicPtr<Block>; 1 << SLOT_BITS] =
    [const { AtomicPtr::new(null_mut()) }; 1 << SLOT_BITS];

static LOCK: Mutex<()> = Mutex::new(());

/// No thread pointer: it is not aligned.
const NO_KEY: u64 = !0;

/// What a block knows of its thread's pointer.
#[repr(C)]
pub struct Binding {
    /// The thread pointer, if it is this thread's alone.
    key: AtomicU64,
    /// The thread pointer with which the thread was last seen, or will start.
    seen: AtomicU64,
}

impl Binding {
    /// Where the key is, for aarch64's `entry.rs`.
    pub const KEY: usize = offset_of!(Self, key);

    /// None.
    pub const fn none() -> Self {
        Self { key: AtomicU64::new(NO_KEY), seen: AtomicU64::new(NO_KEY) }
    }
}

fn slot(key: u64) -> &'static AtomicPtr<Block> {
    &SLOTS[((key ^ key >> 12) >> 4) as usize % SLOTS.len()]
}

/// Keeps the bindings as they are. A fork does, for the child's sake.
pub fn hold_bindings() -> MutexGuard<'static, ()> {
    LOCK.lock()
}

/// Gives them back in the stead of a fork that sleeps, and hears of it (`memory/lock.rs`).
pub fn release_bindings() {
    // SAFETY: the sleeper holds the lock, and forgets that it does.
    unsafe { LOCK.force_unlock() };
}

/// The calling thread's block is `block`, which its thread pointer did not tell.
pub extern "C" fn learn(block: &Block) {
    let key = thread_pointer();
    // A thread that was killed may have left it locked for a process that shares its memory; being
    // asked who we are each time is only slower.
    let Some(_writer) = LOCK.try_lock() else { return };
    block.binding.key.store(NO_KEY, Ordering::Relaxed);
    block.binding.seen.store(key, Ordering::Relaxed);
    let mut shared = key == NO_KEY;
    POOL.each_in_use(|other| {
        if !core::ptr::eq(other, block) && other.binding.seen.load(Ordering::Relaxed) == key {
            other.binding.key.store(NO_KEY, Ordering::Relaxed);
            shared = true;
        }
    });
    if !shared {
        block.binding.key.store(key, Ordering::Relaxed);
        slot(key).store(core::ptr::from_ref(block).cast_mut(), Ordering::Release);
    }
}

/// [`learn`]s what the thread pointer of `block`, the calling thread's, is where that is not known.
pub fn learn_if_unknown(block: &Block) {
    if block.binding.key.load(Ordering::Relaxed) != thread_pointer() {
        learn(block);
    }
}

/// `parent` is about to start a thread with block `child`, whose thread pointer will be `tls`, or
/// its own.
pub fn expect_child(parent: &Block, child: &Block, tls: Option<usize>) {
    let _writer = hold_bindings();
    let key = match tls {
        Some(tls) => tls as u64,
        None => thread_pointer(),
    };
    child.binding.key.store(NO_KEY, Ordering::Relaxed);
    child.binding.seen.store(key, Ordering::Relaxed);
    if tls.is_none() {
        parent.binding.seen.store(key, Ordering::Relaxed);
    }
    // Who had it before has ended, or left it behind.
    POOL.each(|other| {
        if other.binding.key.load(Ordering::Relaxed) == key {
            other.binding.key.store(NO_KEY, Ordering::Relaxed);
        }
    });
}

/// Makes `block` the calling thread's block.
///
/// # Safety
/// `block` must stay valid for as long as this thread can enter the resident.
pub unsafe fn bind_thread_block(block: *mut Block) -> sys::Result<()> {
    // SAFETY: the caller's promise.
    learn(unsafe { &*block });
    Ok(())
}

/// The calling thread's block, if its thread pointer tells; else null.
pub fn block_without_call() -> *mut Block {
    let key = thread_pointer();
    let block = slot(key).load(Ordering::Acquire);
    // SAFETY: blocks are never unmapped.
    match unsafe { block.as_ref() } {
        Some(found)
            if found.binding.key.load(Ordering::Relaxed) == key
                && found.state.load(Ordering::Relaxed) != 0 =>
        {
            block
        }
        _ => null_mut(),
    }
}

/// The calling thread's block.
pub fn thread_block() -> *mut Block {
    let block = block_without_call();
    if !block.is_null() {
        return block;
    }
    match POOL.of_thread(sys::gettid()) {
        Some(block) => block,
        None => {
            crate::log::emergency(b"vload: a thread is not known; please report this\n");
            sys::exit(126)
        }
    }
}

/// The process is a copy, with one thread: the table is as the thread that forked has kept it.
pub fn forked() {}

/// The thread pointer is the target's at all times.
pub fn restore_thread_register(_block: &Block) {}

/// What leads to the block is not changed while a signal is handled.
pub struct Lent;

/// The same.
pub fn lend_thread_register(_block: &Block) -> Lent {
    Lent
}

/// Where a fault at `pc` in the entry goes on: none is expected.
pub fn escape_of_fault(_pc: usize) -> Option<usize> {
    None
}
