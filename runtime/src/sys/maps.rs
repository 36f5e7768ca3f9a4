//! What is mapped, as `/proc/PID/maps` says (proc_pid_maps(5); `show_map_vma`, fs/proc/task_mmu.c). No
//! allocation.

use crate::digits::{decimal, hexadecimal};
use core::ffi::CStr;

use super::{CWD, Errno, Result, close, openat, pread};
use linux_raw_sys::general::{O_CLOEXEC, O_RDONLY, PROT_EXEC, PROT_READ, PROT_WRITE};

/// One mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped<'a> {
    /// First address.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// `rwxp` or `rwxs`, with `-` for what is not so.
    pub perms: [u8; 4],
    /// Offset in the file.
    pub offset: u64,
    /// Device, major and minor.
    pub device: (u64, u64),
    /// Inode; 0 when there is no file.
    pub inode: u64,
    /// Path, or a name in brackets; empty when there is none.
    pub name: &'a [u8],
}

impl<'a> Mapped<'a> {
    /// Reads a line without its end. `None` when it does not describe a mapping.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let (range, rest) = split(line);
        let (start, end) = pair(range, b'-')?;
        let (perms, rest) = split(rest);
        let (offset, rest) = split(rest);
        let (device, rest) = split(rest);
        let (inode, name) = split(rest);
        (start < end).then_some(Self {
            start: start as usize,
            end: end as usize,
            perms: perms.try_into().ok()?,
            offset: hexadecimal(offset)?,
            device: pair(device, b':')?,
            inode: decimal(inode)?,
            name: name.trim_ascii_start(),
        })
    }

    /// Bytes of the mapping.
    pub fn length(&self) -> usize {
        self.end - self.start
    }

    /// Whether it is a mapping of a file.
    pub fn has_file(&self) -> bool {
        self.inode != 0
    }

    /// Whether it can be written.
    pub fn is_writable(&self) -> bool {
        self.perms[1] == b'w'
    }

    /// Whether it can be executed.
    pub fn is_executable(&self) -> bool {
        self.perms[2] == b'x'
    }

    /// Whether what is written to it stays with the process.
    pub fn is_private(&self) -> bool {
        self.perms[3] == b'p'
    }

    /// `PROT_*`.
    pub fn prot(&self) -> u32 {
        let right = |at: usize, prot| if self.perms[at] == b'-' { 0 } else { prot };
        right(0, PROT_READ) | right(1, PROT_WRITE) | right(2, PROT_EXEC)
    }
}

/// Calls `visit` with each mapping of this process that has a byte of the range, and its name once more,
/// until it gives `false`.
pub fn each_in(
    start: usize,
    end: usize,
    visit: &mut dyn FnMut(&Mapped<'_>, &CStr) -> bool,
) -> Result<()> {
    let fd = openat(CWD, c"/proc/self/maps", O_RDONLY | O_CLOEXEC, 0)?;
    let result = read(fd, &mut |line| {
        let Some(mapped) = line.strip_suffix(b"\0").and_then(Mapped::parse) else { return true };
        if mapped.start >= end {
            return false;
        }
        let name = line.get(line.len() - 1 - mapped.name.len()..).unwrap_or_default();
        let name = CStr::from_bytes_with_nul(name).unwrap_or_default();
        mapped.end <= start || visit(&mapped, name)
    });
    close(fd);
    result
}

/// Calls `visit` with each line, its line feed made a NUL.
fn read(fd: i32, visit: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
    let mut buffer = [0u8; 8192];
    let (mut offset, mut held) = (0, 0);
    loop {
        let count = pread(fd, &mut buffer[held..], offset)?;
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

/// The first word, and what follows the blank behind it.
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|&byte| byte == b' ').unwrap_or(text.len());
    (text.get(..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default())
}

/// Two hexadecimal numbers with `mark` between them.
fn pair(text: &[u8], mark: u8) -> Option<(u64, u64)> {
    let at = text.iter().position(|&byte| byte == mark)?;
    Some((hexadecimal(text.get(..at)?)?, hexadecimal(text.get(at + 1..)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_kinds_are_read() {
        let line = b"7f00-7f10 r-xp 00001000 fd:01 4711                       /lib/a b";
        let file = Mapped::parse(line).expect("a mapping");
        assert_eq!((file.start, file.end, file.offset), (0x7f00, 0x7f10, 0x1000));
        assert_eq!((file.device, file.inode, file.name), ((0xfd, 1), 4711, &b"/lib/a b"[..]));
        assert!(file.is_private() && file.is_executable() && !file.is_writable());
        assert_eq!(file.prot(), PROT_READ | PROT_EXEC);
        for text in [&b"7f00-7f10 rw-s 00000000 00:00 0 "[..], b"7f00-7f10 rw-s 00000000 00:00 0"] {
            let memory = Mapped::parse(text).expect("a mapping");
            assert!(memory.is_writable() && !memory.is_private() && !memory.has_file());
            assert_eq!((memory.prot(), memory.name), (PROT_READ | PROT_WRITE, &b""[..]));
        }
        let vdso = b"7ffd1c5f6000-7ffd1c5f8000 r-xp 00000000 00:00 0          [vdso]";
        assert_eq!(Mapped::parse(vdso).map(|vdso| vdso.name), Some(&b"[vdso]"[..]));
    }

    #[test]
    fn attributes_are_no_mappings() {
        for text in
            ["Size:                  4 kB", "VmFlags: rd ex mr", "", "nonsense", "1000-2000 r--p"]
        {
            assert_eq!(Mapped::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_stack_of_this_thread_is_found() {
        let here = 0u8;
        let at = &raw const here as usize;
        let mut found = 0;
        each_in(at, at + 1, &mut |mapped, _| {
            assert!(mapped.start <= at && mapped.end > at && mapped.is_writable());
            found += 1;
            true
        })
        .expect("maps");
        assert_eq!(found, 1);
    }
}
