//! The thread block is found through the gs base, which most 64-bit Linux programs leave alone.
//!
//! One that does not (`arch_prctl(ARCH_SET_GS)`, `wrgsbase`: Wine, hypervisors, run-times with a
//! second thread pointer) has its own base whenever its own code runs. The entry sees that gs does
//! not lead to a block, asks the kernel for the thread's id, keeps the target's base in the block
//! and goes on with the block's (`vload_lost` in `lost.rs`); the exit puts the target's back. A
//! signal handler needs neither: the kernel's alternate stack is the block's.

use core::arch::asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use super::syscall;
use crate::layer::Call;
use crate::memory::User;
use crate::signal;
use crate::sys;
use crate::thread::Block;
use linux_raw_sys::general::__NR_arch_prctl;

// arch/x86/include/uapi/asm/prctl.h
const ARCH_SET_GS: usize = 0x1001;
const ARCH_GET_GS: usize = 0x1004;
const ARCH_SET_CPUID: usize = 0x1012;

/// `AT_HWCAP2`: programs may use `rdgsbase` and `wrgsbase` (arch/x86/include/uapi/asm/hwcap2.h).
pub(super) const HWCAP2_FSGSBASE: usize = 2;

/// What is added to the key of a block to get 0: no address of a program's ends so.
pub(super) const MAGIC: i32 = 0x766c_6f64;

/// Where a block has that key.
pub(super) const KEY: usize = offset_of!(Block, binding) + offset_of!(Binding, key);

/// Not 0: the processor and the kernel let programs use `wrgsbase`.
pub(super) static DIRECT: AtomicU8 = AtomicU8::new(0);

/// What a block knows of the register that leads to it.
pub struct Binding {
    /// The word by which the entry knows a block.
    pub(super) key: u64,
    /// Not 0: the target has a base of its own.
    pub(super) foreign: AtomicU32,
    /// That base.
    pub(super) base: AtomicU64,
}

impl Binding {
    /// A block that nothing leads to.
    pub const fn none() -> Self {
        Self {
            key: (MAGIC as u64).wrapping_neg(),
            foreign: AtomicU32::new(0),
            base: AtomicU64::new(0),
        }
    }

