//! `maps` and `smaps` without vload's mappings, with patched text as the file's own.

use super::buffer::Buffer;
use super::space::Space;
use super::tally::Tally;
use crate::sys::Result;
use crate::sys::maps::Mapped;

/// A mapping of the file with what follows it until the next one: nothing in `maps`, one line for each
/// number in `smaps`.
pub struct Entry<'a> {
    /// The mapping.
    pub line: Mapped<'a>,
    /// The lines behind it.
    pub numbers: &'a [u8],
}

/// The entries of the file.
pub fn entries(text: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let line = next_line(text, at)?;
        let mapping = Mapped::parse(line)?;
        let from = (at + line.len() + 1).min(text.len());
        let mut to = from;
        while let Some(line) = next_line(text, to)
            && Mapped::parse(line).is_none()
        {
            to = (to + line.len() + 1).min(text.len());
        }
        at = to;
        Some(Entry { line: mapping, numbers: text.get(from..to)? })
    })
}

fn next_line(text: &[u8], at: usize) -> Option<&[u8]> {
    let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    rest.get(..end)
}

/// A mapping that is written once it is known what follows.
struct Pending<'a> {
    line: Mapped<'a>,
    /// Whether it is patched text, which continues the file's own.
    replaced: bool,
    numbers: Tally<'a>,
}

impl Pending<'_> {
    fn write(&self, out: &mut Buffer) -> Result<()> {
        self.line.write(out)?;
        self.numbers.write(out)
    }
}

/// Writes what the target shall see of `text`.
pub fn filter(text: &[u8], space: &Space, out: &mut Buffer) -> Result<()> {
    let mut pending: Option<Pending<'_>> = None;
    for entry in entries(text) {
        let whole = entry.line;
        for part in space.parts(&whole) {
            let mut numbers = Tally::new(entry.numbers);
            if part.length() != whole.length() {
                numbers.limit(part.length());
            }
            let (line, replaced) = space.shown(part, text);
            match &mut pending {
                Some(before) if (before.replaced || replaced) && before.line.continues(&line) => {
                    before.line.end = line.end;
                    before.replaced = replaced;
                    before.numbers.add(&numbers);
                }
                _ => {
                    let next = Pending { line, replaced, numbers };
                    if let Some(before) = pending.replace(next) {
                        before.write(out)?;
                    }
                }
            }
        }
    }
    pending.map_or(Ok(()), |last| last.write(out))
}
