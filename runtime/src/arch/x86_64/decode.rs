//! The instruction decoder: lengths, where control goes next, and which operand depends on the
//! instruction's own address. It knows all of 64-bit mode up to AVX-512 and XOP, and what 32-bit
//! programs use of 32-bit mode; what it does not know is no instruction to it, so that the code around
//! it counts as unproven.

use super::LONG_MODE;
use super::decode_tables::{BAD, I8, I16, IZ, J8, J32, M, ODD, ONE_BYTE, ONE_BYTE_32, TWO_BYTE};
use crate::patch::{Entry, Flow, Insn};

/// No instruction is longer (Intel SDM volume 2, 2.3.11).
const MAX_LEN: usize = 15;

/// What `int $0x80` is: the one way into the kernel of 32-bit code.
const INT80: Entry = if LONG_MODE { Entry::Int80 } else { Entry::Syscall };

/// Bits of a REX prefix.
const REX_W: u8 = 8;

/// Which table an opcode byte belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Map {
    One,
    Two,
    /// `0f 38`: always ModRM, never an immediate.
    Three8,
    /// `0f 3a`: always ModRM and one byte of immediate.
    Three3a,
    /// Behind a VEX, EVEX or XOP prefix, with the prefix's own map number.
    Vector(u8),
}

/// The bytes of one instruction and how far they are read.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        if self.at >= MAX_LEN { None } else { self.bytes.get(self.at).copied() }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at += count;
        (self.at <= MAX_LEN && self.at <= self.bytes.len()).then_some(())
    }

    /// The last `size` bytes read, as a signed displacement.
    fn last(&self, size: usize) -> Option<i64> {
        let bytes = self.bytes.get(self.at.checked_sub(size)?..self.at)?;
        Some(match size {
            1 => i64::from(bytes[0] as i8),
            _ => i64::from(i32::from_le_bytes(bytes.try_into().ok()?)),
        })
    }
}

/// What stands before the opcode.
#[derive(Default)]
struct Prefixes {
    operand_size: bool,
    address_size: bool,
    repne: bool,
    rex: u8,
}

impl Prefixes {
    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut found = Self::default();
        loop {
            match cursor.peek()? {
                0x66 => found.operand_size = true,
                0x67 => found.address_size = true,
                0xf2 => found.repne = true,
                0xf3 | 0xf0 | 0x2e | 0x36 | 0x3e | 0x26 | 0x64 | 0x65 => {}
                rex @ 0x40..=0x4f if LONG_MODE => {
                    cursor.at += 1;
                    // A REX that another prefix follows is ignored (SDM volume 2, 2.2.1).
                    match cursor.peek()? {
                        0x66
                        | 0x67
                        | 0xf2
                        | 0xf3
                        | 0xf0
                        | 0x2e
                        | 0x36
                        | 0x3e
                        | 0x26
                        | 0x64
                        | 0x65
                        | 0x40..=0x4f => continue,
                        _ => found.rex = rex,
                    }
                    return Some(found);
                }
                _ => return Some(found),
            }
            cursor.at += 1;
        }
    }
}

/// A ModRM byte with what it brings along.
#[derive(Clone, Copy, Default)]
struct ModRm {
    byte: u8,
    /// Offset of a displacement that is relative to the instruction's end; 0 if there is none.
    rip: u8,
}

impl ModRm {
    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let byte = cursor.next()?;
        let (mode, rm) = (byte >> 6, byte & 7);
        let mut found = Self { byte, rip: 0 };
        if mode == 3 {
            return Some(found);
        }
        let mut displacement = match mode {
            1 => 1,
            2 => 4,
            _ => 0,
        };
        if rm == 4 {
            let sib = cursor.next()?;
            if mode == 0 && sib & 7 == 5 {
                displacement = 4;
            }
        } else if rm == 5 && mode == 0 {
            if LONG_MODE {
                found.rip = u8::try_from(cursor.at).ok()?;
            }
            displacement = 4;
        }
        cursor.skip(displacement)?;
        Some(found)
    }

    fn reg(self) -> u8 {
        self.byte >> 3 & 7
    }
}

