//! The cases, and the files that most of them start from.

use End::{Exited, Killed};
use libc::SIGSEGV;
use std::ptr;
use vload_tests::craft::{ET_DYN, ET_EXEC, EXIT_STATUS, ElfFile, R, W, load};
use vload_tests::native::End;

/// Where an `ET_EXEC` is put: the usual address of x86-64's linkers, free on all machines.
pub const BASE: u64 = 0x40_0000;
pub const PAGE: u64 = 0x1000;
pub const RUNS: End = Exited(EXIT_STATUS);
pub const DIES: End = Killed(SIGSEGV);

/// A file, and how its execution ends.
pub struct Case {
    pub name: String,
    pub file: Vec<u8>,
    pub end: End,
    /// The kernel lets the program begin, and that is what ends it.
    pub begins: bool,
    pub output: Vec<u8>,
}

#[derive(Default)]
pub struct Table(pub Vec<Case>);

impl Table {
    pub fn file(&mut self, name: &str, end: End, file: Vec<u8>) {
        let begins = matches!(end, Exited(_));
        self.0.push(Case { name: name.into(), file, end, begins, output: Vec::new() });
    }

    pub fn elf(&mut self, name: &str, end: End, file: ElfFile) {
        self.file(name, end, file.build());
    }

    /// A program that is loaded, and crashes by itself.
    pub fn crashing(&mut self, name: &str, signal: i32, file: ElfFile) {
        self.elf(name, Killed(signal), file);
        self.0.last_mut().expect("just pushed").begins = true;
    }

    /// A script that runs and prints its arguments.
    pub fn printing(&mut self, name: &str, file: &[u8], output: &str) {
        self.file(name, Exited(0), file.to_vec());
        self.0.last_mut().expect("just pushed").output = output.as_bytes().to_vec();
    }
}

pub fn exec() -> ElfFile {
    ElfFile::exiting(ET_EXEC, BASE)
}

pub fn dynamic() -> ElfFile {
    ElfFile::exiting(ET_DYN, 0)
}

/// Adds a second segment, of two bytes of the file, behind the first.
pub fn second(change: impl FnOnce(&mut runtime::image::ProgramHeader)) -> ElfFile {
    let mut extra = load(PAGE, BASE + 0x10000, 2, 2, R | W);
    change(&mut extra);
    exec().with(|file| {
        file.segments.push(extra);
        file.bytes.push((PAGE, b"ab".to_vec()));
    })
}

/// How a program ends that is loaded at address 0, where only who has CAP_SYS_RAWIO may map.
pub fn at_nothing() -> End {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: MAP_FIXED_NOREPLACE replaces nothing, and without access nothing is reached by the mapping.
    let at = unsafe { libc::mmap(ptr::null_mut(), PAGE as usize, libc::PROT_NONE, flags, -1, 0) };
    if at == libc::MAP_FAILED {
        return DIES;
    }
    // SAFETY: mapped just now.
    unsafe { libc::munmap(at, PAGE as usize) };
    RUNS
}
