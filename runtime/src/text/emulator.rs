//! Programs that map a text to read it.
//!
//! One that translates another's instructions, as valgrind does, maps the other's files as the kernel and `ld.so` would, at addresses
//! that it chooses, and never executes what is there. It must find the file's own bytes: a jump in them leads to memory
//! that it has not heard of. What it maps looks like any text, but it is itself a program that is at no address but its own,
//! without an interp: no `ld.so` is one. A library that such a program loads to execute it (`dlopen(3)` of static glibc) has its
//! stubs behind its first mapping, for which the kernel chooses the address, before its text is mapped. So where a
//! process can be watched, text that such a program puts at a place without stubs stays as the file has it.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::watch;

/// The program is at no address but its own, without an interp.
static IS_ALONE: AtomicBool = AtomicBool::new(false);

/// The program, which has been mapped, is one that is at no address but its own and needs no interp.
pub fn note_alone() {
    IS_ALONE.store(true, Ordering::Relaxed);
}

/// Whether text for which there are no stubs yet may be mapped to be read, and is watched if it is executed.
pub fn may_read() -> bool {
    IS_ALONE.load(Ordering::Relaxed) && watch::offered().is_ok()
}
