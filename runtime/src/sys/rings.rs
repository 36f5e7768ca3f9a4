//! What io_uring and aio have set up.

use super::{Errno, call};
use linux_raw_sys::general as nr;

/// Whether a descriptor is an io_uring. Asked for what it can do, without room for the answer, it says `EINVAL`, or `EEXIST` if
/// another thread alone may ask; other files say `EOPNOTSUPP` (io_uring/register.c).
pub fn is_ring(fd: i32) -> bool {
    const IORING_REGISTER_PROBE: usize = 8;
    // SAFETY: no memory is passed.
    let asked =
        unsafe { call(nr::__NR_io_uring_register, [fd as usize, IORING_REGISTER_PROBE, 0, 0]) };
    matches!(asked, Err(Errno::INVAL | Errno::EXIST))
}

/// Whether `id` is an aio context of this memory (io_getevents(2), of no event).
pub fn is_aio_context(id: usize) -> bool {
    // SAFETY: nothing is waited for, and nothing written.
    unsafe { call(nr::__NR_io_getevents, [id, 0, 0, 0, 0]) }.is_ok()
}
