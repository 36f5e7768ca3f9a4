//! What simple instructions do to the general registers: enough to know a call number, and
//! whether making an instruction twice is the same as making it once.

use crate::patch::Insn;

/// The number of rax in an instruction's register fields.
pub const RAX: u8 = 0;

/// What one instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// It sets a register to a constant.
    Constant {
        /// The register.
        to: u8,
        /// All 64 bits of it.
        value: u64,
    },
    /// It sets a register from another one, or from an address made of two.
    Copy {
        /// The register.
        to: u8,
        /// What it is made of.
        from: [Option<u8>; 2],
    },
    /// It sets a register in some other way.
    Change {
        /// The register.
        to: u8,
    },
    /// It sets no general register.
    Nothing,
}

impl Motion {
    /// The register that is set.
    pub fn target(self) -> Option<u8> {
        match self {
            Self::Constant { to, .. } | Self::Copy { to, .. } | Self::Change { to } => Some(to),
            Self::Nothing => None,
        }
    }
}

/// What the instruction does, if it is one of those that compilers put before a system call.
pub fn motion(bytes: &[u8], insn: &Insn) -> Option<Motion> {
    let bytes = bytes.get(..usize::from(insn.len))?;
    let (rex, rest) = match bytes {
        [rex @ 0x40..=0x4f, rest @ ..] => (*rex, rest),
        _ => (0, bytes),
    };
    let wide = rex & 8 != 0;
    let (&opcode, operands) = rest.split_first()?;
    if let 0xb8..=0xbf = opcode {
        let to = opcode & 7 | (rex & 1) << 3;
        let value = match *operands {
            [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
            _ => u64::from_le_bytes(operands.try_into().ok()?),
        };
        return Some(Motion::Constant { to, value });
    }
    if let 0x58..=0x5f = opcode {
        return Some(Motion::Change { to: opcode & 7 | (rex & 1) << 3 });
    }
    let &modrm = operands.first()?;
    let reg = modrm >> 3 & 7 | (rex & 4) << 1;
    let rm = modrm & 7 | (rex & 1) << 3;
    let register = modrm >> 6 == 3;
    let digit = modrm >> 3 & 7;
    match opcode {
        // mov r/m, r
        0x89 if register => Some(Motion::Copy { to: rm, from: [Some(reg), None] }),
        // mov r, r/m
        0x8b if register => Some(Motion::Copy { to: reg, from: [Some(rm), None] }),
        0x8b => Some(Motion::Change { to: reg }),
        0x8d => Some(Motion::Copy { to: reg, from: lea_sources(operands, rex)? }),
        // xor r, r: the usual zero. It needs no width.
        0x31 | 0x33 if register && reg == rm => Some(Motion::Constant { to: rm, value: 0 }),
        // mov $imm, r/m
        0xc7 if register && digit == 0 => {
            let field = i32::from_le_bytes(*operands.get(1..)?.first_chunk()?);
            let value = if wide { field as i64 as u64 } else { u64::from(field as u32) };
            Some(Motion::Constant { to: rm, value })
        }
        // Stores, and comparisons but for cmp's neighbours in group 1.
        0x88 | 0x89 if !register => Some(Motion::Nothing),
        0xc6 | 0xc7 if digit == 0 && !register => Some(Motion::Nothing),
        0x38..=0x3b | 0x84 | 0x85 => Some(Motion::Nothing),
        0x80 | 0x81 | 0x83 if digit == 7 || !register => Some(Motion::Nothing),
        // Arithmetic on a whole register.
        0x81 | 0x83 | 0xc1 => Some(Motion::Change { to: rm }),
        0xf7 if register && matches!(digit, 2 | 3) => Some(Motion::Change { to: rm }),
        // On a byte register: without REX, 4 to 7 are the high halves of the first four.
        0x80 if rex != 0 || rm < 4 => Some(Motion::Change { to: rm }),
        0x01 | 0x09 | 0x21 | 0x29 | 0x31 if register => Some(Motion::Change { to: rm }),
        0x01 | 0x09 | 0x21 | 0x29 | 0x31 => Some(Motion::Nothing),
        0x03 | 0x0b | 0x23 | 0x2b | 0x33 | 0x63 => Some(Motion::Change { to: reg }),
        // cmovcc and zero- or sign-extending loads.
        0x0f => match *operands {
            [0x40..=0x4f | 0xb6 | 0xb7 | 0xbe | 0xbf, modrm, ..] => {
                Some(Motion::Change { to: modrm >> 3 & 7 | (rex & 4) << 1 })
            }
            [0x1f, ..] => Some(Motion::Nothing),
            _ => None,
        },
        _ => None,
    }
}

/// The base and the index of a `lea`.
fn lea_sources(operands: &[u8], rex: u8) -> Option<[Option<u8>; 2]> {
    let &modrm = operands.first()?;
    let (mode, rm) = (modrm >> 6, modrm & 7);
    match (mode, rm) {
        (0, 5) => Some([None, None]),
        (_, 4) => {
            let &sib = operands.get(1)?;
            let index = sib >> 3 & 7 | (rex & 2) << 2;
            let base = sib & 7 | (rex & 1) << 3;
            let has_base = !(mode == 0 && sib & 7 == 5);
            Some([has_base.then_some(base), (index != 4).then_some(index)])
        }
        _ => Some([Some(rm | (rex & 1) << 3), None]),
    }
}

/// What a system call and the stub's own test leave otherwise than they found it: rax, rcx, r11.
const CALL_CLOBBERS: u32 = 1 << RAX | 1 << 1 | 1 << 11;

/// Whether making the instructions a second time, after the call was made or almost made, leaves
/// every register as the first time did. They are given last first.
pub fn is_idempotent(motions: &[Motion]) -> bool {
    let mut set_later = CALL_CLOBBERS;
    for motion in motions {
        let (to, from) = match *motion {
            Motion::Constant { to, .. } => (to, [None, None]),
            Motion::Copy { to, from } => (to, from),
            Motion::Change { .. } | Motion::Nothing => return false,
        };
        set_later |= 1 << to;
        if from.iter().flatten().any(|&source| set_later >> source & 1 != 0) {
            return false;
        }
    }
    true
}
