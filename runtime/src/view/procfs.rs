//! Paths in `/proc`.

use super::path_of;
use crate::digits::decimal;
use crate::log::Line;
use crate::sys;
use core::ffi::CStr;
use linux_raw_sys::general::{O_DIRECTORY, O_PATH};

/// `PROC_SUPER_MAGIC` (linux/magic.h).
const PROC_SUPER_MAGIC: usize = 0x9fa0;

/// As the kernel of this architecture has it.
const NOFOLLOW: u32 = crate::arch::numbers::O_NOFOLLOW as u32;

/// Whether an open file lies in `/proc`, wherever that is mounted.
pub fn is_proc(fd: i32) -> bool {
    sys::file_system(fd) == Ok(PROC_SUPER_MAGIC)
}

/// A path's folder and its last part.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let at = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    path.split_at(at)
}

/// The path, without links in it, of a folder in `/proc`. An empty one is where paths start.
pub fn canonical<'a>(dirfd: i32, folder: &[u8], buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    opened(dirfd, folder, 0, buffer)
}

/// The same where the last part of the path is no link.
pub fn canonical_unless_link<'a>(
    dirfd: i32,
    folder: &[u8],
    buffer: &'a mut [u8],
) -> Option<&'a [u8]> {
    opened(dirfd, folder, NOFOLLOW, buffer)
}

fn opened<'a>(dirfd: i32, folder: &[u8], flags: u32, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut line = Line::new();
    line.raw(if folder.is_empty() { b"." } else { folder }).raw(b"\0");
    let path = CStr::from_bytes_with_nul(line.bytes()).ok()?;
    let fd = super::open_own(dirfd, path, O_PATH | O_DIRECTORY | flags).ok()?;
    let found = if is_proc(fd) { path_of(fd, buffer) } else { None };
    sys::close(fd);
    found
}

/// The process whose file or folder a path without links names: `…/PID/NAME`, `…/PID/task/TID/NAME`.
pub fn process_of(path: &[u8]) -> Option<i32> {
    let mut parts = path.rsplit(|&byte| byte == b'/').skip(1);
    let number = number(parts.next()?)?;
    match (parts.next()?, parts.next()) {
        (b"task", Some(pid)) => self::number(pid),
        _ => Some(number),
    }
}

/// The thread that the path names; the first of its process where it names no other.
pub fn thread_of(path: &[u8]) -> Option<i32> {
    number(path.rsplit(|&byte| byte == b'/').nth(1)?)
}

fn number(digits: &[u8]) -> Option<i32> {
    decimal(digits).filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::process_of;

    #[test]
    fn the_process_is_that_of_a_task() {
        assert_eq!(process_of(b"/proc/12/maps"), Some(12));
        assert_eq!(process_of(b"/mnt/proc/12/task/13/maps"), Some(12));
        assert_eq!(super::thread_of(b"/proc/12/task/13/stat"), Some(13));
        assert_eq!(super::thread_of(b"/proc/12/stat"), Some(12));
        for other in [&b"/proc/maps"[..], b"maps", b"/proc/12/net/maps", b"/tmp/a/maps"] {
            assert_eq!(process_of(other), None);
        }
    }
}
