//! Bringing the threads that run already to be armed, before the first mapping of watched code is
//! returned to its caller, in such a way that none of their calls notices.
//!
//! First no thread can enter the kernel any more but armed, or by a call that was begun before: all
//! stubs are diverted ([`text::divert`]), and the way out of the resident arms. Then each thread is
//!
//! - in the resident (`Block::at_work`): it arms itself on its way out;
//! - asleep in a call: it comes back into the resident, or to a diverted stub, which leads there. No
//!   signal is needed, so the call is not interrupted: many calls are never made again after a signal
//!   (signal(7));
//! - running, as far as `/proc` says: it is watched until it sleeps or is armed. A signal would end the call that it may be
//!   about to sleep in, so it gets one only when its clock of *user* time has moved: then it was found
//!   in the program's own code after the stubs were diverted, and so is in no call.
//!
//! Where there is no `/proc`, nobody says who sleeps in a call of a stub's: so all calls are made in the resident there,
//! from the second thread on until the process is watched ([`Reason::Asleep`]). Where it goes later (`chroot(2)`), who
//! sleeps so is noted before ([`note_sleepers`], which `losing.rs` calls).
//!
//! Processes that share our memory (`CLONE_VM` alone) have their threads among the blocks, and are gathered with
//! ours. One of them may become another program meanwhile, which no signal must reach: [`leave`].
//!
//! In an adopted process there are threads that the resident has not met. One that has slept since before
//! the adoption, in a call that no stub has made, comes back to the program's own code. It is the one that gets
//! its signal asleep. The kernel makes most calls again by itself, and the handler the others
//! ([`adopt::arrive`]).

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use super::arm;
use crate::adopt;
use crate::arch;
use crate::layer::{self, Reason};
use crate::memory::User;
use crate::signal::{self, SigHand};
use crate::sys;
use crate::text;
use crate::thread::others::{self, State, Thread};
use crate::thread::{Block, POOL};
use linux_raw_sys::general::__NR_rt_sigtimedwait;

const RT_SIGTIMEDWAIT: usize = __NR_rt_sigtimedwait as usize;

/// Nanoseconds between two looks. Looking is all there is: a thread that goes to sleep in a call does so in
/// the kernel, which tells nobody, and that it has run its own code is the difference of two readings of
/// its clock. Sleeping, unlike `sched_yield(2)`, lets every other thread run, whatever its priority.
const PAUSE: usize = 50_000;

/// How long a thread that blocks all of them may compute before it is left for its next call.
const PATIENCE: u64 = 50_000_000;

/// How long a thread has to run to be believed in its own code where no clock says so.
const UNCLOCKED: u64 = 20_000_000;

/// How long a thread has to run, and never in its own code, to be believed in a call: more than twenty ticks of the slowest
/// of the kernel's clocks (`CONFIG_HZ_100`), by which its user time is counted.
const COMPUTED: u64 = 250_000_000;

/// Nanoseconds since some time.
fn now() -> u64 {
    sys::monotonic().unwrap_or(0) as u64
}

/// Who calls a thread at this moment, and, in the low half, the thread.
static CALLING: AtomicU64 = AtomicU64::new(0);

/// The thread of `block`, which is the caller, is about to become another program: what others who share its memory
/// send arrives before this comes back, and nothing is sent any more, because it is at work.
pub fn leave(block: &Block) {
    if !arch::CAN_WATCH {
        return;
    }
    let own = block.tid.load(Ordering::Relaxed);
    loop {
        let (caller, called) = split(CALLING.load(Ordering::SeqCst));
        // Who was killed just there calls nobody.
        if called != own || sys::shares_memory(caller) != Ok(true) {
            break;
        }
        sys::give_way();
    }
    // A signal that was sent is handled at the end of a call.
    sys::gettid();
}

fn split(calling: u64) -> (i32, i32) {
    ((calling >> 32) as i32, calling as i32)
}

/// What has been found out about a thread.
struct Seen {
    tid: i32,
    /// A clock that was read, and one more.
    clock: u64,
    /// For how long it had run then.
    ran: u64,
    /// The signals that it was sent.
    called: u64,
}

/// The threads that are looked at, again and again.
struct Gathering<'a> {
    me: &'a Block,
    /// How long they have been waited for.
    waited: u64,
    seen: Vec<Seen>,
    /// None is to be armed: they are only told apart by whether they are in a call of a stub's.
    notes: bool,
}

/// A value of [`Block::must_arm`]: the thread has been in a call of a stub's since before all calls were made in the
/// resident.
const IN_CALL: u32 = 2;

/// Nanoseconds for which a thread that is ready to run, and does not, is waited for.
const LONGEST: u64 = 10_000_000_000;

/// The same where nobody says whether it is ready, or asleep in a call.
const UNTOLD: u64 = 1_000_000_000;

