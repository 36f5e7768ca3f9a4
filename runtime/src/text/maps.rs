//! What is mapped in a range of addresses, as `/proc/self/maps` says (proc_pid_maps(5)). No allocation.

use core::ffi::CStr;

use crate::sys::{self, Errno, Result};
use linux_raw_sys::general::{O_CLOEXEC, O_RDONLY};

/// A mapping.
pub struct Mapped<'a> {
    /// First address.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// `rwxp` or `rwxs`, with `-` for what is not so.
    pub flags: [u8; 4],
    /// Where in its file it begins.
    pub offset: u64,
    /// The number of its file; 0 for memory.
    pub inode: u64,
    /// The path of its file, with its NUL; empty when it is longer than a line can be here.
    pub path: &'a [u8],
}

impl Mapped<'_> {
    /// Whether it can be written.
    pub fn is_writable(&self) -> bool {
        self.flags[1] == b'w'
    }

    /// Whether what is written to it stays with the process.
    pub fn is_private(&self) -> bool {
        self.flags[3] == b'p'
    }

    /// The path of its file, if it is in a folder.
    pub fn path(&self) -> Option<&CStr> {
        CStr::from_bytes_with_nul(self.path).ok().filter(|path| path.to_bytes().starts_with(b"/"))
    }
}

/// Calls `visit` with each mapping that has a byte of the range, until it gives `false`.
pub fn each_in(start: usize, end: usize, visit: &mut dyn FnMut(&Mapped<'_>) -> bool) -> Result<()> {
    let fd = sys::openat(sys::CWD, c"/proc/self/maps", O_RDONLY | O_CLOEXEC, 0)?;
    let result = read(fd, &mut |line| {
        let Some(mapped) = parse(line) else { return true };
        if mapped.start >= end {
            return false;
        }
        mapped.end <= start || visit(&mapped)
    });
    sys::close(fd);
    result
}

/// Calls `visit` with each line, its line feed made a NUL.
fn read(fd: i32, visit: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
    let mut buffer = [0u8; 8192];
    let (mut offset, mut held) = (0, 0);
    loop {
        let count = sys::pread(fd, &mut buffer[held..], offset)?;
        if count == 0 {
            return if held == 0 { Ok(()) } else { Err(Errno::INVAL) };
        }
        offset += count as u64;
        let filled = held + count;
        let mut from = 0;
        while let Some(length) = buffer[from..filled].iter().position(|&byte| byte == b'\n') {
            buffer[from + length] = 0;
            if !visit(&buffer[from..=from + length]) {
                return Ok(());
            }
            from += length + 1;
        }
        buffer.copy_within(from..filled, 0);
        held = filled - from;
        if held == buffer.len() {
            return Err(Errno::NAMETOOLONG);
        }
    }
}

/// `start-end flags offset major:minor inode   path`, with a NUL behind.
fn parse(line: &[u8]) -> Option<Mapped<'_>> {
    let mut words = line.splitn(6, |&byte| byte == b' ');
    let mut range = words.next()?.splitn(2, |&byte| byte == b'-');
    let (start, end) = (number(range.next()?, 16)?, number(range.next()?, 16)?);
    let flags = *words.next()?.first_chunk()?;
    let offset = number(words.next()?, 16)?;
    words.next()?;
    let rest = words.next()?;
    let inode = number(rest.strip_suffix(b"\0").unwrap_or(rest), 10)?;
    let path = words.next().unwrap_or(b"").trim_ascii_start();
    Some(Mapped { start: start as usize, end: end as usize, flags, offset, inode, path })
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    u64::from_str_radix(core::str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_kinds_are_read() {
        let line = b"7f00-7f10 r-xp 00001000 fe:00 4711                       /lib/a b\0";
        let file = parse(line).expect("a line");
        assert_eq!((file.start, file.end, file.offset, file.inode), (0x7f00, 0x7f10, 0x1000, 4711));
        assert!(file.is_private() && !file.is_writable());
        assert_eq!(file.path(), Some(c"/lib/a b"));
        let memory = parse(b"7f00-7f10 rwxs 00000000 00:00 0 \0").expect("a line");
        assert!(memory.is_writable() && !memory.is_private());
        assert_eq!((memory.inode, memory.path()), (0, None));
        assert_eq!(parse(b"7f00-7f10 rwxs 00000000 00:00 0\0").map(|line| line.inode), Some(0));
        assert!(parse(b"nonsense\0").is_none());
    }

    #[test]
    fn the_stack_of_this_thread_is_found() {
        let here = 0u8;
        let at = &raw const here as usize;
        let mut found = 0;
        each_in(at, at + 1, &mut |mapped| {
            assert!(mapped.start <= at && mapped.end > at && mapped.is_writable());
            found += 1;
            true
        })
        .expect("maps");
        assert_eq!(found, 1);
    }
}
