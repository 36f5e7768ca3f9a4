//! What the target set with `rt_sigaction(2)`, and what the kernel is told instead.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use super::{Pending, SIGNALS, UNBLOCKABLE, bit, fault, mask};
use crate::arch::{self, KernelAction};
use crate::memory::User;
use crate::sys::{self, Errno, Result};
use crate::thread::Block;

/// `SIG_DFL`.
const DEFAULT: usize = 0;
/// `SIG_IGN`.
const IGNORE: usize = 1;

const SA_NOCLDSTOP: usize = 1;
const SA_NOCLDWAIT: usize = 2;
const SA_SIGINFO: usize = 4;
const SA_EXPOSE_TAGBITS: usize = 0x800;
const SA_ONSTACK: usize = 0x0800_0000;
pub(super) const SA_RESTART: usize = 0x1000_0000;
const SA_NODEFER: usize = 0x4000_0000;
const SA_RESETHAND: usize = 0x8000_0000;

/// The flags that the kernel keeps; others read back as 0 (`UAPI_SA_FLAGS`, linux/signal_types.h).
const KNOWN: usize = SA_NOCLDSTOP
    | SA_NOCLDWAIT
    | SA_SIGINFO
    | SA_EXPOSE_TAGBITS
    | SA_ONSTACK
    | SA_RESTART
    | SA_NODEFER
    | SA_RESETHAND
    | arch::ACTION_FLAGS;

/// The flags by which the kernel decides before a handler runs, and which it must therefore see.
const KERNELS: usize = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_EXPOSE_TAGBITS | SA_RESTART | SA_RESETHAND;

/// What the target wants done with a signal.
#[derive(Clone, Copy)]
pub struct Action(KernelAction);

impl Action {
    const NOTHING_SET: Self = Self(KernelAction::DEFAULT);

    /// One of which the handler alone is known.
    pub fn of_handler(handler: usize) -> Self {
        Self(KernelAction { handler, ..KernelAction::DEFAULT })
    }

    /// Whether it is `SIG_DFL`.
    pub fn is_default(&self) -> bool {
        self.0.handler == DEFAULT
    }

    /// Whether it is `SIG_IGN`.
    pub fn is_ignore(&self) -> bool {
        self.0.handler == IGNORE
    }

    /// Whether it is neither: the target has a handler.
    pub fn is_handled(&self) -> bool {
        !self.is_default() && !self.is_ignore()
    }

    /// The action as the target set it.
    pub fn kernel(&self) -> &KernelAction {
        &self.0
    }

    /// Whether the handler wants the alternate stack.
    pub fn on_altstack(&self) -> bool {
        self.0.flags & SA_ONSTACK != 0
    }

    /// Whether a call that waits is made again after the signal.
    pub fn restarts(&self) -> bool {
        self.is_ignore() || self.0.flags & SA_RESTART != 0
    }

    /// Whether the action is for one delivery.
    pub fn resets(&self) -> bool {
        self.0.flags & SA_RESETHAND != 0
    }

    /// The signals to block on top of `mask` while the handler of `signal` runs.
    pub fn mask_during(&self, signal: i32, mask: u64) -> u64 {
        let own = if self.0.flags & SA_NODEFER == 0 { bit(signal) } else { 0 };
        (mask | self.0.mask | own) & !UNBLOCKABLE
    }
}

/// The handlers of a process: what the kernel keeps per `sighand_struct`.
///
/// Readers are the resident's signal handler in any thread; they take no lock. A writer makes
/// `version` odd while it changes an entry. It cannot be interrupted by a reader of its own thread,
/// because a signal that finds the resident at work is held before any action is read.
pub struct SigHand {
    version: AtomicU32,
    actions: UnsafeCell<[Action; SIGNALS]>,
    /// The signal that a writer is about to change, or 0, and what it makes of it: a fork copies it half done.
    changing: AtomicU32,
    next: UnsafeCell<Action>,
    /// The signals that wait for the process.
    shared: Pending,
}

// SAFETY: `actions` is read and written under the protocol of `version`, `next` written by who has made it odd.
unsafe impl Sync for SigHand {}

impl SigHand {
    /// Every signal at its default.
    pub const fn untouched() -> Self {
        Self {
            version: AtomicU32::new(0),
            actions: UnsafeCell::new([Action::NOTHING_SET; SIGNALS]),
            changing: AtomicU32::new(0),
            next: UnsafeCell::new(Action::NOTHING_SET),
            shared: Pending::none(),
        }
    }

    /// The signals that wait for the process.
    pub(super) fn shared(&self) -> &Pending {
        &self.shared
    }

