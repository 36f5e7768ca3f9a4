//! `smaps_rollup`: the sums over all mappings, without vload's.

use super::buffer::Buffer;
use super::filter::entries;
use super::space::Space;
use super::tally::{amount, key, write_changed};
use crate::sys::Result;
use crate::sys::maps::Mapped;

/// Writes the sums, less what `smaps` says of vload's mappings.
pub fn filter(text: &[u8], smaps: &[u8], space: &Space, out: &mut Buffer) -> Result<()> {
    let mut is_empty = false;
    for (index, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
        match (index, Mapped::parse(line.strip_suffix(b"\n").unwrap_or(line)), amount(line)) {
            (0, Some(all), _) => {
                let shown = shown(all, smaps, space);
                is_empty = shown.end == 0;
                shown.write(out)?;
            }
            // Where nothing is left, not what differs because shares of a page are rounded.
            (_, _, Some((_, value))) => {
                let rest = match is_empty {
                    true => 0,
                    false => value.saturating_sub(own(smaps, space, key(line))),
                };
                write_changed(line, rest, out)?;
            }
            _ => out.push(line)?,
        }
    }
    Ok(())
}

/// From the first mapping to the last, or from 0 to 0; the kernel's own page behind them does not count.
fn shown<'a>(all: Mapped<'a>, smaps: &[u8], space: &Space) -> Mapped<'a> {
    let (mut first, mut last) = (None, 0);
    for entry in entries(smaps).filter(|entry| entry.line.end <= all.end) {
        for part in space.parts(&entry.line) {
            first.get_or_insert(part.start);
            last = part.end;
        }
    }
    Mapped { start: first.unwrap_or(0), end: last, ..all }
}

/// How much of an amount is vload's.
fn own(smaps: &[u8], space: &Space, wanted: &[u8]) -> u64 {
    let of = |numbers: &[u8]| {
        let mut lines = numbers.split_inclusive(|&byte| byte == b'\n');
        lines.find(|line| key(line) == wanted).and_then(amount).map_or(0, |(_, value)| value)
    };
    let not_ours = |line: &Mapped<'_>| space.parts(line).map(|part| part.length()).sum::<usize>();
    entries(smaps)
        .filter(|entry| not_ours(&entry.line) < entry.line.length())
        // Of a mapping that is vload's in part, what the rest can have stays.
        .map(|entry| of(entry.numbers).saturating_sub(not_ours(&entry.line) as u64 / 1024))
        .sum()
}
