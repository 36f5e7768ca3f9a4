//! Waiting for the end of a process, and for what it writes until then, for a bounded time.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// What has come first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The process has ended.
    Ended,
    /// There is something to read, or nobody is left to write.
    Readable,
    /// The time is over.
    TimedOut,
}

/// A descriptor that can be read when its process has ended (pidfd_open(2)).
pub struct Ending(OwnedFd);

impl Ending {
    /// Of a child that is not waited for yet.
    pub fn of(pid: i32) -> io::Result<Self> {
        // SAFETY: no memory is passed.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = i32::try_from(fd).map_err(io::Error::other)?;
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just made and belongs to nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Waits for the end, or for something to read from `output`, until `deadline`.
    pub fn wait(&self, output: Option<BorrowedFd<'_>>, deadline: Instant) -> io::Result<Event> {
        let polled = |fd: i32| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // A negative descriptor is passed over (poll(2)).
        let mut fds = [polled(self.0.as_raw_fd()), polled(output.map_or(-1, |fd| fd.as_raw_fd()))];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Rounded up, so that the time is over when the call says so.
            let left = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
            // SAFETY: the kernel reads and writes the two entries.
            let ready = unsafe { libc::poll(fds.as_mut_ptr(), 2, left) };
            match ready {
                0 => return Ok(Event::TimedOut),
                1.. if fds[1].revents != 0 => return Ok(Event::Readable),
                1.. => return Ok(Event::Ended),
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
    }
}

/// The status of `child`, if it ends within `limit`.
pub fn within(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    match Ending::of(pid)?.wait(None, Instant::now() + limit)? {
        Event::TimedOut => Ok(None),
        _ => child.wait().map(Some),
    }
}