    /// Where it is said which.
    pub(super) const SHARED: usize = core::mem::offset_of!(Self, shared) + Pending::STATE;

    /// Where the action for `signal` lies.
    pub const fn offset_of(signal: i32) -> usize {
        const { assert!(size_of::<Action>() == size_of::<KernelAction>()) };
        core::mem::offset_of!(Self, actions) + (signal - 1) as usize * size_of::<Action>()
    }

    /// The action for `signal` (1 to 64).
    pub fn get(&self, signal: i32) -> Action {
        let index = (signal - 1) as usize % SIGNALS;
        loop {
            let before = self.version.load(Ordering::Acquire);
            if before & 1 == 0 {
                // SAFETY: a torn value is thrown away below; the type has no invalid values.
                let action = unsafe { (&raw const (*self.actions.get())[index]).read_volatile() };
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == before {
                    return action;
                }
            }
            core::hint::spin_loop();
        }
    }

    /// Whether `signal` is ignored: for who may have interrupted a writer of its own thread, which does not change that.
    pub fn is_ignored_now(&self, signal: i32) -> bool {
        let index = (signal - 1) as usize % SIGNALS;
        // SAFETY: a word is never torn.
        unsafe { (&raw const (*self.actions.get())[index].0.handler).read_volatile() == IGNORE }
    }

    /// Changes the action for `signal` and, while no reader can see it, what `change` changes.
    fn set<T>(&self, signal: i32, action: Action, change: impl FnOnce() -> Result<T>) -> Result<T> {
        let index = (signal - 1) as usize % SIGNALS;
        self.locked(|| {
            // SAFETY: the odd version keeps other writers out.
            unsafe { self.next.get().write_volatile(action) };
            self.changing.store(signal as u32, Ordering::Release);
            let result = change();
            if result.is_ok() {
                // SAFETY: the odd version keeps other writers out and makes readers try again.
                unsafe { (&raw mut (*self.actions.get())[index]).write_volatile(action) };
            }
            self.changing.store(0, Ordering::Release);
            result
        })
    }

    /// Keeps other writers out, and makes readers try again.
    fn locked<T>(&self, change: impl FnOnce() -> Result<T>) -> Result<T> {
        loop {
            let version = self.version.load(Ordering::Relaxed);
            if version & 1 == 0
                && self
                    .version
                    .compare_exchange_weak(
                        version,
                        version + 1,
                        Ordering::Acquire,
                        Ordering::Relaxed,
                    )
                    .is_ok()
            {
                break;
            }
            core::hint::spin_loop();
        }
        let result = change();
        self.version.fetch_add(1, Ordering::Release);
        result
    }

    /// The kernel reset `signal` when it delivered it (`SA_RESETHAND`): flags and mask stay (`get_signal`,
    /// kernel/signal.c).
    pub fn was_reset(&self, signal: i32) {
        let action = KernelAction { handler: DEFAULT, ..self.get(signal).0 };
        let _infallible: Result<()> = self.set(signal, Action(action), || Ok(()));
    }

    /// Puts the resident's handler in place for a signal that has become one of ours (`fault::is_ours`),
    /// whatever another thread sets at the same time.
    pub fn own(&self, signal: i32) -> Result<()> {
        let index = (signal - 1) as usize % SIGNALS;
        self.locked(|| {
            // SAFETY: the odd version keeps writers out.
            let action = unsafe { (&raw const (*self.actions.get())[index]).read_volatile() };
            sys::signal_action(signal, Some(&for_kernel(signal, &action)), None)
        })
    }

    /// Takes over what `other` has, as a clone without `CLONE_SIGHAND` does.
    pub fn copy_from(&self, other: &Self) {
        for signal in 1..=SIGNALS as i32 {
            let _infallible: Result<()> = self.set(signal, other.get(signal), || Ok(()));
        }
        self.shared.forget();
    }

    /// Every handler is forgotten; what is ignored stays ignored (`CLONE_CLEAR_SIGHAND`).
    pub fn forget_handlers(&self) {
        for signal in 1..=SIGNALS as i32 {
            if !self.get(signal).is_ignore() {
                let _infallible: Result<()> = self.set(signal, Action::NOTHING_SET, || Ok(()));
            }
        }
    }

    /// The kernel has reset all handlers of this process: so do we, and keep those that are ours.
    pub fn clear(&self) {
        self.forget_handlers();
        self.keep_ours();
    }

    /// Puts the resident's handlers back in place.
    pub fn keep_ours(&self) {
        for signal in 1..=SIGNALS as i32 {
            if !self.get(signal).is_ignore() {
                fault::keep_ours(signal);
            }
        }
    }

