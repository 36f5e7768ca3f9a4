//! What is taken over from the vDSO.

use alloc::vec::Vec;
use core::mem::size_of;

use super::image::Section;
use crate::text;
use linux_raw_sys::elf::{Elf_Ehdr, Elf_Sym};

/// `SHT_DYNSYM` (elf.h).
const DYNSYM: u32 = 11;

/// Its parts, at their addresses.
#[derive(Default)]
pub struct Vdso {
    /// The address and size of all of it.
    pub text: (usize, usize),
    /// The call frame information, and its address.
    pub frames: Option<(usize, &'static [u8])>,
    /// The functions: where the name is among the names, address, and size.
    pub functions: Vec<[usize; 3]>,
    /// The names.
    pub names: &'static [u8],
}

/// Reads the vDSO at `base`.
pub fn read(base: usize) -> Option<Vdso> {
    let bytes = text::vdso_bytes(base)?;
    let header: Elf_Ehdr = structure(bytes, 0)?;
    let section = |index: usize| -> Option<(Section, &'static [u8])> {
        let section: Section = structure(bytes, header.e_shoff + index * size_of::<Section>())?;
        let content = bytes.get(section.offset..section.offset.checked_add(section.size)?)?;
        Some((section, content))
    };
    let (_, names) = section(header.e_shstrndx.into())?;
    let mut vdso = Vdso { text: (base, bytes.len()), ..Vdso::default() };
    for (found, content) in (1..usize::from(header.e_shnum)).filter_map(section) {
        let name = names.get(found.name as usize..).unwrap_or_default();
        if name.starts_with(b".eh_frame\0") {
            vdso.frames = Some((base.wrapping_add(found.address), content));
        }
        if found.kind == DYNSYM {
            let count = content.len() / size_of::<Elf_Sym>();
            let symbols = (1..count)
                .filter_map(|index| structure::<Elf_Sym>(content, index * size_of::<Elf_Sym>()));
            vdso.functions = symbols
                .filter(|symbol| symbol.st_size != 0)
                .map(|symbol| {
                    [symbol.st_name as usize, base.wrapping_add(symbol.st_value), symbol.st_size]
                })
                .collect();
            vdso.names = section(found.link as usize)?.1;
        }
    }
    Some(vdso)
}

/// The plain structure at `offset`.
fn structure<T>(bytes: &[u8], offset: usize) -> Option<T> {
    let bytes = bytes.get(offset..offset.checked_add(size_of::<T>())?)?;
    // SAFETY: as many bytes as it has, and any are one.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}
