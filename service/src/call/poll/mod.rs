//! Calls that wait for descriptors, of which some are those of files whose module says when they are ready.
//!
//! Nothing of the kernel's knows when that is. So a waiting call is one of the kernel's for the other descriptors and a
//! [`Watch`], which becomes ready whenever something is done with such a file in the session; then the modules
//! are asked again.

mod array;
mod epoll;
mod sets;
mod watch;

use core::ffi::c_long;

use linux_raw_sys::general as nr;
use vload_module::{Errno, Result};

use crate::descriptor::{self, Held};

pub use array::poll;
pub use epoll::{closed, control, forked, wait};
pub use sets::select;
pub use watch::{Watch, vload_wake, wait_for, wake};

/// What is always told (`DEMANDED_BY_ALL`, poll(2)), of a descriptor for a name alone too.
const ALWAYS: u32 = nr::POLLERR | nr::POLLHUP | nr::POLLNVAL;

/// The call whose time limit is two numbers of 64 bits.
#[cfg(target_pointer_width = "64")]
const PPOLL: u32 = nr::__NR_ppoll;
#[cfg(target_pointer_width = "32")]
const PPOLL: u32 = nr::__NR_ppoll_time64;

/// What a call gives that has had no effect because a signal came first: it is made again after the handler
/// (`ERESTARTSYS`, linux/errno.h).
const ABORTED: c_long = -512;

/// The open file behind a descriptor, if its module says when that is ready, or it never is: its name alone was opened.
fn asked_about(fd: i32) -> Option<Held> {
    descriptor::find(fd)?.ok().filter(|held| held.usable().is_err() || says_when_ready(held))
}

/// Whether a file's module says when it is ready.
pub fn says_when_ready(held: &Held) -> bool {
    ask(held) != Err(Errno::NOSYS)
}

fn ask(held: &Held) -> Result<i64> {
    held.ask(Errno::NOSYS, |operations, file| {
        // SAFETY: the file is the one that is asked about.
        Some(unsafe { (operations.poll?)(file) }.into())
    })
}

/// What holds of a file now.
fn ready(held: &Held) -> u32 {
    if held.usable().is_err() {
        return nr::POLLNVAL;
    }
    ask(held).map_or(nr::POLLERR, |events| events as u32)
}

/// Something has been read from a file, or written to it: who waits for it may go on.
pub fn used(held: &Held, is_written: bool) {
    if held.operations().poll.is_some() {
        if is_written {
            descriptor::count_written();
        }
        wake();
    }
}

/// The result of a call that waited: one that is aborted in a later round has had an effect, which is that time has gone.
fn waited(result: c_long, round: usize) -> Result<usize> {
    let interrupted = -c_long::from(linux_raw_sys::errno::EINTR as i32);
    let result = if result == ABORTED && round != 0 { interrupted } else { result };
    Errno::check(result).map(|count| count as usize)
}
