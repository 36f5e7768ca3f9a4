//! Which program each process of the session runs: what `/proc/PID/exe` of another one shall show; and which
//! process traces it.
//!
//! A process writes its own entry, by one store. An entry whose process has died is overwritten by
//! the next process of that number, and believed only while that process still runs vload's file
//! (`view/exe.rs` asks).

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Processes that can be told apart, by the low bits of their numbers.
const PIDS: usize = 1 << 14;
/// Programs that the table has room for.
const PATHS: usize = 256;
/// Bytes of a path.
const PATH: usize = 4096;

const EMPTY: u32 = 0;
const FILLING: u32 = 1;
const READY: u32 = 2;

/// The table, as it lies in the session's memory. All zero bytes are an empty one.
#[repr(C)]
pub struct Members {
    processes: [Process; PIDS],
    paths: [Path; PATHS],
}

/// What is known of a process. Both words have its number in the high half.
#[repr(C)]
struct Process {
    /// The place of its program plus one in the low half.
    program: AtomicU64,
    /// The number of the process that has attached itself to it in the low half.
    tracer: AtomicU64,
}

#[repr(C)]
struct Path {
    state: AtomicU32,
    length: AtomicU32,
    bytes: UnsafeCell<[u8; PATH]>,
}

// SAFETY: `bytes` is written by the one that made the state FILLING, and only read once it is READY.
unsafe impl Sync for Path {}

impl Path {
    fn bytes(&self) -> &[u8] {
        // SAFETY: only called on a READY entry, which nobody writes.
        let bytes = unsafe { &*self.bytes.get() };
        &bytes[..(self.length.load(Ordering::Relaxed) as usize).min(PATH)]
    }
}

impl Members {
    /// The place of a program's path, made if it is new. `None` when the table is full.
    pub fn place_of(&self, path: &[u8]) -> Option<u32> {
        if path.is_empty() || path.len() > PATH {
            return None;
        }
        for (index, slot) in self.paths.iter().enumerate() {
            match slot.state.load(Ordering::Acquire) {
                READY if slot.bytes() == path => return Some(index as u32),
                EMPTY => {
                    let claimed = slot.state.compare_exchange(
                        EMPTY,
                        FILLING,
                        Ordering::Acquire,
                        Ordering::Relaxed,
                    );
                    if claimed.is_err() {
                        continue;
                    }
                    // SAFETY: FILLING is ours alone.
                    let bytes = unsafe { &mut *slot.bytes.get() };
                    bytes[..path.len()].copy_from_slice(path);
                    slot.length.store(path.len() as u32, Ordering::Relaxed);
                    slot.state.store(READY, Ordering::Release);
                    return Some(index as u32);
                }
                _ => {}
            }
        }
        None
    }

    /// Notes that process `pid` runs the program at `place`.
    pub fn note(&self, pid: i32, place: u32) {
        let entry = (pid as u64) << 32 | u64::from(place + 1);
        self.process(pid).program.store(entry, Ordering::Release);
    }

    fn process(&self, pid: i32) -> &Process {
        &self.processes[pid as usize % PIDS]
    }

    /// Notes that `tracer` has attached itself to the thread `tid`; 0 that it has let go of it.
    pub fn note_tracer(&self, tid: i32, tracer: i32) {
        let entry = (tid as u64) << 32 | tracer as u64;
        self.process(tid).tracer.store(entry, Ordering::Release);
    }

    /// The process that has attached itself to the thread `tid`, or 0.
    pub fn tracer_of(&self, tid: i32) -> i32 {
        let entry = self.process(tid).tracer.load(Ordering::Acquire);
        if (entry >> 32) as i32 == tid { entry as i32 } else { 0 }
    }

    /// The path at a place that [`Members::place_of`] gave.
    pub fn path_at(&self, place: u32) -> Option<&[u8]> {
        let slot = self.paths.get(place as usize)?;
        (slot.state.load(Ordering::Acquire) == READY).then(|| slot.bytes())
    }

    /// The path of the program that process `pid` was last known to run.
    pub fn program_of(&self, pid: i32) -> Option<&[u8]> {
        let entry = self.process(pid).program.load(Ordering::Acquire);
        if (entry >> 32) as i32 != pid {
            return None;
        }
        self.path_at((entry as u32).checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;

    fn empty() -> Box<Members> {
        // SAFETY: all zero bytes are an empty table.
        unsafe { Box::<Members>::new_zeroed().assume_init() }
    }

    #[test]
    fn programs_are_kept_once_and_found_by_process() {
        let members = empty();
        let sh = members.place_of(b"/bin/sh").expect("there is room");
        assert_eq!(members.place_of(b"/bin/sh"), Some(sh));
        let ls = members.place_of(b"/bin/ls").expect("there is room");
        members.note(100, sh);
        members.note(101, ls);
        assert_eq!(members.program_of(100), Some(&b"/bin/sh"[..]));
        assert_eq!(members.program_of(101), Some(&b"/bin/ls"[..]));
        assert_eq!(members.program_of(102), None);
        // Another process with the same low bits is not taken for the first.
        assert_eq!(members.program_of(100 + PIDS as i32), None);
    }

    #[test]
    fn an_entry_left_half_written_is_passed_over() {
        let members = empty();
        members.paths[0].state.store(FILLING, Ordering::Relaxed);
        let place = members.place_of(b"/bin/true").expect("there is room");
        assert_eq!(place, 1);
    }

    #[test]
    fn a_tracer_is_found_until_it_lets_go() {
        let members = empty();
        assert_eq!(members.tracer_of(100), 0);
        members.note_tracer(100, 99);
        assert_eq!(members.tracer_of(100), 99);
        assert_eq!(members.tracer_of(100 + PIDS as i32), 0);
        members.note_tracer(100, 0);
        assert_eq!(members.tracer_of(100), 0);
    }

    #[test]
    fn a_full_table_says_so() {
        let members = empty();
        for index in 0..PATHS {
            let path = std::format!("/p/{index}");
            assert!(members.place_of(path.as_bytes()).is_some());
        }
        assert_eq!(members.place_of(b"/one/more"), None);
    }
}
