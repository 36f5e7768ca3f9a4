//! A listing of `/proc/self/fd` does not show vload's own descriptors.
//!
//! Names are looked at first: only a buffer that holds the number of one of ours is worth the
//! question which folder it lists.

use super::hidden::in_listing;
use crate::digits::decimal;
use crate::layer::Call;

/// Offset of the name in `struct linux_dirent64` (getdents(2)): behind two words of 64 bits, `d_reclen` and `d_type`.
pub const NAME64: usize = 19;
/// The same in `struct linux_dirent`: behind two words of the machine and `d_reclen`.
pub const NAME: usize = 2 * size_of::<usize>() + 2;

/// Offset of `d_reclen`, two bytes, where the name has this one.
const fn reclen(name: usize) -> usize {
    (name - 2) & !1
}

/// `getdents64(2)` and `getdents(2)`; `name` is the offset of the name in an entry.
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
        if !each(entries, name).any(|range| may_be_own(&entries[range])) {
            return result;
        }
        let Some(own) = in_listing(call, call.args[0] as i32) else { return result };
        let is_own =
            |entry: &[u8]| number_of(entry, name).is_some_and(|number| own.contains(&number));
        let mut kept = 0;
        let mut at = 0;
        while let Some(range) = next(entries, at, name) {
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

fn next(entries: &[u8], at: usize, name: usize) -> Option<core::ops::Range<usize>> {
    let bytes = entries.get(at + reclen(name)..at + reclen(name) + 2)?;
    let length = usize::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
    (length != 0 && at + length <= entries.len()).then_some(at..at + length)
}

fn each(entries: &[u8], name: usize) -> impl Iterator<Item = core::ops::Range<usize>> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let range = next(entries, at, name)?;
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
        // `struct linux_dirent64`, `struct linux_dirent` of 64-bit and of 32-bit machines.
        for (reclen, name) in [(16, 19), (16, 18), (8, 10)] {
            let mut buffer = [0u8; 48];
            buffer[reclen] = 24;
            buffer[name..name + 4].copy_from_slice(b"4064");
            buffer[24 + reclen] = 24;
            buffer[24 + name..24 + name + 2].copy_from_slice(b"..");
            let numbers: std::vec::Vec<_> =
                each(&buffer, name).map(|range| number_of(&buffer[range], name)).collect();
            assert_eq!(numbers, [Some(4064), None], "{name}");
        }
    }

    #[test]
    fn a_record_of_no_length_ends_the_listing() {
        assert_eq!(each(&[0; 64], NAME64).count(), 0);
    }
}
