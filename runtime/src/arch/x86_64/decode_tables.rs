//! What follows each opcode byte in 64-bit mode: Intel SDM volume 2, appendix A, and AMD APM
//! volume 3, appendix A, reduced to what a length needs.

/// A ModRM byte follows.
pub const M: u8 = 1;
/// One byte of immediate.
pub const I8: u8 = 2;
/// Two bytes of immediate.
pub const I16: u8 = 4;
/// Four bytes of immediate, two under an operand-size prefix.
pub const IZ: u8 = 8;
/// A branch displacement of one byte.
pub const J8: u8 = 16;
/// A branch displacement of four bytes, whatever the operand size.
pub const J32: u8 = 32;
/// Only a kernel, or nothing at all, uses it: a sweep that meets one has probably left the code.
pub const ODD: u8 = 64;
/// Not an instruction in 64-bit mode.
pub const BAD: u8 = 128;

const fn fill(mut table: [u8; 256], from: usize, to: usize, value: u8) -> [u8; 256] {
    let mut i = from;
    while i <= to {
        table[i] = value;
        i += 1;
    }
    table
}

const fn one_byte() -> [u8; 256] {
    let mut t = [0; 256];
    let mut row = 0;
    while row < 0x40 {
        t = fill(t, row, row + 3, M);
        t[row + 4] = I8;
        t[row + 5] = IZ;
        t = fill(t, row + 6, row + 7, BAD);
        row += 8;
    }
    t = fill(t, 0x60, 0x62, BAD);
    t[0x63] = M;
    t[0x68] = IZ;
    t[0x69] = M | IZ;
    t[0x6a] = I8;
    t[0x6b] = M | I8;
    t = fill(t, 0x6c, 0x6f, ODD);
    t = fill(t, 0x70, 0x7f, J8);
    t[0x80] = M | I8;
    t[0x81] = M | IZ;
    t[0x82] = BAD;
    t[0x83] = M | I8;
    t = fill(t, 0x84, 0x8f, M);
    t[0x9a] = BAD;
    t[0xa8] = I8;
    t[0xa9] = IZ;
    t = fill(t, 0xb0, 0xb7, I8);
    t = fill(t, 0xb8, 0xbf, IZ);
    t = fill(t, 0xc0, 0xc1, M | I8);
    t[0xc2] = I16;
    t = fill(t, 0xc4, 0xc5, BAD);
    t[0xc6] = M | I8;
    t[0xc7] = M | IZ;
    t[0xc8] = I16 | I8;
    t[0xca] = I16 | ODD;
    t[0xcb] = ODD;
    t[0xcd] = I8;
    t[0xce] = BAD;
    t[0xcf] = ODD;
    t = fill(t, 0xd0, 0xd3, M);
    t = fill(t, 0xd4, 0xd6, BAD);
    t = fill(t, 0xd8, 0xdf, M);
    t = fill(t, 0xe0, 0xe3, J8);
    t = fill(t, 0xe4, 0xe7, I8 | ODD);
    t = fill(t, 0xe8, 0xe9, J32);
    t[0xea] = BAD;
    t[0xeb] = J8;
    t = fill(t, 0xec, 0xef, ODD);
    t[0xf1] = ODD;
    t = fill(t, 0xf6, 0xf7, M);
    t = fill(t, 0xfa, 0xfb, ODD);
    fill(t, 0xfe, 0xff, M)
}

/// The opcodes that 32-bit mode has besides, or otherwise.
const fn one_byte_32() -> [u8; 256] {
    let mut t = one_byte();
    // push and pop of segments, decimal adjustments
    let mut row = 0;
    while row < 0x40 {
        t = fill(t, row + 6, row + 7, ODD);
        row += 8;
    }
    t = fill(t, 0x60, 0x61, ODD);
    t[0x62] = M | ODD;
    t[0x82] = M | I8 | ODD;
    t = fill(t, 0xc4, 0xc5, M | ODD);
    t[0xce] = ODD;
    fill(t, 0xd4, 0xd5, I8 | ODD)
}

const fn two_byte() -> [u8; 256] {
    let mut t = [M; 256];
    t = fill(t, 0x04, 0x0c, BAD);
    t[0x05] = 0;
    t = fill(t, 0x06, 0x09, ODD);
    t[0x0b] = 0;
    t[0x0e] = 0;
    t[0x0f] = M | I8;
    t = fill(t, 0x20, 0x27, BAD);
    t = fill(t, 0x30, 0x35, ODD);
    t[0x31] = 0;
    t[0x33] = 0;
    t[0x36] = BAD;
    t[0x37] = ODD;
    t = fill(t, 0x38, 0x3f, BAD);
    t = fill(t, 0x70, 0x73, M | I8);
    t[0x77] = 0;
    t = fill(t, 0x7a, 0x7b, BAD);
    t = fill(t, 0x80, 0x8f, J32);
    t = fill(t, 0xa0, 0xa2, 0);
    t[0xa4] = M | I8;
    t = fill(t, 0xa8, 0xa9, 0);
    t[0xaa] = ODD;
    t[0xac] = M | I8;
    t[0xba] = M | I8;
    t[0xc2] = M | I8;
    t = fill(t, 0xc4, 0xc6, M | I8);
    fill(t, 0xc8, 0xcf, 0)
}

/// The one-byte opcodes. Prefixes and escapes are told apart before it is asked.
pub static ONE_BYTE: [u8; 256] = one_byte();

/// The same in 32-bit mode.
pub static ONE_BYTE_32: [u8; 256] = one_byte_32();

/// The opcodes behind `0f`.
pub static TWO_BYTE: [u8; 256] = two_byte();
