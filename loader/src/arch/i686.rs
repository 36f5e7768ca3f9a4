//! i686: first instruction and self-relocation.

use core::arch::{asm, global_asm};

// The kernel starts a static-pie without an interp at any address; the words that hold addresses
// must be corrected before the first line of Rust, which may read one. The linker makes
// R_386_RELATIVE entries only (`-z text`, no symbols): *(base + r_offset) += base. Most are in a table of
// their own (ELF gABI, SHT_RELR): an even word is the offset of a word to add the base to; an odd one has a
// bit for each of the 31 words that follow.
global_asm!(
    r#"
    .section .text.start, "ax", @progbits
    .globl _start
_start:
    xorl    %ebp, %ebp                  # the outermost frame (System V ABI, 2.3.1)
    movl    %esp, %eax                  # argument: the kernel's stack
    call    10f
10: popl    %ebx
    leal    __image_start-10b(%ebx), %edi
    leal    __rel_start-10b(%ebx), %ecx
    leal    __rel_end-10b(%ebx), %edx
1:  cmpl    %edx, %ecx
    jae     2f
    movl    0(%ecx), %esi               # r_offset
    addl    %edi, (%edi,%esi)
    addl    $8, %ecx
    jmp     1b
2:  leal    __relr_start-10b(%ebx), %ecx
    leal    __relr_end-10b(%ebx), %edx
3:  cmpl    %edx, %ecx
    jae     7f
    movl    (%ecx), %esi
    addl    $4, %ecx
    testl   $1, %esi
    jnz     4f
    addl    %edi, (%edi,%esi)           # an offset
    leal    4(%edi,%esi), %ebx          # where the next bits begin
    jmp     3b
4:  movl    %ebx, %ebp                  # bits
5:  shrl    $1, %esi
    jz      6f
    testl   $1, %esi
    jz      8f
    addl    %edi, (%ebp)
8:  addl    $4, %ebp
    jmp     5b
6:  addl    $31*4, %ebx
    jmp     3b
7:  xorl    %ebp, %ebp
    andl    $-16, %esp
    subl    $12, %esp
    pushl   %eax
    call    vload_start
    ud2
    .previous
    "#,
    options(att_syntax)
);

/// Calls `then(argument)` on the stack that ends at `top`.
///
/// # Safety
/// `top` must be the end of enough writable memory that nothing uses, and a multiple of 16.
pub unsafe fn on_stack(top: usize, argument: usize, then: extern "C" fn(usize) -> !) -> ! {
    // SAFETY: the old stack is not used again, because `then` does not return.
    unsafe {
        asm!(
            "mov esp, {top}",
            "xor ebp, ebp",
            "sub esp, 12",
            "push {argument}",
            "call {then}",
            "ud2",
            top = in(reg) top,
            argument = in(reg) argument,
            then = in(reg) then,
            options(noreturn)
        )
    }
}

/// Where a position-independent program with an interp starts to be placed (`ELF_ET_DYN_BASE`,
/// arch/x86/include/asm/elf.h: two thirds of the window that a 64-bit kernel gives it), and how many
/// random bits of pages are added (`mmap_rnd_compat_bits`, at its default).
pub const DYN_BASE: (u64, u32) = (0x5655_5000, 8);
/// How far behind the program the heap may start (`arch_randomize_brk`, arch/x86/kernel/process.c).
pub const BRK_RANGE: u64 = 0x0200_0000;

/// Whether a program without `PT_GNU_STACK` gets an executable stack (arch/x86/include/asm/elf.h).
pub const STACK_IS_EXECUTABLE: bool = true;

/// The C library makes its calls through the vDSO: a copy takes its place. Gives whether the target
/// may use it.
pub fn cover_vdso(base: usize) -> bool {
    runtime::arch::vdso::cover(base)
}
