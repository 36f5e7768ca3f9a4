//! Mappings as they are written: `show_map_vma`, fs/proc/task_mmu.c.

use super::buffer::Buffer;
use crate::log;
use crate::sys::Result;
use crate::sys::maps::Mapped;

/// The column of the name (`seq_setwidth`, 25 and six for each byte of a word).
const NAME_AT: usize = 25 + size_of::<usize>() * 6;

impl Mapped<'_> {
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
        line.padded_hexadecimal(self.end as u64, 8).raw(b" ").raw(&self.perms).raw(b" ");
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
            let line = Mapped::parse(text.as_bytes()).expect("a mapping");
            let mut out = Buffer::new().expect("memory");
            line.write(&mut out).expect("memory");
            assert_eq!(out.bytes(), std::format!("{text}\n").as_bytes());
        }
    }

    #[test]
    fn what_continues_is_one_mapping() {
        let at = |text: &'static str| Mapped::parse(text.as_bytes()).expect("a mapping");
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
