//! The watch: calls from code that cannot be proven arrive by syscall user dispatch.
//!
//! A process that maps such code arms every thread (`arm`): from then on a call that is not made from
//! the gate raises `SIGSYS`, and the resident's handler makes it the call that it is ([`dispatch`]).
//! Stubs leave through the gate (`arch::watched_entries`). The kernel keeps this for each thread and
//! hands it on to none: new threads and children arm themselves before they run target code, and the
//! threads that run when the process is watched first are brought to it (`gather.rs`).
//!
//! A process with one thread and one region of such code is watched there alone, where the kernel can
//! (`scope.rs`): its stubs are as in any process.
//!
//! A process all of whose code is proven never comes here.

mod arm;
mod gather;
mod losing;
mod scope;

use core::fmt::{self, Arguments, Display};
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

use crate::adopt;
use crate::arch::{self, Context, SigInfo, Watched};
use crate::layer;
use crate::signal;
use crate::sys::{self, Errno};
use crate::text;
use crate::thread::{Block, POOL};

pub use arm::{
    after_vfork, arm_first, arm_interrupted, arm_leaving, arm_new, expect_thread, expect_threads,
    is_call_to_arm, vload_resident_arm,
};
pub use gather::leave;
pub use losing::call_on_tree;
pub use scope::note_growth;

/// `--watch`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Policy {
    /// When something is mapped that cannot be proven.
    Auto = 0,
    /// From the start.
    Always = 1,
    /// Never.
    Never = 2,
}

impl Policy {
    /// The policy called `name`.
    pub fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"auto" => Self::Auto,
            b"always" => Self::Always,
            b"never" => Self::Never,
            _ => return None,
        })
    }
}

static POLICY: AtomicU32 = AtomicU32::new(Policy::Auto as u32);
/// Whether the process is watched.
static ON: AtomicBool = AtomicBool::new(false);
/// The number of the error by which the kernel has refused; 0: it has not.
static REFUSED: AtomicI32 = AtomicI32::new(0);
/// Whether a thread is making the process a watched one.
static BUSY: AtomicU32 = AtomicU32::new(0);
/// Calls that were dispatched.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Sets what `--watch` says.
pub fn set_policy(policy: Policy) {
    POLICY.store(policy as u32, Ordering::Relaxed);
}

fn policy() -> Policy {
    match POLICY.load(Ordering::Relaxed) {
        1 => Policy::Always,
        2 => Policy::Never,
        _ => Policy::Auto,
    }
}

/// Why a process is not watched that has something to be watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unwatched {
    /// `--watch=never`.
    Never,
    /// There is no watch for this processor.
    Processor,
    /// The kernel, or a filter, refuses.
    Refused(Errno),
}

impl Display for Unwatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("--watch=never"),
            Self::Processor => f.write_str("nothing can be watched on this processor"),
            Self::Refused(error) => {
                write!(f, "the kernel refuses to watch ({}), see vload doctor", error.text())
            }
        }
    }
}

/// Whether the process may come to be watched. The kernel is not asked.
fn is_likely() -> bool {
    arch::CAN_WATCH && policy() != Policy::Never && REFUSED.load(Ordering::Relaxed) == 0
}

/// Whether a process that has something to be watched comes to be watched here.
pub fn offered() -> Result<(), Unwatched> {
    if is_on() {
        return Ok(());
    }
    if policy() == Policy::Never {
        return Err(Unwatched::Never);
    }
    if !arch::CAN_WATCH {
        return Err(Unwatched::Processor);
    }
    let known = REFUSED.load(Ordering::Relaxed);
    if known != 0 {
        return Err(Unwatched::Refused(Errno(known)));
    }
    arm::attempt(None).map_err(|error| {
        REFUSED.store(error.0, Ordering::Relaxed);
        Unwatched::Refused(error)
    })
}

/// Whether the process is watched.
pub fn is_on() -> bool {
    ON.load(Ordering::SeqCst)
}

/// How many calls of this process came from code that is watched.
pub fn calls() -> u64 {
    CALLS.load(Ordering::Relaxed)
}

/// Says in the log how many calls the watch has brought, before the process ends or becomes another.
pub fn report() {
    if is_on() {
        crate::log!(Info, "watched calls: {}", calls());
    }
}

/// Whether calls from the range are watched already.
pub fn covers(range: &Range<usize>) -> bool {
    scope::covers(Some(range))
}

/// Whether all calls are watched, wherever they are made.
pub fn is_everywhere() -> bool {
    scope::covers(None)
}

/// Whether the range has to do with a region that is watched alone.
pub fn is_in_region(range: &Range<usize>) -> bool {
    scope::region().is_some_and(|region| range.start < region.end && range.end > region.start)
}

/// Code is there, or is about to be, that cannot be proven: `why` says which, and `place` where all of
/// it is, if that is known. Comes back when every thread that could execute it is armed. `block` is the
/// calling thread's, once it has one.
pub fn demand(block: Option<&Block>, place: Option<Range<usize>>, why: Arguments<'_>) {
    if scope::covers(place.as_ref()) {
        if BUSY.load(Ordering::SeqCst) != 0
            && let Some(block) = block
        {
            // Another thread is at it: its mapping and ours wait for the same.
            enter(block, place);
        }
        crate::log!(Debug, "watched: {why}");
        return;
    }
    if let Err(unwatched) = offered() {
        crate::log!(Warn, "not covered: {why}: {unwatched}");
        return;
    }
    if !is_on() {
        crate::log!(Info, "watched from here on: {why}");
    }
    match block {
        Some(block) => enter(block, place),
        None => widen(None, place),
    }
    match scope::region() {
        Some(region) => {
            crate::log!(Info, "watched alone: {:#x} to {:#x}", region.start, region.end);
        }
        None => crate::log!(Debug, "watched everywhere: {why}"),
    }
}

