//! What a program that is executed needs to know of the one before it: the working directory and the root, where the kernel does
//! not know them, and that virtual files are open.
//!
//! It lies in the session's memory from the call to the new program's start, under the process's number and the moment when
//! that began, which no other process shares. What a process leaves that is killed in between is thrown away by whoever finds
//! no room.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use linux_raw_sys::general as nr;
use vload_module::{Errno, Result};

use super::fs;
use super::text::LONGEST;
use super::tree::CWD;
use crate::descriptor;
use crate::kernel;
use crate::vload;

/// Processes that execute something at the same time.
const MOST: usize = 64;
/// Three paths, each with its zero.
const ROOM: usize = 3 * LONGEST + 17;

/// What one process has left.
#[repr(C)]
struct Left {
    /// The process, and in the high half when it began (the low bits of that); 0 for none.
    owner: AtomicU64,
    /// Whether it is all there.
    ready: AtomicU32,
    length: AtomicU32,
    /// What its working directory is known by if it shares it with other processes (`fs::ticket`); 0 if not.
    ticket: AtomicU32,
    /// Whether it has virtual files open.
    holds: AtomicU32,
    bytes: [AtomicU8; ROOM],
}

/// What the processes of a session have left. All bytes zero are nothing.
#[repr(C)]
pub struct Table {
    all: [Left; MOST],
}

/// What was left by this process, until it is taken back.
pub struct Leaving<'a>(&'a Left);

impl Left {
    fn clear(&self) {
        self.ready.store(0, Ordering::Relaxed);
        self.owner.store(0, Ordering::Release);
    }
}

/// What names a process for as long as the machine runs.
fn owner(process: u32, began: u64) -> u64 {
    began << 32 | u64::from(process)
}

/// Whether an owner has ended.
fn is_dead(theirs: u64) -> bool {
    let (began, has_ended) = status(theirs as u32);
    has_ended || owner(theirs as u32, began) != theirs
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.clear();
    }
}

