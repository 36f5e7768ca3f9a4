//! `PT_GNU_PROPERTY`, by `parse_elf_properties` (`fs/binfmt_elf.c`).

use super::{Class, Source};
use crate::sys::{self, Errno};
use core::ops::Range;

/// The most that the kernel reads of the note (`NOTE_DATA_SZ`).
const NOTE_SIZE: usize = 1024;

/// The note's header (sizes and type, `struct elf_note`) and its name `GNU\0`.
const DESCRIPTION: usize = 12 + 4;

/// `NT_GNU_PROPERTY_TYPE_0`.
const TYPE: u32 = 5;

/// Checks the note in `range`: `known` is the one property of this architecture, with the size
/// that its value must have.
pub(super) fn check<S: Source + ?Sized>(
    source: &S,
    range: &Range<u64>,
    class: Class,
    known: (u32, u32),
) -> sys::Result<()> {
    let mut note = [0; NOTE_SIZE];
    let size = usize::try_from(range.end.wrapping_sub(range.start)).map_err(|_| Errno::NOEXEC)?;
    let note = note.get_mut(..size).ok_or(Errno::NOEXEC)?;
    let read = source.read_at(range.start, note).map_err(|_| Errno::IO)?;
    let note = note.get(..read).filter(|note| note.len() >= DESCRIPTION).ok_or(Errno::IO)?;
    let word = |at| word(note, at).ok_or(Errno::NOEXEC);
    if word(0)? != 4 || word(8)? != TYPE || note.get(12..16) != Some(b"GNU\0") {
        return Err(Errno::NOEXEC);
    }
    let end = DESCRIPTION + word(4)? as usize;
    let mut rest = note.get(DESCRIPTION..end).ok_or(Errno::NOEXEC)?;
    let mut previous = None;
    while !rest.is_empty() {
        (previous, rest) = property(rest, class, known, previous).ok_or(Errno::NOEXEC)?;
    }
    Ok(())
}

/// Takes one property off `rest` (`parse_elf_property`): its type, above that of the one
/// before, and what follows it.
fn property(
    rest: &[u8],
    class: Class,
    known: (u32, u32),
    previous: Option<u32>,
) -> Option<(Option<u32>, &[u8])> {
    let (kind, size) = (word(rest, 0)?, word(rest, 4)?);
    let align = match class {
        Class::Elf32 => 4,
        Class::Elf64 => 8,
    };
    let step = (size as usize).checked_next_multiple_of(align)?;
    let next = rest.get(8..)?.get(step..)?;
    let ordered = previous.is_none_or(|previous| kind > previous);
    let valid = kind != known.0 || size == known.1;
    (ordered && valid).then_some((Some(kind), next))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const KNOWN: (u32, u32) = (0xc000_0000, 4);

    fn note(kind: u32, name: &[u8; 4], description: &[u32]) -> Vec<u8> {
        let size = description.len() as u32 * 4;
        let mut out: Vec<u8> = [4, size, kind].iter().flat_map(|word| word.to_ne_bytes()).collect();
        out.extend(name);
        out.extend(description.iter().flat_map(|word| word.to_ne_bytes()));
        out
    }

    fn judge(note: &[u8], size: usize) -> sys::Result<()> {
        check(note, &(0..size as u64), Class::Elf64, KNOWN)
    }

    fn properties(description: &[u32]) -> sys::Result<()> {
        let note = note(TYPE, b"GNU\0", description);
        judge(&note, note.len())
    }

    /// `parse_elf_property`.
    #[test]
    fn each_property() {
        assert_eq!(properties(&[]), Ok(()));
        assert_eq!(properties(&[KNOWN.0, 4, 3, 0]), Ok(()));
        assert_eq!(properties(&[1, 0, KNOWN.0, 4, 3, 0]), Ok(()));
        for wrong in [
            [KNOWN.0, 8, 3, 0].as_slice(),
            &[KNOWN.0, 4, 3],
            &[KNOWN.0],
            &[2, 9, 0, 0],
            &[2, u32::MAX, 0, 0],
            &[2, 0, 1, 0],
            &[2, 0, 2, 0],
        ] {
            assert_eq!(properties(wrong), Err(Errno::NOEXEC), "{wrong:x?}");
        }
    }

    /// `parse_elf_properties`.
    #[test]
    fn the_note() {
        let good = note(TYPE, b"GNU\0", &[KNOWN.0, 4, 3, 0]);
        assert_eq!(judge(&good, good.len()), Ok(()));
        assert_eq!(judge(&good, good.len() - 1), Err(Errno::NOEXEC));
        assert_eq!(judge(&good, 15), Err(Errno::IO));
        assert_eq!(judge(&good, 0), Err(Errno::IO));
        assert_eq!(judge(&good[..10], good.len()), Err(Errno::IO));
        assert_eq!(judge(&good, NOTE_SIZE + 1), Err(Errno::NOEXEC));
        for wrong in [note(TYPE, b"XNU\0", &[]), note(6, b"GNU\0", &[])] {
            assert_eq!(judge(&wrong, wrong.len()), Err(Errno::NOEXEC));
        }
    }
}
