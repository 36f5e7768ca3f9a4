//! `.symtab`, and `.dynsym` through the dynamic section.

use super::Landmarks;
use crate::patch::bytes::{Reader, WORD, clamp, u16_at, u32_at, word_at};
use crate::patch::elf::Elf;
use crate::patch::raw::section_header::SHT_SYMTAB;
use crate::patch::raw::sym::{
    SIZEOF_SYM, STB_WEAK, STT_FUNC, STT_GNU_IFUNC, STT_TLS, Sym, st_bind, st_type,
};
use core::mem::offset_of;
use goblin::elf64::dynamic::{DT_GNU_HASH, DT_HASH, DT_STRTAB, DT_SYMTAB};

/// Adds functions as starts, and all else that has an address as labels.
pub fn collect(elf: &Elf<'_>, found: &mut Landmarks) {
    for section in elf.sections.iter().filter(|section| section.kind == SHT_SYMTAB) {
        table(section.bytes, found);
    }
    if let Some(symbols) = dynamic(elf) {
        table(symbols, found);
    }
}

fn table(symbols: &[u8], found: &mut Landmarks) {
    for symbol in symbols.chunks_exact(SIZEOF_SYM) {
        let (Some(&info), Some(section), Some(value)) = (
            symbol.get(offset_of!(Sym, st_info)),
            u16_at(symbol, offset_of!(Sym, st_shndx)),
            word_at(symbol, offset_of!(Sym, st_value)),
        ) else {
            return;
        };
        match st_type(info) {
            _ if section == 0 || value == 0 => {}
            STT_FUNC | STT_GNU_IFUNC => found.starts.push(value),
            STT_TLS => {}
            _ => found.labels.push(value),
        }
    }
}

/// A dynamic symbol.
pub struct Symbol<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its address, if the file defines it.
    pub address: Option<u64>,
    /// Where nobody defines it, it is 0.
    pub weak: bool,
}

impl<'a> Symbol<'a> {
    fn read(elf: &Elf<'a>, entry: &[u8]) -> Option<Self> {
        let strings = elf.at(elf.tag(DT_STRTAB)?)?;
        let at = u32_at(entry, offset_of!(Sym, st_name))?;
        let name = Reader::new(strings.get(usize::try_from(at).ok()?..)?).text()?;
        let defined = u16_at(entry, offset_of!(Sym, st_shndx))? != 0;
        let value = word_at(entry, offset_of!(Sym, st_value))?;
        let weak = st_bind(*entry.get(offset_of!(Sym, st_info))?) == STB_WEAK;
        Some(Self { name, address: defined.then_some(value), weak })
    }

    /// The symbol at `index`.
    pub fn at(elf: &Elf<'a>, index: u64) -> Option<Self> {
        let at = usize::try_from(index).ok()?.checked_mul(SIZEOF_SYM)?;
        Self::read(elf, dynamic(elf)?.get(at..)?.get(..SIZEOF_SYM)?)
    }
}

/// The address of the defined dynamic symbol of that name.
pub fn address(elf: &Elf<'_>, name: &[u8]) -> Option<u64> {
    let symbols = dynamic(elf)?.chunks_exact(SIZEOF_SYM);
    symbols
        .filter_map(|entry| Symbol::read(elf, entry))
        .find(|symbol| symbol.name == name && symbol.address.is_some())?
        .address
}

/// The dynamic symbol table. Its length is nowhere: the hash tables imply it.
fn dynamic<'a>(elf: &Elf<'a>) -> Option<&'a [u8]> {
    let symbols = elf.at(elf.tag(DT_SYMTAB)?)?;
    let count = match elf.tag(DT_HASH) {
        Some(hash) => u32_at(elf.at(hash)?, 4)?,
        None => gnu_hash_count(elf.at(elf.tag(DT_GNU_HASH)?)?)?,
    };
    Some(clamp(symbols, 0..u64::from(count) * SIZEOF_SYM as u64))
}

/// One more than the highest index that a `DT_GNU_HASH` table's chains reach.
fn gnu_hash_count(table: &[u8]) -> Option<u32> {
    let mut reader = Reader::new(table);
    let (buckets, first) = (reader.u32()?, reader.u32()?);
    let bloom = reader.u32()?;
    let _shift = reader.u32()?;
    reader.take(usize::try_from(u64::from(bloom) * WORD as u64).ok()?)?;
    let mut last = 0;
    for _ in 0..buckets {
        last = last.max(reader.u32()?);
    }
    if last < first {
        return Some(first);
    }
    reader.take(usize::try_from(u64::from(last - first) * 4).ok()?)?;
    loop {
        last = last.checked_add(1)?;
        if reader.u32()? & 1 != 0 {
            return Some(last);
        }
    }
}
