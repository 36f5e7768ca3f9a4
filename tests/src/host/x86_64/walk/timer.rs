//! A timer that ends waits, so that the tracer notices when nothing happens any more.

use std::time::Duration;

extern "C" fn interrupt(_signal: i32) {}

/// A blocking wait ends a few times in this long, whatever ended waits before.
pub fn arm(limit: Duration) {
    let part = limit.as_secs().div_ceil(4) as libc::time_t;
    // SAFETY: the handler does nothing; without SA_RESTART it ends the wait.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = interrupt as *const () as usize;
        libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut());
    }
    set_timer(part);
}

/// No wait is ended any more.
pub fn disarm() {
    set_timer(0);
}

/// Raises `SIGALRM` every so many seconds.
fn set_timer(seconds: libc::time_t) {
    let every = libc::timeval { tv_sec: seconds, tv_usec: 0 };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: the times are ours.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
}
