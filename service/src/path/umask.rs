//! The umask. The kernel tells it by a call that changes it, so it is asked for once, in `/proc`, and followed
//! from then on.

use linux_raw_sys::general as nr;

use super::tree::CWD;
use super::{fs, status};
use crate::kernel;

/// What a process has that never set one, where there is no `/proc` to ask.
const USUAL: u32 = 0o022;

/// The calling thread's.
pub fn get() -> u32 {
    fs::mine().umask().unwrap_or_else(|| {
        let mask = ask().unwrap_or(USUAL);
        fs::mine().set_umask(mask);
        mask
    })
}

/// The program has set it.
pub fn note(mask: usize) {
    fs::mine().set_umask(mask as u32 & 0o777);
}

/// The line of `/proc/thread-self/status` (proc_pid_status(5)); it is among the first.
fn ask() -> Option<u32> {
    let path = c"/proc/thread-self/status".as_ptr() as usize;
    let flags = (nr::O_RDONLY | nr::O_CLOEXEC) as usize;
    let mut text = [0u8; 512];
    // SAFETY: the path ends with a zero.
    let fd = unsafe { kernel::call(nr::__NR_openat, [CWD, path, flags, 0]) }.ok()?;
    let arguments = [fd, text.as_mut_ptr() as usize, text.len(), 0, 0];
    // SAFETY: the room is as long as it says.
    let length = unsafe { kernel::call(nr::__NR_pread64, arguments) };
    kernel::close(fd as i32);
    parse(text.get(..length.ok()?)?)
}

fn parse(status: &[u8]) -> Option<u32> {
    status::number(status::value_in(status, b"Umask")?, 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_status() {
        assert_eq!(parse(b"Name:\tUmask:\nUmask:\t0027\nState:\tR\n"), Some(0o27));
        assert_eq!(parse(b"Name:\tx\n"), None);
        assert_eq!(parse(b"Umask:\t8\n"), None);
    }
}
