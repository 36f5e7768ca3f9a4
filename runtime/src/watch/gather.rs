//! Bringing the threads that run already to be armed, before the first mapping of watched code is
//! returned to its caller, in such a way that none of their calls notices.
//!
//! First no thread can enter the kernel any more but armed, or by a call that was begun before: all
//! stubs are diverted ([`text::divert`]), and the way out of the resident arms. Then each thread is
//!
//! - in the resident: it arms itself on its way out;
//! - asleep in a call: it comes back into the resident, or to a diverted stub, which leads there. No
//!   signal is needed, so the call is not interrupted: many calls are never made again after a signal
//!   (signal(7));
//! - running: it is watched until it sleeps or is armed. A signal would end the call that it may be
//!   about to sleep in, so it gets one only when its clock of *user* time has moved: then it was found
//!   in the program's own code after the stubs were diverted, and so is in no call.

use core::sync::atomic::Ordering;

use super::arm;
use crate::signal;
use crate::sys;
use crate::text;
use crate::thread::others::{self, State};
use crate::thread::{Block, POOL};

/// Nanoseconds between two looks. Looking is all there is: a thread that goes to sleep in a call does so in
/// the kernel, which tells nobody, and that it has run its own code is the difference of two readings of
/// its clock. Sleeping, unlike `sched_yield(2)`, lets every other thread run, whatever its priority.
const PAUSE: usize = 50_000;

/// How long a thread that blocks all of them may compute before it is left for its next call.
const PATIENCE: u64 = 50_000_000;

/// How long a thread has to run to be believed in its own code where no clock says so.
const UNCLOCKED: u64 = 20_000_000;

/// Nanoseconds since some time.
fn now() -> u64 {
    sys::monotonic().unwrap_or(0) as u64
}

/// One look at the threads.
struct Look {
    /// How long they have been waited for.
    waited: u64,
}

/// Comes back when every other thread is armed, or will be before it goes on in the target's code.
pub fn gather(me: &Block) {
    let mut others = 0;
    POOL.each_in_use(|block| others += usize::from(!core::ptr::eq(block, me)));
    if others == 0 {
        return;
    }
    text::divert();
    let since = now();
    loop {
        let look = Look { waited: now().saturating_sub(since) };
        let mut waiting = 0;
        POOL.each_in_use(|block| {
            if !core::ptr::eq(block, me) && !look.is_settled(block) {
                waiting += 1;
            }
        });
        if waiting == 0 {
            crate::log!(Debug, "watched: {others} other threads after {} us", look.waited / 1000);
            return;
        }
        sys::sleep(PAUSE);
    }
}

impl Look {
    fn is_settled(&self, block: &Block) -> bool {
        if arm::is_armed(block) {
            return true;
        }
        let tid = block.tid.load(Ordering::SeqCst);
        if tid == 0 {
            // It has not started, and begins by arming itself.
            return true;
        }
        match others::state(tid) {
            State::Gone | State::InCall => true,
            // A page fault, or stopped in its own code: no call is there to be interrupted.
            State::Asleep => self.call(block, tid),
            State::Running => self.is_running_settled(block, tid),
            State::Unknown => self.is_running_settled(block, tid) || self.waited > PATIENCE,
        }
    }

    fn is_running_settled(&self, block: &Block, tid: i32) -> bool {
        // Where the clock cannot be read, the time since the stubs were diverted stands for it.
        let clock = others::user_time(tid).unwrap_or(self.waited / UNCLOCKED);
        let before = block.watch_clock.load(Ordering::Relaxed);
        if before == 0 || before > clock + 1 {
            block.watch_clock.store(clock + 1, Ordering::Relaxed);
            return false;
        }
        if clock + 1 == before {
            return false;
        }
        if !self.call(block, tid) && self.waited > PATIENCE {
            crate::log!(Warn, "not covered until its next call: thread {tid} blocks all signals");
            return true;
        }
        false
    }

    /// Calls the thread to be armed, once. `false` when it blocks every signal that could.
    fn call(&self, block: &Block, tid: i32) -> bool {
        if block.watch_called.load(Ordering::Relaxed) != 0 {
            return true;
        }
        let Some(signal) = signal::heard(others::blocked(tid).unwrap_or(0)) else { return false };
        if sys::queue_signal_to(tid, signal, &arm::call_to_arm(signal)).is_ok() {
            block.watch_called.store(1, Ordering::Relaxed);
        }
        true
    }
}
