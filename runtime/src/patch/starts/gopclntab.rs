//! Go's `.gopclntab`: the only table of functions that every Go program has, also when stripped
//! (go/src/debug/gosym/pclntab.go reads the same four forms).

use super::{Landmarks, relocations};
use crate::patch::bytes::{Reader, WORD, u32_at, word_at};
use crate::patch::elf::Elf;
use goblin::elf64::section_header::SHF_ALLOC;

/// The magics of Go 1.2, 1.16, 1.18 and 1.20.
const GO_1_2: u32 = 0xffff_fffb;
const GO_1_16: u32 = 0xffff_fffa;
const GO_1_18: u32 = 0xffff_fff0;
const GO_1_20: u32 = 0xffff_fff1;

/// Adds the start of every Go function, and the end of the last.
pub fn collect(elf: &Elf<'_>, found: &mut Landmarks) {
    let named = elf.sections.iter().find(|section| section.name.ends_with(b".gopclntab"));
    if let Some(section) = named.filter(|s| s.flags & u64::from(SHF_ALLOC) != 0) {
        let _ = functions(elf, section.bytes, section.addr, found);
    } else if elf.sections.is_empty() {
        let _ = search(elf, found);
    }
}

/// Without section headers: the linker aligns the table to 32 bytes of a segment that is not
/// executable.
fn search(elf: &Elf<'_>, found: &mut Landmarks) -> Option<()> {
    for load in elf.loads.iter().filter(|load| !load.executable()) {
        let data = elf.at(load.vaddr)?;
        let skew = (load.vaddr.wrapping_neg() % 32) as usize;
        for at in (skew..data.len()).step_by(32) {
            let (table, vaddr) = (data.get(at..)?, load.vaddr + at as u64);
            if header(table).is_some() && functions(elf, table, vaddr, found).is_some() {
                return Some(());
            }
        }
    }
    None
}

/// The magic, if the header is one: two zeros, an instruction quantum of 1, 2 or 4, and the size
/// of a pointer.
fn header(table: &[u8]) -> Option<u32> {
    let magic = u32_at(table, 0)?;
    let rest = table.get(4..8)?;
    let known = matches!(magic, GO_1_2 | GO_1_16 | GO_1_18 | GO_1_20);
    (known && rest[..2] == [0, 0] && matches!(rest[2], 1 | 2 | 4) && usize::from(rest[3]) == WORD)
        .then_some(magic)
}

fn functions(elf: &Elf<'_>, table: &[u8], vaddr: u64, found: &mut Landmarks) -> Option<()> {
    let magic = header(table)?;
    let count = usize::try_from(word_at(table, 8)?).ok()?;
    let rows = match magic {
        GO_1_2 => table.get(8 + WORD..)?,
        GO_1_16 => table.get(usize::try_from(word_at(table, 8 + 6 * WORD)?).ok()?..)?,
        _ => table.get(usize::try_from(word_at(table, 8 + 7 * WORD)?).ok()?..)?,
    };
    let mut reader = Reader::new(rows);
    let base = text_start(elf, table, vaddr);
    // One more row than functions: the end of the last.
    for _ in 0..count.checked_add(1)? {
        let pc = if matches!(magic, GO_1_2 | GO_1_16) {
            let pc = reader.word()?;
            reader.word()?;
            pc
        } else {
            let offset = reader.u32()?;
            reader.u32()?;
            base?.wrapping_add(u64::from(offset))
        };
        if elf.is_text(pc) {
            found.starts.push(pc);
        }
    }
    Some(())
}

/// `runtime.text`: the header's field, or what a relocation makes of it in a position-independent
/// program. Newer linkers leave it zero; it is the start of the section `.text` then.
fn text_start(elf: &Elf<'_>, table: &[u8], vaddr: u64) -> Option<u64> {
    const FIELD: u64 = 8 + 2 * WORD as u64;
    let field = word_at(table, FIELD as usize)?;
    if elf.is_text(field) {
        return Some(field);
    }
    relocations::relative_at(elf, vaddr.checked_add(FIELD)?)
        .or_else(|| elf.section(b".text").map(|section| section.addr))
}
