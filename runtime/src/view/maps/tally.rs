//! The numbers that `smaps` has of a mapping, and their sum over several.

use super::buffer::Buffer;
use crate::digits::decimal;
use crate::log;
use crate::sys::Result;

/// Lines that a mapping has (25 of them in Linux 6.18).
const MOST: usize = 48;

/// Columns that a number has at least.
const WIDTH: usize = 8;

/// The numbers of one mapping, or of several that are shown as one.
pub struct Tally<'a> {
    /// The lines as the kernel wrote them, of the first mapping.
    lines: &'a [u8],
    /// The number in each of them.
    amounts: [u64; MOST],
    /// Whether these are not the kernel's any more.
    changed: bool,
}

/// The lines with their ends.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n')
}

/// What a line counts, and how many kilobytes: the range of the digits and their value. `None` for sizes
/// of a page, and what is no amount.
pub fn amount(line: &[u8]) -> Option<(core::ops::Range<usize>, u64)> {
    let number = line.trim_ascii_end().strip_suffix(b" kB")?;
    // A tab stands right before eight digits in `status`.
    let start = number.iter().rposition(|byte| !byte.is_ascii_digit())? + 1;
    if key(line).ends_with(b"PageSize") {
        return None;
    }
    let value = decimal(number.get(start..)?)?;
    Some((start..number.len(), value))
}

/// What stands before the colon.
pub fn key(line: &[u8]) -> &[u8] {
    let end = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
    line.get(..end).unwrap_or_default()
}

/// Writes a line with another number, as wide as the kernel writes it: in eight columns, or more where it has more digits
/// (`seq_put_decimal_ull_width`).
pub fn write_changed(line: &[u8], value: u64, out: &mut Buffer) -> Result<()> {
    let Some((digits, _)) = amount(line) else { return out.push(line) };
    let mut number = log::Line::new();
    number.decimal(value as i64);
    // Behind the colon and what stands there.
    let field = digits.end.saturating_sub(WIDTH).max(key(line).len() + 2).min(digits.start);
    out.push(line.get(..field).unwrap_or_default())?;
    for _ in number.bytes().len()..WIDTH.min(digits.end - field) {
        out.push(b" ")?;
    }
    out.push(number.bytes())?;
    out.push(line.get(digits.end..).unwrap_or_default())
}

impl<'a> Tally<'a> {
    /// Those of one mapping.
    pub fn new(text: &'a [u8]) -> Self {
        let mut amounts = [0; MOST];
        for (place, line) in amounts.iter_mut().zip(lines(text)) {
            *place = amount(line).map_or(0, |(_, value)| value);
        }
        Self { lines: text, amounts, changed: false }
    }

    /// Adds those of the mapping that continues it.
    pub fn add(&mut self, other: &Self) {
        self.changed = true;
        for (mine, theirs) in self.amounts.iter_mut().zip(&other.amounts) {
            *mine += theirs;
        }
    }

    /// Makes them those of a part of `length` bytes: no more than that can be there.
    pub fn limit(&mut self, length: usize) {
        self.changed = true;
        for amount in &mut self.amounts {
            *amount = (*amount).min(length as u64 / 1024);
        }
    }

    /// Writes the lines.
    pub fn write(&self, out: &mut Buffer) -> Result<()> {
        if !self.changed {
            return out.push(self.lines);
        }
        for (index, line) in lines(self.lines).enumerate() {
            match self.amounts.get(index) {
                Some(value) => write_changed(line, *value, out)?,
                None => out.push(line)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[u8] = b"Size:                  4 kB\nKernelPageSize:        4 kB\nRss:                   4 kB\nTHPeligible:           0\nVmFlags: rd ex\n";

    #[test]
    fn amounts_are_added_and_sizes_of_pages_are_not() {
        let mut tally = Tally::new(FIRST);
        tally.add(&Tally::new(b"Size:               1200 kB\nKernelPageSize:        4 kB\nRss:                   0 kB\nTHPeligible:           0\nVmFlags: rd\n"));
        let mut out = Buffer::new().expect("memory");
        tally.write(&mut out).expect("memory");
        assert_eq!(
            core::str::from_utf8(out.bytes()),
            Ok(
                "Size:               1204 kB\nKernelPageSize:        4 kB\nRss:                   4 kB\nTHPeligible:           0\nVmFlags: rd ex\n"
            )
        );
    }

    #[test]
    fn a_number_takes_as_many_columns_as_the_kernel_gives_it() {
        for (line, value, changed) in [
            ("VmSize:\t10485760 kB\n", 9_999_999, "VmSize:\t 9999999 kB\n"),
            ("VmSize:\t104857600 kB\n", 104_851_000, "VmSize:\t104851000 kB\n"),
            ("VmSize:\t104857600 kB\n", 99_999_999, "VmSize:\t99999999 kB\n"),
            ("VmSize:\t104857600 kB\n", 1, "VmSize:\t       1 kB\n"),
            ("RssFile:\t99999999 kB\n", 100_000_001, "RssFile:\t100000001 kB\n"),
            ("Rss:            99999999 kB\n", 100_000_001, "Rss:            100000001 kB\n"),
        ] {
            let mut out = Buffer::new().expect("memory");
            write_changed(line.as_bytes(), value, &mut out).expect("memory");
            assert_eq!(core::str::from_utf8(out.bytes()), Ok(changed));
        }
    }

    #[test]
    fn what_was_not_changed_is_the_kernels() {
        let mut out = Buffer::new().expect("memory");
        Tally::new(FIRST).write(&mut out).expect("memory");
        assert_eq!(out.bytes(), FIRST);
    }
}
