//! The language-specific data area of a function: its landing pads, in the form that every
//! compiler with the Itanium C++ ABI's tables writes (gcc's `unwind-c.c` reads the same).

use super::eh_frame::{OMIT, pointer};
use crate::patch::bytes::Reader;
use crate::patch::elf::Elf;
use alloc::vec::Vec;

/// Adds the landing pads of the table at `table` for the function at `function`. `None` if it
/// cannot be read to its end.
pub fn collect(elf: &Elf<'_>, table: u64, function: u64, pads: &mut Vec<u64>) -> Option<()> {
    let mut reader = Reader::new(elf.at(table)?);
    let encoding = reader.u8()?;
    let base = if encoding == OMIT { function } else { pointer(&mut reader, encoding, table)? };
    if reader.u8()? != OMIT {
        reader.uleb()?;
    }
    let encoding = reader.u8()?;
    let len = usize::try_from(reader.uleb()?).ok()?;
    let end = reader.position().checked_add(len)?;
    while reader.position() < end {
        let _start = pointer(&mut reader, encoding, table)?;
        let _len = pointer(&mut reader, encoding, table)?;
        let pad = pointer(&mut reader, encoding, table)?;
        let _action = reader.uleb()?;
        if pad != 0 {
            pads.push(base.wrapping_add(pad));
        }
    }
    (reader.position() == end).then_some(())
}
