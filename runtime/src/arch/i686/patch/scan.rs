//! Scans over whole texts.

use crate::patch::{Entry, Naming, Reference};

/// Calls `found` for every `cd 80`, wherever it is.
pub fn candidates(text: &[u8], mut found: impl FnMut(usize, Entry)) {
    for (at, pair) in text.windows(2).enumerate() {
        if *pair == [0xcd, 0x80] {
            found(at, Entry::Syscall);
        }
    }
}

/// Gives every address that the text may name by four bytes relative to it, as if every byte
/// began an instruction: `call` and `jmp`, conditional jumps, `xbegin`.
pub fn references(text: &[u8], vaddr: u64, add: &mut dyn FnMut(Reference)) {
    for at in 0..text.len() {
        let (kind, opcode) = match text.get(at..) {
            Some([0xe8, ..]) => (Naming::Call, 1),
            Some([0xe9, ..]) => (Naming::Jump, 1),
            Some([0x0f, 0x80..=0x8f, ..] | [0xc7, 0xf8, ..]) => (Naming::Jump, 2),
            _ => continue,
        };
        let field = text.get(at + opcode..).and_then(|rest| rest.first_chunk::<4>());
        if let Some(&field) = field {
            let end = vaddr.wrapping_add((at + opcode + 4) as u64);
            let target = end.wrapping_add_signed(i64::from(i32::from_le_bytes(field)));
            // Addresses wrap at 32 bits.
            let target = u64::from(target as u32);
            add(Reference { kind, source: vaddr.wrapping_add(at as u64), target });
        }
    }
}

/// The target if the bytes at `address` may be a branch with a displacement of one byte.
pub fn short_branch(bytes: &[u8], address: u64) -> Option<u64> {
    let &[opcode, displacement] = bytes.first_chunk::<2>()?;
    matches!(opcode, 0x70..=0x7f | 0xe0..=0xe3 | 0xeb)
        .then(|| address.wrapping_add(2).wrapping_add_signed(i64::from(displacement as i8)))
}