    pub(super) fn set(&self, base: u64) {
        self.base.store(base, Ordering::Relaxed);
        self.foreign.store(u32::from(base != 0), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        match self.foreign.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.base.load(Ordering::Relaxed),
        }
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

/// The process is a copy, with one thread: no other is on its way to its block.
pub fn forked() {
    super::lost::free_slots();
}

/// `parent` is about to start a thread with block `child`, which binds it itself. The child has its
/// parent's base (`copy_thread`, arch/x86/kernel/process.c).
pub fn expect_child(parent: &Block, child: &Block, _tls: Option<usize>) {
    child.binding.set(parent.binding.get());
}

/// Makes `block` the calling thread's block.
///
/// # Safety
/// `block` must stay valid for as long as this thread can enter the resident.
pub unsafe fn bind_thread_block(block: *mut Block) -> sys::Result<()> {
    if crate::process::hwcap2() & HWCAP2_FSGSBASE != 0 {
        DIRECT.store(1, Ordering::Relaxed);
    }
    if DIRECT.load(Ordering::Relaxed) != 0 {
        // No call: a filter may forbid `arch_prctl` to a thread that has no need of it.
        write_base(block as u64);
        return Ok(());
    }
    set_base(block as u64)
}

/// `wrgsbase`, where [`DIRECT`] says that it exists.
fn write_base(base: u64) {
    // SAFETY: the instruction exists; nothing of vload's but the gate and `thread_block` uses gs, and
    // callers know what it leads to.
    unsafe { asm!("wrgsbase {}", in(reg) base, options(nostack, nomem, preserves_flags)) };
}

/// Where gs led when a signal found the thread.
pub struct Lent(Option<u64>);

/// Makes gs lead to `block` while a signal is handled, wherever the signal found the thread.
pub fn lend_thread_register(block: &Block) -> Lent {
    if DIRECT.load(Ordering::Relaxed) == 0 {
        return Lent(None);
    }
    let found: u64;
    // SAFETY: the instruction exists, and only reads the register.
    unsafe { asm!("rdgsbase {}", out(reg) found, options(nostack, nomem, preserves_flags)) };
    let own = core::ptr::from_ref(block) as u64;
    if found == own {
        return Lent(None);
    }
    write_base(own);
    Lent(Some(found))
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(found) = self.0 {
            write_base(found);
        }
    }
}

/// Not 0: where `wrgsbase` does not exist the target has used `arch_prctl`, and in a signal handler
/// gs may be its own.
static UNSURE: AtomicU8 = AtomicU8::new(0);

/// The calling thread's block; null where it cannot be told.
pub fn block_without_call() -> *mut Block {
    if UNSURE.load(Ordering::Relaxed) != 0 {
        return core::ptr::null_mut();
    }
    thread_block()
}

/// Sets the gs base as `arch_prctl(2)` does, with its errors.
fn set_base(base: u64) -> sys::Result<()> {
    // SAFETY: arch_prctl(ARCH_SET_GS) writes no memory; nothing of vload's but entry.rs and
    // `thread_block` uses gs, and both callers know what it leads to.
    sys::check(unsafe {
        syscall(__NR_arch_prctl as usize, [ARCH_SET_GS, base as usize, 0, 0, 0, 0])
    })
    .map(drop)
}

/// The calling thread's block.
pub fn thread_block() -> *mut Block {
    let block: *mut Block;
    // SAFETY: the entry has made gs lead to the thread's block (`bind_thread_block`, `vload_lost`),
    // and while the resident runs nothing changes it, so gs:0 is the block's pointer to itself.
    unsafe {
        asm!("mov {}, gs:[{this}]", out(reg) block, this = const offset_of!(Block, this),
             options(nostack, preserves_flags, readonly));
    }
    block
}

/// Makes gs lead to `block` whatever the target has made of it: what the entry of a call does that comes
/// with no register free.
pub(super) fn claim_thread_register(block: &Block) {
    let mut base = 0u64;
    if DIRECT.load(Ordering::Relaxed) != 0 {
        // SAFETY: the instruction exists, by `DIRECT`.
        unsafe { asm!("rdgsbase {}", out(reg) base, options(nostack, nomem, preserves_flags)) };
    } else {
        let at = &raw mut base as usize;
        // SAFETY: arch_prctl(ARCH_GET_GS) writes one word.
        let got = unsafe { syscall(__NR_arch_prctl as usize, [ARCH_GET_GS, at, 0, 0, 0, 0]) };
        debug_assert!(got == 0);
    }
    if base != core::ptr::from_ref(block) as u64 {
        block.binding.set(base);
        let set = set_base(core::ptr::from_ref(block) as u64);
        debug_assert!(set.is_ok());
    }
}

/// Gives the target its own base back, if it has one. After that [`thread_block`] must not be
/// called before the next entry.
pub fn restore_thread_register(block: &Block) {
    let base = block.binding.get();
    if base == 0 {
        return;
    }
    if DIRECT.load(Ordering::Relaxed) != 0 {
        write_base(base);
    } else {
        let set = set_base(base);
        debug_assert!(set.is_ok());
    }
}

/// `arch_prctl(2)`: of the gs base the target sees its own.
pub fn arch_prctl(call: &mut Call<'_>) -> isize {
    let [what, value, ..] = call.args;
    match what {
        ARCH_SET_GS => sys::raw(set_own(call.block, value as u64)),
        ARCH_GET_GS => {
            sys::raw(User::<u64>::new(value).write(call.block.binding.get()).map(|()| 0))
        }
        ARCH_SET_CPUID => {
            super::has_keys();
            call.pass()
        }
        _ => call.pass(),
    }
}

/// The target sets its base: the kernel judges the value, and the thread goes on with the block's
/// until the exit.
fn set_own(block: &mut Block, base: u64) -> sys::Result<usize> {
    set_base(base)?;
    // The entry looks at what gs leads to: gs itself is ours again.
    set_base(core::ptr::from_ref(block) as u64)?;
    block.binding.set(base);
    if DIRECT.load(Ordering::Relaxed) == 0 {
        UNSURE.store(1, Ordering::Relaxed);
    }
    if base != 0 && User::<u64>::new((base as usize).wrapping_add(KEY)).read().is_err() {
        // The entry's look at it is a fault, which kills while it is blocked.
        signal::open_faults(block);
    }
    Ok(0)
}
