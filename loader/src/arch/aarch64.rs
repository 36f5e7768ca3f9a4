//! aarch64: first instruction and self-relocation.

use core::arch::{asm, global_asm};

// The kernel starts a static-pie without an interp at any address; the words that hold addresses
// must be corrected before the first line of Rust, which may read one. The linker makes
// R_AARCH64_RELATIVE entries only (`-z text`, no symbols): *(base + r_offset) = base + r_addend.
global_asm!(
    r#"
    .section .text.start, "ax", @progbits
    .globl _start
_start:
    mov     x29, xzr                    // the outermost frame (AAPCS64, 6.4.6)
    mov     x30, xzr
    mov     x0, sp                      // argument: the kernel's stack
    adrp    x1, __image_start
    add     x1, x1, :lo12:__image_start
    adrp    x2, __rela_start
    add     x2, x2, :lo12:__rela_start
    adrp    x3, __rela_end
    add     x3, x3, :lo12:__rela_end
1:  cmp     x2, x3
    b.hs    2f
    ldr     x4, [x2]                    // r_offset
    ldr     x5, [x2, #16]               // r_addend
    add     x5, x5, x1
    str     x5, [x1, x4]
    add     x2, x2, #24
    b       1b
2:  bl      vload_start
    brk     #1
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
            "mov sp, {top}",
            "mov x29, xzr",
            "blr {then}",
            "brk #1",
            top = in(reg) top,
            then = in(reg) then,
            in("x0") argument,
            options(noreturn)
        )
    }
}

/// Where a position-independent program with an interp starts to be placed (`ELF_ET_DYN_BASE`,
/// arch/arm64/include/asm/elf.h: two thirds of the address space of 48 bits), and how many random
/// bits of pages are added (`mmap_rnd_bits`, at its default).
pub const DYN_BASE: (u64, u32) = (0xaaaa_aaaa_a000, 18);
/// How far behind the program the heap may start (`arch_randomize_brk`, arch/arm64/kernel/process.c).
pub const BRK_RANGE: u64 = 0x4000_0000;

/// Whether a program without `PT_GNU_STACK` gets an executable stack
/// (arch/arm64/include/asm/page.h, `VM_DATA_DEFAULT_FLAGS`).
pub const STACK_IS_EXECUTABLE: bool = false;

/// `getauxval(3)`, which the compiler's own library asks whether the processor has single atomic
/// instructions (`AT_HWCAP`): 0 makes it use the others, which every processor has.
#[unsafe(no_mangle)]
extern "C" fn getauxval(_kind: u64) -> u64 {
    0
}
