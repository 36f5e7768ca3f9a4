//! `numa_maps`: one line for each mapping, which begins with its address.

use super::buffer::Buffer;
use super::filter::entries;
use super::space::Space;
use crate::digits::hexadecimal;
use crate::sys::Result;
use crate::sys::maps::Mapped;

/// Writes the lines of what is not vload's; what lies at the addresses is in `maps`. A text of which some
/// pages are patched has several.
pub fn filter(text: &[u8], maps: &[u8], space: &Space, out: &mut Buffer) -> Result<()> {
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let start = line.split(|&byte| byte == b' ').next().and_then(hexadecimal);
        let mut all = entries(maps).map(|entry| entry.line);
        let mapping = start.and_then(|start| all.find(|other| other.start == start as usize));
        let Some(mapping) = mapping else {
            out.push(line)?;
            continue;
        };
        if space.first_in(&(mapping.start..mapping.start + 1)).is_some() {
            continue;
        }
        match space.shown(mapping, maps) {
            (shown, true) => write(line, &shown, out)?,
            (_, false) => out.push(line)?,
        }
    }
    Ok(())
}

/// Writes a line with the file of `shown` (`show_numa_map`, fs/proc/task_mmu.c).
fn write(line: &[u8], shown: &Mapped<'_>, out: &mut Buffer) -> Result<()> {
    for (index, word) in line.trim_ascii_end().split(|&byte| byte == b' ').enumerate() {
        // The vDSO has neither a file nor pages that are counted.
        if index > 1 && !shown.has_file() {
            break;
        }
        if index > 0 {
            out.push(b" ")?;
        }
        if word.starts_with(b"file=") {
            out.push(b"file=")?;
            out.push(shown.name)?;
        } else {
            out.push(word)?;
        }
    }
    out.push(b"\n")
}
