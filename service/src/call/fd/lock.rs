//! Locks on files and on ranges of them (`fs/locks.c`): the kernel keeps them, on ranges of files of vload's.
//!
//! Each virtual file has a range of 2^33 bytes for itself. Locks of an open file (`flock(2)`, `F_OFD_SETLK`) are taken by
//! its placeholder, whose copies share them as they shall; locks of a process (`F_SETLK`) by the session's own
//! descriptor, because a process loses those with any descriptor of the file that it closes, and all
//! placeholders are of one.

use core::sync::atomic::Ordering;

use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::{Errno, Result};

use super::transfer;
use crate::descriptor::Held;
use crate::{kernel, vload};

/// Bytes of a file's range. The last one is `flock`'s; a range of a program's that lies behind it is the byte before.
const RANGE: i64 = 1 << 33;
const LAST: i64 = RANGE - 1;
/// Where the ranges begin: below are the bytes that say which files are open.
const FIRST: i64 = 1 << 62;
/// Inodes that are told apart exactly, and claims; others share a range with few.
const INODE_BITS: u32 = 21;
const CLAIM_BITS: u32 = 8;

/// Where a file's range begins.
fn base(claim: u32, inode: u64) -> i64 {
    // What does not fit is mixed: files with small numbers never meet.
    let low = match inode >> INODE_BITS {
        0 => inode,
        _ => inode.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - INODE_BITS),
    };
    let claim = i64::from(claim % (1 << CLAIM_BITS));
    FIRST + ((claim << INODE_BITS) | low as i64) * RANGE
}

/// A program's range within a file's, whose last byte is not the program's.
fn within(base: i64, start: i64, length: i64) -> (i64, i64) {
    let first = start.min(LAST - 1);
    let last = match length {
        0 => LAST - 1,
        _ => start.saturating_add(length - 1).min(LAST - 1),
    };
    (base + first, last - first + 1)
}

fn base_of(held: &Held) -> Result<i64> {
    Ok(base(held.claim(), held.stat()?.inode))
}

/// `flock(2)`.
pub fn flock(held: &Held, call: &mut Call) -> Result<usize> {
    held.usable()?;
    let operation = call.arguments[1] as u32;
    // What was a lock of another kind once has no effect (`sys_flock`, fs/locks.c).
    if operation & nr::LOCK_MAND != 0 {
        return Ok(0);
    }
    let kind = match operation & !nr::LOCK_NB {
        nr::LOCK_SH => nr::F_RDLCK,
        nr::LOCK_EX => nr::F_WRLCK,
        nr::LOCK_UN => nr::F_UNLCK,
        _ => return Err(Errno::INVAL),
    };
    let command = if operation & nr::LOCK_NB != 0 { nr::F_OFD_SETLK } else { nr::F_OFD_SETLKW };
    let mut lock = nr::flock64 {
        l_type: kind as i16,
        l_whence: 0,
        l_start: base_of(held)? + LAST,
        l_len: 1,
        l_pid: 0,
    };
    by_placeholder(call, command, &mut lock)
}

/// Makes the call one on a range of the placeholder's file. It waits as the program's own would.
fn by_placeholder(call: &mut Call, command: u32, lock: &mut nr::flock64) -> Result<usize> {
    call.number = kernel::FCNTL as usize;
    call.arguments[1] = command as usize;
    call.arguments[2] = core::ptr::from_mut(lock) as usize;
    let result = vload::next(call);
    Errno::check(result).map(|_| result as usize)
}

/// Whose the lock of a command is, and whether the structure has offsets of 64 bits.
fn kind(command: u32) -> Option<(bool, bool)> {
    const WIDE: bool = cfg!(target_pointer_width = "64");
    match command {
        nr::F_OFD_GETLK | nr::F_OFD_SETLK | nr::F_OFD_SETLKW => Some((true, true)),
        nr::F_GETLK | nr::F_SETLK | nr::F_SETLKW => Some((false, WIDE)),
        #[cfg(target_pointer_width = "32")]
        nr::F_GETLK64 | nr::F_SETLK64 | nr::F_SETLKW64 => Some((false, true)),
        _ => None,
    }
}

/// Whether a command of `fcntl(2)` is about locks.
pub fn is_lock(command: u32) -> bool {
    kind(command).is_some()
}

fn get(at: usize, wide: bool) -> Result<nr::flock64> {
    if wide {
        return vload::get(at);
    }
    let lock: nr::flock = vload::get(at)?;
    let wide = |value| value as isize as i64;
    Ok(nr::flock64 {
        l_type: lock.l_type,
        l_whence: lock.l_whence,
        l_start: wide(lock.l_start),
        l_len: wide(lock.l_len),
        l_pid: lock.l_pid,
    })
}

fn put(at: usize, wide: bool, lock: &nr::flock64) -> Result<()> {
    // As it was, but for what the kernel says: the structure has gaps.
    if wide {
        let mut out: nr::flock64 = vload::get(at)?;
        (out.l_type, out.l_whence, out.l_pid) = (lock.l_type, lock.l_whence, lock.l_pid);
        (out.l_start, out.l_len) = (lock.l_start, lock.l_len);
        return vload::put(at, &out);
    }
    let mut out: nr::flock = vload::get(at)?;
    (out.l_type, out.l_whence, out.l_pid) = (lock.l_type, lock.l_whence, lock.l_pid);
    (out.l_start, out.l_len) = (lock.l_start as _, lock.l_len as _);
    vload::put(at, &out)
}

