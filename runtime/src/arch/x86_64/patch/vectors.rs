//! What of the vector state an instruction touches (Intel SDM volume 2, appendix A; AMD APM volume 3,
//! appendix A). The bits are those of XCR0 (SDM volume 1, 13.1).

use super::LONG_MODE;

/// The x87 registers, which are those of MMX too, and their control and status words.
const X87: u64 = 1 << 0;
/// mxcsr. The registers xmm are saved by the entry, whoever uses them.
const MXCSR: u64 = 1 << 1;
/// The upper halves of ymm, and of zmm, which every instruction with VEX clears (SDM volume 1, 15.5).
const AVX: u64 = 1 << 2 | 1 << 6;
/// The mask registers.
const MASKS: u64 = 1 << 5;
/// The mask registers, the upper halves of zmm, and zmm16 to zmm31.
const AVX512: u64 = 0b111 << 5;
/// The tiles of AMX and their configuration.
const TILES: u64 = 0b11 << 17;

/// The prefixes that choose between instructions.
#[derive(Default)]
struct Prefixes {
    operand_size: bool,
    repeat: bool,
}

/// What an instruction touches beyond xmm0 to xmm15. `bytes` are the whole of it.
pub fn vectors(bytes: &[u8]) -> u64 {
    let mut prefixes = Prefixes::default();
    let mut rest = bytes;
    let (opcode, rest) = loop {
        let Some((&byte, behind)) = rest.split_first() else { return 0 };
        match byte {
            0x66 => prefixes.operand_size = true,
            0xf2 | 0xf3 => prefixes.repeat = true,
            0xf0 | 0x2e | 0x36 | 0x3e | 0x26 | 0x64 | 0x65 | 0x67 => {}
            0x40..=0x4f if LONG_MODE => {}
            _ => break (byte, behind),
        }
        rest = behind;
    };
    // In 32-bit mode `62`, `c4` and `c5` are also `bound`, `les` and `lds`, without a register operand.
    let is_prefix = LONG_MODE || rest.first().is_some_and(|next| next >> 6 == 3);
    match (opcode, rest) {
        // fwait, and the escapes to the x87.
        (0x9b | 0xd8..=0xdf, _) => X87,
        (0x0f, [0x38, opcode, ..]) => three_38(*opcode, &prefixes),
        (0x0f, [0x3a, opcode, ..]) => three_3a(*opcode, &prefixes),
        (0x0f, [opcode, behind @ ..]) => two(*opcode, behind.first().copied(), &prefixes),
        (0xc5, [_, opcode, ..]) if is_prefix => vex(1, *opcode),
        (0xc4, [map, _, opcode, ..]) if is_prefix => vex(map & 0x1f, *opcode),
        (0x62, _) if is_prefix => AVX | AVX512,
        // XOP: `pop r/m` has a map number below 8.
        (0x8f, [map, ..]) if map & 0x1f >= 8 => AVX,
        _ => 0,
    }
}

/// The opcodes behind `0f`.
fn two(opcode: u8, modrm: Option<u8>, prefixes: &Prefixes) -> u64 {
    let Prefixes { operand_size, repeat } = *prefixes;
    match opcode {
        // femms, 3DNow!, emms.
        0x0e | 0x0f | 0x77 => X87,
        // cvtpi2ps, cvttps2pi, cvtps2pi and their likes, from and to mm.
        0x2a | 0x2c | 0x2d if !repeat => X87 | MXCSR,
        // Conversions, comparisons and arithmetic of floating point.
        0x2a | 0x2c..=0x2f | 0x51..=0x53 | 0x58..=0x5f | 0x7c | 0x7d | 0xc2 | 0xd0 | 0xe6 => MXCSR,
        // Without a prefix what follows works on mm.
        0x60..=0x6b
        | 0x6e..=0x76
        | 0x7e
        | 0x7f
        | 0xc4
        | 0xc5
        | 0xd1..=0xd5
        | 0xd7..=0xe5
        | 0xe7..=0xef
        | 0xf1..=0xfe
            if !operand_size && !repeat =>
        {
            X87
        }
        // movq2dq, movdq2q.
        0xd6 if repeat => X87,
        // Operations on the state as a whole, by a memory operand.
        0xae => match modrm.map(|modrm| (modrm >> 6, modrm >> 3 & 7)) {
            Some((0..=2, 1)) => X87 | MXCSR,
            Some((0..=2, 2 | 3)) => MXCSR,
            // xrstor
            Some((0..=2, 5)) => X87 | MXCSR | AVX | AVX512 | TILES,
            _ => 0,
        },
        _ => 0,
    }
}

/// The opcodes behind `0f 38`: those of SSSE3 work on mm without a prefix.
fn three_38(opcode: u8, prefixes: &Prefixes) -> u64 {
    match opcode {
        0x00..=0x0b | 0x1c..=0x1e if !prefixes.operand_size => X87,
        _ => 0,
    }
}

/// The opcodes behind `0f 3a`: palignr on mm, and what rounds or multiplies.
fn three_3a(opcode: u8, prefixes: &Prefixes) -> u64 {
    match opcode {
        0x0f if !prefixes.operand_size => X87,
        0x08..=0x0b | 0x40 | 0x41 => MXCSR,
        _ => 0,
    }
}

/// The opcodes of VEX, by the number of its map.
fn vex(map: u8, opcode: u8) -> u64 {
    match (map, opcode) {
        // kand and the others on mask registers.
        (1, 0x41..=0x4b | 0x90..=0x93 | 0x98 | 0x99) | (3, 0x30..=0x33) => MASKS,
        (2, 0x48..=0x4b | 0x5c..=0x5f | 0x6c) => TILES,
        // BMI and cmpccxadd: general registers only.
        (2, 0xe0..=0xef | 0xf2 | 0xf3 | 0xf5..=0xf7) | (3, 0xf0) => 0,
        _ => AVX,
    }
}
