//! What `/proc` says of the calling thread and its process in one line (proc_pid_status(5)).

use linux_raw_sys::general as nr;
use vload_module::{Errno, Result};

use super::tree::CWD;

/// Makes a system call: `vload::system`, by which the text is what programs are shown, or `kernel::call`, by which it
/// is the kernel's.
///
/// # Safety
/// As the call says.
pub type Ask = unsafe fn(u32, [usize; 6]) -> Result<usize>;

/// The number that is a line's value, in digits to a base of at most 10. The line is among the first. Where a signal has come
/// it is the error that `vload_system` gives then.
pub fn value(name: &[u8], base: u32, ask: Ask) -> Result<u32> {
    let path = c"/proc/thread-self/status".as_ptr() as usize;
    // By what a signal does not end (`vload_system`).
    let flags = (nr::O_RDONLY | nr::O_CLOEXEC | nr::O_NONBLOCK) as usize;
    let mut text = [0u8; 512];
    // SAFETY: the path ends with a zero.
    let fd = unsafe { ask(nr::__NR_openat, [CWD, path, flags, 0, 0, 0]) }?;
    let arguments = [fd, text.as_mut_ptr() as usize, text.len(), 0, 0, 0];
    // SAFETY: the room is as long as it says.
    let length = unsafe { ask(nr::__NR_pread64, arguments) };
    // SAFETY: the descriptor was opened above.
    let _ = unsafe { ask(nr::__NR_close, [fd, 0, 0, 0, 0, 0]) };
    let text = text.get(..length?).unwrap_or_default();
    line_in(text, name).and_then(|text| number(text, base)).ok_or(Errno::NOENT)
}

/// The value of a line.
fn line_in<'a>(status: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut lines = status.split(|&byte| byte == b'\n');
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(b":\t"))
}

/// A number in digits to a base of at most 10.
fn number(text: &[u8], base: u32) -> Option<u32> {
    text.iter().try_fold(0u32, |number, &digit| {
        let digit = char::from(digit).to_digit(base)?;
        number.checked_mul(base)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_status() {
        let status = b"Name:\tUmask:\nUmask:\t0027\nState:\tR\nFDSize:\t256\n";
        assert_eq!(line_in(status, b"Umask").and_then(|text| number(text, 8)), Some(0o27));
        assert_eq!(line_in(status, b"FDSize").and_then(|text| number(text, 10)), Some(256));
        assert_eq!(line_in(b"Name:\tx\n", b"Umask"), None);
        assert_eq!(number(b"8", 8), None);
        assert_eq!(number(b"4294967296", 10), None);
    }
}
