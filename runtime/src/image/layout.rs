//! The ELF header and program headers, in either class.
//!
//! The kernel reads the fields in its own byte order and class and does not look at `EI_DATA`
//! and (but on riscv64) `EI_CLASS`; so does this.

use core::mem::{offset_of, size_of};
use goblin::{elf32, elf64};

/// The layout of ELF structures. A native program has that of
/// [`native::CLASS`](super::native::CLASS); both are here on every architecture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// 32-bit fields.
    Elf32,
    /// 64-bit fields.
    Elf64,
}

/// What of an ELF header decides about execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// `e_ident[EI_CLASS]`.
    pub class: u8,
    /// `e_type`.
    pub kind: u16,
    /// `e_machine`.
    pub machine: u16,
    /// `e_entry`.
    pub entry: u64,
    /// `e_phoff`.
    pub phoff: u64,
    /// `e_flags`.
    pub flags: u32,
    /// `e_phentsize`.
    pub phentsize: u16,
    /// `e_phnum`.
    pub phnum: u16,
}

/// A program header with its fields widened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProgramHeader {
    /// `p_type`.
    pub kind: u32,
    /// `p_flags`.
    pub flags: u32,
    /// `p_offset`.
    pub offset: u64,
    /// `p_vaddr`.
    pub vaddr: u64,
    /// `p_filesz`.
    pub filesz: u64,
    /// `p_memsz`.
    pub memsz: u64,
    /// `p_align`.
    pub align: u64,
}

/// The largest program header of both classes.
pub(super) const MAX_PHENTSIZE: usize = size_of::<elf64::program_header::ProgramHeader>();

/// Reads `$field` of the `repr(C)` structure `$raw` out of bytes of any alignment, as `$type`.
macro_rules! field {
    ($bytes:ident, $raw:ty, $field:ident, $type:ty) => {
        <$type>::from_ne_bytes(*$bytes.get(offset_of!($raw, $field)..)?.first_chunk()?)
    };
}

macro_rules! header {
    ($bytes:ident, $raw:ty, $word:ty) => {
        Header {
            class: *$bytes.get(goblin::elf::header::EI_CLASS)?,
            kind: field!($bytes, $raw, e_type, u16),
            machine: field!($bytes, $raw, e_machine, u16),
            entry: field!($bytes, $raw, e_entry, $word).into(),
            phoff: field!($bytes, $raw, e_phoff, $word).into(),
            flags: field!($bytes, $raw, e_flags, u32),
            phentsize: field!($bytes, $raw, e_phentsize, u16),
            phnum: field!($bytes, $raw, e_phnum, u16),
        }
    };
}

macro_rules! program_header {
    ($bytes:ident, $raw:ty, $word:ty) => {
        ProgramHeader {
            kind: field!($bytes, $raw, p_type, u32),
            flags: field!($bytes, $raw, p_flags, u32),
            offset: field!($bytes, $raw, p_offset, $word).into(),
            vaddr: field!($bytes, $raw, p_vaddr, $word).into(),
            filesz: field!($bytes, $raw, p_filesz, $word).into(),
            memsz: field!($bytes, $raw, p_memsz, $word).into(),
            align: field!($bytes, $raw, p_align, $word).into(),
        }
    };
}

impl Class {
    /// The size of an ELF header.
    pub const fn header_size(self) -> usize {
        match self {
            Self::Elf32 => size_of::<elf32::header::Header>(),
            Self::Elf64 => size_of::<elf64::header::Header>(),
        }
    }

    /// The size of a program header, which `e_phentsize` must name.
    pub const fn phentsize(self) -> usize {
        match self {
            Self::Elf32 => size_of::<elf32::program_header::ProgramHeader>(),
            Self::Elf64 => size_of::<elf64::program_header::ProgramHeader>(),
        }
    }

    /// Decodes an ELF header; `None` if there are too few bytes.
    pub fn header(self, bytes: &[u8]) -> Option<Header> {
        let bytes = bytes.get(..self.header_size())?;
        Some(match self {
            Self::Elf32 => header!(bytes, elf32::header::Header, u32),
            Self::Elf64 => header!(bytes, elf64::header::Header, u64),
        })
    }

    /// Decodes a program header; `None` if there are too few bytes.
    pub fn program_header(self, bytes: &[u8]) -> Option<ProgramHeader> {
        let bytes = bytes.get(..self.phentsize())?;
        Some(match self {
            Self::Elf32 => program_header!(bytes, elf32::program_header::ProgramHeader, u32),
            Self::Elf64 => program_header!(bytes, elf64::program_header::ProgramHeader, u64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes and offsets of the System V ABI, "Object Files".
    #[test]
    fn layouts() {
        assert_eq!((Class::Elf32.header_size(), Class::Elf32.phentsize()), (52, 32));
        assert_eq!((Class::Elf64.header_size(), Class::Elf64.phentsize()), (64, 56));
        let bytes: [u8; 64] = core::array::from_fn(|at| at as u8);
        let le = |at: usize, len: usize| {
            (0..len).fold(0, |value, i| value | (at as u64 + i as u64) << (8 * i))
        };
        let header = Class::Elf32.header(&bytes).unwrap();
        assert_eq!((header.class, header.kind as u64), (4, le(16, 2)));
        assert_eq!((header.entry, header.phoff), (le(24, 4), le(28, 4)));
        assert_eq!((header.phentsize as u64, header.phnum as u64), (le(42, 2), le(44, 2)));
        let header = Class::Elf64.header(&bytes).unwrap();
        assert_eq!((header.machine as u64, header.flags as u64), (le(18, 2), le(48, 4)));
        assert_eq!((header.entry, header.phoff), (le(24, 8), le(32, 8)));
        assert_eq!((header.phentsize as u64, header.phnum as u64), (le(54, 2), le(56, 2)));
        let segment = Class::Elf32.program_header(&bytes).unwrap();
        assert_eq!((segment.flags as u64, segment.offset), (le(24, 4), le(4, 4)));
        assert_eq!((segment.filesz, segment.memsz), (le(16, 4), le(20, 4)));
        let segment = Class::Elf64.program_header(&bytes).unwrap();
        assert_eq!((segment.flags as u64, segment.vaddr), (le(4, 4), le(16, 8)));
        assert_eq!((segment.memsz, segment.align), (le(40, 8), le(48, 8)));
        assert_eq!(Class::Elf64.header(&bytes[..63]), None);
        assert_eq!(Class::Elf32.program_header(&bytes[..31]), None);
    }
}