/// Decodes the instruction that `bytes` begin with and that is at `address`. `None` if there is
/// no such instruction or `bytes` end within it.
pub fn decode(bytes: &[u8], address: u64) -> Option<Insn> {
    let mut cursor = Cursor { bytes, at: 0 };
    let prefixes = Prefixes::read(&mut cursor)?;
    let mut opcode = cursor.next()?;
    let mut map = Map::One;
    match opcode {
        0x0f => {
            opcode = cursor.next()?;
            map = match opcode {
                0x38 => Map::Three8,
                0x3a => Map::Three3a,
                _ => Map::Two,
            };
            if map != Map::Two {
                opcode = cursor.next()?;
            }
        }
        0xc5 if is_vector(&cursor) => {
            cursor.skip(1)?;
            map = Map::Vector(1);
            opcode = cursor.next()?;
        }
        0xc4 if is_vector(&cursor) => {
            map = Map::Vector(match cursor.next()? & 0x1f {
                known @ 1..=3 => known,
                _ => return None,
            });
            cursor.skip(1)?;
            opcode = cursor.next()?;
        }
        0x62 if is_vector(&cursor) => {
            let (first, second) = (cursor.next()?, cursor.next()?);
            map = Map::Vector(match (first & 0xf, second & 4) {
                (known @ (1..=3 | 5 | 6), 4) => known,
                _ => return None,
            });
            cursor.skip(1)?;
            opcode = cursor.next()?;
            // Only VEX has an instruction without operands.
            if opcode == 0x77 && map == Map::Vector(1) {
                return None;
            }
        }
        // XOP shares its first byte with `pop r/m`, which has a map number below 8.
        0x8f if cursor.peek()? & 0x1f >= 8 => {
            map = Map::Vector(match cursor.next()? & 0x1f {
                known @ 8..=10 => known,
                _ => return None,
            });
            cursor.skip(1)?;
            opcode = cursor.next()?;
        }
        _ => {}
    }
    let attributes = match map {
        Map::One if LONG_MODE => ONE_BYTE[usize::from(opcode)],
        Map::One => ONE_BYTE_32[usize::from(opcode)],
        // There is no `syscall` to a 32-bit program that works on every processor.
        Map::Two if opcode == 5 && !LONG_MODE => BAD,
        Map::Two => TWO_BYTE[usize::from(opcode)],
        Map::Three8 => M,
        Map::Three3a => M | I8,
        Map::Vector(1) => match opcode {
            0x77 => 0,
            0x70..=0x73 | 0xc2 | 0xc4..=0xc6 => M | I8,
            _ => M,
        },
        Map::Vector(3 | 8) => M | I8,
        Map::Vector(10) => M | J32,
        Map::Vector(_) => M,
    };
    if attributes & BAD != 0 {
        return None;
    }
    // Forms that only 16-bit code has.
    if !LONG_MODE && (prefixes.address_size || (prefixes.operand_size && attributes & J32 != 0)) {
        return None;
    }
    let modrm = if attributes & M != 0 { ModRm::read(&mut cursor)? } else { ModRm::default() };
    let immediate = match (map, opcode) {
        // mov to and from an absolute address.
        (Map::One, 0xa0..=0xa3) => {
            if prefixes.address_size || !LONG_MODE {
                4
            } else {
                8
            }
        }
        (Map::One, 0xb8..=0xbf) if prefixes.rex & REX_W != 0 => 8,
        // test r/m, imm
        (Map::One, 0xf6) if modrm.reg() < 2 => 1,
        (Map::One, 0xf7) if modrm.reg() < 2 => operand_immediate(&prefixes),
        // extrq, insertq (SSE4a): two bytes.
        (Map::Two, 0x78) if prefixes.operand_size || prefixes.repne => 2,
        _ => {
            usize::from(attributes & (I8 | J8) != 0)
                + if attributes & I16 != 0 { 2 } else { 0 }
                + if attributes & IZ != 0 { operand_immediate(&prefixes) } else { 0 }
                + if attributes & J32 != 0 { 4 } else { 0 }
        }
    };
    cursor.skip(immediate)?;
    let end = address.wrapping_add(cursor.at as u64);
    let target = |size| {
        let target = end.wrapping_add_signed(cursor.last(size)?);
        Some(if LONG_MODE { target } else { target & 0xffff_ffff })
    };
    // iretq is how to return with every register as it was.
    let iretq = LONG_MODE && opcode == 0xcf && prefixes.rex & REX_W != 0;
    let mut odd = attributes & ODD != 0 && !iretq;
    let flow = match map {
        Map::One => match opcode {
            0x70..=0x7f | 0xe0..=0xe3 => Flow::Branch(target(1)?),
            0xeb => Flow::Jump(target(1)?),
            0xe8 => Flow::Call(target(4)?),
            0xe9 => Flow::Jump(target(4)?),
            0xc2 | 0xc3 | 0xca | 0xcb | 0xcf => Flow::Stop,
            0xcc | 0xf4 => Flow::Trap,
            0xcd if bytes.get(cursor.at - 1) == Some(&0x80) && cursor.at == 2 => Flow::Site(INT80),
            // xbegin: the abort handler is a branch target.
            0xc7 if modrm.byte == 0xf8 && immediate == 4 => Flow::Branch(target(4)?),
            0xc6 | 0xc7 if modrm.reg() != 0 && modrm.byte != 0xf8 => return None,
            0x8f if modrm.reg() != 0 => return None,
            0xfe if modrm.reg() > 1 => return None,
            0xff => match modrm.reg() {
                2 => Flow::CallIndirect,
                4 => Flow::JumpIndirect { computed: modrm.byte >> 6 == 3 },
                3 | 5 => {
                    odd = true;
                    Flow::Stop
                }
                7 => return None,
                _ => Flow::Next,
            },
            _ => Flow::Next,
        },
        Map::Two => match opcode {
            // With a prefix it is three bytes long, and no shape is made for that.
            0x05 if cursor.at == 2 => Flow::Site(Entry::Syscall),
            0x0b | 0xb9 | 0xff => Flow::Trap,
            0x07 | 0x34 | 0x35 => Flow::Stop,
            0x80..=0x8f => Flow::Branch(target(4)?),
            _ => Flow::Next,
        },
        _ => Flow::Next,
    };
    Some(Insn {
        len: u8::try_from(cursor.at).ok()?,
        relative: modrm.rip,
        fixed: modrm.rip != 0 && prefixes.address_size,
        odd,
        flow,
    })
}

/// Whether `62`, `c4` and `c5` are prefixes: in 32-bit mode they are also `bound`, `les` and `lds`,
/// which have no register operand.
fn is_vector(cursor: &Cursor<'_>) -> bool {
    LONG_MODE || cursor.peek().is_some_and(|next| next >> 6 == 3)
}

/// The size of an immediate that follows the operand size, at most four bytes.
fn operand_immediate(prefixes: &Prefixes) -> usize {
    if prefixes.operand_size && prefixes.rex & REX_W == 0 { 2 } else { 4 }
}
