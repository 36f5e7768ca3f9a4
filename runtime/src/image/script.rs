//! `#!` lines, by the rules of `load_script` (`fs/binfmt_script.c`).

use super::{HEAD_SIZE, Head, Refusal, Source, What};
use crate::sys::Errno;
use core::ffi::CStr;

/// A `#!` line: the interpreter and at most one argument.
///
/// The arguments of the interpreter are [`interp`](Self::interp), [`argument`](Self::argument)
/// if there is one, the path by which the script was executed, and the script's own arguments
/// without the first.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// The line as the kernel cuts it: NULs after the path and after the argument.
    line: [u8; HEAD_SIZE],
    interp: usize,
    argument: Option<usize>,
}

impl Script {
    /// Reads the file's first 256 bytes and parses them.
    pub fn read<S: Source + ?Sized>(source: &S) -> Result<Self, Refusal> {
        Self::parse(&Head::read(source)?)
    }

    /// Parses the line. A script whose path the interpreter will not be able to open is then
    /// refused by the caller, with [`Script::INACCESSIBLE`].
    pub fn parse(head: &Head) -> Result<Self, Refusal> {
        const NO_NAME: Refusal = Refusal::new(Errno::NOEXEC, What::NoInterpreter);
        const LAST: usize = HEAD_SIZE - 1;
        let mut line = head.bytes;
        if !line.starts_with(b"#!") {
            return Err(head.unknown());
        }
        // strnchr stops at a NUL, so a newline behind one does not count.
        let newline = find(&line, 0, LAST, |byte| byte == b'\n' || byte == 0);
        let mut end = match newline {
            Some(at) if line.get(at) == Some(&b'\n') => at,
            _ => {
                // A path that the buffer's end cuts must not be executed; an argument may be
                // cut, because the interpreter can read the line again.
                let name = find(&line, 2, LAST, |byte| !blank(byte)).ok_or(NO_NAME)?;
                find(&line, name, LAST, |byte| blank(byte) || byte == 0)
                    .ok_or(Refusal::new(Errno::NOEXEC, What::InterpreterTruncated))?;
                LAST
            }
        };
        while end > 2 && line.get(end - 1).is_some_and(|&byte| blank(byte)) {
            end -= 1;
        }
        let interp = match find(&line, 2, end, |byte| !blank(byte)) {
            Some(at) if at != end => at,
            _ => return Err(NO_NAME),
        };
        let separator = find(&line, interp, end, |byte| blank(byte) || byte == 0);
        let argument = separator
            .filter(|&at| line.get(at) != Some(&0))
            .and_then(|at| find(&line, at, end, |byte| !blank(byte)));
        for cut in [Some(end), argument.and(separator)].into_iter().flatten() {
            if let Some(byte) = line.get_mut(cut) {
                *byte = 0;
            }
        }
        Ok(Self { line, interp, argument })
    }

    /// The refusal for a well-formed script that was given by a descriptor with `FD_CLOEXEC`:
    /// its path `/dev/fd/N` will be gone when the interpreter opens it
    /// (`BINPRM_FLAGS_PATH_INACCESSIBLE`).
    pub const INACCESSIBLE: Refusal = Refusal::new(Errno::NOENT, What::Inaccessible);

    /// The interpreter's path, and its first argument. An empty one is given as `.`, because to
    /// `open_exec` it names the working directory, which cannot be executed (`EACCES`).
    pub fn interp(&self) -> &CStr {
        match self.string(self.interp) {
            path if path.is_empty() => c".",
            path => path,
        }
    }

    /// The one argument, with its blanks; it may be empty.
    pub fn argument(&self) -> Option<&CStr> {
        self.argument.map(|at| self.string(at))
    }

    fn string(&self, at: usize) -> &CStr {
        // `parse` put a NUL at or after every start.
        let bytes = self.line.get(at..).unwrap_or(&[]);
        CStr::from_bytes_until_nul(bytes).unwrap_or(c"")
    }
}

