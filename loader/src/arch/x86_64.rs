//! x86-64: first instruction and self-relocation.

use crate::auxv::AT_HWCAP2;
use crate::doctor::{Line, State};
use crate::vectors::Vectors;
use core::arch::{asm, global_asm};
use runtime::sys;

// The kernel starts a static-pie without an interp at any address; the words that hold addresses
// must be corrected before the first line of Rust, which may read one. The linker makes
// R_X86_64_RELATIVE entries only (`-z text`, no symbols): *(base + r_offset) = base + r_addend. Most are
// in a table of their own (ELF gABI, SHT_RELR): an even word is the offset of a word to add the base to; an
// odd one has a bit for each of the 63 words that follow.
global_asm!(
    r#"
    .section .text.start, "ax", @progbits
    .globl _start
_start:
    xorl    %ebp, %ebp                  # the outermost frame (System V ABI, 3.4.1)
    movq    %rsp, %rdi                  # argument: the kernel's stack
    leaq    __image_start(%rip), %rax
    leaq    __rela_start(%rip), %rcx
    leaq    __rela_end(%rip), %rdx
1:  cmpq    %rdx, %rcx
    jae     2f
    movq    0(%rcx), %r8                # r_offset
    movq    16(%rcx), %r9               # r_addend
    addq    %rax, %r9
    movq    %r9, (%rax,%r8)
    addq    $24, %rcx
    jmp     1b
2:  leaq    __relr_start(%rip), %rcx
    leaq    __relr_end(%rip), %rdx
3:  cmpq    %rdx, %rcx
    jae     7f
    movq    (%rcx), %r8
    addq    $8, %rcx
    testb   $1, %r8b
    jnz     4f
    addq    %rax, (%rax,%r8)            # an offset
    leaq    8(%rax,%r8), %r9            # where the next bits begin
    jmp     3b
4:  movq    %r9, %r10                   # bits
5:  shrq    $1, %r8
    jz      6f
    testb   $1, %r8b
    jz      8f
    addq    %rax, (%r10)
8:  addq    $8, %r10
    jmp     5b
6:  addq    $63*8, %r9
    jmp     3b
7:  andq    $-16, %rsp
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
            "mov rsp, {top}",
            "xor ebp, ebp",
            "call {then}",
            "ud2",
            top = in(reg) top,
            then = in(reg) then,
            in("rdi") argument,
            options(noreturn)
        )
    }
}

/// Where a position-independent program with an interp starts to be placed (`ELF_ET_DYN_BASE`,
/// arch/x86/include/asm/elf.h), and how many random bits of pages are added (`mmap_rnd_bits`, at its
/// default).
pub const DYN_BASE: (u64, u32) = (0x5555_5555_4000, 28);
/// How far behind the program the heap may start (`arch_randomize_brk`, arch/x86/kernel/process.c, since
/// Linux 6.9; 32 MiB before).
pub const BRK_RANGE: u64 = 0x4000_0000;

/// What `vload doctor` says of the processor and of what only its kernel has.
pub fn doctor(vectors: &Vectors) -> [Line; 2] {
    [fsgsbase(vectors), vsyscall()]
}

fn fsgsbase(vectors: &Vectors) -> Line {
    const NAME: &str = "fsgsbase";
    // arch/x86/include/uapi/asm/hwcap2.h
    const HWCAP2_FSGSBASE: usize = 2;
    if vectors.aux(AT_HWCAP2).is_some_and(|bits| bits & HWCAP2_FSGSBASE != 0) {
        return Line::good(NAME, format_args!("programs may use wrgsbase"));
    }
    Line::bad(
        NAME,
        State::Limited,
        format_args!("the processor or the kernel does not let programs use wrgsbase"),
        "a call of a program with a gs base of its own, such as Wine, costs three more",
        "Linux 5.9 on a processor that has it, without nofsgsbase",
    )
}

/// The page at the fixed address.
fn vsyscall() -> Line {
    const NAME: &str = "vsyscall page";
    // arch/x86/include/uapi/asm/vsyscall.h
    const VSYSCALL: usize = 0xffff_ffff_ff60_0000;
    let mut is_there = false;
    let looked = sys::maps::each_in(VSYSCALL, VSYSCALL + 1, &mut |mapped, _| {
        is_there |= mapped.name == b"[vsyscall]";
        true
    });
    if looked.is_err() {
        return Line::good(NAME, format_args!("not known without /proc"));
    }
    if !is_there {
        return Line::good(NAME, format_args!("there is none"));
    }
    Line::bad(
        NAME,
        State::Limited,
        format_args!("it is there"),
        "what programs of before 2012 call there is not seen where vload check lists it",
        "boot with vsyscall=none, if no program needs it",
    )
}

/// Whether a program without `PT_GNU_STACK` gets an executable stack (arch/x86/include/asm/elf.h).
pub const STACK_IS_EXECUTABLE: bool = false;
