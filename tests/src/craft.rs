//! Executable files made byte by byte, for the loader to be judged with.

use crate::host::{EXIT_42, MACHINE};
use runtime::image::{Class, ProgramHeader, native};

/// `PT_LOAD`.
pub const PT_LOAD: u32 = 1;
/// `PT_INTERP`.
pub const PT_INTERP: u32 = 3;
/// `PT_PHDR`.
pub const PT_PHDR: u32 = 6;
/// `PT_GNU_STACK`.
pub const PT_GNU_STACK: u32 = 0x6474_e551;
/// `PF_X`.
pub const X: u32 = 1;
/// `PF_W`.
pub const W: u32 = 2;
/// `PF_R`.
pub const R: u32 = 4;

/// `ET_EXEC`.
pub const ET_EXEC: u16 = 2;
/// `ET_DYN`.
pub const ET_DYN: u16 = 3;

/// What [`EXIT_42`] exits with.
pub const EXIT_STATUS: i32 = 42;

/// An ELF file to be written: what its headers say, true or not, and its bytes.
#[derive(Clone, Debug)]
pub struct ElfFile {
    /// `e_ident`.
    pub ident: [u8; 16],
    /// `e_type`.
    pub kind: u16,
    /// `e_machine`.
    pub machine: u16,
    /// `e_version`.
    pub version: u32,
    /// `e_entry`.
    pub entry: u64,
    /// `e_phoff`.
    pub phoff: u64,
    /// `e_ehsize`.
    pub ehsize: u16,
    /// `e_phentsize`.
    pub phentsize: u16,
    /// `e_phnum`; `None` for as many as there are.
    pub phnum: Option<u16>,
    /// The program headers, written behind the ELF header.
    pub segments: Vec<ProgramHeader>,
    /// More bytes and where they go. The file is as long as they make it.
    pub bytes: Vec<(u64, Vec<u8>)>,
    /// Where the file is cut off.
    pub len: Option<u64>,
}

impl ElfFile {
    /// A file with one readable and executable segment at `base` that holds all of it, and
    /// exits with [`EXIT_STATUS`].
    pub fn exiting(kind: u16, base: u64) -> Self {
        const CODE: u64 = 0x800;
        let mut ident = [0; 16];
        ident[..4].copy_from_slice(b"\x7fELF");
        ident[4] = if native::CLASS == Class::Elf64 { 2 } else { 1 };
        ident[5] = 1;
        ident[6] = 1;
        let size = CODE + EXIT_42.len() as u64;
        Self {
            ident,
            kind,
            machine: MACHINE,
            version: 1,
            entry: base + CODE,
            phoff: native::CLASS.header_size() as u64,
            ehsize: native::CLASS.header_size() as u16,
            phentsize: native::CLASS.phentsize() as u16,
            phnum: None,
            segments: vec![load(0, base, size, size, R | X)],
            bytes: vec![(CODE, EXIT_42.to_vec())],
            len: None,
        }
    }

    /// Adds a `PT_INTERP` whose bytes are `path`, which should end in NUL, before the segments.
    pub fn with_interp(mut self, path: &[u8]) -> Self {
        const OFFSET: u64 = 0xa00;
        let size = path.len() as u64;
        self.segments.insert(0, segment(PT_INTERP, OFFSET, OFFSET, size, size, R));
        self.bytes.push((OFFSET, path.to_vec()));
        self
    }

    /// Changes the file in place.
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The file's bytes.
    pub fn build(&self) -> Vec<u8> {
        let mut file = self.header();
        for segment in &self.segments {
            file.extend(program_header(segment));
        }
        for (at, bytes) in &self.bytes {
            let end = *at as usize + bytes.len();
            file.resize(file.len().max(end), 0);
            file[*at as usize..end].copy_from_slice(bytes);
        }
        if let Some(len) = self.len {
            file.resize(len as usize, 0);
        }
        file
    }

    fn header(&self) -> Vec<u8> {
        let mut out = self.ident.to_vec();
        out.extend(self.kind.to_ne_bytes());
        out.extend(self.machine.to_ne_bytes());
        out.extend(self.version.to_ne_bytes());
        push_words(&mut out, &[self.entry, self.phoff, 0]);
        out.extend(0u32.to_ne_bytes());
        let phnum = self.phnum.unwrap_or(self.segments.len() as u16);
        for half in [self.ehsize, self.phentsize, phnum, 0, 0, 0] {
            out.extend(half.to_ne_bytes());
        }
        out
    }
}

/// A program header of this class.
fn program_header(header: &ProgramHeader) -> Vec<u8> {
    let ProgramHeader { kind, flags, offset, vaddr, filesz, memsz, align } = *header;
    let mut out = kind.to_ne_bytes().to_vec();
    if native::CLASS == Class::Elf64 {
        out.extend(flags.to_ne_bytes());
    }
    push_words(&mut out, &[offset, vaddr, vaddr, filesz, memsz]);
    if native::CLASS == Class::Elf32 {
        out.extend(flags.to_ne_bytes());
    }
    push_words(&mut out, &[align]);
    out
}

fn push_words(out: &mut Vec<u8>, words: &[u64]) {
    for word in words {
        match native::CLASS {
            Class::Elf64 => out.extend(word.to_ne_bytes()),
            Class::Elf32 => out.extend((*word as u32).to_ne_bytes()),
        }
    }
}

/// A program header with page alignment.
pub fn segment(
    kind: u32,
    offset: u64,
    vaddr: u64,
    filesz: u64,
    memsz: u64,
    flags: u32,
) -> ProgramHeader {
    ProgramHeader { kind, flags, offset, vaddr, filesz, memsz, align: 0x1000 }
}

/// A `PT_LOAD`.
pub fn load(offset: u64, vaddr: u64, filesz: u64, memsz: u64, flags: u32) -> ProgramHeader {
    segment(PT_LOAD, offset, vaddr, filesz, memsz, flags)
}
