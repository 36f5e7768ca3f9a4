//! A mapping as `/proc/PID/maps` describes it (`show_map_vma`, fs/proc/task_mmu.c).

use super::buffer::Buffer;
use crate::log;
use crate::sys::Result;

/// The column of the name (`seq_setwidth`, 25 and six for each byte of a word).
const NAME_AT: usize = 25 + size_of::<usize>() * 6;

/// One mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// First address.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// `rwxp`.
    pub perms: &'a [u8],
    /// Offset in the file.
    pub offset: u64,
    /// Device, major and minor.
    pub device: (u64, u64),
    /// Inode; 0 when there is no file.
    pub inode: u64,
    /// Path, or a name in brackets; empty when there is none.
    pub name: &'a [u8],
}

impl<'a> Line<'a> {
    /// Reads a line without its end. `None` when it does not describe a mapping.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let (range, rest) = split(line)?;
        let dash = range.iter().position(|&byte| byte == b'-')?;
        let start = hexadecimal(range.get(..dash)?)? as usize;
        let end = hexadecimal(range.get(dash + 1..)?)? as usize;
        let (perms, rest) = split(rest)?;
        let (offset, rest) = split(rest)?;
        let (device, rest) = split(rest)?;
        let colon = device.iter().position(|&byte| byte == b':')?;
        let device = (hexadecimal(device.get(..colon)?)?, hexadecimal(device.get(colon + 1..)?)?);
        let (inode, name) = split(rest)?;
        let inode = core::str::from_utf8(inode).ok()?.parse().ok()?;
        let name = name.trim_ascii_start();
        (perms.len() == 4 && start < end).then_some(Self {
            start,
            end,
            perms,
            offset: hexadecimal(offset)?,
            device,
            inode,
            name,
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

    /// Whether `next` goes on where this one ends, as the kernel would make one mapping of both.
    pub fn continues(&self, next: &Self) -> bool {
        let offset = if self.has_file() { self.offset + self.length() as u64 } else { 0 };
        self.end == next.start
            && self.perms == next.perms
            && (self.device, self.inode, self.name) == (next.device, next.inode, next.name)
            && offset == next.offset
    }

    /// Writes it as the kernel does.
    pub fn write(&self, out: &mut Buffer) -> Result<()> {
        let mut line = log::Line::new();
        line.padded_hexadecimal(self.start as u64, 8).raw(b"-");
        line.padded_hexadecimal(self.end as u64, 8).raw(b" ").raw(self.perms).raw(b" ");
        line.padded_hexadecimal(self.offset, 8).raw(b" ");
        line.padded_hexadecimal(self.device.0, 2).raw(b":");
        line.padded_hexadecimal(self.device.1, 2).raw(b" ");
        line.decimal(self.inode as i64).raw(b" ");
        if !self.name.is_empty() {
            for _ in line.bytes().len()..NAME_AT {
                line.raw(b" ");
            }
        }
        out.push(line.bytes())?;
        out.push(self.name)?;
        out.push(b"\n")
    }
}

/// The first word, and what follows the blank behind it.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|&byte| byte == b' ').unwrap_or(text.len());
    Some((text.get(..end)?, text.get(end + 1..).unwrap_or_default()))
}

/// A hexadecimal number.
pub fn hexadecimal(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were() {
        let all: &[&str] = &[
            "7f0000001000-7f0000003000 r-xp 00028000 fd:01 1234567                    /usr/lib/a b.so",
            "00400000-00401000 r--p 00000000 08:02 1                                  /bin/x (deleted)",
            "7ffc1a2b3000-7ffc1a2d4000 rw-p 00000000 00:00 0                          [stack]",
            "7f0000001000-7f0000003000 rw-p 00000000 00:00 0 ",
            "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",
        ];
        for text in all {
            let line = Line::parse(text.as_bytes()).expect("a mapping");
            let mut out = Buffer::new().expect("memory");
            line.write(&mut out).expect("memory");
            assert_eq!(out.bytes(), std::format!("{text}\n").as_bytes());
        }
    }

    #[test]
    fn attributes_are_no_mappings() {
        for text in ["Size:                  4 kB", "VmFlags: rd ex mr", "", "1000-2000 r--p"] {
            assert_eq!(Line::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_continues_is_one_mapping() {
        let at = |text: &'static str| Line::parse(text.as_bytes()).expect("a mapping");
        let first = at("1000-2000 r-xp 00003000 08:02 7 /a");
        assert!(first.continues(&at("2000-3000 r-xp 00004000 08:02 7 /a")));
        for other in [
            "2000-3000 r-xp 00003000 08:02 7 /a",
            "2000-3000 r--p 00004000 08:02 7 /a",
            "2000-3000 r-xp 00004000 08:02 8 /b",
            "3000-4000 r-xp 00004000 08:02 7 /a",
        ] {
            assert!(!first.continues(&at(other)), "{other}");
        }
    }
}
