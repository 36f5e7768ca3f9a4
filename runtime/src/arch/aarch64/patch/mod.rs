//! What the portable [`crate::patch`] asks of a processor, for aarch64. The names are explained in
//! `x86_64/patch`. Nothing here is executed: it compiles, and is tested, on every machine.
//!
//! Every instruction has four bytes, so one shape serves every site: the site becomes a branch to
//! its stub. What jumps to the site or behind it finds an instruction there as before.

mod decode;
mod emit;
mod sites;

pub use crate::arch::functionless::{
    FUNCTION_HEAD, FUNCTIONS, calls_register, can_move_branch, emit_fixed, emit_function,
    fixed_addresses, fixed_load, is_return, keeps_register, rewrite_load,
};
pub use crate::arch::tableless::{Distance, address_operand, distance_jump, is_named_jump};
pub use decode::{decode, references};
pub use emit::{emit, rewrite};
pub use sites::{apply, candidates, number_before};

use crate::patch::Meaning;

/// The machine that files for this processor name.
pub const MACHINE: u16 = goblin::elf64::header::EM_AARCH64;

/// Whether a file's restartable sequences (rseq(2)) are kept whole.
pub const KEEPS_SEQUENCES: bool = false;

/// `svc` has four bytes.
pub const SITE_LEN: u64 = 4;

/// No shape changes more than the site. Its number is looked for this far before it.
pub const REACH: u64 = 64;

/// `references` reports every branch.
pub const SHORT_REACH: u64 = 0;

/// There is no branch that [`references`] does not report.
pub fn short_branch(_bytes: &[u8], _address: u64) -> Option<u64> {
    None
}

/// Whether the instruction is padding: `nop`, or the zeros between functions (`udf #0`).
pub fn is_filler(bytes: &[u8]) -> bool {
    matches!(bytes.first_chunk(), Some([0x1f, 0x20, 0x03, 0xd5] | [0, 0, 0, 0]))
}

/// Whether programs jump behind the instruction's first byte: nothing can.
pub fn has_skipped_prefix(_bytes: &[u8]) -> bool {
    false
}

/// Instructions have no prefixes.
pub fn is_prefixed(_bytes: &[u8]) -> bool {
    false
}

/// Whether a relocation's addend is an address of the file itself: `R_AARCH64_RELATIVE`,
/// `R_AARCH64_IRELATIVE` (ELF for the Arm 64-bit Architecture, 5.7).
pub fn is_relative_relocation(kind: u32) -> bool {
    matches!(kind, 1027 | 1032)
}

/// What a relocation of a shared object asks for (ELF for the Arm 64-bit Architecture, 5.7).
pub fn meaning(kind: u32) -> Meaning {
    match kind {
        0 => Meaning::Nothing,
        1027 => Meaning::Relative,
        // R_AARCH64_ABS64, R_AARCH64_GLOB_DAT, R_AARCH64_JUMP_SLOT: all have the addend.
        257 | 1025 | 1026 => Meaning::Symbol { added: true },
        _ => Meaning::Unknown,
    }
}

/// What of the vector state an instruction touches that the entry does not save: the registers of SVE and
/// SME, which have groups of their own (Arm ARM, C4.1), and which nothing keeps.
pub fn vectors(bytes: &[u8]) -> u64 {
    let word = decode::word(bytes).unwrap_or(0);
    match word >> 25 & 0xf {
        0b0010 => 1,
        0b0000 => u64::from(word >> 31),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
