//! How files are opened, and how those are closed that nobody has open any more.
//!
//! A process can be killed at any instruction of this. Whatever is not finished then has a record whose lock is gone;
//! who finds such a one takes the lock by a description of its own, and has the module close the file. So `close` is
//! called at least once for each file that may have been opened: twice when a process dies in it.

use core::ffi::{c_int, c_long};
use core::sync::atomic::Ordering;

use linux_raw_sys::general as nr;
use vload_module::abi::service::core_side::vload_lives;
use vload_module::abi::service::{File, Node, OPENED_REAL, Stat};
use vload_module::{Errno, Result};

use super::path::Name;
use super::record::{FREE, OPEN, OPENING, Record, Records, TAKEN};
use super::{Temporary, names, placeholder};
use crate::call::poll;
use crate::claim::target::complete;
use crate::kernel;
use crate::layers::{self, Service};
use crate::mapped;
use crate::path::moves;

/// How many of those that may have been left behind are looked at when a file is opened.
const LOOKED_AT: usize = 4;

/// What is kept of the flags that a file is opened with (`do_dentry_open`, fs/open.c).
const KEPT: u32 = !(nr::O_CREAT | nr::O_EXCL | nr::O_NOCTTY | nr::O_TRUNC | nr::O_CLOEXEC);

/// `O_LARGEFILE`, with which a 64-bit process opens all files (`force_o_largefile`, linux/fcntl.h).
#[cfg(target_pointer_width = "64")]
const LARGE_FILE: u32 = nr::O_LARGEFILE;
#[cfg(target_pointer_width = "32")]
const LARGE_FILE: u32 = 0;

/// The flag of `O_TMPFILE` that is no `O_DIRECTORY`.
pub const TMPFILE: u32 = nr::O_TMPFILE & !nr::O_DIRECTORY;

/// What a file is opened by.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// The whole canonical path.
    pub whole: &'a [u8],
    /// What is known of it.
    pub name: Name,
}

/// Opens what is at `node` in a claim of the service's: the descriptor. Whether the path may be reached and used has
/// been found out before.
pub fn open(
    service: &Service,
    node: &Node,
    named: Named<'_>,
    flags: u32,
    mode: u32,
) -> Result<i32> {
    let opened = open_for_now(service, node, named, flags, mode)?;
    super::hold();
    opened.keep(flags & nr::O_CLOEXEC != 0)
}

/// The same for the framework itself.
pub fn open_for_now(
    service: &Service,
    node: &Node,
    named: Named<'_>,
    flags: u32,
    mode: u32,
) -> Result<Temporary> {
    let records = super::records().ok_or(Errno::NXIO)?;
    for _ in 0..LOOKED_AT {
        if let Some(number) = records.next_in_turn() {
            reclaim_if_left(records, number);
        }
    }
    let (since, changes) = (moves::now(), moves::changes());
    let opened = placeholder::open()?;
    let fd = opened.fd();
    take(records, fd).and_then(|number| {
        let filled = fill(records, number, service, (node, named), (flags, mode));
        let placed = filled.and_then(|real| match real {
            Some(real) => replace(fd, real),
            None => {
                let record = records.get(number).ok_or(Errno::IO)?;
                placeholder::place(fd, number, record.generation.load(Ordering::Relaxed))?;
                record.state.store(OPEN, Ordering::SeqCst);
                // One that is made without a name is not at what it was opened by.
                match moves::have_changed(changes) && flags & TMPFILE == 0 {
                    true => names::settle(records, number, named, since),
                    false => Ok(()),
                }
            }
        });
        match (&filled, &placed) {
            (Ok(None), Ok(())) => {}
            (Ok(None), Err(_)) => drop(close(records, number)),
            _ => free(records, number),
        }
        placed
    })?;
    Ok(opened)
}

/// A record for the description of `fd`, whose lock it has from now on.
fn take(records: &Records, fd: i32) -> Result<u32> {
    for round in 0..2 {
        for number in records.free() {
            match kernel::lock_byte(fd, number) {
                Ok(()) => {}
                Err(Errno::AGAIN | Errno::ACCES) => continue,
                Err(error) => return Err(error),
            }
            let Some(record) = records.get(number) else { continue };
            // Somebody may have used it, and been killed, since it was looked at.
            let is_free = record.state.load(Ordering::Acquire) == FREE;
            if is_free || (!mapped::is_mapped(number) && close(records, number)) {
                records.note_used(number);
                return Ok(number);
            }
            kernel::unlock_byte(fd, number);
        }
        if round == 0 {
            records.in_use().for_each(|number| reclaim_if_left(records, number));
        }
    }
    Err(Errno::NFILE)
}

