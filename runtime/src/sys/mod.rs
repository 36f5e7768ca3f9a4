//! vload's own system calls: typed, without libc, entered through [`crate::arch`]'s raw entry.

mod errno;

pub use errno::Errno;

use crate::arch;
use linux_raw_sys::general as nr;

/// What a system call of vload's own gives: a value, or the kernel's error number.
pub type Result<T> = core::result::Result<T, Errno>;

/// Turns the kernel's convention (−4095..−1 is an error) into a [`Result`].
#[inline]
pub fn check(raw: isize) -> Result<usize> {
    if (-4095..0).contains(&raw) { Err(Errno(-raw as i32)) } else { Ok(raw as usize) }
}

/// `pread64(2)`: reads at `offset` into `buf`; short reads happen at the end of a file.
pub fn pread(fd: i32, buf: &mut [u8], offset: u64) -> Result<usize> {
    // SAFETY: the kernel writes at most `buf.len()` bytes at `buf`, which is exclusively ours.
    check(unsafe {
        arch::pread64(fd, buf.as_mut_ptr(), buf.len(), offset)
    })
}

/// `close(2)`. The descriptor is gone whatever the kernel answers.
pub fn close(fd: i32) {
    // SAFETY: no memory of ours is passed.
    let _ = unsafe { arch::syscall(nr::__NR_close as usize, [fd as usize, 0, 0, 0, 0, 0]) };
}
