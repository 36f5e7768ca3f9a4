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

/// Whether a program without `PT_GNU_STACK` gets an executable stack
/// (arch/riscv/include/asm/page.h, `VM_DATA_DEFAULT_FLAGS`).
pub const STACK_IS_EXECUTABLE: bool = false;
