//! What keeps a file from being closed that a process has mapped.
//!
//! The pages themselves are mapped by the session's own descriptor: a fresh one would have to be closed again, and a process
//! that closes any descriptor of a file loses the locks (`F_SETLK`) that it has on it, which are the program's. So each mapping
//! has an *anchor*: a page without any right, of a fresh description of the placeholders' file, which has a lock on the
//! byte of the open file's number. Memory keeps its description, in a forked process too, and the kernel drops it when the last
//! of such pages goes, however the processes ended.

use linux_raw_sys::general as nr;
use vload_module::Result;
use vload_module::abi::service::core_side::vload_own;

use super::PAGE;
use crate::descriptor::open_placeholder;
use crate::kernel;

/// The byte of the first open file, with those of `path/fs/shared.rs` behind the last: far behind those that say which files are open, and below those of locks that programs take.
const FIRST: i64 = 1 << 61;

/// Where there is nothing: the session's file ends there at the latest. Memory that is mapped from here on is `SIGBUS`, as behind
/// the end of any file.
pub const NOTHING: u64 = 8 << 40;

/// Puts an anchor for a mapping of an open file, which is to come to a range of addresses if there is one: its address.
pub fn anchor(number: u32, (from, to): (usize, usize)) -> Result<usize> {
    let fd = open_placeholder()?;
    kernel::share_byte(fd.fd(), FIRST + i64::from(number))?;
    let map = |length: usize| {
        let arguments = [0, length, 0, nr::MAP_PRIVATE as usize, fd.fd() as usize, 0];
        // SAFETY: the kernel chooses unused addresses.
        unsafe { kernel::call(kernel::MMAP.0, arguments) }
    };
    let unmap = |start: usize, end: usize| {
        // SAFETY: mapped just now, and nobody's yet.
        if start < end { unsafe { kernel::unmap(start, end - start) } } else { Ok(()) }
    };
    let is_free = |page: usize| page + PAGE <= from || to <= page;
    let mut start = map(PAGE)?;
    if !is_free(start) {
        // More than the range has room for: a page of that is elsewhere.
        unmap(start, start + PAGE)?;
        let all = map(to - from + PAGE)?;
        let end = all + (to - from) + PAGE;
        start = if is_free(all) { all } else { end - PAGE };
        unmap(all, start).and_then(|()| unmap(start + PAGE, end))?;
    }
    // SAFETY: mapped just now, and nobody's yet.
    unsafe { vload_own(start, PAGE, 1) };
    Ok(start)
}

/// Takes an anchor away.
pub fn weigh(anchor: usize) {
    // SAFETY: put by `anchor`; nothing is ever read there.
    unsafe { vload_own(anchor, PAGE, 0) };
}

/// Whether any process has the open file mapped. Where that cannot be asked it may be so.
pub fn is_mapped(number: u32) -> bool {
    kernel::placeholders()
        .and_then(|file| kernel::is_locked(file, FIRST + i64::from(number)))
        .unwrap_or(true)
}
