//! Trying what a filter may answer by a signal: in a child.

use core::fmt;
use core::sync::atomic::{AtomicIsize, Ordering};

use linux_raw_sys::general::{MAP_ANONYMOUS, MAP_SHARED, PROT_READ, PROT_WRITE, RLIMIT_CORE};
use runtime::sys::{self, Errno, Limit};

/// How a trial went.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The kernel answered.
    Done(sys::Result<usize>),
    /// This signal ended the process.
    Killed(i32),
    /// There is no process to try it in.
    NotTried(Errno),
}

impl Attempt {
    /// Whether it was allowed.
    pub fn allowed(self) -> bool {
        matches!(self, Self::Done(Ok(_)))
    }

    /// The value, if it was allowed.
    pub fn value(self) -> Option<usize> {
        match self {
            Self::Done(Ok(value)) => Some(value),
            _ => None,
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(Ok(_)) => f.write_str("allowed"),
            Self::Done(Err(error)) => f.write_str(error.name().unwrap_or("refused")),
            Self::Killed(signal) => write!(f, "whoever tries is killed by signal {signal}"),
            Self::NotTried(error) => {
                write!(f, "not tried, for want of a process: {}", error.name().unwrap_or("?"))
            }
        }
    }
}

/// No call gives this.
const NOT_DONE: isize = isize::MIN;
const PAGE: usize = 4096;

/// Tries it in a child, which then ends.
#[inline(never)]
pub fn attempt(trial: fn() -> sys::Result<usize>) -> Attempt {
    let flags = MAP_SHARED | MAP_ANONYMOUS;
    // SAFETY: without MAP_FIXED the kernel takes unused addresses.
    let page = match unsafe { sys::mmap(0, PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) } {
        Ok(page) => page,
        Err(error) => return Attempt::NotTried(error),
    };
    // SAFETY: mapped just now, and for as long as `answer`.
    let answer = unsafe { &*(page as *const AtomicIsize) };
    answer.store(NOT_DONE, Ordering::Relaxed);
    let outcome = match sys::fork() {
        Err(error) => Attempt::NotTried(error),
        Ok(0) => {
            // A trial that is answered by a signal leaves no core.
            let limited = sys::set_limit(RLIMIT_CORE, Limit { soft: 0, hard: 0 });
            debug_assert!(limited.is_ok());
            answer.store(sys::raw(trial()), Ordering::Relaxed);
            sys::exit(0)
        }
        Ok(child) => {
            let status = sys::wait(child as i32);
            match answer.load(Ordering::Relaxed) {
                NOT_DONE => Attempt::Killed(status & 0x7f),
                raw => Attempt::Done(sys::check(raw)),
            }
        }
    };
    // SAFETY: `answer` is not used any more.
    unsafe { sys::munmap(page, PAGE) };
    outcome
}

/// A call that changes at most the process that makes it.
#[inline(never)]
pub fn call(number: u32, args: [usize; 6]) -> sys::Result<usize> {
    // SAFETY: the probes pass no memory but what they own, and replace none that is in use.
    sys::check(unsafe { runtime::arch::syscall(number as usize, args) })
}