/// Finds out which threads are in calls of stubs, while all other calls come to be made in the resident: comes back when
/// that is known of each.
pub fn note_sleepers(me: &Block) {
    layer::want_everything_here(Reason::Asleep);
    text::divert();
    // Who leaves the resident from here on is in no such call any more: the exit code takes that for a thread to be armed.
    each_other(me, &mut |block| block.must_arm.store(IN_CALL, Ordering::SeqCst));
    let since = now();
    let mut gathering = Gathering { me, waited: 0, seen: Vec::new(), notes: true };
    while gathering.waits() && gathering.waited < LONGEST {
        sys::sleep(PAUSE);
        gathering.waited = now().saturating_sub(since);
    }
}

/// Calls are made by the stubs again: what [`note_sleepers`] has noted does not hold any more.
pub fn forget_sleepers() {
    text::undivert();
    layer::is_reason_gone(Reason::Asleep);
}

fn each_other(me: &Block, visit: &mut dyn FnMut(&Block)) {
    POOL.each_in_use(|block| {
        if !core::ptr::eq(block, me) {
            visit(block);
        }
    });
}

/// Comes back when every other thread is armed, or will be before it goes on in the target's code.
pub fn gather(me: &Block) {
    let mut others = 0;
    each_other(me, &mut |_| others += 1);
    if others == 0 && !adopt::is_adopted() {
        return;
    }
    text::divert();
    let since = now();
    let mut gathering = Gathering { me, waited: 0, seen: Vec::new(), notes: false };
    while gathering.waits() {
        sys::sleep(PAUSE);
        gathering.waited = now().saturating_sub(since);
    }
    layer::is_reason_gone(Reason::Asleep);
    crate::log!(Debug, "watched: {others} other threads after {} us", gathering.waited / 1000);
}

