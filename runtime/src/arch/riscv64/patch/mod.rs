//! What the portable [`crate::patch`] asks of a processor, for riscv64. The names are explained in
//! `x86_64/patch`. Nothing here is executed: it compiles, and is tested, on every machine.
//!
//! Every site becomes an `ebreak`, which is as long as `ecall`. A jump that reaches any stub takes
//! two instructions and a register, and the way back a register again, of which none is free
//! behind an `ecall`.

mod decode;

pub use crate::arch::functionless::{
    FUNCTION_HEAD, FUNCTIONS, calls_register, can_move_branch, emit_fixed, emit_function,
    fixed_addresses, fixed_load, is_return, keeps_register, rewrite_load,
};
pub use crate::arch::tableless::{Distance, address_operand, distance_jump, is_named_jump};
pub use decode::decode;

use crate::patch::{Around, Description, Entry, Meaning, Reference, Shape, Site, Stub};

/// The machine that files for this processor name.
pub const MACHINE: u16 = goblin::elf64::header::EM_RISCV;

/// Whether a file's restartable sequences (rseq(2)) are kept whole.
pub const KEEPS_SEQUENCES: bool = false;

/// `ecall` has four bytes.
pub const SITE_LEN: u64 = 4;

/// No shape changes more than the site.
pub const REACH: u64 = 4;

/// No shape asks who comes from where.
pub const SHORT_REACH: u64 = 0;

const ECALL: u32 = 0x0000_0073;
const EBREAK: u32 = 0x0010_0073;

/// Where the description is in a stub. Before it are two addresses that stand for the site and for
/// what follows it; nothing is executed there.
pub const DESC: usize = 8;

/// No shape asks what branches name.
pub fn short_branch(_bytes: &[u8], _address: u64) -> Option<u64> {
    None
}

/// No shape asks what branches name.
pub fn references(_text: &[u8], _vaddr: u64, _add: &mut dyn FnMut(Reference)) {}

/// Whether the instruction is padding: `nop`, `c.nop`, or zeros.
pub fn is_filler(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x13, 0, 0, 0]) || matches!(bytes, [0 | 1, 0, ..])
}

/// Whether programs jump behind the instruction's first byte: nothing can.
pub fn has_skipped_prefix(_bytes: &[u8]) -> bool {
    false
}

/// Instructions have no prefixes.
pub fn is_prefixed(_bytes: &[u8]) -> bool {
    false
}

/// Whether a relocation's addend is an address of the file itself: `R_RISCV_RELATIVE`,
/// `R_RISCV_IRELATIVE` (RISC-V ELF psABI, 8.4).
pub fn is_relative_relocation(kind: u32) -> bool {
    matches!(kind, 3 | 58)
}

/// What a relocation of a shared object asks for (RISC-V ELF psABI, 8.4).
pub fn meaning(kind: u32) -> Meaning {
    match kind {
        0 => Meaning::Nothing,
        3 => Meaning::Relative,
        // R_RISCV_64.
        2 => Meaning::Symbol { added: true },
        // R_RISCV_JUMP_SLOT.
        5 => Meaning::Symbol { added: false },
        _ => Meaning::Unknown,
    }
}

/// Calls `found` for every `ecall`.
pub fn candidates(text: &[u8], mut found: impl FnMut(usize, Entry)) {
    for at in (0..text.len()).step_by(2) {
        if text.get(at..).is_some_and(|rest| rest.starts_with(&ECALL.to_le_bytes())) {
            found(at, Entry::Syscall);
        }
    }
}

/// The call number that the code before a site fixes: a trap has it in its context.
pub fn number_before(_around: &Around<'_>) -> Option<u32> {
    None
}

/// One shape for one site, or `None` if it does not fit.
pub fn apply(shape: Shape, number: Option<u32>, around: &mut Around<'_>) -> Option<Site> {
    (shape == Shape::Trap).then(|| around.site(shape, number))
}

/// Appends the stub of `site`: its description, and an address for each of the two that the target
/// can be shown.
pub fn emit(stub: &mut Stub, site: &Site, _original: &[u8]) -> Option<()> {
    stub.begin();
    let start = stub.here();
    stub.shows(site.vaddr);
    stub.put(&EBREAK.to_le_bytes());
    stub.shows(site.tail);
    stub.put(&EBREAK.to_le_bytes());
    stub.describe(&Description {
        site: site.vaddr,
        start,
        test: start,
        gate: start,
        resume: start + 4,
        entry: site.entry,
        keeps: site.keeps,
        shape: site.shape,
    })?;
    stub.end();
    Some(())
}

/// Makes the change of text at `site`. `write` replaces bytes at an address of the file.
pub fn rewrite(site: &Site, _stub: u64, write: &mut dyn FnMut(u64, &[u8])) -> Option<()> {
    write(site.vaddr, &EBREAK.to_le_bytes());
    Some(())
}

/// What of the vector state an instruction touches that must be kept: none, because the vector registers are
/// anything after a system call (Documentation/arch/riscv/vector.rst), and the entry saves the others.
pub fn vectors(_bytes: &[u8]) -> u64 {
    0
}

#[cfg(test)]
mod tests;
