//! `stat`, `statm` and `status` without vload's memory, with the signals as the program believes them
//! (proc_pid_stat(5) and its likes; fs/proc/array.c).

use super::buffer::Buffer;
use super::counts::Counts;
use super::tally::{amount, key, write_changed};
use crate::digits::{decimal, hexadecimal};
use crate::log::Line;
use crate::signal::Believed;
use crate::sys::Result;

const PAGE: usize = 4096;
/// In a page.
const KILOBYTES: i64 = 4;

fn number(digits: &[u8]) -> u64 {
    decimal(digits).unwrap_or(0)
}

/// Writes the words of a line with other numbers; `change` is given a word's place and its number.
fn words(text: &[u8], out: &mut Buffer, change: &dyn Fn(usize, u64) -> Option<u64>) -> Result<()> {
    for (index, word) in text.split_inclusive(|&byte| byte == b' ').enumerate() {
        let digits = word.trim_ascii_end();
        let Some(value) = change(index, number(digits)) else {
            out.push(word)?;
            continue;
        };
        let mut line = Line::new();
        line.decimal(value as i64).raw(&word[digits.len()..]);
        out.push(line.bytes())?;
    }
    Ok(())
}

/// `statm`: pages.
pub fn statm(text: &[u8], own: &Counts, out: &mut Buffer) -> Result<()> {
    let less = [own.size / PAGE, own.pages(), own.of_files(), 0, 0, own.data / PAGE];
    words(text, out, &|index, value| Some(value.saturating_sub(*less.get(index)? as u64)))
}

/// `stat`. The name, which may hold anything, ends at the last parenthesis.
pub fn stat(text: &[u8], own: &Counts, signals: &Believed, out: &mut Buffer) -> Result<()> {
    /// What this file has of a set: it is as old as the signals without real-time ones.
    const OLD: u64 = 0x7fff_ffff;
    /// The number of the word behind the name (proc_pid_stat(5)).
    const FIRST: usize = 3;
    let name = text.iter().rposition(|&byte| byte == b')').map_or(0, |at| text.len().min(at + 2));
    let (name, rest) = text.split_at(name);
    out.push(name)?;
    let [pending, _, blocked, ignored, caught] = signals.0;
    words(rest, out, &|index, value| {
        let set = match index + FIRST {
            23 => return Some(value.saturating_sub(own.size as u64)),
            24 => return Some(value.saturating_sub(own.pages() as u64)),
            31 => pending,
            32 => blocked,
            33 => ignored,
            34 => caught,
            _ => return None,
        };
        Some(set.of(value) & OLD)
    })
}

/// `status`; `table` is told how many descriptors the kernel's table has room for, and says how many it would have.
pub fn status(
    text: &[u8],
    own: &Counts,
    signals: &Believed,
    table: &dyn Fn(u64) -> u64,
    out: &mut Buffer,
) -> Result<()> {
    /// In the order of `Believed`.
    const SETS: [&[u8]; 5] = [b"SigPnd", b"ShdPnd", b"SigBlk", b"SigIgn", b"SigCgt"];
    let resident = own.pages() as isize;
    let pages: [(&[u8], isize); 9] = [
        (b"VmPeak", (own.size / PAGE) as isize),
        (b"VmSize", (own.size / PAGE) as isize),
        (b"VmHWM", resident),
        (b"VmRSS", resident),
        (b"RssAnon", own.anonymous as isize),
        (b"RssFile", own.file),
        (b"RssShmem", own.shared as isize),
        (b"VmData", (own.data / PAGE) as isize),
        (b"VmLib", (own.code / PAGE) as isize),
    ];
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let name = key(line);
        if let Some((_, less)) = pages.iter().find(|(key, _)| *key == name)
            && let Some((_, value)) = amount(line)
        {
            write_changed(line, value.saturating_add_signed(-less as i64 * KILOBYTES), out)?;
            continue;
        }
        let digits = line.get(name.len() + 2..).unwrap_or_default().trim_ascii_end();
        let mut changed = Line::new();
        changed.raw(name).raw(b":\t");
        if let Some(set) = SETS.iter().position(|key| *key == name) {
            let set = signals.0[set].of(hexadecimal(digits).unwrap_or(0));
            changed.padded_hexadecimal(set, 16);
        } else if name == b"FDSize" {
            changed.decimal(table(number(digits)) as i64);
        } else {
            out.push(line)?;
            continue;
        }
        out.push(changed.raw(b"\n").bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Set;

    const OWN: Counts =
        Counts { size: 8 * PAGE, code: PAGE, data: 2 * PAGE, anonymous: 3, file: -1, shared: 2 };

    fn signals() -> Believed {
        let set = |kernels, others| Set { kernels, others };
        let ours = !0x4d8;
        Believed([set(!0, 0), set(!0, 0), set(!0, 16), set(ours, 128), set(ours, 1024)])
    }

    fn written(write: impl FnOnce(&mut Buffer) -> Result<()>) -> std::string::String {
        let mut out = Buffer::new().expect("memory");
        write(&mut out).expect("memory");
        std::string::String::from_utf8(out.bytes().to_vec()).expect("text")
    }

    #[test]
    fn what_is_ours_is_not_counted() {
        assert_eq!(written(|out| statm(b"100 50 20 5 0 30 0\n", &OWN, out)), "92 46 19 5 0 28 0\n");
        let text = b"7 (a ) 1 b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 65536 20 21 22 23 24 25 26 1 2 4 1240 5\n";
        assert_eq!(
            written(|out| stat(text, &OWN, &signals(), out)),
            "7 (a ) 1 b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 32768 16 21 22 23 24 25 26 1 18 132 1024 5\n"
        );
    }

    #[test]
    fn numbers_keep_their_columns() {
        let text = b"Name:\ta\nFDSize:\t4096\nVmSize:\t     100 kB\nVmRSS:\t     999 kB\nRssFile:\t     999 kB\nVmPTE:\t 44 kB\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\nSigCgt:\t00000000000004d8\n";
        assert_eq!(
            written(|out| status(text, &OWN, &signals(), &|_| 64, out)),
            "Name:\ta\nFDSize:\t64\nVmSize:\t      68 kB\nVmRSS:\t     983 kB\nRssFile:\t    1003 kB\nVmPTE:\t 44 kB\nSigBlk:\t0000000000000011\nSigIgn:\t0000000000001080\nSigCgt:\t0000000000000400\n"
        );
    }
}