/// `spacetab`.
fn blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// The first position from `first` to `last`, both included, whose byte is `wanted`.
fn find(line: &[u8], first: usize, last: usize, wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let range = line.get(first..=last)?;
    range.iter().position(|&byte| wanted(byte)).map(|at| first + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    type Parsed = Result<(Vec<u8>, Option<Vec<u8>>), What>;

    fn parse(file: &[u8]) -> Parsed {
        match Script::read(file) {
            Ok(script) => Ok((
                script.interp().to_bytes().to_vec(),
                script.argument().map(|argument| argument.to_bytes().to_vec()),
            )),
            Err(refusal) => {
                assert_eq!((refusal.errno, refusal.fatal), (Errno::NOEXEC, false));
                Err(refusal.what)
            }
        }
    }

    fn is(interp: &[u8], argument: Option<&[u8]>) -> Parsed {
        Ok((interp.to_vec(), argument.map(<[u8]>::to_vec)))
    }

    /// `#!`, then `name` bytes of path, then `rest`.
    fn long(name: usize, rest: &[u8]) -> Vec<u8> {
        let mut file = b"#!".to_vec();
        file.resize(2 + name, b'x');
        file.extend_from_slice(rest);
        file
    }

    /// `load_script`: splitting at the first blank, trimming both ends.
    #[test]
    fn lines() {
        assert_eq!(parse(b"#!/bin/sh\n"), is(b"/bin/sh", None));
        assert_eq!(parse(b"#! \t/bin/sh \t \nrest"), is(b"/bin/sh", None));
        assert_eq!(parse(b"#!/bin/sh -e\n"), is(b"/bin/sh", Some(b"-e")));
        assert_eq!(parse(b"#!/bin/sh\t -e  -x \t\n"), is(b"/bin/sh", Some(b"-e  -x")));
        assert_eq!(parse(b"#!/bin/sh\r\n"), is(b"/bin/sh\r", None));
    }

    /// `load_script`: without a newline the zeros of a short file end the line.
    #[test]
    fn no_newline() {
        assert_eq!(parse(b"#!/bin/sh"), is(b"/bin/sh", None));
        assert_eq!(parse(b"#!/bin/sh -e "), is(b"/bin/sh", Some(b"-e ")));
        assert_eq!(parse(b"#!/bin/sh "), is(b"/bin/sh", Some(b"")));
        assert_eq!(parse(b"#! "), is(b".", None));
        assert_eq!(parse(b"#!"), is(b".", None));
    }

    /// `load_script`: `strnchr` does not look behind a NUL.
    #[test]
    fn nul() {
        assert_eq!(parse(b"#!/bin/sh\0 -e\n"), is(b"/bin/sh", None));
        assert_eq!(parse(b"#!/bin/sh -e\0x\n"), is(b"/bin/sh", Some(b"-e")));
        assert_eq!(parse(b"#!\0/bin/sh\n"), is(b".", None));
    }

    /// `load_script`: "No interpreter name found".
    #[test]
    fn no_name() {
        assert_eq!(parse(b"#!\n"), Err(What::NoInterpreter));
        assert_eq!(parse(b"#! \t \n/bin/sh"), Err(What::NoInterpreter));
        let mut blanks = b"#!".to_vec();
        blanks.resize(300, b' ');
        assert_eq!(parse(&blanks), Err(What::NoInterpreter));
    }

    /// `load_script`: "we must assume the interpreter path is truncated".
    #[test]
    fn path_at_the_end() {
        assert_eq!(parse(&long(253, b"\n")), is(&[b'x'; 253], None));
        assert_eq!(parse(&long(253, b" \n")), is(&[b'x'; 253], None));
        assert_eq!(parse(&long(253, b"\targument\n")), is(&[b'x'; 253], None));
        assert_eq!(parse(&long(253, b"")), is(&[b'x'; 253], None));
        assert_eq!(parse(&long(254, b"\n")), Err(What::InterpreterTruncated));
        assert_eq!(parse(&long(254, b" \n")), Err(What::InterpreterTruncated));
        assert_eq!(parse(&long(254, b"")), Err(What::InterpreterTruncated));
        assert_eq!(parse(&long(400, b"\n")), Err(What::InterpreterTruncated));
    }

    /// `load_script`: "Truncating the arguments is fine", to the 255th byte, and then trimmed.
    #[test]
    fn argument_at_the_end() {
        assert_eq!(parse(&long(250, b" abcdef\n")), is(&[b'x'; 250], Some(b"ab")));
        assert_eq!(parse(&long(250, b" a  cdef\n")), is(&[b'x'; 250], Some(b"a")));
        assert_eq!(parse(&long(250, b"     def\n")), is(&[b'x'; 250], None));
    }

    #[test]
    fn not_a_script() {
        assert_eq!(parse(b"#/bin/sh"), Err(What::UnknownFormat));
    }
}
