//! `getdents64(2)` and its older forms (`fs/readdir.c`).
//!
//! The position of a directory is the entry that comes next: 0 is `.`, 1 is `..`, and a cookie of the module's is two
//! more than it is to the module.

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use linux_raw_sys::general as nr;
use vload_module::abi::service::Entry;
use vload_module::{Errno, Result};

use crate::descriptor::Held;
use crate::vload;

/// How an entry is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// `struct linux_dirent64`.
    Wide,
    /// `struct linux_dirent`: with words, and the kind at its end.
    Old,
}

/// Bytes before the name.
const fn head(form: Form) -> usize {
    match form {
        Form::Wide => offset_of!(nr::linux_dirent64, d_name),
        Form::Old => 2 * size_of::<usize>() + size_of::<u16>(),
    }
}

/// The longest entry.
const ROOM: usize = 19 + 256 + 8;

/// An entry as the program gets it: its length.
fn write(
    form: Form,
    (inode, next, kind): (u64, i64, u8),
    name: &[u8],
    to: &mut [u8; ROOM],
) -> usize {
    let head = head(form);
    to.fill(0);
    let mut put = |at: usize, bytes: &[u8]| to[at..at + bytes.len()].copy_from_slice(bytes);
    let word = size_of::<usize>();
    let (length, alignment, kind_at) = match form {
        Form::Wide => (head + name.len() + 1, 8, 18),
        // A zero and the kind.
        Form::Old => (head + name.len() + 2, word, 0),
    };
    let length = length.next_multiple_of(alignment);
    match form {
        Form::Wide => {
            put(0, &inode.to_ne_bytes());
            put(8, &next.to_ne_bytes());
            put(16, &(length as u16).to_ne_bytes());
            put(kind_at, &[kind]);
        }
        Form::Old => {
            put(0, &(inode as usize).to_ne_bytes());
            put(word, &(next as usize).to_ne_bytes());
            put(2 * word, &(length as u16).to_ne_bytes());
            put(length - 1, &[kind]);
        }
    }
    put(head, name);
    length
}

/// What comes at a position, and the position after it; none at the end.
fn entry(held: &Held, at: i64, entry: &mut Entry) -> Result<Option<i64>> {
    if at < 2 {
        entry.inode = held.stat()?.inode.max(1);
        entry.kind = nr::DT_DIR as u8;
        entry.name[..3].copy_from_slice(if at == 0 { b".\0\0" } else { b"..\0" });
        return Ok(Some(at + 1));
    }
    let mut cookie = (at - 2) as u64;
    let (cookie_at, entry_at) = (&raw mut cookie, core::ptr::from_mut(entry));
    let listed = held.ask(Errno::NOTDIR, |operations, file| {
        // SAFETY: both are valid for the call.
        Some(unsafe { (operations.list?)(file, cookie_at, entry_at) }.into())
    })?;
    Ok((listed != 0).then_some((cookie & i64::MAX as u64).saturating_add(2) as i64))
}

/// Lists a directory from its position on: how many bytes.
pub fn list(held: &Held, to: usize, room: usize, form: Form) -> Result<usize> {
    held.usable()?;
    if !held.is_directory() {
        return Err(Errno::NOTDIR);
    }
    let room = room.min(i32::MAX as usize);
    // One that was removed has nothing in it, not even itself (`IS_DEADDIR`).
    let known = held.stat()?;
    if known.links == 0 {
        return Err(Errno::NOENT);
    }
    let position = &held.record().position;
    let mut at = position.load(Ordering::Acquire);
    let mut done = 0;
    let mut found = Entry { inode: 0, kind: 0, name: [0; 263] };
    let mut bytes = [0; ROOM];
    let stopped = loop {
        let next = match entry(held, at, &mut found) {
            Ok(Some(next)) => next,
            Ok(None) => break None,
            Err(error) => break Some(error),
        };
        let name = found.name.split(|&byte| byte == 0).next().unwrap_or_default();
        if name.is_empty() || name.len() > 255 {
            break Some(Errno::IO);
        }
        let length = write(form, (found.inode, next, found.kind), name, &mut bytes);
        if length > room - done {
            break Some(Errno::INVAL);
        }
        if let Err(error) = vload::put_bytes(to.wrapping_add(done), &bytes[..length]) {
            break Some(error);
        }
        done += length;
        at = next;
    };
    match stopped {
        Some(error) if done == 0 => Err(error),
        _ => {
            position.store(at, Ordering::Release);
            Ok(done)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_as_the_kernel_writes_them() {
        let mut bytes = [0; ROOM];
        assert_eq!(write(Form::Wide, (5, 7, 4), b"name", &mut bytes), 24);
        assert_eq!(bytes[..8], 5u64.to_ne_bytes());
        assert_eq!(bytes[8..16], 7i64.to_ne_bytes());
        assert_eq!(bytes[16..18], 24u16.to_ne_bytes());
        assert_eq!(&bytes[18..24], b"\x04name\0");
        assert_eq!(write(Form::Wide, (5, 7, 4), b"name5", &mut bytes), 32);
        let length = write(Form::Old, (5, 7, 4), b"name", &mut bytes);
        assert_eq!(length % size_of::<usize>(), 0);
        assert_eq!(bytes[length - 1], 4);
        assert_eq!(&bytes[head(Form::Old)..head(Form::Old) + 5], b"name\0");
        let longest = [b'x'; 255];
        assert!(write(Form::Wide, (5, 7, 4), &longest, &mut bytes) <= ROOM);
        assert!(write(Form::Old, (5, 7, 4), &longest, &mut bytes) <= ROOM);
    }
}
