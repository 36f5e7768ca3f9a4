//! riscv64: copying and filling.

use core::arch::asm;

/// Copies forward, eight bytes at a time and then one after the other.
///
/// # Safety
/// As for `memcpy`, or `memmove` with `to` below `from`.
pub unsafe fn copy_forward(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise. In assembly, because the compiler makes a call of memcpy of a
    // loop that copies. Words are copied where both ends are aligned.
    unsafe {
        asm!(
            "or {word}, {to}, {from}",
            "andi {word}, {word}, 7",
            "bnez {word}, 4f",
            "2: li {word}, 8",
            "bltu {len}, {word}, 4f",
            "ld {word}, 0({from})",
            "sd {word}, 0({to})",
            "addi {from}, {from}, 8",
            "addi {to}, {to}, 8",
            "addi {len}, {len}, -8",
            "j 2b",
            "4: beqz {len}, 5f",
            "lbu {word}, 0({from})",
            "sb {word}, 0({to})",
            "addi {from}, {from}, 1",
            "addi {to}, {to}, 1",
            "addi {len}, {len}, -1",
            "j 4b",
            "5:",
            to = inout(reg) to => _,
            from = inout(reg) from => _,
            len = inout(reg) len => _,
            word = out(reg) _,
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
            "2: beqz {len}, 3f",
            "addi {to}, {to}, -1",
            "addi {from}, {from}, -1",
            "addi {len}, {len}, -1",
            "lbu {byte}, 0({from})",
            "sb {byte}, 0({to})",
            "j 2b",
            "3:",
            to = inout(reg) to.wrapping_add(len) => _,
            from = inout(reg) from.wrapping_add(len) => _,
            len = inout(reg) len => _,
            byte = out(reg) _,
            options(nostack)
        );
    }
}

/// Fills memory.
///
/// # Safety
/// `to` must be valid for `len` bytes.
pub unsafe fn fill(to: *mut u8, byte: u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "2: beqz {len}, 3f",
            "sb {byte}, 0({to})",
            "addi {to}, {to}, 1",
            "addi {len}, {len}, -1",
            "j 2b",
            "3:",
            to = inout(reg) to => _,
            len = inout(reg) len => _,
            byte = in(reg) byte,
            options(nostack)
        );
    }
}
