//! The beginning of a file, from which the kernel tells the formats apart.

use super::{Refusal, Source, What};
use crate::sys::Errno;
use goblin::elf::header::ELFMAG;

/// How much the kernel reads of a file before it asks its formats (`BINPRM_BUF_SIZE`).
pub const HEAD_SIZE: usize = 256;

/// The first 256 bytes of a file as `prepare_binprm` (`fs/exec.c`) leaves them: the rest of a
/// shorter file is zeros.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The bytes, zeros beyond the end of the file.
    pub bytes: [u8; HEAD_SIZE],
    /// How many of them the file has.
    pub len: usize,
}

/// What kind of file [`Head`] begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// An ELF file of whatever machine and type: [`Elf::read`](super::Elf::read) judges it.
    Elf,
    /// A `#!` line: [`Script::parse`](super::Script::parse) judges it.
    Script,
    /// Neither: `ENOEXEC`, unless a [`misc`](super::misc) entry takes it.
    Other,
}

impl Head {
    /// Reads the first 256 bytes, or those that there are. Errors of the file system pass
    /// through.
    pub fn read<S: Source + ?Sized>(source: &S) -> Result<Self, Refusal> {
        let mut bytes = [0; HEAD_SIZE];
        let len = source
            .read_at(0, &mut bytes)
            .map_err(|errno| Refusal::new(errno, What::Unreadable))?
            .min(HEAD_SIZE);
        Ok(Self { bytes, len })
    }

    /// Which of the kernel's own formats the bytes begin.
    pub fn format(&self) -> Format {
        if self.bytes.starts_with(ELFMAG) {
            Format::Elf
        } else if self.bytes.starts_with(b"#!") {
            Format::Script
        } else {
            Format::Other
        }
    }

    /// The refusal for a file that no format takes (`search_binary_handler`).
    pub fn unknown(&self) -> Refusal {
        let what = if self.len == 0 { What::Empty } else { What::UnknownFormat };
        Refusal::new(Errno::NOEXEC, what)
    }
}

/// Reads the beginning of a file and says which format it is: an empty file and one that is
/// neither ELF nor script are `ENOEXEC`.
pub fn classify<S: Source + ?Sized>(source: &S) -> Result<Format, Refusal> {
    let head = Head::read(source)?;
    match head.format() {
        Format::Other => Err(head.unknown()),
        format => Ok(format),
    }
}

/// How many times a file was replaced by its interpreter: `exec_binprm` (`fs/exec.c`) takes
/// five and no more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nesting(u8);

impl Nesting {
    /// Counts the file about to be looked at: the program itself first, then every interpreter,
    /// after it was opened and before its contents are asked.
    pub fn enter(&mut self) -> Result<(), Refusal> {
        if self.0 > 5 {
            return Err(Refusal::new(Errno::LOOP, What::TooManyInterpreters));
        }
        self.0 += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `prepare_binprm`, `search_binary_handler`.
    #[test]
    fn formats() {
        let refused = |file: &[u8]| classify(file).unwrap_err();
        assert_eq!(refused(b""), Refusal::new(Errno::NOEXEC, What::Empty));
        assert_eq!(refused(b"\x7fEL"), Refusal::new(Errno::NOEXEC, What::UnknownFormat));
        assert_eq!(refused(b"#"), Refusal::new(Errno::NOEXEC, What::UnknownFormat));
        assert_eq!(refused(b" #!/bin/sh\n").errno, Errno::NOEXEC);
        assert_eq!(classify(b"\x7fELF".as_slice()), Ok(Format::Elf));
        assert_eq!(classify(b"#!".as_slice()), Ok(Format::Script));
    }

    /// `prepare_binprm`: errors of the read pass through.
    #[test]
    fn read_errors() {
        struct Bad;
        impl Source for Bad {
            fn read_at(&self, _: u64, _: &mut [u8]) -> crate::sys::Result<usize> {
                Err(Errno::IO)
            }
        }
        assert_eq!(classify(&Bad), Err(Refusal::new(Errno::IO, What::Unreadable)));
    }

    /// `exec_binprm`: the program and five interpreters.
    #[test]
    fn nesting() {
        let mut nesting = Nesting::default();
        for _ in 0..6 {
            assert_eq!(nesting.enter(), Ok(()));
        }
        for _ in 0..300 {
            assert_eq!(nesting.enter().unwrap_err().errno, Errno::LOOP);
        }
    }
}
