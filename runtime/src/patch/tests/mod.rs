//! Tests of the whole way from a file's bytes to its patched image.

mod corrupt;
pub mod file;
mod lengths;
mod machine;

use std::vec::Vec;

/// Numbers that are the same in every run (xorshift64*).
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// An `.eh_frame` at `section` with one FDE for `len` bytes at `start`, whose exception table is at
/// `table`.
pub fn eh_frame(start: u64, section: u64, len: u32, table: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    // CIE: augmentation zLR, both encodings pcrel sdata4.
    bytes.extend_from_slice(&20u32.to_le_bytes());
    bytes.extend_from_slice(&0u32.to_le_bytes());
    bytes.extend_from_slice(b"\x01zLR\0\x01\x78\x10\x02\x1b\x1b\0\0\0\0\0");
    let fde = bytes.len() as u64;
    bytes.extend_from_slice(&20u32.to_le_bytes());
    bytes.extend_from_slice(&(fde as u32 + 4).to_le_bytes());
    let begin = start.wrapping_sub(section + bytes.len() as u64) as u32;
    bytes.extend_from_slice(&begin.to_le_bytes());
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.push(4);
    let lsda = table.wrapping_sub(section + bytes.len() as u64) as u32;
    bytes.extend_from_slice(&lsda.to_le_bytes());
    bytes.extend_from_slice(&[0; 3]);
    bytes.extend_from_slice(&0u32.to_le_bytes());
    bytes
}
