//! What matters of an instruction (Arm Architecture Reference Manual, C4.1): where control goes.

use crate::patch::{Entry, Flow, Insn, Naming, Reference};

/// The instruction word at the start of `bytes`.
pub fn word(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.first_chunk()?))
}

/// `bits` of the word from `low` on, as a signed number of instructions, from `address`.
fn relative(word: u32, low: u32, bits: u32, address: u64) -> u64 {
    let field = (word >> low) << (32 - bits);
    let distance = i64::from(field as i32 >> (32 - bits)) * 4;
    address.wrapping_add_signed(distance)
}

/// Where control goes, and whether the instruction depends on where it is. `None` for words that
/// no processor executes.
fn flow(word: u32, address: u64) -> Option<(Flow, bool)> {
    let plain = |flow| Some((flow, false));
    // udf, in the reserved group.
    if word <= 0xffff {
        return plain(Flow::Trap);
    }
    match word >> 25 & 0xf {
        // Reserved but for SME, which has the top bit; and two groups without encodings.
        0b0000 if word >> 31 == 0 => return None,
        0b0001 | 0b0011 => return None,
        _ => {}
    }
    if word & 0x7c00_0000 == 0x1400_0000 {
        let target = relative(word, 0, 26, address);
        let flow = if word >> 31 == 0 { Flow::Jump(target) } else { Flow::Call(target) };
        return plain(flow);
    }
    // b.cond and bc.cond, cbz and cbnz, tbz and tbnz.
    if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        return plain(Flow::Branch(relative(word, 5, 19, address)));
    }
    if word & 0x7e00_0000 == 0x3600_0000 {
        return plain(Flow::Branch(relative(word, 5, 14, address)));
    }
    // Branches to a register, with or without pointer authentication: opc is in bits 21 to 24.
    if word & 0xfe00_0000 == 0xd600_0000 {
        return plain(match word >> 21 & 0xf {
            0 | 8 => Flow::JumpIndirect { computed: true },
            1 | 9 => Flow::CallIndirect,
            _ => Flow::Stop,
        });
    }
    // Exceptions: opc in bits 21 to 23, LL in the last two.
    if word & 0xff00_0000 == 0xd400_0000 {
        return plain(match (word >> 21 & 7, word & 0x1f) {
            (0, 1) => Flow::Site(Entry::Syscall),
            _ => Flow::Trap,
        });
    }
    // adr and adrp, and loads relative to the program counter.
    let fixed = word & 0x1f00_0000 == 0x1000_0000 || word & 0x3b00_0000 == 0x1800_0000;
    Some((Flow::Next, fixed))
}

/// One instruction.
pub fn decode(bytes: &[u8], address: u64) -> Option<Insn> {
    let (flow, fixed) = flow(word(bytes)?, address)?;
    Some(Insn { len: 4, relative: 0, fixed, odd: false, flow })
}

/// Gives every address that the text may name, as if every word were an instruction.
pub fn references(text: &[u8], vaddr: u64, add: &mut dyn FnMut(Reference)) {
    for (source, bytes) in (vaddr..).step_by(4).zip(text.chunks_exact(4)) {
        let Some(found) = word(bytes) else { return };
        let mut name = |kind, target| add(Reference { kind, source, target });
        if found & 0x9f00_0000 == 0x1000_0000 {
            // adr: 21 bits, the lowest two of them apart.
            let field = (found >> 5 & 0x7_ffff) << 2 | found >> 29 & 3;
            let distance = i64::from((field << 11) as i32 >> 11);
            name(Naming::Address, source.wrapping_add_signed(distance));
            continue;
        }
        match flow(found, source) {
            Some((Flow::Call(target), _)) => name(Naming::Call, target),
            Some((Flow::Jump(target) | Flow::Branch(target), _)) => name(Naming::Jump, target),
            _ => {}
        }
    }
}
