//! vload's own descriptors: the target neither sees nor loses them.
//!
//! They lie above the target's soft limit where the hard limit allows it, so that the target's own
//! numbers are what they would be natively. A `close` of one is `EBADF`; a `dup2` onto one moves it
//! out of the way first.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use super::{PROGRAM, maps};
use crate::layer::Call;
use crate::log::Line;
use crate::process::copying;
use crate::session::Kept;
use crate::sort;
use crate::sys::{self, Errno, Result};
use crate::thread::POOL;
use linux_raw_sys::general::{
    CLONE_FILES, F_DUPFD, F_DUPFD_CLOEXEC, O_CLOEXEC, O_PATH, RLIMIT_NOFILE,
};

/// `CLOSE_RANGE_UNSHARE` (linux/close_range.h).
const CLOSE_RANGE_UNSHARE: usize = 2;
/// `prlimit64`.
pub const PRLIMIT64: usize = linux_raw_sys::general::__NR_prlimit64 as usize;
/// `CLOSE_RANGE_CLOEXEC`.
const CLOSE_RANGE_CLOEXEC: usize = 4;

/// One descriptor of vload's, or none.
pub struct Slot(AtomicI32);

impl Slot {
    const fn new() -> Self {
        Self(AtomicI32::new(-1))
    }

    /// The descriptor, or −1.
    pub fn get(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Records the descriptor.
    pub fn set(&self, fd: i32) {
        self.0.store(fd, Ordering::Relaxed);
    }
}

/// vload's descriptors as numbered in one descriptor table.
#[repr(C)]
pub struct Descriptors {
    /// vload's own file (`O_PATH`), executed again for every program the target starts.
    pub exe: Slot,
    /// The session's memory.
    pub session: Slot,
    /// Where `vload trace` writes.
    pub trace: Slot,
    /// Where `--log` writes.
    pub log: Slot,
    /// What descriptors of virtual files are opened from ([`crate::session::placeholders`]).
    pub placeholders: Slot,
    /// The program's file, for `/proc/PID/exe` (`view/exe.rs`). The only one that no exec hands on.
    pub program: Slot,
    /// They are close-on-exec in this table.
    pub marked: AtomicBool,
}

/// How many there are.
pub const OWN_DESCRIPTORS: usize = HANDED_ON + 1;
/// How many of them an exec hands on.
pub const HANDED_ON: usize = 5;

/// Those of the process. A vfork child that has a table of its own has its own numbers
/// ([`crate::thread::PrivateTables`]).
pub static OWN: Descriptors = Descriptors::none();

/// Threads of this process have tables of their own, in which vload's numbers are the same as long as none is
/// moved.
static APART: AtomicBool = AtomicBool::new(false);

/// The process is a copy with one thread, and so with one table.
pub fn together() {
    APART.store(false, Ordering::Relaxed);
}

/// Whether threads of this process have tables of their own.
fn are_apart() -> bool {
    APART.load(Ordering::Relaxed)
}

/// A number for a table of descriptors that no other has among the threads that share this memory.
pub fn new_table() -> u32 {
    /// That of the first thread is 0. What could meet its own like after so many has no thread any more.
    static LAST: AtomicU32 = AtomicU32::new(0);
    (LAST.fetch_add(1, Ordering::Relaxed) + 1) & (i32::MAX as u32 >> 1)
}

/// The calling thread has been given a copy of its table. A child in our memory that has a table of its own has
/// numbers of its own, too.
fn part(call: &mut Call<'_>) {
    call.block.table.store(new_table(), Ordering::Relaxed);
    if core::ptr::eq(call.descriptors(), &raw const OWN) && !POOL.has_one_thread() {
        APART.store(true, Ordering::Relaxed);
    }
}

/// `unshare(2)`.
pub fn unshare(call: &mut Call<'_>) -> isize {
    let result = call.pass();
    if result == 0 && call.args[0] & CLONE_FILES as usize != 0 {
        part(call);
    }
    result
}

impl Descriptors {
    /// None yet.
    pub const fn none() -> Self {
        Self {
            exe: Slot::new(),
            session: Slot::new(),
            trace: Slot::new(),
            log: Slot::new(),
            placeholders: Slot::new(),
            program: Slot::new(),
            marked: AtomicBool::new(false),
        }
    }

    /// All of them.
    pub fn all(&self) -> [&Slot; OWN_DESCRIPTORS] {
        [&self.exe, &self.session, &self.trace, &self.log, &self.placeholders, &self.program]
    }

    /// Those that the next program needs.
    pub fn handed_on(&self) -> [&Slot; HANDED_ON] {
        let [handed @ .., _] = self.all();
        handed
    }

