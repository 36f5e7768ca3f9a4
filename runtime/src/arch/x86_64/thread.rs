//! The thread block is found through the gs base, which 64-bit Linux programs leave alone.

use core::arch::{asm, x86_64::_rdtsc};
use core::mem::offset_of;

use super::syscall;
use crate::sys;
use crate::thread::Block;
use linux_raw_sys::general::__NR_arch_prctl;

// arch/x86/include/uapi/asm/prctl.h
const ARCH_SET_GS: usize = 0x1001;

/// What a block knows of the register that leads to it: nothing, the register has its address.
pub struct Binding;

impl Binding {
    /// None.
    pub const fn none() -> Self {
        Self
    }
}

/// Keeps what leads to blocks as it is.
pub struct BindingsHeld;

/// Keeps what leads to blocks as it is: no memory does.
pub fn hold_bindings() -> BindingsHeld {
    BindingsHeld
}

/// `parent` is about to start a thread with block `child`, which binds it itself.
pub fn expect_child(_parent: &Block, _child: &Block, _tls: Option<usize>) {}

/// Makes `block` the calling thread's block.
///
/// # Safety
/// `block` must stay valid for as long as this thread can enter the resident.
pub unsafe fn bind_thread_block(block: *mut Block) -> sys::Result<()> {
    // SAFETY: arch_prctl(ARCH_SET_GS) writes no memory; nothing of vload's but entry.rs and
    // `thread_block` uses gs.
    sys::check(unsafe {
        syscall(__NR_arch_prctl as usize, [ARCH_SET_GS, block as usize, 0, 0, 0, 0])
    })
    .map(drop)
}

/// The calling thread's block.
pub fn thread_block() -> *mut Block {
    let block: *mut Block;
    // SAFETY: every thread of the process has its gs base set by `bind_thread_block` before it
    // runs target code, and the target's own arch_prctl(ARCH_SET_GS) is refused, so gs:0 is the
    // block's pointer to itself.
    unsafe {
        asm!("mov {}, gs:[{this}]", out(reg) block, this = const offset_of!(Block, this),
             options(nostack, preserves_flags, readonly));
    }
    block
}

/// A cheap clock that counts at a constant rate; `trace -c` calibrates it.
pub fn ticks() -> u64 {
    // SAFETY: rdtsc exists on every x86-64 and reads no memory.
    unsafe { _rdtsc() }
}