impl Gathering<'_> {
    /// Looks at all threads, and calls those that are to be called. `true` while there is one to wait for.
    fn waits(&mut self) -> bool {
        let mut waiting = false;
        each_other(self.me, &mut |block| {
            let tid = block.tid.load(Ordering::SeqCst);
            // One that has not started begins by arming itself.
            if !self.is_done(block) && tid != 0 {
                let process = block.process.load(Ordering::Relaxed);
                waiting |= !self.is_met_settled(block, Thread { process, id: tid });
            }
        });
        if adopt::is_adopted() {
            // SAFETY: a bound block has its handlers, and they are in its process's memory or ours.
            let sighand = unsafe { &*self.me.sighand };
            let listed = others::each(&mut |tid| {
                if POOL.of_thread(tid).is_none() {
                    waiting |= !self.is_settled(Thread::own(tid), sighand, None);
                }
            });
            if let Err(error) = listed {
                let why = error.text();
                crate::log!(
                    Warn,
                    "not covered: threads that have made no call since the adoption: {why}"
                );
            }
        }
        waiting
    }

    /// Whether nothing is to be found out about the thread of `block`.
    fn is_done(&self, block: &Block) -> bool {
        match self.notes {
            true => block.must_arm.load(Ordering::SeqCst) != IN_CALL,
            false => arm::is_armed(block),
        }
    }

    /// Whether the thread of `block`, which the resident has met, need not be waited for.
    fn is_met_settled(&mut self, block: &Block, thread: Thread) -> bool {
        // What it last did before it was told to arm has reached us after a pause.
        if self.waited != 0 && block.at_work.load(Ordering::SeqCst) != 0 {
            return true;
        }
        // SAFETY: a bound block has its handlers, and they are in its process's memory or ours.
        let Some(sighand) = (unsafe { block.sighand.as_ref() }) else { return true };
        match thread.is_there() {
            Ok(true) => self.is_settled(thread, sighand, Some(block)),
            Ok(false) => true,
            Err(_) => self.gives_up(thread),
        }
    }

    /// Whether the thread need not be waited for. `block`: it is one that the resident has met.
    fn is_settled(&mut self, thread: Thread, sighand: &SigHand, block: Option<&Block>) -> bool {
        match others::state(thread) {
            State::Gone => true,
            State::InCall => block.is_some() || self.is_sleeper_settled(thread, sighand),
            // A page fault, or stopped in its own code: no call is there to be interrupted.
            State::Asleep => self.call(thread, sighand, block, 0, 0) || self.gives_up(thread),
            State::Running => {
                // Where the clock cannot be read, the time since the stubs were diverted stands for it.
                let clock = others::user_time(thread).unwrap_or(self.waited / UNCLOCKED);
                self.is_running_settled(thread, sighand, block, clock)
            }
            State::Unknown if self.notes => self.waited > PATIENCE,
            // All calls are made in the resident, and there it is not; nor is it in one that was begun before. The
            // signal that it was sent comes before what it does next.
            State::Unknown if layer::is_reason(Reason::Asleep) => {
                let in_call = |block: &Block| block.must_arm.load(Ordering::SeqCst) == IN_CALL;
                block.is_some_and(in_call)
                    || self.waited != 0
                        && self.call(thread, sighand, block, 0, 0)
                        && self.waited > PATIENCE
            }
            State::Unknown => match others::user_time(thread) {
                Some(clock) if self.is_running_settled(thread, sighand, block, clock) => true,
                _ => self.waited > UNTOLD,
            },
        }
    }

    fn is_running_settled(
        &mut self,
        thread: Thread,
        sighand: &SigHand,
        block: Option<&Block>,
        clock: u64,
    ) -> bool {
        let notes = self.notes;
        let seen = self.seen(thread);
        if seen.clock == 0 || seen.clock > clock + 1 {
            seen.clock = clock + 1;
            seen.ran = others::run_time(thread).unwrap_or(0);
            return false;
        }
        if clock + 1 == seen.clock {
            // One that computes in a call is in it, and noted so already.
            let ran = || others::run_time(thread).unwrap_or(0).saturating_sub(seen.ran);
            return notes && ran() > COMPUTED;
        }
        // The block of a thread that was killed can have the number of another.
        if seen.called != 0 && is_any_armed(thread.id) {
            return true;
        }
        !self.call(thread, sighand, block, 0, 0) && self.gives_up(thread)
    }

    /// A thread sleeps that the resident has not met.
    fn is_sleeper_settled(&mut self, thread: Thread, sighand: &SigHand) -> bool {
        let Some(call) = others::call(thread) else { return false };
        if text::description_at(call.pc).is_some() || arch::image_contains(call.pc) {
            // It comes back to a diverted stub, or is being met.
            return true;
        }
        if self.seen(thread).called != 0 {
            // It runs none of its own code before the signal.
            return true;
        }
        // What it waits for would be the result of its wait.
        let taken = match call.number == RT_SIGTIMEDWAIT {
            true => User::<u64>::new(call.argument).read().unwrap_or(sys::ALL_SIGNALS),
            false => 0,
        };
        !self.call(thread, sighand, None, taken, call.number) && self.gives_up(thread)
    }

    /// Calls the thread to be armed by a signal that it neither blocks nor takes, and by another if it has come to
    /// block that one before it arrived; a wait that this ends is in call `number`. `false` when there is no such signal,
    /// or it cannot be sent.
    fn call(
        &mut self,
        thread: Thread,
        sighand: &SigHand,
        block: Option<&Block>,
        taken: u64,
        number: usize,
    ) -> bool {
        if self.notes {
            // It is found in its own code.
            if let Some(block) = block {
                block.must_arm.store(0, Ordering::SeqCst);
            }
            return true;
        }
        let sent = self.seen(thread).called;
        let blocked = others::blocked(thread);
        if sent & !blocked.unwrap_or(sent) != 0 {
            return true;
        }
        // Where nobody says what it blocks, it is called by one after the other of those that are open for that.
        let unsure = blocked.is_none() && sent != 0;
        let signal = match signal::heard(blocked.unwrap_or(sent) | taken, sighand) {
            Some(signal) if !unsure || signal::open_signals() & signal::bit(signal) != 0 => signal,
            // Who was called may be handling that signal by now, with all blocked.
            _ => return sent != 0,
        };
        let me = self.me.tid.load(Ordering::Relaxed);
        CALLING.store((me as u64) << 32 | thread.id as u64, Ordering::SeqCst);
        // One that is at work by now arms itself, if it does not become another program.
        let heard = block.is_some_and(|block| block.at_work.load(Ordering::SeqCst) != 0) || {
            let info = arm::call_to_arm(signal, number);
            sys::queue_signal_to(thread.process, thread.id, signal, &info).is_ok()
        };
        CALLING.store(0, Ordering::SeqCst);
        self.seen(thread).called |= if heard { signal::bit(signal) } else { 0 };
        heard
    }

    /// Whether a thread that cannot be called is left.
    fn gives_up(&self, thread: Thread) -> bool {
        if self.waited > PATIENCE {
            let tid = thread.id;
            crate::log!(Warn, "not covered until its next call: no signal reaches thread {tid}");
        }
        self.waited > PATIENCE
    }

    /// What is known of the thread.
    fn seen(&mut self, thread: Thread) -> &mut Seen {
        let at = self.seen.iter().position(|seen| seen.tid == thread.id).unwrap_or_else(|| {
            self.seen.push(Seen { tid: thread.id, clock: 0, ran: 0, called: 0 });
            self.seen.len() - 1
        });
        &mut self.seen[at]
    }
}

/// Whether a thread with this number is armed.
fn is_any_armed(tid: i32) -> bool {
    let mut armed = false;
    POOL.each_in_use(|block| {
        armed |= block.tid.load(Ordering::SeqCst) == tid && arm::is_armed(block);
    });
    armed
}
