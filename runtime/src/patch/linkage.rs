//! Which libraries a file asks its dynamic linker for, and where it wants them looked for.

use super::bytes::slice;
use super::elf::Elf;
use crate::arch;
use alloc::vec::Vec;
use goblin::elf64::dynamic::{DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB};

/// What the dynamic section says of other files.
#[derive(Debug, Default)]
pub struct Linkage<'a> {
    /// `DT_NEEDED`, in order.
    pub needed: Vec<&'a [u8]>,
    /// `DT_RPATH`: folders for this file's libraries and for those of theirs.
    pub rpath: Option<&'a [u8]>,
    /// `DT_RUNPATH`: folders for this file's libraries alone.
    pub runpath: Option<&'a [u8]>,
}

impl<'a> Linkage<'a> {
    /// Reads it from the bytes of a file. `None` if the file is no program or library for this
    /// processor; empty if it is linked to nothing. Names that the file does not hold are left out.
    #[must_use]
    pub fn read(file: &'a [u8]) -> Option<Self> {
        let elf = Elf::parse(file, arch::patch::MACHINE)?;
        let strings = elf.tagged(DT_STRTAB, DT_STRSZ).unwrap_or(&[]);
        let string = |at: u64| {
            let rest = slice(strings, at, (strings.len() as u64).checked_sub(at)?)?;
            Some(&rest[..rest.iter().position(|&byte| byte == 0)?])
        };
        let needed = elf.dynamic.iter().filter(|entry| entry.0 == DT_NEEDED);
        Some(Self {
            needed: needed.filter_map(|entry| string(entry.1)).collect(),
            rpath: elf.tag(DT_RPATH).and_then(string),
            runpath: elf.tag(DT_RUNPATH).and_then(string),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Linkage;

    #[test]
    fn a_program_names_its_c_library() {
        let own = std::fs::read("/proc/self/exe").expect("the test's own file");
        let linkage = Linkage::read(&own).expect("an ELF file");
        let libc = linkage.needed.iter().any(|name| name.starts_with(b"libc."));
        assert!(libc, "{linkage:?}");
    }

    #[test]
    fn what_is_no_elf_file_has_none() {
        assert!(Linkage::read(b"#!/bin/sh\n").is_none());
        assert!(Linkage::read(&[]).is_none());
    }
}
