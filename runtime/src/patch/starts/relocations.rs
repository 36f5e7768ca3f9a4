//! Relocations and the constructors' arrays: pointers into text that data holds.

use super::Landmarks;
use crate::arch;
use crate::patch::bytes::{WORD, word_at};
use crate::patch::elf::Elf;
use crate::patch::raw::KIND_BITS;
use crate::patch::raw::reloc::{Rel, Rela, SIZEOF_REL, SIZEOF_RELA};
use crate::patch::raw::section_header::{SHF_ALLOC, SHT_REL, SHT_RELA};
use crate::patch::raw::sym::{SIZEOF_SYM, Sym};
use core::mem::offset_of;
use goblin::elf64::dynamic::{
    DT_FINI_ARRAY, DT_FINI_ARRAYSZ, DT_INIT_ARRAY, DT_INIT_ARRAYSZ, DT_JMPREL, DT_PLTREL,
    DT_PLTRELSZ, DT_REL, DT_RELA, DT_RELASZ, DT_RELSZ, DT_SYMTAB,
};

/// `DT_RELR` and `DT_RELRSZ` (generic ABI, "Relative Relocation Table").
const DT_RELR: u64 = 36;
const DT_RELRSZ: u64 = 35;

/// Adds every address in text that a relocation makes or an array of functions holds.
pub fn collect(elf: &Elf<'_>, found: &mut Landmarks) {
    let mut add = |relocation| add(elf, &relocation, found);
    each(elf, &mut add);
    // A static program's IRELATIVE relocations are named by section headers alone.
    for section in elf.sections.iter().filter(|s| s.flags & u64::from(SHF_ALLOC) != 0) {
        match section.kind {
            SHT_RELA => table(elf, section.bytes, Form::Rela, &mut add),
            SHT_REL => table(elf, section.bytes, Form::Rel, &mut add),
            _ => {}
        }
    }
    let word = |at| elf.slice(at, WORD as u64).and_then(|word| word_at(word, 0));
    each_packed(elf, &mut |at| found.starts.extend(word(at)));
    for (start, size) in [(DT_INIT_ARRAY, DT_INIT_ARRAYSZ), (DT_FINI_ARRAY, DT_FINI_ARRAYSZ)] {
        let words = elf.tagged(start, size).unwrap_or(&[]).chunks_exact(WORD);
        found.starts.extend(words.filter_map(|word| word_at(word, 0)));
    }
}

/// Calls `visit` with every relocation that the dynamic section names, but for the packed ones.
pub fn each(elf: &Elf<'_>, visit: &mut dyn FnMut(Relocation)) {
    let jumps = if elf.tag(DT_PLTREL) == Some(DT_REL) { Form::Rel } else { Form::Rela };
    let tables = [
        (DT_RELA, DT_RELASZ, Form::Rela),
        (DT_REL, DT_RELSZ, Form::Rel),
        (DT_JMPREL, DT_PLTRELSZ, jumps),
    ];
    for (start, size, form) in tables {
        table(elf, elf.tagged(start, size).unwrap_or(&[]), form, visit);
    }
}

/// What a relocation asks for (`arch::patch::meaning`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// Nothing.
    Nothing,
    /// Where the image is, and the addend.
    Relative,
    /// Where a symbol is.
    Symbol {
        /// And the addend.
        added: bool,
    },
    /// It is not known.
    Unknown,
}

/// The two forms of a relocation.
#[derive(Clone, Copy)]
enum Form {
    /// The addend is what the relocated word holds.
    Rel,
    /// The addend is its own field.
    Rela,
}

/// A relocation.
pub struct Relocation {
    /// The address of what it changes.
    pub offset: u64,
    /// How.
    pub kind: u32,
    /// The index of the symbol that it needs; 0 for none.
    pub symbol: u64,
    /// What is added.
    pub addend: u64,
}

impl Form {
    fn size(self) -> usize {
        match self {
            Self::Rel => SIZEOF_REL,
            Self::Rela => SIZEOF_RELA,
        }
    }

    fn read(self, elf: &Elf<'_>, entry: &[u8]) -> Option<Relocation> {
        let offset = word_at(entry, offset_of!(Rel, r_offset))?;
        let info = word_at(entry, offset_of!(Rel, r_info))?;
        let addend = match self {
            // What no file holds is zero.
            Self::Rel => {
                elf.slice(offset, WORD as u64).and_then(|word| word_at(word, 0)).unwrap_or(0)
            }
            Self::Rela => word_at(entry, offset_of!(Rela, r_addend))?,
        };
        let kind = (info & ((1 << KIND_BITS) - 1)) as u32;
        Some(Relocation { offset, kind, symbol: info >> KIND_BITS, addend })
    }
}

/// The address that a relocation writes at `vaddr`.
pub fn relative_at(elf: &Elf<'_>, vaddr: u64) -> Option<u64> {
    let [rela, rel] = [(DT_RELA, DT_RELASZ, Form::Rela), (DT_REL, DT_RELSZ, Form::Rel)].map(
        |(start, size, form)| {
            let mut entries = elf.tagged(start, size)?.chunks_exact(form.size());
            entries.find_map(|entry| {
                let found = form.read(elf, entry)?;
                let right =
                    found.offset == vaddr && arch::patch::is_relative_relocation(found.kind);
                right.then_some(found.addend)
            })
        },
    );
    rela.or(rel)
}

fn table(elf: &Elf<'_>, entries: &[u8], form: Form, visit: &mut dyn FnMut(Relocation)) {
    for entry in entries.chunks_exact(form.size()) {
        let Some(relocation) = form.read(elf, entry) else { return };
        visit(relocation);
    }
}

fn add(elf: &Elf<'_>, relocation: &Relocation, found: &mut Landmarks) {
    let &Relocation { kind, symbol, addend, .. } = relocation;
    if arch::patch::is_relative_relocation(kind) {
        found.starts.push(addend);
    } else if addend != 0 && symbol != 0 {
        // The symbol's own value is a start already; with an addend it is something inside.
        let value = elf
            .tag(DT_SYMTAB)
            .and_then(|table| {
                table.checked_add(symbol * SIZEOF_SYM as u64 + offset_of!(Sym, st_value) as u64)
            })
            .and_then(|at| word_at(elf.slice(at, WORD as u64)?, 0));
        found.labels.extend(value.map(|value| value.wrapping_add(addend)));
    }
}

/// Calls `visit` with the address of every word to which the load bias is added (`DT_RELR`).
pub fn each_packed(elf: &Elf<'_>, visit: &mut dyn FnMut(u64)) {
    /// Of a word: the lowest tells a bitmap from an address.
    const BITS: u64 = WORD as u64 * 8;
    let entries = elf.tagged(DT_RELR, DT_RELRSZ).unwrap_or(&[]);
    let mut next = 0u64;
    for entry in entries.chunks_exact(WORD).filter_map(|entry| word_at(entry, 0)) {
        if entry & 1 == 0 {
            visit(entry);
            next = entry.wrapping_add(WORD as u64);
            continue;
        }
        for bit in (1..BITS).filter(|bit| entry >> bit & 1 != 0) {
            visit(next.wrapping_add((bit - 1) * WORD as u64));
        }
        next = next.wrapping_add((BITS - 1) * WORD as u64);
    }
}
