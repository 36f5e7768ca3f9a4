//! The program headers of an ELF file, read a few at a time.

use super::layout::MAX_PHENTSIZE;
use super::source::read_exact;
use super::{Class, ProgramHeader, Source};
use crate::sys::{self, Errno};

/// How many program headers are read at a time.
const CHUNK: u16 = 16;

/// The program headers of an [`Elf`](super::Elf). It ends after the first error.
#[derive(Debug)]
pub struct ProgramHeaders<'a, S: Source + ?Sized> {
    source: &'a S,
    class: Class,
    phoff: u64,
    phnum: u16,
    next: u16,
    chunk: [u8; CHUNK as usize * MAX_PHENTSIZE],
}

impl<'a, S: Source + ?Sized> ProgramHeaders<'a, S> {
    /// All `phnum` headers at `phoff`.
    pub(super) fn new(source: &'a S, class: Class, phoff: u64, phnum: u16) -> Self {
        Self { source, class, phoff, phnum, next: 0, chunk: [0; CHUNK as usize * MAX_PHENTSIZE] }
    }

    fn read(&mut self, index: u16) -> sys::Result<ProgramHeader> {
        let size = self.class.phentsize();
        let place = usize::from(index % CHUNK) * size;
        if index.is_multiple_of(CHUNK) {
            let count = usize::from((self.phnum - index).min(CHUNK));
            let at = u64::from(index) * size as u64;
            let offset = self.phoff.checked_add(at).ok_or(Errno::INVAL)?;
            let chunk = self.chunk.get_mut(..count * size).ok_or(Errno::INVAL)?;
            read_exact(self.source, offset, chunk)?;
        }
        let bytes = self.chunk.get(place..).unwrap_or(&[]);
        self.class.program_header(bytes).ok_or(Errno::IO)
    }
}

impl<S: Source + ?Sized> Iterator for ProgramHeaders<'_, S> {
    type Item = sys::Result<(u16, ProgramHeader)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.phnum {
            return None;
        }
        let index = self.next;
        let header = self.read(index);
        self.next = if header.is_ok() { index + 1 } else { self.phnum };
        Some(header.map(|header| (index, header)))
    }
}
