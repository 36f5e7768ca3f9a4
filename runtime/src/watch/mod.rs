//! The watch: calls from code that cannot be proven arrive by syscall user dispatch.
//!
//! A process that maps such code arms every thread (`arm`): from then on a call that is not made from
//! the gate raises `SIGSYS`, and the resident's handler makes it the call that it is ([`dispatch`]).
//! Stubs leave through the gate (`arch::watched_entries`). The kernel keeps this for each thread and
//! hands it on to none: new threads and children arm themselves before they run target code, and the
//! threads that run when the process is watched first are brought to it (`gather.rs`).
//!
//! A process all of whose code is proven never comes here.

mod arm;
mod gather;

use core::fmt::{self, Arguments, Display};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

use crate::arch::{self, Context, SigInfo, Watched};
use crate::layer;
use crate::signal;
use crate::sys::{self, Errno};
use crate::text;
use crate::thread::{Block, POOL};

pub use arm::{arm_first, arm_interrupted, arm_new, is_call_to_arm, vload_resident_arm};

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
    arm::attempt().map_err(|error| {
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

/// Code is there, or is about to be, that cannot be proven: `why` says which. Comes back when every
/// thread that could execute it is armed. `block` is the calling thread's, once it has one.
pub fn demand(block: Option<&Block>, why: Arguments<'_>) {
    if is_on() {
        if BUSY.load(Ordering::SeqCst) != 0
            && let Some(block) = block
        {
            // Another thread is at it: its mapping and ours wait for the same.
            enter(block);
        }
        crate::log!(Debug, "watched: {why}");
        return;
    }
    if let Err(unwatched) = offered() {
        crate::log!(Warn, "not covered: {why}: {unwatched}");
        return;
    }
    crate::log!(Info, "watched from here on: {why}");
    match block {
        Some(block) => enter(block),
        None => turn_on(None),
    }
}

/// `--watch=always`, before the target has run.
pub fn start() {
    if policy() == Policy::Always && !is_on() {
        demand(None, format_args!("--watch=always"));
    }
}

/// Makes the process a watched one, or waits for the thread that does.
fn enter(block: &Block) {
    while BUSY.swap(1, Ordering::SeqCst) != 0 {
        sys::wait_while(&BUSY, 1);
    }
    if !is_on() {
        turn_on(Some(block));
        gather::gather(block);
    }
    BUSY.store(0, Ordering::SeqCst);
    sys::wake_all(&BUSY);
}

fn turn_on(block: Option<&Block>) {
    signal::keep_open(signal::SIGSYS);
    if let Some(block) = block {
        arm::own_handler(block);
    }
    ON.store(true, Ordering::SeqCst);
    layer::show_everything();
    POOL.each_in_use(|block| block.must_arm.store(1, Ordering::SeqCst));
}

/// A fork's child: it has one thread, the caller, and no dispatch yet.
pub fn after_fork(block: &mut Block) {
    if BUSY.swap(0, Ordering::SeqCst) != 0 && is_on() {
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
