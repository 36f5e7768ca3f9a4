//! What is taken over from the vDSO.

use alloc::vec::Vec;
use core::mem::offset_of;

use crate::arch;
use crate::patch::bytes::{u32_at, word_at};
use crate::patch::elf::Elf;
use crate::patch::raw::sym::{SIZEOF_SYM, Sym};
use crate::text;

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
    let elf = Elf::parse(bytes, arch::patch::MACHINE)?;
    let at = |address: u64| base.wrapping_add(address as usize);
    let content = |name: &[u8]| elf.section(name).map_or(&[][..], |section| section.bytes);
    let function = |symbol: &[u8]| {
        let name = u32_at(symbol, offset_of!(Sym, st_name))? as usize;
        let start = at(word_at(symbol, offset_of!(Sym, st_value))?);
        let size = word_at(symbol, offset_of!(Sym, st_size))? as usize;
        (size != 0).then_some([name, start, size])
    };
    Some(Vdso {
        text: (base, bytes.len()),
        frames: elf.section(b".eh_frame").map(|section| (at(section.addr), section.bytes)),
        functions: content(b".dynsym").chunks_exact(SIZEOF_SYM).filter_map(function).collect(),
        names: content(b".dynstr"),
    })
}
