//! The other threads that share our memory: which there are, and what each is doing as far as the kernel says.

use super::POOL;
use crate::digits::{decimal, hexadecimal};
use crate::log::Line;
use crate::sys::{self, Errno, Result};
use core::ffi::CStr;
use linux_raw_sys::general::{O_CLOEXEC, O_DIRECTORY, O_RDONLY};

/// What a thread was doing a moment ago.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It is gone.
    Gone,
    /// It runs, or waits for a processor.
    Running,
    /// It sleeps in a system call.
    InCall,
    /// It sleeps, in a page fault or stopped: not in a system call.
    Asleep,
    /// The kernel does not say.
    Unknown,
}

/// A thread that shares our memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thread {
    /// Its process: ours, or one that a clone with `CLONE_VM` alone has started.
    pub process: i32,
    /// Its own id.
    pub id: i32,
}

impl Thread {
    /// Thread `id` of this process.
    pub fn own(id: i32) -> Self {
        Self { process: sys::getpid(), id }
    }

    /// Whether it is there. If not, its number may be that of one which does not share our memory. An error: the
    /// kernel does not say.
    pub fn is_there(self) -> Result<bool> {
        if self.process == sys::getpid() && sys::is_own_thread(self.id) {
            return Ok(true);
        }
        match sys::shares_memory(self.id) {
            Err(Errno::SRCH) => Ok(false),
            known => known,
        }
    }
}

/// Whether `/proc` is that of our own pid namespace.
pub fn is_proc_ours() -> bool {
    is_proc_of(sys::CWD, c"/proc/self")
}

/// Whether `link`, seen from the directory, is `self` in a `/proc` of our own pid namespace.
pub fn is_proc_of(directory: i32, link: &CStr) -> bool {
    let mut target = [0u8; 24];
    let Ok(name) = sys::readlink(directory, link, &mut target) else { return false };
    let mut line = Line::new();
    line.decimal(i64::from(sys::getpid()));
    name == line.bytes()
}

/// Calls `visit` with the id of each thread of the process.
pub fn each(visit: &mut dyn FnMut(i32)) -> Result<()> {
    let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    let directory = sys::openat(sys::CWD, c"/proc/self/task", flags, 0)?;
    let listed = sys::list(directory, &mut |name| {
        if let Some(tid) = decimal(name.to_bytes()) {
            visit(tid);
        }
    });
    sys::close(directory);
    listed
}

/// Reads a file of the thread's folder in `/proc`.
fn read<'b>(thread: Thread, name: &str, buffer: &'b mut [u8]) -> Result<&'b [u8]> {
    let (process, id) = (i64::from(thread.process), i64::from(thread.id));
    let mut line = Line::new();
    line.text("/proc/").decimal(process).text("/task/").decimal(id);
    line.text("/").text(name).raw(b"\0");
    let path = CStr::from_bytes_with_nul(line.bytes()).map_err(|_| Errno::INVAL)?;
    let length = sys::read_file(path, buffer)?;
    buffer.get(..length).ok_or(Errno::INVAL)
}

/// What the thread is doing.
pub fn state(thread: Thread) -> State {
    if !is_proc_ours() {
        return State::Unknown;
    }
    let mut buffer = [0u8; 256];
    match read(thread, "syscall", &mut buffer) {
        Ok(text) if text.starts_with(b"running") => State::Running,
        // So does what has ended and is still to be waited for.
        Ok(text) if text.starts_with(b"-1") && by_letter(thread) != State::Gone => State::Asleep,
        Ok(text) if text.starts_with(b"-1") => State::Gone,
        Ok(text) if !text.is_empty() => State::InCall,
        Err(Errno::NOENT | Errno::SRCH) if is_gone(thread) => State::Gone,
        // Kernels without CONFIG_HAVE_ARCH_TRACEHOOK have no such file.
        _ => by_letter(thread),
    }
}

fn is_gone(thread: Thread) -> bool {
    let mut buffer = [0u8; 64];
    matches!(read(thread, "stat", &mut buffer), Err(Errno::NOENT | Errno::SRCH))
}

/// By the state letter of `stat` (proc_pid_stat(5)): behind the last parenthesis.
fn by_letter(thread: Thread) -> State {
    let mut buffer = [0u8; 256];
    let Ok(text) = read(thread, "stat", &mut buffer) else { return State::Unknown };
    let Some(end) = text.iter().rposition(|&byte| byte == b')') else { return State::Unknown };
    match text.get(end + 2) {
        Some(b'R') => State::Running,
        Some(b'S' | b'D') => State::InCall,
        Some(b'T' | b't') => State::Asleep,
        Some(b'Z' | b'X') => State::Gone,
        _ => State::Unknown,
    }
}

/// A system call in which a thread sleeps.
pub struct Call {
    /// Its number.
    pub number: usize,
    /// Its first argument.
    pub argument: usize,
    /// The address behind its instruction.
    pub pc: usize,
}

/// The system call in which the thread sleeps; `None` when it is in none.
pub fn call(thread: Thread) -> Option<Call> {
    let mut buffer = [0u8; 256];
    let text = read(thread, "syscall", &mut buffer).ok()?;
    let mut words = text.trim_ascii_end().split(|&byte| byte == b' ');
    let number = decimal(words.next()?)?;
    let address = |word: &[u8]| usize::try_from(hexadecimal(word.strip_prefix(b"0x")?)?).ok();
    let argument = address(words.next()?)?;
    Some(Call { number, argument, pc: address(words.next_back()?)? })
}

/// The signals that the thread blocks (`SigBlk` of proc_pid_status(5)); `None` when the kernel does not say.
pub fn blocked(thread: Thread) -> Option<u64> {
    of_status(thread, b"SigBlk:\t", hexadecimal)
}

/// The process that traces the thread, 0 for none; `None` when the kernel does not say.
pub fn tracer(thread: Thread) -> Option<i32> {
    let tracer = of_status(thread, b"TracerPid:\t", decimal)?;
    // That is a thread.
    let process = || of_status(Thread { process: tracer, id: tracer }, b"Tgid:\t", decimal);
    if tracer == 0 { Some(0) } else { process() }
}

/// What `parse` makes of the line of the thread's status that begins with `key`.
fn of_status<T>(thread: Thread, key: &[u8], parse: fn(&[u8]) -> Option<T>) -> Option<T> {
    let mut buffer = [0u8; 4096];
    let text = read(thread, "status", &mut buffer).ok()?;
    parse(text.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(key))?)
}

/// Clocks of processes and threads, as kernel/time/posix-cpu-timers.c numbers them.
const CPUCLOCK_VIRT: i32 = 1;
const CPUCLOCK_SCHED: i32 = 2;
const CPUCLOCK_PERTHREAD: i32 = 4;

/// Nanoseconds that the thread has run the program's own code. The kernel counts by its clock's ticks
/// (kernel/time/posix-cpu-timers.c): a difference says that the thread was found there. Of another process
/// there is one clock for all its threads.
pub fn user_time(thread: Thread) -> Option<u64> {
    time_of(thread, CPUCLOCK_VIRT)
}

/// Nanoseconds that the thread has run, in its own code or for it in the kernel; not by ticks.
pub fn run_time(thread: Thread) -> Option<u64> {
    time_of(thread, CPUCLOCK_SCHED)
}

fn time_of(Thread { process, id }: Thread, clock: i32) -> Option<u64> {
    let which = if process == sys::getpid() {
        CPUCLOCK_PERTHREAD | clock
    } else if POOL.threads_of(process) == 1 {
        clock
    } else {
        return None;
    };
    sys::clock(((!id << 3) | which) as isize as usize).map(|time| time as u64)
}
