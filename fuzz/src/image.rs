//! Everything that can be executed: ELF images, `#!` lines and the entries of binfmt_misc.

use crate::{elf, text};
use arbitrary::Arbitrary;
use runtime::image::{Head, Nesting, Script, classify};

/// One input.
#[derive(Debug, Arbitrary)]
pub enum Input {
    /// A program.
    Elf(elf::Image),
    /// Two files, one as interp of the other.
    Elves(elf::Image, elf::Image),
    /// A `#!` line.
    Script(text::Line),
    /// An entry of binfmt_misc and a file.
    Misc(text::Entry, elf::Image),
    /// Any bytes, as every kind of file.
    Raw(Vec<u8>),
}

impl Input {
    /// Reads it.
    pub fn check(&self) {
        match self {
            Self::Elf(image) => elf::check(&image.build(), None),
            Self::Elves(program, interp) => elf::check(&program.build(), Some(&interp.build())),
            Self::Script(line) => text::check_script(&line.build()),
            Self::Misc(entry, image) => text::check_entry(&entry.build(), &image.build()),
            Self::Raw(bytes) => raw(bytes),
        }
    }
}

fn raw(bytes: &[u8]) {
    elf::check(bytes, Some(bytes));
    text::check_script(bytes);
    text::check_entry(bytes, bytes);
    let head = Head::read(bytes).expect("a slice can be read");
    assert_eq!(head.len, bytes.len().min(head.bytes.len()));
    assert_eq!(classify(bytes).is_ok(), bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"#!"));
    assert!(Script::read(bytes).is_err() || bytes.starts_with(b"#!"));
    let mut nesting = Nesting::default();
    assert_eq!(bytes.iter().filter(|_| nesting.enter().is_ok()).count(), bytes.len().min(6));
}
