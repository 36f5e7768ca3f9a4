//! aarch64: copying and filling.

use core::arch::asm;

/// Copies forward, sixteen bytes at a time and then one after the other.
///
/// # Safety
/// As for `memcpy`, or `memmove` with `to` below `from`.
pub unsafe fn copy_forward(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise. In assembly, because the compiler makes a call of memcpy of a
    // loop that copies.
    unsafe {
        asm!(
            "cmp {len}, #16",
            "b.lo 3f",
            "2: ldp {a}, {b}, [{from}], #16",
            "stp {a}, {b}, [{to}], #16",
            "sub {len}, {len}, #16",
            "cmp {len}, #16",
            "b.hs 2b",
            "3: cbz {len}, 5f",
            "4: ldrb {a:w}, [{from}], #1",
            "strb {a:w}, [{to}], #1",
            "subs {len}, {len}, #1",
            "b.ne 4b",
            "5:",
            to = inout(reg) to => _,
            from = inout(reg) from => _,
            len = inout(reg) len => _,
            a = out(reg) _,
            b = out(reg) _,
            options(nostack)
        );
    }
}

/// Copies backward, for ranges that overlap.
///
/// # Safety
/// As for `memmove`.
pub unsafe fn copy_backward(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "cbz {len}, 3f",
            "2: sub {len}, {len}, #1",
            "ldrb {a:w}, [{from}, {len}]",
            "strb {a:w}, [{to}, {len}]",
            "cbnz {len}, 2b",
            "3:",
            to = in(reg) to,
            from = in(reg) from,
            len = inout(reg) len => _,
            a = out(reg) _,
            options(nostack, preserves_flags)
        );
    }
}

/// Fills memory.
///
/// # Safety
/// `to` must be valid for `len` bytes.
pub unsafe fn fill(to: *mut u8, byte: u8, len: usize) {
    let word = u64::from(byte).wrapping_mul(0x0101_0101_0101_0101);
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "cmp {len}, #16",
            "b.lo 3f",
            "2: stp {word}, {word}, [{to}], #16",
            "sub {len}, {len}, #16",
            "cmp {len}, #16",
            "b.hs 2b",
            "3: cbz {len}, 5f",
            "4: strb {word:w}, [{to}], #1",
            "subs {len}, {len}, #1",
            "b.ne 4b",
            "5:",
            to = inout(reg) to => _,
            len = inout(reg) len => _,
            word = in(reg) word,
            options(nostack)
        );
    }
}
