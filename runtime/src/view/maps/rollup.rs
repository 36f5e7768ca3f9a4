//! `smaps_rollup`: the sums over all mappings, without vload's.

use super::buffer::Buffer;
use super::filter::{Entry, entries};
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
                    false => value.saturating_sub_signed(own(smaps, space, key(line))),
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

/// How much of an amount is vload's. Patched text would be a file's where it is shared memory.
fn own(smaps: &[u8], space: &Space, wanted: &[u8]) -> i64 {
    let share = |entry: Entry<'_>| {
        let line = entry.line;
        let rest = space.parts(&line).map(|part| part.length()).sum::<usize>();
        let is_shared = space.is_shared_memory(&line);
        let is_text = rest == line.length();
        if is_text && !(is_shared && space.shown(line, smaps).1) {
            return 0;
        }
        // Of a mapping that is vload's in part, what the rest can have stays.
        let stays = if is_text { 0 } else { rest as i64 / 1024 };
        let of = |wanted: &[u8]| {
            let mut lines = entry.numbers.split_inclusive(|&byte| byte == b'\n');
            let found = lines.find(|line| key(line) == wanted).and_then(amount);
            found.map_or(0, |(_, value)| (value as i64 - stays).max(0))
        };
        // Of what kind the pages are that others have too is told of all together.
        let all = of(b"Pss");
        let anonymous = all * of(b"Anonymous") / of(b"Rss").max(1);
        match wanted {
            b"Pss_Anon" if !is_text => anonymous,
            b"Pss_Shmem" if is_shared => all - anonymous,
            b"Pss_File" if is_text => anonymous - all,
            b"Pss_File" if !is_shared => all - anonymous,
            b"Pss_Anon" | b"Pss_Shmem" | b"Pss_File" => 0,
            _ if is_text => 0,
            _ => of(wanted),
        }
    };
    entries(smaps).map(share).sum()
}
