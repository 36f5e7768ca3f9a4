//! Checked reads of little-endian fields and of the variable-length numbers of DWARF.

use core::ops::Range;

/// `len` bytes at `offset`.
pub fn slice(data: &[u8], offset: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    data.get(start..start.checked_add(usize::try_from(len).ok()?)?)
}

/// The bytes of a range of offsets, as far as `data` has them.
pub fn clamp(data: &[u8], range: Range<u64>) -> &[u8] {
    let len = data.len() as u64;
    let (start, end) = (range.start.min(len), range.end.min(len));
    slice(data, start, end.saturating_sub(start)).unwrap_or(&[])
}

macro_rules! field {
    ($name:ident, $kind:ty) => {
        /// The little-endian field at `offset`.
        pub fn $name(data: &[u8], offset: usize) -> Option<$kind> {
            let bytes = data.get(offset..)?.get(..size_of::<$kind>())?;
            Some(<$kind>::from_le_bytes(bytes.try_into().ok()?))
        }
    };
}

field!(u16_at, u16);
field!(u32_at, u32);
field!(u64_at, u64);

/// Bytes of an address in the files of this processor.
pub const WORD: usize = size_of::<usize>();

/// The address-sized field at `offset`.
pub fn word_at(data: &[u8], offset: usize) -> Option<u64> {
    if WORD == 8 { u64_at(data, offset) } else { u32_at(data, offset).map(u64::from) }
}

/// A reader that moves on as it reads.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `data` from its start.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let bytes = self.data.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(bytes)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// The next two bytes.
    pub fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// The next eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// The next address.
    pub fn word(&mut self) -> Option<u64> {
        if WORD == 8 { self.u64() } else { self.u32().map(u64::from) }
    }

    /// An unsigned LEB128 number (DWARF 5, 7.6).
    pub fn uleb(&mut self) -> Option<u64> {
        let (mut value, mut shift) = (0u64, 0u32);
        loop {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some(value);
            }
            shift += 7;
        }
    }

    /// A signed LEB128 number (DWARF 5, 7.6).
    pub fn sleb(&mut self) -> Option<i64> {
        let (mut value, mut shift) = (0i64, 0u32);
        loop {
            let byte = self.u8()?;
            value |= i64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte & 0x80 == 0 {
                if byte & 0x40 != 0 && shift < 64 {
                    value |= -1 << shift;
                }
                return Some(value);
            }
        }
    }

    /// The bytes up to a zero, which is passed over.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let rest = self.data.get(self.at..)?;
        let len = rest.iter().position(|&byte| byte == 0)?;
        self.at += len + 1;
        Some(&rest[..len])
    }
}
