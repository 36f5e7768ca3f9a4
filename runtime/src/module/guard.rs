//! A module's code is called under a guard: a fault in it is reported with the layer's name, and ends no
//! more than the call that it is in, with `EIO`.
//!
//! Whatever a module does to its own memory stays done. A call that it had made below is made.

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering, compiler_fence};

use crate::arch::{self, Context, Guarded, Kept, SigInfo};
use crate::layer::{Call, Layer, Next};
use crate::log::{self, Line};
use crate::thread::Block;

use super::locks::Locks;

/// What the calling thread has of a module's code that it is in.
pub struct Guard {
    /// For [`arch::guard_failed`].
    kept: AtomicUsize,
    /// Whose code it is.
    pub layer: &'static Layer,
    /// What the code asks of the system itself goes to layers older than this.
    pub limit: u64,
    /// The call in which it is.
    pub call: *mut c_void,
    /// The layers below.
    pub next: Option<Next>,
    /// The module's code has the thread, and not what it has called of vload's.
    running: AtomicBool,
    /// What is wrong has been said.
    told: AtomicBool,
    /// The locks that the code holds.
    locks: UnsafeCell<Locks>,
    /// What its vector state was that the code may change.
    vectors: Kept,
    /// A call below had no effect because a signal came first.
    aborted: AtomicBool,
    below: *mut Guard,
}

/// Calls `function` with `argument` on behalf of `layer`.
///
/// # Safety
/// It must be sound to call the function so. What it and its callees have on the stack may be left
/// without being dropped.
pub unsafe fn run(
    block: &Block,
    layer: &'static Layer,
    limit: u64,
    within: Option<(&mut Call<'_>, Next)>,
    function: Guarded,
    argument: *mut c_void,
) -> isize {
    let (call, next) = match within {
        Some((call, next)) => (core::ptr::from_mut(call).cast(), Some(next)),
        None => (null_mut(), None),
    };
    let guard = Guard {
        kept: AtomicUsize::new(0),
        layer,
        limit,
        call,
        next,
        running: AtomicBool::new(false),
        told: AtomicBool::new(false),
        locks: UnsafeCell::new(Locks::none()),
        vectors: Kept::none(),
        aborted: AtomicBool::new(false),
        below: block.guard.load(Ordering::Relaxed),
    };
    if !block.faults_open.load(Ordering::Relaxed) {
        crate::signal::open_faults(Block::own());
    }
    block.guard.store((&raw const guard).cast_mut(), Ordering::Relaxed);
    guard.set_running(true);
    // SAFETY: the caller's promise.
    let call = || unsafe { arch::guarded(function, argument, &guard.kept) };
    let result = match layer.raw().image.map_or(0, |image| image.vectors) {
        0 => call(),
        touched => arch::keeping(touched, &guard.vectors, call),
    };
    guard.set_running(false);
    // SAFETY: the code that takes them has returned, or been left.
    unsafe { &mut *guard.locks.get() }.give_up();
    block.guard.store(guard.below, Ordering::Relaxed);
    if result == arch::ABORTED {
        if !guard.aborted.load(Ordering::Relaxed) {
            // Of no layer's making: the caller would make the call again, for ever.
            return crate::sys::raw(Err(crate::sys::Errno::INTR));
        }
        // Who has asked the module may hand that up.
        if let Some(below) = Guard::current(block) {
            below.aborted.store(true, Ordering::Relaxed);
        }
    }
    result
}

impl Guard {
    /// Whether the module's code has the thread.
    fn set_running(&self, on: bool) {
        compiler_fence(Ordering::SeqCst);
        self.running.store(on, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
    }

    /// The innermost guard of the calling thread; `None` where no module's code has called.
    pub fn current(block: &Block) -> Option<&Self> {
        // SAFETY: null, or the guard of a call of `run` that has not returned, on this thread's stack.
        unsafe { block.guard.load(Ordering::Relaxed).as_ref() }
    }

    /// The locks that the code holds.
    #[allow(clippy::mut_from_ref, reason = "the guard is one thread's")]
    pub fn locks(&self) -> &mut Locks {
        // SAFETY: only what the code calls uses them, in the one thread that the guard is of, and does not keep them.
        unsafe { &mut *self.locks.get() }
    }

    /// Makes the call that the module has asked for, in which a fault is not the module's.
    pub fn leave(&self, call: impl FnOnce() -> isize) -> isize {
        self.set_running(false);
        let lent = self.vectors.lend();
        let result = call();
        self.vectors.end(lent);
        self.aborted.fetch_or(result == arch::ABORTED, Ordering::Relaxed);
        self.set_running(true);
        result
    }
}

/// Whether a module's code has the thread: a signal is held as anywhere in the resident.
pub fn is_running(block: &Block) -> bool {
    Guard::current(block).is_some_and(|guard| guard.running.load(Ordering::Relaxed))
}

/// A fault that a module's code has raised ends its call: `false` if no such code has the thread.
pub fn fault(signal: i32, info: &SigInfo, context: &mut Context, block: &Block) -> bool {
    let Some(guard) = Guard::current(block).filter(|guard| guard.running.load(Ordering::Relaxed))
    else {
        return false;
    };
    if !guard.told.load(Ordering::Relaxed) {
        let mut line = begin(guard);
        line.text("signal ").decimal(i64::from(signal)).text(" at ");
        match super::place::offset(guard.layer, context.pc()) {
            Some(offset) => line.hex(offset as u64).text(" of its image"),
            None => line.hex(context.pc() as u64),
        };
        line.text(", address ").hex(arch::si_addr(info) as u64);
        say(guard, line);
    }
    guard.running.store(false, Ordering::Relaxed);
    context.set_result(guard.kept.load(Ordering::Relaxed) as isize);
    context.set_pc(arch::guard_failed());
    true
}

/// A module has found a fault in itself, or vload in it.
pub fn fail(block: &Block, text: &[u8]) -> ! {
    if let Some(guard) = Guard::current(block) {
        let mut line = begin(guard);
        line.raw(text);
        say(guard, line);
        guard.told.store(true, Ordering::Relaxed);
        guard.set_running(true);
    }
    arch::trap()
}

fn begin(guard: &Guard) -> Line {
    let mut line = Line::new();
    line.text("vload: module ").text(guard.layer.raw().name).text(": ");
    line
}

/// On standard error once for each layer of a process.
fn say(guard: &Guard, mut line: Line) {
    // SAFETY: null, or the call in which the guarded code is.
    if let Some(call) = unsafe { guard.call.cast::<Call<'_>>().as_ref() } {
        line.text(", in call ").decimal(call.number as i64);
    }
    line.text(": it ends with EIO\n");
    if guard.layer.told.swap(true, Ordering::Relaxed) {
        log::write(line.bytes());
    } else {
        log::emergency(line.bytes());
    }
}
