//! The kernel's part of an open file: the description that stands for a record.

use core::sync::atomic::{AtomicU64, Ordering};

use linux_raw_sys::general::{O_CLOEXEC, O_RDWR, SEEK_CUR, SEEK_SET};
use vload_module::Result;

use super::Temporary;
use crate::kernel;

/// The highest bits of a placeholder's position: no file of a file system is that long, so that descriptors of
/// real files are told by one call.
const MARK: i64 = 0x5644 << 48;
const MARK_BITS: i64 = 0xffff << 48;

/// Where a placeholder stands: in use for the `generation`th time, record `number`.
pub fn position(number: u32, generation: u32) -> i64 {
    MARK | i64::from(generation) << 16 | i64::from(number & 0xffff)
}

/// The record and the generation that a position says, if it is one of a placeholder.
pub fn record_of(position: i64) -> Option<(u32, u32)> {
    (position & MARK_BITS == MARK).then_some((position as u32 & 0xffff, (position >> 16) as u32))
}

/// The device and inode of the placeholders' file. It is the same in all processes of a session.
static FILE: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Learns which file placeholders are of.
pub fn attach() {
    if let Ok((device, inode)) = kernel::placeholders().and_then(kernel::identity) {
        FILE[0].store(device, Ordering::Relaxed);
        FILE[1].store(inode, Ordering::Relaxed);
    }
}

/// The record that a descriptor stands for, and the generation.
pub fn identify(fd: i32) -> Option<(u32, u32)> {
    let found = record_of(kernel::seek(fd, 0, SEEK_CUR).ok()?)?;
    let (device, inode) = (FILE[0].load(Ordering::Relaxed), FILE[1].load(Ordering::Relaxed));
    // Where statx(2) is forbidden the position must do.
    let is_ours = kernel::identity(fd).map_or(true, |file| file == (device, inode));
    is_ours.then_some(found)
}

/// A fresh description at the lowest free number.
pub fn open() -> Result<Temporary> {
    let file = kernel::placeholders()?;
    Temporary::make(|| kernel::reopen(file, O_RDWR | O_CLOEXEC))
}

/// Makes it stand for a record.
pub fn place(fd: i32, number: u32, generation: u32) -> Result<()> {
    kernel::seek(fd, position(number, generation), SEEK_SET).map(drop)
}

/// Whether any description still holds the record.
pub fn is_held(number: u32) -> Result<bool> {
    kernel::is_locked(kernel::placeholders()?, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_says_which_record() {
        for (number, generation) in [(0, 0), (4095, 1), (7, u32::MAX)] {
            let at = position(number, generation);
            assert!(at > 0);
            assert_eq!(record_of(at), Some((number, generation)));
        }
        assert_eq!(record_of(0), None);
        assert_eq!(record_of(i64::MAX), None);
        assert_eq!(record_of(-1), None);
    }
}
