//! `fcntl(2)` and `ioctl(2)` (`fs/fcntl.c`, `fs/ioctl.c`). What is the descriptor's own, and not the file's, the
//! placeholder answers.

use core::sync::atomic::Ordering;

use linux_raw_sys::general as nr;
use linux_raw_sys::ioctl;
use vload_module::abi::Call;
use vload_module::{Errno, Result};

use super::{lock, transfer};
use crate::call::poll;
use crate::descriptor::Held;
use crate::vload;

/// What `F_SETFL` changes (`SETFL_MASK`).
const CHANGEABLE: u32 = nr::O_APPEND | nr::O_NONBLOCK | nr::FASYNC | nr::O_DIRECT | nr::O_NOATIME;

/// `fcntl(2)`.
pub fn fcntl(held: &Held, call: &mut Call) -> Result<usize> {
    let [_, command, argument, ..] = call.arguments;
    let flags = &held.record().flags;
    match command as u32 {
        nr::F_GETFL => Ok(held.flags() as usize | LARGE_FILE),
        nr::F_SETFL => {
            held.usable()?;
            let wanted = argument as u32 & CHANGEABLE;
            let change = |now: i32| Some((now as u32 & !CHANGEABLE | wanted) as i32);
            // `change` is never none.
            let _ = flags.fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
            Ok(0)
        }
        nr::F_DUPFD | nr::F_DUPFD_CLOEXEC | nr::F_GETFD | nr::F_SETFD => {
            Errno::check(vload::next(call)).map(|result| result as usize)
        }
        other if lock::is_lock(other) => lock::fcntl(held, call),
        _ if held.usable().is_err() => Err(Errno::BADF),
        // Leases, notices, pipes and seals are other files'.
        _ => match command as u32 {
            nr::F_SETOWN
            | nr::F_GETOWN
            | nr::F_SETOWN_EX
            | nr::F_GETOWN_EX
            | nr::F_SETSIG
            | nr::F_GETSIG => Errno::check(vload::next(call)).map(|result| result as usize),
            nr::F_NOTIFY if !held.is_directory() => Err(Errno::NOTDIR),
            nr::F_GETPIPE_SZ | nr::F_SETPIPE_SZ => Err(Errno::BADF),
            nr::F_GETLEASE => Ok(nr::F_UNLCK as usize),
            _ => Err(Errno::INVAL),
        },
    }
}

/// `O_LARGEFILE`, which the kernel sets on every file of a 64-bit process.
#[cfg(target_pointer_width = "64")]
const LARGE_FILE: usize = nr::O_LARGEFILE as usize;
#[cfg(target_pointer_width = "32")]
const LARGE_FILE: usize = 0;

/// `ioctl(2)`.
pub fn control(held: &Held, call: &mut Call) -> Result<usize> {
    held.usable()?;
    let [_, request, argument, ..] = call.arguments;
    match request as u32 {
        // The descriptor's own.
        ioctl::FIOCLEX | ioctl::FIONCLEX => {
            return Errno::check(vload::next(call)).map(|result| result as usize);
        }
        ioctl::FIONBIO => {
            let on: i32 = vload::get(argument)?;
            let change = |now: i32| {
                let now = now as u32 & !nr::O_NONBLOCK;
                Some((now | if on != 0 { nr::O_NONBLOCK } else { 0 }) as i32)
            };
            // `change` is never none.
            let _ = held.record().flags.fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
            return Ok(0);
        }
        _ => {}
    }
    let asked = held.ask(Errno::NOSYS, |operations, file| {
        // SAFETY: the file is the one that is asked about; the module reaches the argument as the program's memory.
        Some(unsafe { (operations.ioctl?)(file, request as u32, argument) })
    });
    poll::used(held, true);
    match asked {
        Err(Errno::NOSYS | Errno::NOTTY) if request as u32 == ioctl::FIONREAD => {
            waiting(held, argument)
        }
        Err(Errno::NOSYS) => Err(Errno::NOTTY),
        other => other.map(|result| result as usize),
    }
}

/// `FIONREAD` of a regular file: what comes behind the position (`file_ioctl`).
fn waiting(held: &Held, to: usize) -> Result<usize> {
    if held.is_directory() || held.is_stream() {
        return Err(Errno::NOTTY);
    }
    let left = transfer::end(held)? - held.record().position.load(Ordering::Acquire);
    vload::put(to, &(left as i32))?;
    Ok(0)
}
