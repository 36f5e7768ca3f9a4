//! Relocations and the constructors' arrays: pointers into text that data holds.

use super::Landmarks;
use crate::arch;
use crate::patch::bytes::{u32_at, u64_at};
use crate::patch::elf::Elf;
use goblin::elf64::dynamic::{
    DT_FINI_ARRAY, DT_FINI_ARRAYSZ, DT_INIT_ARRAY, DT_INIT_ARRAYSZ, DT_JMPREL, DT_PLTRELSZ,
    DT_RELA, DT_RELASZ, DT_SYMTAB,
};
use goblin::elf64::reloc::SIZEOF_RELA;
use goblin::elf64::section_header::{SHF_ALLOC, SHT_RELA};
use goblin::elf64::sym::SIZEOF_SYM;

/// `DT_RELR` and `DT_RELRSZ` (generic ABI, "Relative Relocation Table").
const DT_RELR: u64 = 36;
const DT_RELRSZ: u64 = 35;

/// Adds every address in text that a relocation makes or an array of functions holds.
pub fn collect(elf: &Elf<'_>, found: &mut Landmarks) {
    for (start, size) in [(DT_RELA, DT_RELASZ), (DT_JMPREL, DT_PLTRELSZ)] {
        rela(elf, elf.tagged(start, size).unwrap_or(&[]), found);
    }
    // A static program's IRELATIVE relocations are named by section headers alone.
    for section in &elf.sections {
        if section.kind == SHT_RELA && section.flags & u64::from(SHF_ALLOC) != 0 {
            rela(elf, section.bytes, found);
        }
    }
    relr(elf, elf.tagged(DT_RELR, DT_RELRSZ).unwrap_or(&[]), found);
    for (start, size) in [(DT_INIT_ARRAY, DT_INIT_ARRAYSZ), (DT_FINI_ARRAY, DT_FINI_ARRAYSZ)] {
        let words = elf.tagged(start, size).unwrap_or(&[]).chunks_exact(8);
        found.starts.extend(words.filter_map(|word| u64_at(word, 0)));
    }
}

/// The address that a relocation writes at `vaddr`.
pub fn relative_at(elf: &Elf<'_>, vaddr: u64) -> Option<u64> {
    elf.tagged(DT_RELA, DT_RELASZ)?.chunks_exact(SIZEOF_RELA).find_map(|entry| {
        let right =
            u64_at(entry, 0)? == vaddr && arch::patch::is_relative_relocation(u32_at(entry, 8)?);
        right.then_some(u64_at(entry, 16)?)
    })
}

fn rela(elf: &Elf<'_>, entries: &[u8], found: &mut Landmarks) {
    for entry in entries.chunks_exact(SIZEOF_RELA) {
        let (Some(kind), Some(symbol), Some(addend)) =
            (u32_at(entry, 8), u32_at(entry, 12), u64_at(entry, 16))
        else {
            return;
        };
        if arch::patch::is_relative_relocation(kind) {
            found.starts.push(addend);
        } else if addend != 0 && symbol != 0 {
            // The symbol's own value is a start already; with an addend it is something inside.
            let value = elf
                .tag(DT_SYMTAB)
                .and_then(|table| table.checked_add(u64::from(symbol) * SIZEOF_SYM as u64 + 8))
                .and_then(|at| u64_at(elf.slice(at, 8)?, 0));
            found.labels.extend(value.map(|value| value.wrapping_add(addend)));
        }
    }
}

fn relr(elf: &Elf<'_>, entries: &[u8], found: &mut Landmarks) {
    let mut next = 0u64;
    let mut add = |at: u64| {
        found.starts.extend(elf.slice(at, 8).and_then(|word| u64_at(word, 0)));
    };
    for entry in entries.chunks_exact(8).filter_map(|entry| u64_at(entry, 0)) {
        if entry & 1 == 0 {
            add(entry);
            next = entry.wrapping_add(8);
            continue;
        }
        for bit in (1..64).filter(|bit| entry >> bit & 1 != 0) {
            add(next.wrapping_add((bit - 1) * 8));
        }
        next = next.wrapping_add(63 * 8);
    }
}
