//! What io_uring and aio have set up.

use super::{Errno, Result, call};
use linux_raw_sys::general as nr;

/// Whether a descriptor is an io_uring: entered for nothing. A ring may have errors of its own (`EBADFD` before it is enabled,
/// `EOWNERDEAD` if who served it has gone); other files say `EOPNOTSUPP` (io_uring/io_uring.c).
pub fn is_ring(fd: i32) -> bool {
    matches!(enter(fd), Ok(_) | Err(Errno::BADFD | Errno::OWNERDEAD))
}

/// Whether the kernel answers [`is_ring`].
pub fn can_ask_for_rings() -> bool {
    enter(-1) == Err(Errno::BADF)
}

fn enter(fd: i32) -> Result<usize> {
    // SAFETY: nothing is submitted or waited for, and no memory is passed.
    unsafe { call(nr::__NR_io_uring_enter, [fd as usize, 0, 0, 0, 0, 0]) }
}

/// Whether `id` is an aio context of this memory (io_getevents(2), of no event).
pub fn is_aio_context(id: usize) -> bool {
    // SAFETY: nothing is waited for, and nothing written.
    unsafe { call(nr::__NR_io_getevents, [id, 0, 0, 0, 0]) }.is_ok()
}
