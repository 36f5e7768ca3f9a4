//! What the portable [`crate::patch`] asks of a processor. Every architecture has these names:
//!
//! | name | gives |
//! |---|---|
//! | `MACHINE` | the `e_machine` of its files |
//! | `SITE_LEN` | the length of a site |
//! | `REACH` | how far from a site a shape may change or use a byte |
//! | `SHORT_REACH` | how far a branch reaches that [`references`] does not report |
//! | `decode` | one instruction |
//! | `candidates` | everything in text that looks like a site |
//! | `references` | every address that a long branch or an address operand in text may name |
//! | `short_branch` | the target if the bytes may be a short branch |
//! | `is_named_jump` | whether a computed jump goes to an address that something else names |
//! | `distance_jump` | whether a computed jump adds a table's base and an entry of it |
//! | `address_operand` | the address that an instruction makes relative to itself |
//! | `is_filler` | whether an instruction is padding |
//! | `is_prefixed` | whether an instruction is a site behind prefixes |
//! | `has_skipped_prefix` | whether programs jump behind the instruction's first byte |
//! | `is_relative_relocation` | whether a relocation's addend is an address of the file |
//! | `meaning` | what a relocation of a shared object asks for |
//! | `vectors` | what of the vector state an instruction touches that the entry does not save, as bits of [`KEPT`](crate::arch::KEPT) |
//! | `number_before` | the call number that the code before a site fixes |
//! | `apply` | one shape for one site, if it fits |
//! | `emit` | the stub of a site |
//! | `FUNCTIONS` | the vDSO's functions that stand for calls |
//! | `FUNCTION_HEAD` | how many bytes of a function the jump to its stub takes |
//! | `can_move_branch` | whether a conditional branch can be made in a stub |
//! | `is_return` | whether an instruction returns to the caller |
//! | `emit_function` | the stub of a function |
//! | `fixed_addresses` | everything in code, or in data, that names a function at an address of the kernel's |
//! | `fixed_load` | the load of such an address |
//! | `calls_register` | whether an instruction calls what a register holds |
//! | `keeps_register` | whether an instruction leaves a register as it is |
//! | `rewrite_load`, `emit_fixed` | the load of a stub's address, and that stub |
//! | `rewrite` | the changes of text that a site's shape makes |

mod emit;
mod function;
mod jumps;
mod motion;
mod rewrite;
mod scan;
mod shapes;
mod vectors;
mod vsyscall;

pub use super::decode::decode;
pub use emit::{divert, emit};
pub use function::{FUNCTION_HEAD, FUNCTIONS, can_move_branch, emit_function, is_return};
pub use jumps::{Distance, address_operand, distance_jump, is_named_jump};
pub use rewrite::rewrite;
pub use scan::{candidates, references, short_branch};
pub use shapes::{apply, number_before};
pub use vectors::vectors;
pub use vsyscall::{
    calls_register, emit_fixed, fixed_addresses, fixed_load, keeps_register, rewrite_load,
};

use goblin::elf64::header::EM_X86_64;
use goblin::elf64::reloc::{
    R_X86_64_64, R_X86_64_GLOB_DAT, R_X86_64_IRELATIVE, R_X86_64_JUMP_SLOT, R_X86_64_NONE,
    R_X86_64_RELATIVE,
};

use super::LONG_MODE;
use crate::patch::Meaning;

/// The machine that files for this processor name.
pub const MACHINE: u16 = EM_X86_64;

/// Whether a file's restartable sequences (rseq(2)) are kept whole.
pub const KEEPS_SEQUENCES: bool = true;

/// `syscall` and `int $0x80` are two bytes.
pub const SITE_LEN: u64 = 2;

/// A short jump reaches 127 bytes and lands on a long one of 5.
pub const REACH: u64 = 160;

/// A branch with a displacement of one byte reaches no further.
pub const SHORT_REACH: u64 = 130;

/// Whether the instruction is padding: `nop` of any length, or `int3`.
pub fn is_filler(bytes: &[u8]) -> bool {
    let rest = bytes.iter().position(|byte| !matches!(byte, 0x66 | 0x2e | 0x48));
    matches!(rest.and_then(|at| bytes.get(at..)), Some([0x90 | 0xcc, ..] | [0x0f, 0x1f, ..]))
}

/// Whether the instruction begins with `lock`: libraries jump behind it while there is but one
/// thread (glibc sysdeps/x86/atomic-machine.h, `catomic_*`).
pub fn has_skipped_prefix(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0xf0)
}

/// Whether the instruction is a site behind prefixes, which the processor takes for one.
pub fn is_prefixed(bytes: &[u8]) -> bool {
    let is_prefix = |byte: &u8| matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x64..=0x67 | 0xf2 | 0xf3);
    let [prefixes @ .., first, second] = bytes else { return false };
    matches!((first, second), (0x0f, 0x05) | (0xcd, 0x80))
        && !prefixes.is_empty()
        && prefixes.iter().all(is_prefix)
}

/// Whether a relocation's addend is an address of the file itself.
pub fn is_relative_relocation(kind: u32) -> bool {
    matches!(kind, R_X86_64_RELATIVE | R_X86_64_IRELATIVE)
}

/// What a relocation of a shared object asks for (System V ABI, AMD64 supplement, 4.4.1).
pub fn meaning(kind: u32) -> Meaning {
    match kind {
        R_X86_64_NONE => Meaning::Nothing,
        R_X86_64_RELATIVE => Meaning::Relative,
        R_X86_64_64 => Meaning::Symbol { added: true },
        R_X86_64_GLOB_DAT | R_X86_64_JUMP_SLOT => Meaning::Symbol { added: false },
        _ => Meaning::Unknown,
    }
}

#[cfg(test)]
mod tests;
