//! What is known of each address space: whether vload is in it, and which entries were found to
//! come from its gate.
//!
//! Looking at the mappings for each call would take far longer than the call. What was found holds
//! until a call changes the mappings there, and each such call is seen before it is made. From then
//! on until the thread's next call, which says that it is done, nothing is believed of that range.

use super::gate::{Kind, Place, Program};
use crate::host::tracer::{Arch, Entry, Pid, read_maps};
use anyhow::{Context, Result};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io::Error;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;

/// One address space.
#[derive(Default)]
pub struct Space {
    /// The program that was executed is vload.
    pub is_vload: bool,
    /// It was, or the parent's was, at some time.
    pub was_vload: bool,
    /// Entries that come from the gate, by address.
    known: HashMap<u64, Kind>,
    /// The range that was last asked for, and whether it is the gate.
    asked: Option<(Range<u64>, bool)>,
    /// What is being changed, and by whom.
    changing: Vec<(Pid, Range<u64>)>,
}

impl Space {
    fn of(pid: Pid, was_vload: bool, program: &Program) -> Self {
        let file = fs::metadata(format!("/proc/{pid}/exe"));
        let is_vload = file.is_ok_and(|data| (data.dev(), data.ino()) == program.file);
        Space { is_vload, was_vload: was_vload || is_vload, ..Space::default() }
    }

    /// The thread's last call is done.
    pub fn settle(&mut self, pid: Pid) {
        self.changing.retain(|(by, _)| *by != pid);
    }

    /// Where an entry comes from.
    pub fn place(&mut self, program: &Program, pid: Pid, ip: u64) -> Result<Place> {
        let is_changing = self.changing.iter().any(|(_, range)| touches(range, ip));
        if let Some(&kind) = self.known.get(&ip)
            && !is_changing
        {
            return Ok(Place::Gate(kind));
        }
        let place = program.place(pid, ip)?;
        if let Place::Gate(kind) = place
            && !is_changing
        {
            self.known.insert(ip, kind);
        }
        Ok(place)
    }

    /// Whether the range is the gate ([`Program::is_gate`]).
    pub fn is_gate(&mut self, program: &Program, pid: Pid, range: &Range<u64>) -> Result<bool> {
        if let Some((asked, is_gate)) = &self.asked
            && asked == range
        {
            return Ok(*is_gate);
        }
        let maps = read_maps(pid).with_context(|| format!("the mappings of {pid}"))?;
        let is_gate = program.is_gate(&maps, range);
        self.asked = Some((range.clone(), is_gate));
        Ok(is_gate)
    }

    /// The thread is about to make this call.
    pub fn expect(&mut self, pid: Pid, entry: &Entry) {
        for range in changes(entry).into_iter().flatten() {
            self.known.retain(|&ip, _| !touches(&range, ip));
            let overlaps = |other: &Range<u64>| range.start < other.end && range.end > other.start;
            self.asked.take_if(|(asked, _)| overlaps(asked));
            self.changing.push((pid, range));
        }
    }
}

/// Whether the instruction before `ip` lies in the range, if only in part.
fn touches(range: &Range<u64>, ip: u64) -> bool {
    /// `syscall` and `int $0x80`.
    const INSTRUCTION: u64 = 2;
    range.start < ip && range.end > ip - INSTRUCTION
}

/// The addresses whose mappings a call may change. A mapping that only takes what is free is none,
/// and `brk` gives back only what it has taken.
fn changes(entry: &Entry) -> [Option<Range<u64>>; 2] {
    const EVERYTHING: Range<u64> = 0..u64::MAX;
    let [first, length, third, fourth, fifth, _] = entry.arguments;
    let range = |start: u64, length: u64| Some(start..start.saturating_add(length));
    if entry.arch == Arch::Compat {
        return [Some(EVERYTHING), None];
    }
    let is = |flags: u64, flag: i32| flags & flag as u64 != 0;
    match entry.number as i64 {
        libc::SYS_mmap if is(fourth, libc::MAP_FIXED) => [range(first, length), None],
        libc::SYS_munmap | libc::SYS_mprotect | libc::SYS_pkey_mprotect => {
            [range(first, length), None]
        }
        libc::SYS_mremap => {
            let moved = is(fourth, libc::MREMAP_FIXED);
            [range(first, length), if moved { range(fifth, third) } else { None }]
        }
        libc::SYS_remap_file_pages => [range(first, length), None],
        libc::SYS_shmat if is(third, libc::SHM_REMAP) => [Some(length..u64::MAX), None],
        _ => [None, None],
    }
}

