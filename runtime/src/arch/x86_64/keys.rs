//! Protection keys of memory (Intel SDM volume 3, 4.6.2): what a thread may do with the pages of each key stands in a register
//! that the program writes. It is the program's while the resident runs too, which so reads and writes as the kernel does
//! for the program, but where this says otherwise.

use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering};

use super::syscall;
use super::thread::HWCAP2_FSGSBASE;
use crate::arch::extended::cpuid;
use crate::process::hwcap2;
use linux_raw_sys::general as nr;

/// Whether they can be used: not known, no, yes.
static STATE: AtomicU32 = AtomicU32::new(UNKNOWN);
const UNKNOWN: u32 = 0;
const MISSING: u32 = 1;
const THERE: u32 = 2;

/// What the kernel lets a handler begin with, alike for all.
static BEGINNING: AtomicU32 = AtomicU32::new(0);

/// A process is adopted, in which `cpuid` may be a fault by now (`ARCH_SET_CPUID`): then it is taken to have no keys.
pub(super) fn adopted() {
    const ARCH_GET_CPUID: usize = 0x1011;
    // SAFETY: it reads and writes no memory. Before Linux 4.12 it is an error, and `cpuid` no fault.
    if unsafe { syscall(nr::__NR_arch_prctl as usize, [ARCH_GET_CPUID, 0, 0, 0, 0, 0]) } == 0 {
        STATE.store(MISSING, Ordering::Relaxed);
    }
}

/// Whether programs can use the processor's keys. It is found out once, at the latest before the program makes `cpuid` a fault.
pub fn has_keys() -> bool {
    const FEATURES: u32 = 7;
    const OSPKE: u32 = 1 << 4;
    let mut state = STATE.load(Ordering::Relaxed);
    if state == UNKNOWN {
        // `cpuid` is dear in a virtual machine. Where the kernel has found this other feature there, there is such a leaf.
        let is_known = hwcap2() & HWCAP2_FSGSBASE != 0 || cpuid(0, 0).0 >= FEATURES;
        let found = is_known && cpuid(FEATURES, 0).2 & OSPKE != 0;
        state = if found { THERE } else { MISSING };
        STATE.store(state, Ordering::Relaxed);
    }
    state == THERE
}

/// # Safety
/// There must be keys.
unsafe fn rights() -> u32 {
    let rights;
    // SAFETY: the caller's promise.
    unsafe {
        asm!("rdpkru", in("ecx") 0, out("eax") rights, out("edx") _, options(nostack, nomem))
    };
    rights
}

/// # Safety
/// There must be keys, and that of vload's memory be allowed.
unsafe fn set_rights(rights: u32) {
    // SAFETY: the caller's promise. It is no `nomem`: what is read and written before and behind it stays there.
    unsafe { asm!("wrpkru", in("eax") rights, in("ecx") 0, in("edx") 0, options(nostack)) };
}

/// Notes what a handler begins with, in one that the kernel has just begun.
pub(super) fn note_beginning() {
    if has_keys() {
        // SAFETY: there are keys.
        BEGINNING.store(unsafe { rights() }, Ordering::Relaxed);
    }
}

/// Lets the thread do what a handler begins with, which has been noted.
pub(super) fn begin_handler() {
    exchange(BEGINNING.load(Ordering::Relaxed));
}

/// Does something that no key forbids, while no signal is let in that the target would be told of.
pub fn with_every_key<T>(act: impl FnOnce() -> T) -> T {
    let own = exchange(0);
    let done = act();
    exchange(own);
    done
}

/// Allows what `new` does, and gives what was allowed. Without keys it is nothing.
#[inline(never)]
fn exchange(new: u32) -> u32 {
    if !has_keys() {
        return 0;
    }
    // SAFETY: there are keys, and what is allowed is everything, or what a caller of the resident has allowed.
    unsafe {
        let own = rights();
        set_rights(new);
        own
    }
}
