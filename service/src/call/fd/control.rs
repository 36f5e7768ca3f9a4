//! `fcntl(2)` and `ioctl(2)` (`fs/fcntl.c`, `fs/ioctl.c`). What is the descriptor's own, and not the file's, the
//! placeholder answers.

use core::sync::atomic::Ordering;

use linux_raw_sys::general as nr;
use linux_raw_sys::ioctl;
use vload_module::abi::Call;
use vload_module::{Errno, Result};

use super::{lock, transfer};
use crate::call::poll;
use crate::descriptor::{self, Held};
use crate::path::permission::Credentials;
use crate::{kernel, vload};

/// What `F_SETFL` changes (`SETFL_MASK`).
const CHANGEABLE: u32 = nr::O_APPEND | nr::O_NONBLOCK | nr::FASYNC | nr::O_DIRECT | nr::O_NOATIME;

/// `F_DUPFD_QUERY` (linux/fcntl.h, since 6.10).
const DUPFD_QUERY: u32 = 1024 + 3;

/// Requests of linux/fs.h and linux/fiemap.h.
const FIBMAP: u32 = 1;
const FIGETBSZ: u32 = 2;
const FICLONE: u32 = 0x4004_9409;
const FICLONERANGE: u32 = 0x4020_940d;
const FIEMAP: u32 = 0xc020_660b;

/// `CAP_SYS_RAWIO` (capabilities(7)).
const SYS_RAWIO: u32 = 1 << 17;

/// `fcntl(2)`.
pub fn fcntl(held: &Held, call: &mut Call) -> Result<usize> {
    let [_, command, argument, ..] = call.arguments;
    let flags = &held.record().flags;
    match command as u32 {
        nr::F_GETFL => Ok(held.flags() as usize),
        nr::F_SETFL => {
            held.usable()?;
            let wanted = argument as u32 & CHANGEABLE;
            if wanted & nr::O_NOATIME & !held.flags() != 0
                && !Credentials::effective().owns(&held.stat()?)
            {
                return Err(Errno::PERM);
            }
            let change = |now: i32| Some((now as u32 & !CHANGEABLE | wanted) as i32);
            // `change` is never none.
            let _ = flags.fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
            Ok(0)
        }
        nr::F_DUPFD | nr::F_DUPFD_CLOEXEC | nr::F_GETFD | nr::F_SETFD | DUPFD_QUERY => {
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
        Err(Errno::NOSYS | Errno::NOTTY) => of_all(held, request as u32, argument),
        other => other.map(|result| result as usize),
    }
}

/// What the kernel does for the files of all file systems (`do_vfs_ioctl`, fs/ioctl.c), and says of those that have no
/// operation for it.
fn of_all(held: &Held, request: u32, argument: usize) -> Result<usize> {
    let known = held.stat()?;
    let is_regular = known.mode & nr::S_IFMT == nr::S_IFREG;
    match request {
        ioctl::FIONREAD => return waiting(held, argument),
        FIGETBSZ => vload::put(argument, &(known.block_size as i32))?,
        ioctl::FIOQSIZE if is_regular || held.is_directory() => {
            vload::put(argument, &(known.blocks as i64 * 512))?;
        }
        ioctl::FIOASYNC if vload::get::<i32>(argument)? == 0 => {}
        FIBMAP if is_regular => {
            let may = Credentials::effective().can(SYS_RAWIO);
            return Err(if may { Errno::INVAL } else { Errno::PERM });
        }
        FIEMAP => return Err(Errno::OPNOTSUPP),
        FICLONE => return Err(unclonable(held, argument as i32)),
        FICLONERANGE => return Err(unclonable(held, vload::get::<i64>(argument)? as i32)),
        _ => return Err(Errno::NOTTY),
    }
    Ok(0)
}

/// Why a part of another file cannot be shared (`vfs_clone_file_range`, fs/remap_range.c).
fn unclonable(held: &Held, from: i32) -> Errno {
    match descriptor::find(from) {
        Some(Ok(source)) if source.claim() == held.claim() => Errno::OPNOTSUPP,
        Some(Err(error)) => error,
        None if kernel::fcntl(from, nr::F_GETFD, 0).is_err() => Errno::BADF,
        _ => Errno::XDEV,
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
