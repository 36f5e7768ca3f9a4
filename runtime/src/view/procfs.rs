//! Paths in `/proc`.

use crate::sys;

/// `PROC_SUPER_MAGIC` (linux/magic.h).
const PROC_SUPER_MAGIC: usize = 0x9fa0;

/// Whether an open file lies in `/proc`, wherever that is mounted.
pub fn is_proc(fd: i32) -> bool {
    sys::file_system(fd) == Ok(PROC_SUPER_MAGIC)
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

fn number(digits: &[u8]) -> Option<i32> {
    core::str::from_utf8(digits).ok()?.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::process_of;

    #[test]
    fn the_process_is_that_of_a_task() {
        assert_eq!(process_of(b"/proc/12/maps"), Some(12));
        assert_eq!(process_of(b"/mnt/proc/12/task/13/maps"), Some(12));
        for other in [&b"/proc/maps"[..], b"maps", b"/proc/12/net/maps", b"/tmp/a/maps"] {
            assert_eq!(process_of(other), None);
        }
    }
}
