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
    /// The process; 0 for none.
    process: AtomicU32,
    /// Whether it is all there.
    ready: AtomicU32,
    /// When the process began.
    began: AtomicU64,
    length: AtomicU32,
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
        self.process.store(0, Ordering::Release);
    }

    fn is_of(&self, process: u32, began: u64) -> bool {
        self.process.load(Ordering::Acquire) == process
            && self.began.load(Ordering::Relaxed) == began
    }
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
        let began = began(process);
        let left = self.take(process).ok_or(Errno::AGAIN)?;
        left.began.store(began, Ordering::Relaxed);
        left.holds.store(u32::from(holds), Ordering::Relaxed);
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

    fn take(&self, process: u32) -> Option<&Left> {
        let take = |left: &&Left| {
            left.process.compare_exchange(0, process, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        self.all.iter().find(take).or_else(|| {
            // One that is not ready is being filled by a process that is alive, or was left by a dead one.
            for left in &self.all {
                let owner = left.process.load(Ordering::Acquire);
                let moment = left.began.load(Ordering::Relaxed);
                if began(owner) != moment && left.is_of(owner, moment) {
                    left.clear();
                }
            }
            self.all.iter().find(take)
        })
    }

    /// Takes what the program before this one has left.
    pub fn enter(&self) {
        if self.all.iter().all(|left| left.process.load(Ordering::Acquire) == 0) {
            return;
        }
        let process = vload::process();
        let began = began(process);
        for left in self.all.iter().filter(|left| left.is_of(process, began)) {
            if left.ready.load(Ordering::Acquire) != 0 {
                if left.holds.load(Ordering::Relaxed) != 0 {
                    descriptor::hold();
                }
                let length = (left.length.load(Ordering::Relaxed) as usize).min(ROOM);
                fs::enter(left.bytes[..length].iter().map(|byte| byte.load(Ordering::Relaxed)));
            }
            left.clear();
        }
    }
}

/// When a process began, in the clock's ticks since the machine's start (proc_pid_stat(5)): 0 where that cannot be known.
fn began(process: u32) -> u64 {
    const BEFORE: &[u8] = b"/proc/";
    const BEHIND: &[u8] = b"/stat";
    let mut name = [0; BEFORE.len() + 10 + BEHIND.len() + 1];
    let mut digits = [0; 10];
    let digits = super::text::decimal(process, &mut digits);
    let parts = [BEFORE, digits, BEHIND];
    let bytes = parts.into_iter().flatten();
    name.iter_mut().zip(bytes).for_each(|(to, &byte)| *to = byte);
    let Ok(name) = CStr::from_bytes_until_nul(&name) else { return 0 };
    let mut text = [0u8; 1024];
    let flags = (nr::O_RDONLY | nr::O_CLOEXEC) as usize;
    // SAFETY: the path ends with a zero.
    let opened = unsafe { kernel::call(nr::__NR_openat, [CWD, name.as_ptr() as usize, flags, 0]) };
    let Ok(fd) = opened else { return 0 };
    let length =
        // SAFETY: the room is as long as it says.
        unsafe { kernel::call(nr::__NR_read, [fd, text.as_mut_ptr() as usize, text.len()]) };
    kernel::close(fd as i32);
    length.ok().and_then(|length| parse(text.get(..length)?)).unwrap_or(0)
}

/// The twenty-second field. The second is a name in parentheses, which may have any.
fn parse(stat: &[u8]) -> Option<u64> {
    let behind = stat.iter().rposition(|&byte| byte == b')')? + 2;
    let field = stat.get(behind..)?.split(|&byte| byte == b' ').nth(19)?;
    core::str::from_utf8(field).ok()?.parse().ok()
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
            Some(4711)
        );
        assert_eq!(parse(b"7 (a) S 1"), None);
        let own = began(std::process::id());
        assert!(own != 0 && own == began(std::process::id()));
        assert_eq!(began(u32::MAX), 0);
    }

    #[test]
    fn room_of_dead_processes_is_used_again() {
        let table: Box<Table> =
            // SAFETY: all bytes zero are an empty table.
            unsafe { Box::from_raw(alloc_zeroed(Layout::new::<Table>()).cast()) };
        for number in 0..MOST as u32 {
            // Numbers that no process has (`PID_MAX_LIMIT`).
            let left = table.take((1 << 23) + number).unwrap();
            left.began.store(3, Ordering::Relaxed);
        }
        assert!(table.take(7).is_some());
    }
}
