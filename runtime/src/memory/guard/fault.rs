//! `userfaultfd(2)`: faults in vload's own memory are nobody's to handle.
//!
//! The calls that name ranges are `ioctl(2)`s. These are looked at from the first userfaultfd of an
//! address space on, and in no other.

use super::holds;
use crate::layer::{self, Call, Class};
use crate::memory::User;
use crate::sys::{self, Errno};
use crate::view;

/// `UFFDIO` (linux/userfaultfd.h).
const KIND: usize = 0xaa;
const REGISTER: usize = 0;
const UNREGISTER: usize = 1;
const COPY: usize = 3;
const MOVE: usize = 5;
/// The last call whose argument begins with a range.
const LAST: usize = 8;

/// `userfaultfd(2)`.
pub fn create(call: &mut Call<'_>) -> isize {
    let result = call.pass();
    if result >= 0 {
        watch();
    }
    result
}

/// Looks at `ioctl(2)` from now on.
pub fn watch() {
    layer::set_class(Class::Faults, true);
}

/// `ioctl(2)`.
pub fn control(call: &mut Call<'_>) -> isize {
    match refuses(call) {
        Some(error) => sys::raw(Err(error)),
        None => call.pass(),
    }
}

fn refuses(call: &Call<'_>) -> Option<Errno> {
    let [fd, command, argument, ..] = call.args;
    let (kind, number, size) = (command >> 8 & 0xff, command & 0xff, command >> 16 & 0x3fff);
    if kind != KIND || number > LAST || size < size_of::<[u64; 2]>() {
        return None;
    }
    let range = |at: usize| -> Option<bool> {
        let start = User::<u64>::new(argument + at * 8).read().ok()?;
        let behind = if matches!(number, COPY | MOVE) { 2 } else { 1 };
        let length = User::<u64>::new(argument + behind * 8).read().ok()?;
        Some(holds(start as usize, length as usize))
    };
    if !range(0)? && (number != MOVE || !range(1)?) {
        return None;
    }
    // Another driver may have calls of this kind.
    let mut name = [0; 64];
    if view::path_of(fd as i32, &mut name)? != b"anon_inode:[userfaultfd]" {
        return None;
    }
    Some(match number {
        REGISTER | UNREGISTER | MOVE => Errno::INVAL,
        _ => Errno::NOENT,
    })
}