/// The address space of each process.
#[derive(Default)]
pub struct Spaces(HashMap<Pid, Rc<RefCell<Space>>>);

impl Spaces {
    /// A process begins: in the space of another, or in a copy.
    pub fn begin(&mut self, pid: Pid, parent: Pid, program: &Program) -> Result<()> {
        for (&other, space) in &self.0 {
            if shares_memory(pid, other)? {
                let space = Rc::clone(space);
                self.0.insert(pid, space);
                return Ok(());
            }
        }
        let was_vload = self.0.get(&parent).is_some_and(|space| space.borrow().was_vload);
        let space = Space::of(pid, was_vload, program);
        self.0.insert(pid, Rc::new(RefCell::new(space)));
        Ok(())
    }

    /// A process runs another program.
    pub fn replace(&mut self, pid: Pid, program: &Program) {
        let was_vload = self.of(pid).borrow().was_vload;
        self.0.insert(pid, Rc::new(RefCell::new(Space::of(pid, was_vload, program))));
    }

    /// A process's space.
    pub fn of(&self, pid: Pid) -> Rc<RefCell<Space>> {
        self.0.get(&pid).cloned().unwrap_or_default()
    }

    /// A process is gone.
    pub fn end(&mut self, pid: Pid) {
        self.0.remove(&pid);
    }
}

/// Whether two processes have one memory (kcmp(2)).
fn shares_memory(one: Pid, other: Pid) -> Result<bool> {
    const KCMP_VM: i32 = 1;
    // SAFETY: takes numbers only.
    match unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_VM, 0, 0) } {
        0 => Ok(true),
        1.. => Ok(false),
        _ => match Error::last_os_error() {
            // One of them is about to be gone.
            error if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
            error => Err(error).context("kcmp"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{changes, touches};
    use crate::host::tracer::{Arch, Entry};

    fn changed(number: i64, arguments: [u64; 6], ip: u64) -> bool {
        let entry = Entry { arch: Arch::Native, number: number as u64, arguments, ip: 0 };
        changes(&entry).iter().flatten().any(|range| touches(range, ip))
    }

    #[test]
    fn knows_what_changes_mappings() {
        let (fixed, anywhere) = (libc::MAP_FIXED as u64, libc::MAP_PRIVATE as u64);
        let ip = 0x2002;
        assert!(changed(libc::SYS_mmap, [0x2000, 0x1000, 0, fixed, 0, 0], ip));
        assert!(!changed(libc::SYS_mmap, [0x2000, 0x1000, 0, anywhere, 0, 0], ip));
        assert!(changed(libc::SYS_munmap, [0x1000, 0x2000, 0, 0, 0, 0], ip));
        assert!(!changed(libc::SYS_munmap, [0x3000, 0x1000, 0, 0, 0, 0], ip));
        assert!(changed(libc::SYS_mprotect, [0x2000, u64::MAX, 0, 0, 0, 0], ip));
        let moves = [0x8000, 0x1000, 0x1000, libc::MREMAP_FIXED as u64, 0x2000, 0];
        assert!(changed(libc::SYS_mremap, moves, ip));
        assert!(changed(libc::SYS_mremap, moves, 0x8002));
        assert!(!changed(libc::SYS_read, [0, 0x2000, 0x1000, 0, 0, 0], ip));
    }

    #[test]
    fn an_instruction_may_straddle() {
        let range = 0x2000..0x3000;
        assert!(touches(&range, 0x2001) && touches(&range, 0x3001));
        assert!(!touches(&range, 0x2000) && !touches(&range, 0x3002));
    }
}
