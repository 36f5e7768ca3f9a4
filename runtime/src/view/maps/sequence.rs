//! Reading on from a descriptor's position, which is the kernel's.

use super::Kind;
use super::read::Text;
use super::records::Records;
use crate::memory::copy_out;
use crate::sys::{self, Result};
use linux_raw_sys::general::{SEEK_CUR, SEEK_SET};

/// Where the next read begins.
pub fn position(fd: i32) -> Result<u64> {
    sys::seek(fd, 0, SEEK_CUR)
}

/// Moves the descriptor's position on from `position`, where nobody else does. By reading: to be told of a place in such a file,
/// the kernel makes all of it anew up to there (`seq_lseek`, fs/seq_file.c).
pub fn advance(fd: i32, position: u64, length: usize) -> Result<()> {
    let mut unused = [0; 1024];
    let mut rest = length;
    while rest > 0 {
        match sys::read(fd, &mut unused[..rest.min(1024)]) {
            // What is shown is longer than what the kernel has.
            Ok(0) | Err(_) => {
                return sys::seek(fd, position + length as u64, SEEK_SET).map(drop);
            }
            Ok(read) => rest -= read,
        }
    }
    Ok(())
}

/// Reads into each place in turn where others may read the same description meanwhile: the position is first moved past so many
/// bytes, at once, and what lies before it then is nobody else's.
pub fn among_others(
    fd: i32,
    kind: Kind,
    text: &mut Text,
    pieces: &mut dyn Iterator<Item = (usize, usize)>,
) -> Result<usize> {
    let mut done = 0;
    let mut at = None;
    for (address, room) in pieces.filter(|&(_, room)| room != 0) {
        let bytes = text.bytes.bytes();
        let expected = position(fd)?;
        let place = usize::try_from(expected).unwrap_or(usize::MAX);
        let taken = text.records.take(kind, bytes, place, room);
        if taken == 0 {
            break;
        }
        let end = sys::seek(fd, taken as u64, SEEK_CUR)?;
        let start = end.wrapping_sub(taken as u64);
        if start != expected {
            // Somebody was faster. What of the kernel's buffer is left is theirs.
            text.records = Records::new();
        }
        let there = usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len());
        let there = bytes.get(there..bytes.len().min(there + taken)).unwrap_or_default();
        let is_next = at.is_none_or(|at| at == start);
        if let Err(error) = if is_next { copy_out(address, there) } else { Ok(()) } {
            give_back(fd, text, taken)?;
            return if done == 0 { Err(error) } else { Ok(done) };
        }
        if !is_next {
            give_back(fd, text, taken)?;
            break;
        }
        done += there.len();
        at = Some(end);
        if there.len() < room {
            break;
        }
    }
    Ok(done)
}

/// What was taken last is read again, by whoever comes next.
fn give_back(fd: i32, text: &mut Text, taken: usize) -> Result<()> {
    text.records = Records::new();
    sys::seek(fd, (taken as u64).wrapping_neg(), SEEK_CUR).map(drop)
}
