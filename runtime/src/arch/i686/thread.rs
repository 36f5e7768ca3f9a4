//! The thread block is found through `%fs`, which 32-bit Linux programs leave alone (their own
//! thread pointer is `%gs`): a segment in the thread's last TLS slot of the GDT.

use core::arch::asm;
use core::mem::offset_of;
use core::sync::atomic::Ordering;

use super::entry::entry_address;
use super::syscall;
use crate::arch::tsc::escape_of_ticks;
use crate::layer::{self, Call};
use crate::memory::User;
use crate::sys;
use crate::thread::Block;
use linux_raw_sys::general::__NR_set_thread_area;

/// The last TLS slot (`GDT_ENTRY_TLS_MAX`, arch/x86/include/asm/segment.h) of a 64-bit kernel and
/// of a 32-bit one. The target's own begin with the first.
const SLOTS: [u32; 2] = [14, 8];

/// `struct user_desc` (arch/x86/include/uapi/asm/ldt.h).
#[repr(C)]
struct UserDesc {
    slot: u32,
    base: u32,
    limit: u32,
    flags: u32,
}

// Bits of `user_desc.flags`.
const SEG_32BIT: u32 = 1;
const LIMIT_IN_PAGES: u32 = 1 << 4;
const USEABLE: u32 = 1 << 6;

/// Where in the thread block stubs and the vDSO's copy find the address of the entry code.
pub(super) const ENTRY: usize = offset_of!(Block, spill) + 4 * size_of::<usize>();
/// Where they find the table of wanted calls.
pub(super) const TABLE: usize = offset_of!(Block, wanted_table);

/// Whether a thread may not have `slot` for itself.
fn is_ours(slot: u32) -> bool {
    SLOTS.contains(&slot)
}

/// What a block knows of the register that leads to it: nothing, the segment has its address.
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

/// Gives them back in the stead of a fork that sleeps.
pub fn release_bindings() {}

/// The process is a copy, with one thread.
pub fn forked() {}

/// `%fs` is the resident's at all times.
pub fn restore_thread_register(_block: &Block) {}

/// What leads to the block is not changed while a signal is handled.
pub struct Lent;

/// The same.
pub fn lend_thread_register(_block: &Block) -> Lent {
    Lent
}

/// The calling thread's block.
pub fn block_without_call() -> *mut Block {
    thread_block()
}

/// Where a fault at `pc` goes on that is expected.
pub fn escape_of_fault(pc: usize) -> Option<usize> {
    escape_of_ticks(pc)
}

/// `set_thread_area(2)`: not the slot of the thread block's segment.
pub fn set_thread_area(call: &mut Call<'_>) -> isize {
    if User::<u32>::new(call.args[0]).read().is_ok_and(is_ours) {
        crate::log!(
            Error,
            "the program sets the segment that finds the thread block: refused (see the limits)"
        );
        return sys::raw(Err(sys::Errno::PERM));
    }
    call.pass()
}

/// `parent` is about to start a thread with block `child`, which binds it itself.
pub fn expect_child(_parent: &Block, _child: &Block, _tls: Option<usize>) {}

/// Makes `block` the calling thread's block.
///
/// # Safety
/// `block` must stay valid for as long as this thread can enter the resident.
pub unsafe fn bind_thread_block(block: *mut Block) -> sys::Result<()> {
    // SAFETY: the caller's promise.
    unsafe {
        (*block).spill[4] = entry_address();
        let table = layer::TABLE.load(Ordering::Relaxed) as usize;
        (*block).wanted_table.store(table, Ordering::Relaxed);
    }
    let mut result = Err(sys::Errno::INVAL);
    for slot in SLOTS {
        let desc = UserDesc {
            slot,
            base: block as u32,
            limit: 0xf_ffff,
            flags: SEG_32BIT | LIMIT_IN_PAGES | USEABLE,
        };
        // SAFETY: the kernel reads `desc`, and changes a slot that is ours.
        result = sys::check(unsafe {
            syscall(__NR_set_thread_area as usize, [&raw const desc as usize, 0, 0, 0, 0, 0])
        });
        if result.is_ok() {
            let selector = (slot << 3 | 3) as u16;
            // SAFETY: the slot holds a data segment since the call above; nothing of vload's but
            // the gate and `thread_block` uses fs.
            unsafe { asm!("mov fs, {0:x}", in(reg) selector, options(nostack, preserves_flags)) };
            break;
        }
    }
    result.map(drop)
}

/// The calling thread's block.
pub fn thread_block() -> *mut Block {
    let block: *mut Block;
    // SAFETY: every thread of the process has `%fs` set by `bind_thread_block` before it runs target
    // code, and the target's own set_thread_area of that slot is refused.
    unsafe {
        asm!("mov {}, fs:[{this}]", out(reg) block, this = const offset_of!(Block, this),
             options(nostack, preserves_flags, readonly));
    }
    block
}