impl Table {
    /// Leaves what the next program needs, if there is anything. `EAGAIN` where there is no room.
    pub fn leave(&self) -> Result<Option<Leaving<'_>>> {
        let holds = descriptor::holds();
        if !holds && !fs::is_noted() {
            return Ok(None);
        }
        let process = vload::process();
        let left = self.take(owner(process, status(process).0)).ok_or(Errno::AGAIN)?;
        left.ready.store(0, Ordering::Relaxed);
        left.holds.store(u32::from(holds), Ordering::Relaxed);
        left.ticket.store(fs::ticket(), Ordering::Relaxed);
        let mut length = 0;
        fs::leave(&mut |bytes| {
            for (to, &byte) in left.bytes[length..].iter().zip(bytes) {
                to.store(byte, Ordering::Relaxed);
            }
            length = (length + bytes.len()).min(ROOM);
        });
        left.length.store(length as u32, Ordering::Relaxed);
        left.ready.store(1, Ordering::Release);
        Ok(Some(Leaving(left)))
    }

    fn take(&self, own: u64) -> Option<&Left> {
        let take = |left: &&Left| {
            left.owner.compare_exchange(0, own, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        self.all.iter().find(take).or_else(|| {
            // One that is not ready is being filled by a process that is alive, or was left by a dead one.
            for left in &self.all {
                let theirs = left.owner.load(Ordering::Acquire);
                if is_dead(theirs) {
                    // Somebody else may have done so, and a third have taken it.
                    let (from, to) = (Ordering::AcqRel, Ordering::Relaxed);
                    let _ = left.owner.compare_exchange(theirs, 0, from, to);
                }
            }
            self.all.iter().find(take)
        })
    }

    /// Whether a process that is alive has left a ticket of which that holds.
    pub fn names(&self, is_it: impl Fn(u32) -> bool) -> bool {
        self.all.iter().any(|left| {
            let theirs = left.owner.load(Ordering::Acquire);
            theirs != 0
                && left.ready.load(Ordering::Acquire) != 0
                && is_it(left.ticket.load(Ordering::Relaxed))
                && !is_dead(theirs)
        })
    }

    /// Takes what the program before this one has left.
    pub fn enter(&self) {
        let owned = |left: &Left| left.owner.load(Ordering::Acquire);
        if self.all.iter().all(|left| owned(left) == 0) {
            return;
        }
        let process = vload::process();
        let own = owner(process, status(process).0);
        for left in self.all.iter().filter(|left| owned(left) == own) {
            if left.ready.load(Ordering::Acquire) != 0 {
                if left.holds.load(Ordering::Relaxed) != 0 {
                    descriptor::hold();
                }
                let length = (left.length.load(Ordering::Relaxed) as usize).min(ROOM);
                let bytes = left.bytes[..length].iter().map(|byte| byte.load(Ordering::Relaxed));
                fs::enter(left.ticket.load(Ordering::Relaxed), bytes);
            }
            left.clear();
        }
    }
}

/// When a process began, in the clock's ticks since the machine's start (proc_pid_stat(5)), and whether it has ended since:
/// 0 where nothing can be known of it, which is so of one that nobody waits for any more.
fn status(process: u32) -> (u64, bool) {
    const BEFORE: &[u8] = b"/proc/";
    const BEHIND: &[u8] = b"/stat";
    let mut name = [0; BEFORE.len() + 10 + BEHIND.len() + 1];
    let mut digits = [0; 10];
    let digits = super::text::decimal(process, &mut digits);
    let parts = [BEFORE, digits, BEHIND];
    let bytes = parts.into_iter().flatten();
    name.iter_mut().zip(bytes).for_each(|(to, &byte)| *to = byte);
    let Ok(name) = CStr::from_bytes_until_nul(&name) else { return (0, false) };
    let mut text = [0u8; 1024];
    let flags = (nr::O_RDONLY | nr::O_CLOEXEC) as usize;
    // SAFETY: the path ends with a zero.
    let opened = unsafe { kernel::call(nr::__NR_openat, [CWD, name.as_ptr() as usize, flags, 0]) };
    let Ok(fd) = opened else { return (0, false) };
    let length =
        // SAFETY: the room is as long as it says.
        unsafe { kernel::call(nr::__NR_read, [fd, text.as_mut_ptr() as usize, text.len()]) };
    kernel::close(fd as i32);
    length.ok().and_then(|length| parse(text.get(..length)?)).unwrap_or((0, false))
}

/// Of the twenty-second field, of the third and of the twentieth: a process has ended whose state is `Z` or `X`, unless it
/// has more threads than the first. The second field is a name in parentheses, which may have any.
fn parse(stat: &[u8]) -> Option<(u64, bool)> {
    let behind = stat.iter().rposition(|&byte| byte == b')')? + 2;
    let fields = || stat.get(behind..).map(|rest| rest.split(|&byte| byte == b' '));
    let number = |which| core::str::from_utf8(fields()?.nth(which)?).ok()?.parse::<u64>().ok();
    let has_ended = matches!(fields()?.next()?, b"Z" | b"X") && number(17)? <= 1;
    Some((number(19)?, has_ended))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::{Layout, alloc_zeroed};
    use std::boxed::Box;

    #[test]
    fn the_moment_of_a_process() {
        assert_eq!(
            parse(b"7 (a) b) (c) S 1 7 7 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 4711 9\n"),
            Some((4711, false))
        );
        assert_eq!(parse(b"7 (a) S 1"), None);
        // The first thread has ended, and another has not.
        let ended = b"7 (a) Z 1 7 7 0 -1 0 1 2 3 4 5 6 7 8 20 0 2 0 4711 9\n";
        assert_eq!(parse(ended), Some((4711, false)));
        let own = status(std::process::id());
        assert!(own.0 != 0 && !own.1 && own == status(std::process::id()));
        assert_eq!(status(u32::MAX), (0, false));
    }

    #[test]
    fn room_of_killed_processes_is_used_again_before_somebody_has_waited_for_them() {
        let table: Box<Table> =
            // SAFETY: all bytes zero are an empty table.
            unsafe { Box::from_raw(alloc_zeroed(Layout::new::<Table>()).cast()) };
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("cat starts");
        let its = owner(child.id(), status(child.id()).0);
        for _ in 0..MOST {
            assert!(table.take(its).is_some());
        }
        assert!(table.take(7).is_none(), "it is alive");
        child.kill().expect("it is killed");
        while !status(child.id()).1 {
            std::thread::yield_now();
        }
        assert!(table.take(7).is_some());
        child.wait().expect("it has ended");
    }

    #[test]
    fn room_of_dead_processes_is_used_again() {
        let table: Box<Table> =
            // SAFETY: all bytes zero are an empty table.
            unsafe { Box::from_raw(alloc_zeroed(Layout::new::<Table>()).cast()) };
        for number in 0..MOST as u32 {
            // Numbers that no process has (`PID_MAX_LIMIT`).
            assert!(table.take(owner((1 << 23) + number, 3)).is_some());
        }
        assert!(table.take(7).is_some());
    }
}