    /// How often it has been changed: what a clone asks before and after.
    pub fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    /// In the child of a fork, which `before` was the version of: another thread of the parent may have been at a
    /// change, and the kernel copies its handlers before the memory. What was begun is ended, and what the
    /// kernel does is what this says.
    pub fn after_fork(&self, before: u32) {
        // Pending signals are the parent's (fork(2)).
        self.shared.forget();
        let version = self.version();
        if version & 1 != 0 {
            let signal = self.changing.load(Ordering::Acquire) as usize;
            if signal != 0 {
                // SAFETY: the process has one thread; the writer had set `next` before it said which.
                unsafe {
                    let next = self.next.get().read_volatile();
                    (&raw mut (*self.actions.get())[(signal - 1) % SIGNALS]).write_volatile(next);
                }
            }
            self.version.store(version + 1, Ordering::Release);
        }
        if self.version() != before {
            self.tell_kernel();
        }
    }

    /// Tells the kernel of every signal what this says.
    pub fn tell_kernel(&self) {
        for signal in (1..=SIGNALS as i32).filter(|&signal| UNBLOCKABLE & bit(signal) == 0) {
            let _infallible = self.own(signal);
        }
    }

    /// Records that an ignored signal was inherited.
    pub fn inherit_ignore(&self, signal: i32) {
        let ignored = Action(KernelAction { handler: IGNORE, ..KernelAction::default() });
        let _infallible: Result<()> = self.set(signal, ignored, || Ok(()));
    }
}

/// What the kernel is told for `action`.
fn for_kernel(signal: i32, action: &Action) -> KernelAction {
    if action.is_ignore() && super::open_signals() & bit(signal) == 0 {
        return action.0;
    }
    if action.is_default() && !fault::is_ours(signal) {
        return action.0;
    }
    if action.is_default() || action.is_ignore() {
        // Natively no call would be interrupted by it.
        return resident_action(SA_RESTART);
    }
    // A signal of which the resident always wants to know must not be reset by the kernel.
    let theirs = if fault::is_ours(signal) { KERNELS & !SA_RESETHAND } else { KERNELS };
    resident_action(action.0.flags & theirs)
}

/// The resident's handler, with the target's `flags`.
pub(super) fn resident_action(flags: usize) -> KernelAction {
    KernelAction {
        handler: arch::handler(),
        flags: flags | SA_SIGINFO | SA_ONSTACK,
        mask: sys::ALL_SIGNALS,
        ..KernelAction::DEFAULT
    }
    .returning_to(arch::restorer())
}

/// `rt_sigaction(2)`, in the order of kernel/signal.c: the new action is read, then judged, then the
/// old one is written.
pub fn rt_sigaction(sighand: &SigHand, args: &[usize; 6]) -> Result<usize> {
    let [signal, new, old, size, ..] = *args;
    let signal = signal as i32;
    if size != 8 {
        return Err(Errno::INVAL);
    }
    let wanted = match new {
        0 => None,
        at => Some(User::<KernelAction>::new(at).read()?),
    };
    let before = set(sighand, signal, wanted)?;
    if old != 0 {
        User::<KernelAction>::new(old).write(before)?;
    }
    Ok(0)
}

/// [`change`], by a thread of the target's: what waits of a signal that is ignored from now on is gone.
pub fn set(sighand: &SigHand, signal: i32, wanted: Option<KernelAction>) -> Result<KernelAction> {
    let before = change(sighand, signal, wanted)?;
    if wanted.is_some_and(|action| action.handler == IGNORE) {
        mask::drop_waiting(Block::own(), signal);
    }
    Ok(before)
}

/// Sets the action for `signal` to what is `wanted`, if anything is, and gives what it was
/// (`do_sigaction`, kernel/signal.c).
pub fn change(
    sighand: &SigHand,
    signal: i32,
    wanted: Option<KernelAction>,
) -> Result<KernelAction> {
    if !(1..=SIGNALS as i32).contains(&signal) {
        return Err(Errno::INVAL);
    }
    if wanted.is_some() && UNBLOCKABLE & bit(signal) != 0 {
        return Err(Errno::INVAL);
    }
    let before = sighand.get(signal);
    if let Some(mut action) = wanted {
        action.flags &= KNOWN;
        action.mask &= !UNBLOCKABLE;
        let action = Action(action);
        // Judged while no other thread changes it: `SigHand::own`.
        let tell = || sys::signal_action(signal, Some(&for_kernel(signal, &action)), None);
        sighand.set(signal, action, tell)?;
    }
    Ok(before.0)
}