/// `--watch=always`, before the target has run.
pub fn start() {
    if policy() == Policy::Always && !is_on() {
        demand(None, None, format_args!("--watch=always"));
    }
}

/// Makes the process one that is watched in `place` too, or waits for the thread that does.
fn enter(block: &Block, place: Option<Range<usize>>) {
    one_at_a_time(|| {
        if !scope::covers(place.as_ref()) {
            widen(Some(block), place);
        }
    });
}

/// Does `work`, by which a process with threads is adopted. If something of what it has must be watched, that is so when
/// this comes back: every thread is armed, the caller too, whose block is `block` and whose signals are blocked.
pub fn gather_after(block: &Block, work: impl FnOnce() -> sys::Result<()>) -> sys::Result<()> {
    let mut done = Ok(());
    one_at_a_time(|| {
        done = work();
        if is_on() {
            gather::gather(block);
            arm::arm_leaving(block);
        }
    });
    done
}

/// Does `work` when no other thread is at any.
fn one_at_a_time(work: impl FnOnce()) {
    while BUSY.swap(1, Ordering::SeqCst) != 0 {
        sys::wait_while(&BUSY, 1);
    }
    work();
    BUSY.store(0, Ordering::SeqCst);
    sys::wake_all(&BUSY);
}

/// Watches what was watched before and `place`: as one region alone, if it is one and no other thread
/// would have to be told, else everything.
fn widen(block: Option<&Block>, place: Option<Range<usize>>) {
    let mut others = 0;
    POOL.each_in_use(|other| {
        others += usize::from(block.is_some_and(|block| !core::ptr::eq(block, other)));
    });
    let region = scope::with(place.as_ref()).filter(|region| {
        // An adopted process has threads that are not known yet.
        others == 0 && !adopt::is_adopted() && arm::attempt(Some(region)).is_ok()
    });
    signal::keep_open(signal::SIGSYS);
    if let Some(block) = block {
        arm::own_handler(block, signal::SIGSYS);
    }
    scope::set(region.as_ref());
    ON.store(true, Ordering::SeqCst);
    if region.is_none() {
        layer::show_everything();
    }
    // Of a sleeper that is noted it stays known (`gather::note_sleepers`).
    POOL.each_in_use(|block| {
        block.must_arm.fetch_max(1, Ordering::SeqCst);
    });
    if let Some(block) = block {
        gather::gather(block);
    }
}

/// A fork's child: it has one thread, the caller, and no dispatch yet.
pub fn after_fork(block: &mut Block) {
    if BUSY.swap(0, Ordering::SeqCst) != 0 && is_everywhere() {
        // Another thread was at it, which does not exist here.
        layer::show_everything();
    }
    CALLS.store(0, Ordering::Relaxed);
    is_disarmed(block);
}

/// The kernel has been told to let the calling thread's calls through: not for long.
pub fn is_disarmed(block: &Block) {
    if is_on() {
        block.armed.store(0, Ordering::SeqCst);
        block.must_arm.store(1, Ordering::SeqCst);
    }
}

/// Whether the signal is a call that was not made from the gate (`SYS_USER_DISPATCH`,
/// asm-generic/siginfo.h).
fn is_dispatch(signal: i32, info: &SigInfo) -> bool {
    const SYS_USER_DISPATCH: i32 = 2;
    signal == signal::SIGSYS && arch::si_code(info) == SYS_USER_DISPATCH
}

/// Makes the call that a signal of user dispatch stands for go on in the resident. `false`: the signal
/// is another.
pub fn dispatch(signal: i32, info: &SigInfo, context: &mut Context, block: &mut Block) -> bool {
    // What the resident sends itself for a dispatch of the target's own finds the resident.
    if !is_dispatch(signal, info) || !is_on() || arch::image_contains(context.pc()) {
        return false;
    }
    match text::description_at(context.pc()) {
        // A stub's own call, by a thread that has read its link page before.
        Some(desc) => context.enter_site(desc),
        None => {
            CALLS.fetch_add(1, Ordering::Relaxed);
            context.enter_anywhere(arch::dispatched_compat(info), block);
        }
    }
    true
}

/// A signal has found the thread on the way of a watched call through the gate: it is moved to the same
/// place in the stub that it comes from.
pub fn leave_gate(context: &mut Context, block: &Block) {
    let desc = match arch::watched_at(context.pc()) {
        Watched::Elsewhere => return,
        Watched::Entering => context.entering_site(),
        Watched::Before | Watched::After => block.watched_site,
    };
    let after = arch::watched_at(context.pc()) == Watched::After;
    // SAFETY: a stub has passed the address of its own description, and stubs stay mapped for as long
    // as threads are in their calls.
    let site = unsafe { &*(desc as *const crate::patch::SiteDesc) };
    let back = if after { site.resume } else { site.test };
    context.set_pc(desc - usize::from(back));
    if after {
        let address = desc.wrapping_add_signed(site.site as isize);
        context.set_address_behind(address + arch::SYSCALL_INSTRUCTION);
    }
}
