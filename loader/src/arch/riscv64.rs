//! riscv64: first instruction and self-relocation.

use core::arch::{asm, global_asm};

// The kernel starts a static-pie without an interp at any address; the words that hold addresses
// must be corrected before the first line of Rust, which may read one. The linker makes
// R_RISCV_RELATIVE entries only (`-z text`, no symbols): *(base + r_offset) = base + r_addend.
// gp is the target's: nothing of ours is addressed by it.
global_asm!(
    r#"
    .section .text.start, "ax", @progbits
    .option push
    .option norelax
    .globl _start
_start:
    li      s0, 0                       # the outermost frame
    li      ra, 0
    mv      a0, sp                      # argument: the kernel's stack
    lla     a1, __image_start
    lla     a2, __rela_start
    lla     a3, __rela_end
1:  bgeu    a2, a3, 2f
    ld      a4, 0(a2)                   # r_offset
    ld      a5, 16(a2)                  # r_addend
    add     a5, a5, a1
    add     a4, a4, a1
    sd      a5, 0(a4)
    addi    a2, a2, 24
    j       1b
2:  call    vload_start
    ebreak
    .option pop
    .previous
    "#
);

/// Calls `then(argument)` on the stack that ends at `top`.
///
/// # Safety
/// `top` must be the end of enough writable memory that nothing uses, and a multiple of 16.
pub unsafe fn on_stack(top: usize, argument: usize, then: extern "C" fn(usize) -> !) -> ! {
    // SAFETY: the old stack is not used again, because `then` does not return.
    unsafe {
        asm!(
            "mv sp, {top}",
            "li s0, 0",
            "jalr {then}",
            "ebreak",
            top = in(reg) top,
            then = in(reg) then,
            in("a0") argument,
            options(noreturn)
        )
    }
}

/// Where a position-independent program with an interp starts to be placed (`ELF_ET_DYN_BASE`,
/// arch/riscv/include/asm/elf.h: two thirds of the address space of 48 bits), and how many random
/// bits of pages are added (`mmap_rnd_bits`, at its default).
pub const DYN_BASE: (u64, u32) = (0x5555_5555_5000, 18);
/// How far behind the program the heap may start (`arch_randomize_brk`, mm/util.c).
pub const BRK_RANGE: u64 = 0x4000_0000;

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

/// Whether a program without `PT_GNU_STACK` gets an executable stack
/// (arch/riscv/include/asm/page.h, `VM_DATA_DEFAULT_FLAGS`).
pub const STACK_IS_EXECUTABLE: bool = false;

/// What the target sees of an auxiliary entry that the kernel made for vload.
pub fn auxiliary(_kind: u32, value: usize) -> usize {
    value
}

/// The vDSO's own system calls, `__kernel_rt_sigreturn` among them, are patched like any other. Gives whether
/// the target may use it.
pub fn cover_vdso(base: usize) -> bool {
    runtime::text::cover_vdso(base);
    true
}
