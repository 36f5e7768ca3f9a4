//! The stub of a function that stands for a call.
//!
//! ```text
//! start:  mov LINK+8(%rip), %r11             # the table of wanted calls
//!         cmpb $0, 65536+INDEX(%r11)         # does a layer own it?
//!         jne owned
//! native: [moved instructions]
//!         jmp tail
//! owned:  cmp $-1, %r8                       # getrandom alone: a question about the
//!         je native                          # caller's state, which is no call
//!         xor %r8d, %r8d
//!         mov $N, %eax
//!         lea desc(%rip), %r11
//!         jmp *LINK+0(%rip)
//! gate:   syscall                            # for a thread that the resident does not know
//! resume: ret
//! desc:   SiteDesc
//! ```
//!
//! At the start of a function the flags, rax and r11 are its own, and rcx and r8 but for a fourth and
//! fifth argument (System V ABI, 3.2.3), which only getrandom has. A signal that comes while the call is
//! made is shown at the function's first instruction, with its arguments, where both the unwind table
//! and a handler that returns find what they need; one that comes behind it, at a `ret` of the
//! function's own. The `ret` of the stub is the one that the caller's `call` goes with, so a shadow
//! stack stays right.
//!
//! getrandom's fourth argument, the state, is lost when the call is made again: the entry leaves 0 in
//! rcx, and the kernel the address behind the gate. Should nobody own the function by then, its fifth
//! argument, the size of the state, is none any more, and it falls back to the call
//! (`__cvdso_getrandom_data`, lib/vdso/getrandom.c). Before that it looks whether the state ends on the page
//! where it begins, so the gate is kept off the last bytes of a page.

use super::emit::{end_function, relative, relocate};
use super::rewrite::{INT3, JMP, displacement};
use super::shapes::JUMP;
use crate::patch::{Function, Link, Owned, Site, Stub};

/// The vDSO's functions that stand for calls (arch/x86/entry/vdso/vdso64/vdso.lds.S).
pub const FUNCTIONS: &[Function] = &[
    function("__vdso_clock_gettime", 228),
    function("__vdso_gettimeofday", 96),
    function("__vdso_time", 201),
    function("__vdso_clock_getres", 229),
    function("__vdso_getcpu", 309),
    Function { name: "__vdso_getrandom", number: 318, keeps_state: true },
];

const fn function(name: &'static str, number: u32) -> Function {
    Function { name, number, keeps_state: false }
}

/// The bytes that a jump to the stub takes.
pub const FUNCTION_HEAD: u64 = JUMP;

/// No state of getrandom's is larger (`struct vgetrandom_state`, include/vdso/getrandom.h: 144 bytes).
const STATE: u64 = 256;
const PAGE: u64 = 4096;

/// Whether a conditional branch can be made elsewhere: those that look at the flags.
pub fn can_move_branch(bytes: &[u8]) -> bool {
    matches!(bytes, [0x70..=0x7f, ..] | [0x0f, 0x80..=0x8f, ..])
}

/// Whether the instruction returns to the caller.
pub fn is_return(bytes: &[u8]) -> bool {
    bytes == [0xc3]
}

/// Appends the stub of a function. `original` has the bytes that move.
pub fn emit_function(stub: &mut Stub, site: &Site, owned: &Owned, original: &[u8]) -> Option<()> {
    // A stub is far shorter than the second half of this.
    while owned.function.keeps_state && stub.here() % PAGE > PAGE - 2 * STATE {
        stub.put(&[INT3; 4]);
    }
    stub.begin();
    stub.shows(site.vaddr);
    relative(stub, &[0x4c, 0x8b, 0x1d], stub.link + Link::TABLE)?;
    stub.put(&[0x41, 0x80, 0xbb]);
    stub.put(&(Link::FUNCTIONS + owned.index as u32).to_le_bytes());
    stub.put(&[0, 0x0f, 0x85, 0, 0, 0, 0]);
    let native = stub.here();
    relocate(stub, original, site.head)?;
    stub.shows(site.tail);
    relative(stub, &[JMP], site.tail)?;

    let here = stub.here();
    stub.patch(native - 4, &displacement(native, here)?);
    stub.shows(site.vaddr);
    if owned.function.keeps_state {
        stub.put(&[0x49, 0x83, 0xf8, 0xff]);
        relative(stub, &[0x0f, 0x84], native)?;
        stub.put(&[0x45, 0x31, 0xc0]);
    }
    stub.put(&[0xb8]);
    stub.put(&owned.function.number.to_le_bytes());
    end_function(stub, site.vaddr, stub.start(), site.keeps, Some(owned.leaves))?;
    stub.end();
    Some(())
}