/// The range that a program's structure means, from the start of the file (`flock_to_posix_lock`).
fn absolute(held: &Held, lock: &nr::flock64) -> Result<(i64, i64)> {
    let from = match lock.l_whence as u32 {
        nr::SEEK_SET => 0,
        nr::SEEK_CUR => held.record().position.load(Ordering::Acquire),
        nr::SEEK_END => transfer::end(held)?,
        _ => return Err(Errno::INVAL),
    };
    range(from, lock.l_start, lock.l_len)
}

fn range(from: i64, start: i64, length: i64) -> Result<(i64, i64)> {
    let start = from.checked_add(start).ok_or(Errno::OVERFLOW)?;
    if start < 0 {
        return Err(Errno::INVAL);
    }
    if length < 0 {
        let first = start.checked_add(length).filter(|first| *first >= 0).ok_or(Errno::INVAL)?;
        return Ok((first, -length));
    }
    if length > 0 && start.checked_add(length - 1).is_none() {
        return Err(Errno::OVERFLOW);
    }
    Ok((start, length))
}

/// `fcntl(2)` with one of the commands on locks.
pub fn fcntl(held: &Held, call: &mut Call) -> Result<usize> {
    held.usable()?;
    let [_, command, at, ..] = call.arguments;
    let (of_file, wide) = kind(command as u32).ok_or(Errno::INVAL)?;
    let asks =
        matches!(command as u32, nr::F_GETLK | nr::F_OFD_GETLK) || is_wide_get(command as u32);
    let mut lock = get(at, wide)?;
    let (start, length) = absolute(held, &lock)?;
    match lock.l_type as u32 {
        nr::F_RDLCK if !asks => held.readable()?,
        nr::F_WRLCK if !asks => held.writable()?,
        nr::F_RDLCK | nr::F_WRLCK => {}
        nr::F_UNLCK if !asks || of_file => {}
        _ => return Err(Errno::INVAL),
    }
    if of_file && lock.l_pid != 0 {
        return Err(Errno::INVAL);
    }
    let base = base_of(held)?;
    let program = lock;
    (lock.l_start, lock.l_len) = within(base, start, length);
    lock.l_whence = 0;
    let result = if of_file {
        by_placeholder(call, command as u32, &mut lock)?
    } else {
        by_process(command as u32, &mut lock)?
    };
    if asks && result == 0 {
        let mut out = program;
        out.l_type = lock.l_type;
        if lock.l_type as u32 != nr::F_UNLCK {
            out.l_whence = 0;
            out.l_pid = lock.l_pid;
            out.l_start = lock.l_start - base;
            let reaches_end = lock.l_start + lock.l_len == base + LAST;
            out.l_len = if reaches_end { 0 } else { lock.l_len };
        }
        put(at, wide, &out)?;
    }
    Ok(result)
}

#[cfg(target_pointer_width = "32")]
fn is_wide_get(command: u32) -> bool {
    command == nr::F_GETLK64
}

#[cfg(target_pointer_width = "64")]
fn is_wide_get(_: u32) -> bool {
    false
}

/// A lock of the process's.
fn by_process(command: u32, lock: &mut nr::flock64) -> Result<usize> {
    // On 32-bit machines the structure is the wide one, and so is the command.
    #[cfg(target_pointer_width = "32")]
    let command = match command {
        nr::F_GETLK => nr::F_GETLK64,
        nr::F_SETLK => nr::F_SETLK64,
        nr::F_SETLKW => nr::F_SETLKW64,
        wide => wide,
    };
    crate::descriptor::note_process_locks();
    kernel::process_lock(command, lock)
}

/// Where the locks of the process on a file are, if it may have any.
pub fn of_process(held: &Held) -> Option<i64> {
    if crate::descriptor::has_process_locks() { base_of(held).ok() } else { None }
}

/// A descriptor of the file has been closed: the process has no lock on the file any more (fcntl_locking(2)).
pub fn drop_of_process(base: Option<i64>) {
    let Some(base) = base else { return };
    let mut lock = nr::flock64 {
        l_type: nr::F_UNLCK as i16,
        l_whence: 0,
        l_start: base,
        l_len: LAST,
        l_pid: 0,
    };
    #[cfg(target_pointer_width = "32")]
    let command = nr::F_SETLK64;
    #[cfg(target_pointer_width = "64")]
    let command = nr::F_SETLK;
    // What is locked can be unlocked.
    let _ = kernel::process_lock(command, &mut lock);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_as_the_kernel_reads_them() {
        assert_eq!(range(10, 5, 3), Ok((15, 3)));
        assert_eq!(range(10, 5, -3), Ok((12, 3)));
        assert_eq!(range(10, -11, 0), Err(Errno::INVAL));
        assert_eq!(range(0, 5, -6), Err(Errno::INVAL));
        assert_eq!(range(i64::MAX, 1, 0), Err(Errno::OVERFLOW));
        assert_eq!(range(0, i64::MAX, 2), Err(Errno::OVERFLOW));
        assert_eq!(range(0, i64::MAX, 1), Ok((i64::MAX, 1)));
    }

    #[test]
    fn files_have_ranges_of_their_own() {
        let all = [(0, 1), (0, 2), (1, 1), (255, (1 << INODE_BITS) - 1), (3, u64::MAX)];
        for (at, (claim, inode)) in all.into_iter().enumerate() {
            let start = base(claim, inode);
            assert!(start >= FIRST && start.checked_add(LAST).is_some());
            for (claim, inode) in &all[at + 1..] {
                assert!((start - base(*claim, *inode)).abs() >= RANGE);
            }
            let (first, length) = within(start, 0, 0);
            assert_eq!((first, length), (start, LAST));
            let (first, length) = within(start, i64::MAX, 1);
            assert_eq!((first, length), (start + (LAST - 1), 1));
            assert_eq!(within(start, 7, 3), (start + 7, 3));
        }
    }
}
