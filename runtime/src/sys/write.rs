//! Writing: what the target has asked for, and what it must not notice.

use super::{Errno, Result, call};
use linux_raw_sys::general as nr;

/// `write(2)`, the whole of `bytes` unless the kernel refuses.
pub fn write_all(fd: i32, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the kernel reads `bytes` only.
        match unsafe { call(nr::__NR_write, [fd as usize, bytes.as_ptr() as usize, bytes.len()]) } {
            Ok(done) => bytes = &bytes[done.min(bytes.len())..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// [`write_all`] of what the target has not asked for. Where its own limit on the length of files
/// (`RLIMIT_FSIZE`) leaves no room for the whole, nothing is written: what follows of another process
/// would stand behind a part of it. Neither the `SIGXFSZ` of that limit nor the `SIGPIPE` of a pipe that
/// nobody reads any more is the target's.
pub fn write_aside(fd: i32, bytes: &[u8]) -> Result<()> {
    aside(fd, bytes, true)
}

/// [`write_aside`], but not where it would have to wait until somebody reads.
pub fn write_in_passing(fd: i32, bytes: &[u8]) -> Result<()> {
    aside(fd, bytes, false)
}

fn aside(fd: i32, bytes: &[u8], waits: bool) -> Result<()> {
    const INFINITY: u64 = u64::MAX;
    match super::fstat(fd) {
        Ok(file) if file.is_file() => {
            let most = super::limit(nr::RLIMIT_FSIZE).map_or(INFINITY, |limit| limit.soft);
            if most == INFINITY {
                return write_all(fd, bytes);
            }
            if file.size.saturating_add(bytes.len() as u64) > most {
                return Err(Errno::FBIG);
            }
        }
        Ok(file) if file.has_reader() => {
            wait_for_reader(fd, waits)?;
        }
        // A terminal may be full, or stop who writes in the background (`tostop`, stty(1)).
        Ok(_) if !waits => wait_for_reader(fd, waits)?,
        // The null device.
        Ok(_) => return write_all(fd, bytes),
        Err(_) => {}
    }
    // What was so a moment ago may have changed: another process writes too, or has stopped reading.
    let mask = super::set_signal_mask(super::ALL_SIGNALS);
    let waiting = super::pending_signals(size_of::<u64>()).unwrap_or(0);
    let written = write_all(fd, bytes);
    let raised = match written {
        Err(Errno::FBIG) => Some(nr::SIGXFSZ),
        Err(Errno::PIPE) => Some(nr::SIGPIPE),
        _ => None,
    };
    // One that waited before is the target's own; a second one of its kind is not kept (signal(7)).
    if let Some(signal) = raised.filter(|signal| waiting & 1 << (signal - 1) == 0) {
        super::take_pending_signal(signal);
    }
    super::set_signal_mask(mask);
    written
}

/// Whether a write to `fd` finds somebody to read it. Waits for room as the write would, but signals
/// arrive meanwhile; or does not wait.
fn wait_for_reader(fd: i32, waits: bool) -> Result<()> {
    let mut asked = nr::pollfd { fd, events: nr::POLLOUT as i16, revents: 0 };
    let at_once = [0usize; 2];
    let time = if waits { 0 } else { at_once.as_ptr() as usize };
    // SAFETY: the kernel reads and writes one pollfd, and the time, two words, is never left.
    let polled = unsafe { call(nr::__NR_ppoll, [&raw mut asked as usize, 1, time, 0, 8]) };
    match polled {
        Ok(0) => Err(Errno::AGAIN),
        Ok(_) if asked.revents & (nr::POLLERR | nr::POLLHUP) as i16 != 0 => Err(Errno::PIPE),
        _ => Ok(()),
    }
}
