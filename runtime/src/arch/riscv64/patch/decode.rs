//! What matters of an instruction (The RISC-V Instruction Set Manual, volume I, chapters 24 and 26):
//! its length, and where control goes.

use crate::patch::{Entry, Flow, Insn};

/// x1 and x5 hold return addresses.
fn is_link(register: u32) -> bool {
    matches!(register, 1 | 5)
}

/// The bits of a scattered operand: each pair is the lowest bit of a field in the instruction and in
/// the operand, with the field's length. The operand's highest bit is its sign.
fn operand(word: u32, sign: u32, fields: &[(u32, u32, u32)]) -> i64 {
    let bits = fields
        .iter()
        .fold(0, |bits, &(from, to, len)| bits | (word >> from & ((1 << len) - 1)) << to);
    i64::from((bits << (31 - sign)) as i32 >> (31 - sign))
}

/// One instruction of four bytes.
fn long(word: u32, address: u64) -> (Flow, bool) {
    let (rd, rs1) = (word >> 7 & 31, word >> 15 & 31);
    let to = |distance| address.wrapping_add_signed(distance);
    let flow = match word & 0x7f {
        0x6f => {
            let target =
                to(operand(word, 20, &[(31, 20, 1), (12, 12, 8), (20, 11, 1), (21, 1, 10)]));
            if rd == 0 { Flow::Jump(target) } else { Flow::Call(target) }
        }
        0x67 if rd != 0 => Flow::CallIndirect,
        0x67 if is_link(rs1) => Flow::Stop,
        0x67 => Flow::JumpIndirect { computed: true },
        0x63 => {
            Flow::Branch(to(operand(word, 12, &[(31, 12, 1), (7, 11, 1), (25, 5, 6), (8, 1, 4)])))
        }
        0x73 => match word {
            0x0000_0073 => Flow::Site(Entry::Syscall),
            // ebreak, and unimp as assemblers write it: a write to a counter.
            0x0010_0073 | 0xc000_1073 => Flow::Trap,
            _ => Flow::Next,
        },
        _ => Flow::Next,
    };
    // auipc
    (flow, word & 0x7f == 0x17)
}

/// One instruction of two bytes.
fn short(word: u32, address: u64) -> Flow {
    let (rd, rs2) = (word >> 7 & 31, word >> 2 & 31);
    let to = |distance| address.wrapping_add_signed(distance);
    match (word & 3, word >> 13) {
        (0, 0) if word == 0 => Flow::Trap,
        (1, 5) => Flow::Jump(to(operand(
            word,
            11,
            &[
                (12, 11, 1),
                (11, 4, 1),
                (9, 8, 2),
                (8, 10, 1),
                (7, 6, 1),
                (6, 7, 1),
                (3, 1, 3),
                (2, 5, 1),
            ],
        ))),
        (1, 6 | 7) => Flow::Branch(to(operand(
            word,
            8,
            &[(12, 8, 1), (10, 3, 2), (5, 6, 2), (3, 1, 2), (2, 5, 1)],
        ))),
        (2, 4) if rs2 == 0 => match (word >> 12 & 1, rd) {
            (0, register) if is_link(register) => Flow::Stop,
            (0, _) => Flow::JumpIndirect { computed: true },
            (_, 0) => Flow::Trap,
            _ => Flow::CallIndirect,
        },
        _ => Flow::Next,
    }
}

/// One instruction.
pub fn decode(bytes: &[u8], address: u64) -> Option<Insn> {
    let half = u32::from(u16::from_le_bytes(*bytes.first_chunk()?));
    let insn = |len, fixed, flow| Some(Insn { len, relative: 0, fixed, odd: false, flow });
    if half & 3 != 3 {
        return insn(2, false, short(half, address));
    }
    // Longer ones are reserved for extensions that there are none of.
    if half & 0x1f == 0x1f {
        return None;
    }
    let (flow, fixed) = long(u32::from_le_bytes(*bytes.first_chunk()?), address);
    insn(4, fixed, flow)
}
