//! A listing of `/proc/self/fd` does not show vload's own descriptors.
//!
//! Names are looked at first: only a buffer that holds the number of one of ours is worth the
//! question which folder it lists.

use super::hidden::in_listing;
use crate::digits::decimal;
use crate::layer::Call;

/// Offset of `d_reclen` in `struct linux_dirent64` and `struct linux_dirent` (getdents(2)) of 64-bit
/// machines.
const RECLEN: usize = 16;

/// `getdents64(2)`, and `getdents(2)` with names one byte earlier.
pub fn getdents(call: &mut Call<'_>, name: usize) -> isize {
    loop {
        let result = call.pass();
        if result <= 0 {
            return result;
        }
        let length = result as usize;
        // SAFETY: the kernel has filled that many bytes of the caller's buffer.
        let entries = unsafe { core::slice::from_raw_parts_mut(call.args[1] as *mut u8, length) };
        let own = call.descriptors();
        let may_be_own = |entry: &[u8]| {
            // Another process's have numbers like ours.
            number_of(entry, name)
                .is_some_and(|number| own.all().iter().any(|slot| slot.get().abs_diff(number) < 64))
        };
        if !each(entries).any(|range| may_be_own(&entries[range])) {
            return result;
        }
        let Some(own) = in_listing(call, call.args[0] as i32) else { return result };
        let is_own =
            |entry: &[u8]| number_of(entry, name).is_some_and(|number| own.contains(&number));
        let mut kept = 0;
        let mut at = 0;
        while let Some(range) = next(entries, at) {
            at = range.end;
            if !is_own(&entries[range.clone()]) {
                entries.copy_within(range.clone(), kept);
                kept += range.len();
            }
        }
        // Nothing left would be the end of the folder to the caller.
        if kept != 0 {
            return kept as isize;
        }
    }
}

fn next(entries: &[u8], at: usize) -> Option<core::ops::Range<usize>> {
    let bytes = entries.get(at + RECLEN..at + RECLEN + 2)?;
    let length = usize::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
    (length != 0 && at + length <= entries.len()).then_some(at..at + length)
}

fn each(entries: &[u8]) -> impl Iterator<Item = core::ops::Range<usize>> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let range = next(entries, at)?;
        at = range.end;
        Some(range)
    })
}

/// The entry's name as a number.
fn number_of(entry: &[u8], name: usize) -> Option<i32> {
    let text = entry.get(name..)?;
    let end = text.iter().position(|&byte| byte == 0)?;
    decimal(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_where_the_kernel_puts_them() {
        let mut buffer = [0u8; 48];
        buffer[RECLEN] = 24;
        buffer[19..23].copy_from_slice(b"4064");
        buffer[24 + RECLEN] = 24;
        buffer[24 + 19..24 + 21].copy_from_slice(b"..");
        let numbers: std::vec::Vec<_> =
            each(&buffer).map(|range| number_of(&buffer[range], 19)).collect();
        assert_eq!(numbers, [Some(4064), None]);
    }

    #[test]
    fn a_record_of_no_length_ends_the_listing() {
        assert_eq!(each(&[0; 64]).count(), 0);
    }
}