    /// Keeps the program's file, which is open as `fd`: where there is a `/proc`, by a descriptor that answers nothing.
    pub fn keep_program(&self, fd: i32) {
        let mut link = Line::new();
        link.text("/proc/thread-self/fd/").decimal(i64::from(fd)).raw(b"\0");
        let path = CStr::from_bytes_with_nul(link.bytes()).unwrap_or(c"");
        let file = sys::openat(sys::CWD, path, O_PATH | O_CLOEXEC, 0).unwrap_or(fd);
        let kept = hide(file, true);
        if file != fd {
            sys::close(file);
        }
        // Without one the program's path stands for it.
        self.program.set(kept.unwrap_or(-1));
    }

    /// A copy of one of them at a number where the target does not look.
    fn hide(&self, slot: &Slot) -> Result<i32> {
        hide(slot.get(), core::ptr::eq(slot, &raw const self.program))
    }

    /// The numbers of `other`, as a clone without `CLONE_FILES` starts with.
    pub fn copy_from(&self, other: &Self) {
        for (mine, theirs) in self.all().into_iter().zip(other.all()) {
            mine.set(theirs.get());
        }
        self.marked.store(other.marked.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Whether `fd` is one of them.
    pub fn contains(&self, fd: i32) -> bool {
        fd >= 0 && self.all().into_iter().any(|slot| slot.get() == fd)
    }

    /// Moves those that lie within the soft limit out of it, as far as the hard one has room for them.
    fn keep_above(&self) {
        let Ok(limit) = sys::limit(RLIMIT_NOFILE) else { return };
        if are_apart() {
            return;
        }
        for slot in self.all() {
            let fd = slot.get();
            if fd >= 0
                && (fd as u64) < limit.soft
                && let Ok(hidden) = self.hide(slot)
            {
                if hidden as u64 >= limit.soft {
                    slot.set(hidden);
                    sys::close(fd);
                } else {
                    sys::close(hidden);
                }
            }
        }
    }

    /// Moves what is at `fd`, if it is one of them, to another number.
    fn make_room(&self, fd: i32) -> Result<()> {
        for slot in self.all() {
            if slot.get() == fd && fd >= 0 {
                if APART.load(Ordering::Relaxed) {
                    return Err(Errno::BADF);
                }
                // The number is free from then on, so that a call that fails leaves nothing there.
                slot.set(self.hide(slot)?);
                sys::close(fd);
            }
        }
        Ok(())
    }
}

/// What the soft limit is raised by for a moment.
const SPAN: u64 = 64;

/// Opens something while the soft limit is higher than it is, one thread at a time.
#[inline(never)]
fn raised(open: &mut dyn FnMut(sys::Limit) -> Result<i32>) -> Result<i32> {
    alone(|| {
        let limit = sys::limit(RLIMIT_NOFILE)?;
        // Where the hard limit has no room above, a privileged process may raise it for the moment.
        let soft = limit.soft + SPAN;
        sys::set_limit(RLIMIT_NOFILE, sys::Limit { soft, hard: limit.hard.max(soft) })?;
        let opened = open(limit);
        let restored = sys::set_limit(RLIMIT_NOFILE, limit);
        debug_assert!(restored.is_ok());
        opened
    })
}

/// Does something while no other thread, and no copy of the process that is made meanwhile, finds the limit as it is then.
fn alone<T>(act: impl FnOnce() -> T) -> T {
    let mut kept = Kept::none();
    // A caller that makes a descriptor for a call has the lock already.
    let is_held = copying::hold(&mut kept);
    let done = act();
    if is_held {
        copying::release(&mut kept, false);
    }
    done
}

/// Opens a file for vload's own use, also where the target's descriptors are as many as it may have.
pub fn open_own(folder: i32, path: &CStr, flags: u32) -> Result<i32> {
    let open = || sys::openat(folder, path, flags | O_CLOEXEC, 0);
    match open() {
        Err(Errno::MFILE) => raised(&mut |_| open()).or(Err(Errno::MFILE)),
        opened => opened,
    }
}

/// A copy of `fd` at a number where the target does not look: above its soft limit if the hard one
/// allows it, else as high as the limit allows, but not so high that the kernel's table grows large.
#[inline(never)]
pub fn hide(fd: i32, close_on_exec: bool) -> Result<i32> {
    const HIGH: u64 = 4096;
    /// Programs that want a number that is surely closed take the limit itself.
    const AWAY: i32 = 40;
    let limit = sys::limit(RLIMIT_NOFILE)?;
    if limit.soft < HIGH {
        let mut copy =
            |limit: sys::Limit| sys::duplicate(fd, limit.soft as i32 + AWAY, close_on_exec);
        if let Ok(copy) = raised(&mut copy) {
            return Ok(copy);
        }
    }
    let lowest = limit.soft.min(HIGH).saturating_sub(SPAN / 2).max(limit.soft.min(10) / 2);
    let copy = sys::duplicate(fd, lowest as i32, close_on_exec);
    copy.or_else(|_| sys::duplicate(fd, 0, close_on_exec))
}

/// Moves `fd` out of the target's sight and closes the old number.
pub fn move_away(fd: i32) -> Result<i32> {
    let hidden = hide(fd, false)?;
    sys::close(fd);
    Ok(hidden)
}

/// `prlimit64(2)`, `setrlimit(2)`: numbers that have come within the soft limit are the target's.
pub fn limit(call: &mut Call<'_>) -> isize {
    let [first, second, third, ..] = call.args;
    let (resource, changes) = match call.number {
        PRLIMIT64 => (second, third != 0 && (first == 0 || first as i32 == PROGRAM.pid())),
        _ => (first, true),
    };
    if !changes || resource as u32 != RLIMIT_NOFILE {
        return call.pass();
    }
    // What is raised for a moment is not to be seen, nor to take the place of what is set.
    let result = alone(|| call.pass());
    if result == 0 {
        call.descriptors().keep_above();
    }
    result
}

/// `close(2)`.
pub fn close(call: &mut Call<'_>) -> isize {
    let fd = call.args[0] as i32;
    maps::forget(call, fd, fd);
    call.pass()
}

/// `fcntl(2)`.
pub fn fcntl(call: &mut Call<'_>) -> isize {
    let [fd, command, ..] = call.args;
    let result = call.pass();
    if matches!(command as u32, F_DUPFD | F_DUPFD_CLOEXEC) {
        maps::copied(call, fd as i32, result);
    }
    result
}

/// `dup2(2)`, `dup3(2)`.
pub fn duplicate_onto(call: &mut Call<'_>) -> isize {
    let own = call.descriptors();
    let (old, new) = (call.args[0] as i32, call.args[1] as i32);
    if own.contains(old) {
        // Closed to the kernel, too, which looks at the flags first, and whether both are one.
        call.args[0] = usize::MAX;
        if new == old {
            call.args[1] = usize::MAX;
        }
    } else if own.contains(new)
        && let Err(error) = own.make_room(new)
    {
        return sys::raw(Err(error));
    }
    let result = call.pass();
    if result >= 0 && old != new {
        maps::forget(call, new, new);
        maps::copied(call, old, result);
    }
    result
}

/// `close_range(2)`, around what is not the target's.
pub fn close_range(call: &mut Call<'_>) -> isize {
    let [first, last, flags, ..] = call.args;
    let (first, last) = (first as u32, last as u32);
    let own = call.descriptors();
    if flags as u32 & !(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE) as u32 != 0 {
        // Where vload has the whole range the kernel is not asked.
        return sys::raw(Err(Errno::INVAL));
    }
    if flags & CLOSE_RANGE_CLOEXEC == 0 && first <= last {
        let number = |fd: u32| i32::try_from(fd).unwrap_or(i32::MAX);
        maps::forget(call, number(first), number(last));
    }
    let mut keep: [u32; OWN_DESCRIPTORS] = own.all().map(|slot| slot.get() as u32);
    sort::by(&mut keep, |a, b| a < b);
    if first > last || !keep.iter().any(|fd| (first..=last).contains(fd)) {
        let result = call.pass();
        if result == 0 && flags & CLOSE_RANGE_UNSHARE != 0 {
            part(call);
        }
        return result;
    }
    let mut flags = flags;
    let mut from = first;
    let mut ends = keep.into_iter().filter(|fd| (first..=last).contains(fd));
    loop {
        let end = ends.next();
        let upto = match end {
            Some(0) => None,
            Some(fd) => Some(fd - 1),
            None => Some(last),
        };
        if let Some(upto) = upto
            && from <= upto
        {
            call.args[..3].copy_from_slice(&[from as usize, upto as usize, flags]);
            let result = call.pass();
            if result < 0 {
                return result;
            }
            // The table is its own after the first time.
            if flags & CLOSE_RANGE_UNSHARE != 0 {
                part(call);
            }
            flags &= !CLOSE_RANGE_UNSHARE;
        }
        match end {
            Some(fd) if fd < last => from = fd + 1,
            _ => return 0,
        }
    }
}
