//! What the portable [`crate::patch`] asks of a processor: the names are described in
//! `arch/x86_64/patch`, and what both processors have in common is taken from there.

#[path = "../../x86_64/decode.rs"]
mod decode;
#[path = "../../x86_64/decode_tables.rs"]
mod decode_tables;
mod emit;
mod jumps;
#[path = "../../x86_64/patch/motion.rs"]
mod motion;
#[path = "../../x86_64/patch/rewrite.rs"]
mod rewrite;
mod scan;
#[path = "../../x86_64/patch/shapes.rs"]
mod shapes;
#[path = "../../x86_64/patch/vectors.rs"]
mod vectors;

pub use crate::arch::functionless::{
    FUNCTION_HEAD, FUNCTIONS, calls_register, can_move_branch, emit_fixed, emit_function,
    fixed_addresses, fixed_load, is_return, keeps_register, rewrite_load,
};
pub use decode::decode;
pub use emit::{emit, pushed};
pub use jumps::{Distance, address_operand, distance_jump, is_named_jump};
pub use rewrite::rewrite;
pub use scan::{candidates, references, short_branch};
pub use shapes::{apply, number_before};
pub use vectors::vectors;

use goblin::elf::header::EM_386;
use goblin::elf::reloc::{
    R_386_32, R_386_GLOB_DAT, R_386_IRELATIVE, R_386_JMP_SLOT, R_386_NONE, R_386_RELATIVE,
};

use crate::patch::Meaning;

/// The processor runs in 32-bit mode: the bytes 40 to 4f are instructions, and no operand is
/// relative to its instruction.
const LONG_MODE: bool = false;

/// The machine that files for this processor name.
pub const MACHINE: u16 = EM_386;

/// Whether a file's restartable sequences (rseq(2)) are kept whole.
pub const KEEPS_SEQUENCES: bool = false;

/// `int $0x80` is two bytes.
pub const SITE_LEN: u64 = 2;

/// A short jump reaches 127 bytes and lands on a long one of 5.
pub const REACH: u64 = 160;

/// A branch with a displacement of one byte reaches no further.
pub const SHORT_REACH: u64 = 130;

/// Whether the instruction is padding: `nop` of any length, `lea 0(%esi),%esi` as older assemblers
/// pad, or `int3`.
pub fn is_filler(bytes: &[u8]) -> bool {
    let rest = bytes.iter().position(|byte| !matches!(byte, 0x66 | 0x2e));
    matches!(
        rest.and_then(|at| bytes.get(at..)),
        Some(
            [0x90 | 0xcc, ..]
                | [0x0f, 0x1f, ..]
                | [0x8d, 0x76, 0, ..]
                | [0x8d, 0x74, 0x26, 0, ..]
                | [0x8d, 0xb6, 0, 0, 0, 0, ..]
                | [0x8d, 0xb4, 0x26, 0, 0, 0, 0, ..]
        )
    )
}

/// Whether the instruction begins with `lock`: libraries jump behind it while there is but one
/// thread (glibc sysdeps/x86/atomic-machine.h, `catomic_*`).
pub fn has_skipped_prefix(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0xf0)
}

/// Whether the instruction is a site behind prefixes, which the processor takes for one.
pub fn is_prefixed(bytes: &[u8]) -> bool {
    let is_prefix =
        |byte: &u8| matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf2 | 0xf3);
    let [prefixes @ .., 0xcd, 0x80] = bytes else { return false };
    !prefixes.is_empty() && prefixes.iter().all(is_prefix)
}

/// Whether a relocation's addend is an address of the file itself.
pub fn is_relative_relocation(kind: u32) -> bool {
    matches!(kind, R_386_RELATIVE | R_386_IRELATIVE)
}

/// What a relocation of a shared object asks for (System V ABI, Intel386 supplement, 4.4.1).
pub fn meaning(kind: u32) -> Meaning {
    match kind {
        R_386_NONE => Meaning::Nothing,
        R_386_RELATIVE => Meaning::Relative,
        R_386_32 => Meaning::Symbol { added: true },
        R_386_GLOB_DAT | R_386_JMP_SLOT => Meaning::Symbol { added: false },
        _ => Meaning::Unknown,
    }
}