/// Has the module open the file. What it gives may be a real descriptor, which is to stand for itself.
fn fill(
    records: &Records,
    number: u32,
    service: &Service,
    (node, named): (&Node, Named<'_>),
    (flags, mode): (u32, u32),
) -> Result<Option<i32>> {
    let flags = if flags & nr::O_PATH == 0 { flags | LARGE_FILE } else { flags };
    let record = records.get(number).ok_or(Errno::IO)?;
    record.layer.store(service.identity, Ordering::Relaxed);
    record.claim.store(node.claim, Ordering::Relaxed);
    record.state.store(TAKEN, Ordering::Release);
    // The record is ours by its lock, and nobody knows it yet.
    let names = |other: u32, place: u32| records.names(other, place);
    if !record.path.keep(&records.paths, number, (named.whole, named.name), names) {
        return Err(Errno::NFILE);
    }
    record.generation.fetch_add(1, Ordering::Relaxed);
    record.word.store(node.private, Ordering::Relaxed);
    record.flags.store((flags & KEPT) as i32, Ordering::Relaxed);
    record.position.store(0, Ordering::Relaxed);
    record.private.store(0, Ordering::Relaxed);
    record.is.store(0, Ordering::Relaxed);
    let file = record.file.get();
    // SAFETY: the record is ours by its lock.
    unsafe {
        file.write(File {
            layer: service.layer,
            claim: node.claim,
            is: 0,
            private: u64::from(number) + 1,
            flags: (flags & KEPT) as c_int,
            real: -1,
        });
    }
    // From here on, somebody else closes the file if we die.
    record.state.store(OPENING, Ordering::Release);
    let result = match service.operations.open {
        _ if flags & nr::O_PATH != 0 => 0,
        Some(open) => service.ask(|| {
            // SAFETY: the node is the caller's, the file lies in the record, which is ours.
            c_long::from(unsafe { open(node, flags as c_int, mode, file) })
        }),
        None => -c_long::from(Errno::NOSYS.0),
    };
    let result = match Errno::check(result) {
        Err(Errno::NOSYS) => super::unasked::open(service, node, flags, file)?,
        other => other? as c_int,
    };
    // SAFETY: as above.
    let (real, private, is) = unsafe { ((*file).real, (*file).private, (*file).is) };
    if result == OPENED_REAL {
        return Ok(Some(real));
    }
    record.private.store(private, Ordering::Relaxed);
    record.is.store(is, Ordering::Relaxed);
    let for_name = flags & nr::O_PATH != 0;
    let at = if for_name { core::ptr::null_mut() } else { file };
    record.identify(&known(service, &Node { file: at, ..*node }).unwrap_or_default());
    Ok(None)
}

/// What is known of a file that was just opened; none where its module does not change names.
fn known(service: &Service, node: &Node) -> Option<Stat> {
    let operations = service.operations;
    let changes =
        operations.rename.is_some() || operations.unlink.is_some() || operations.rmdir.is_some();
    let stat = operations.stat.filter(|_| changes)?;
    let mut known = Stat::default();
    let to = &raw mut known;
    // SAFETY: the node and the structure are valid for the call.
    Errno::check(service.ask(|| c_long::from(unsafe { stat(node, to) }))).ok()?;
    complete(&mut known, node.claim);
    Some(known)
}

/// Puts a real descriptor in the place of the one that the program was to get.
fn replace(fd: i32, real: i32) -> Result<()> {
    let moved = kernel::duplicate_onto(real, fd, nr::O_CLOEXEC);
    kernel::close(real);
    moved
}

fn free(records: &Records, number: u32) {
    if let Some(record) = records.get(number) {
        record.path.drop_from(&records.paths, number);
        record.state.store(FREE, Ordering::Release);
    }
}

/// Has the module close a file, and makes its record free. `false` when the layer is there, but not for this process.
/// The caller has the lock, by a description that is no placeholder of the file.
fn close(records: &Records, number: u32) -> bool {
    let Some(record) = records.get(number) else { return false };
    let layer = record.layer.load(Ordering::Relaxed);
    let Some(service) = layers::find(layer) else {
        // SAFETY: numbers are all it takes.
        let is_gone = unsafe { vload_lives(layer, 0) == 0 };
        if is_gone {
            // There is no module that could be asked.
            free(records, number);
        }
        return is_gone;
    };
    let is_known = record.state.load(Ordering::Relaxed) != TAKEN;
    if is_known && record.flags.load(Ordering::Relaxed) as u32 & nr::O_PATH == 0 {
        ask_to_close(record, &service);
    }
    free(records, number);
    true
}

fn ask_to_close(record: &Record, service: &Service) {
    let file = record.file.get();
    // SAFETY: the record is ours by its lock. What its module has written while it opened the file is there, what it
    // changed later is in the record.
    unsafe {
        (*file).layer = service.layer;
        if record.state.load(Ordering::Relaxed) == OPEN {
            (*file).private = record.private.load(Ordering::Relaxed);
        }
        (*file).flags = record.flags.load(Ordering::Relaxed);
    }
    if let Some(close) = service.operations.close {
        // SAFETY: as above. There is nobody to tell an error.
        let _ = service.ask(|| c_long::from(unsafe { close(file) }));
    }
    if service.operations.poll.is_some() {
        poll::wake();
    }
}

/// Closes a file if nobody has it open, or mapped, any more.
pub fn reclaim_if_left(records: &Records, number: u32) {
    if placeholder::is_held(number) != Ok(false) || mapped::is_mapped(number) {
        return;
    }
    // Where no descriptor can be had, somebody else finds it.
    let Ok(fd) = placeholder::open() else { return };
    let is_used = |record: &Record| record.state.load(Ordering::Acquire) != FREE;
    // Whoever had the last descriptor may have mapped it since, but nobody will from now on.
    if kernel::lock_byte(fd.fd(), number).is_ok()
        && !mapped::is_mapped(number)
        && records.get(number).is_some_and(is_used)
    {
        close(records, number);
    }
}

/// Descriptors have been closed: files that nobody has open any more are, too.
pub fn reclaim() {
    if let Some(records) = super::records() {
        records.in_use().for_each(|number| reclaim_if_left(records, number));
    }
}

/// How many open files a layer has, in one of its claims or in all.
pub fn users(layer: u32, claim: Option<u32>) -> usize {
    let Some(records) = super::records() else { return 0 };
    let is_its = |number: &u32| {
        records.get(*number).is_some_and(|record| {
            record.layer.load(Ordering::Relaxed) == layer
                && claim.is_none_or(|claim| record.claim.load(Ordering::Relaxed) == claim)
        })
    };
    let mut users = 0;
    for number in records.in_use().filter(is_its) {
        reclaim_if_left(records, number);
        let state = records.get(number).map(|record| record.state.load(Ordering::Acquire));
        users += usize::from(state != Some(FREE));
    }
    users
}
