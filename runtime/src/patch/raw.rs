//! The structures of the ELF files of this processor, by the width of its addresses.

#[cfg(target_pointer_width = "32")]
pub use goblin::elf32::{dynamic, header, program_header, reloc, section_header, sym};
#[cfg(target_pointer_width = "64")]
pub use goblin::elf64::{dynamic, header, program_header, reloc, section_header, sym};

/// `EI_CLASS` of such a file.
#[cfg(target_pointer_width = "32")]
pub const CLASS: u8 = header::ELFCLASS32;
/// `EI_CLASS` of such a file.
#[cfg(target_pointer_width = "64")]
pub const CLASS: u8 = header::ELFCLASS64;

/// The bits of `r_info` that hold the kind of a relocation; the symbol is in those above.
#[cfg(target_pointer_width = "32")]
pub const KIND_BITS: u32 = 8;
/// The bits of `r_info` that hold the kind of a relocation; the symbol is in those above.
#[cfg(target_pointer_width = "64")]
pub const KIND_BITS: u32 = 32;
