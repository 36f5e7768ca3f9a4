//! The resident's signal handler: where a signal finds the thread decides what becomes of it.

use core::sync::atomic::Ordering;

use super::{SIGTRAP, UNBLOCKABLE, bit, deliver, fault, mask, shared};
use crate::adopt;
use crate::arch::{self, Context, SigInfo, Watched};
use crate::module;
use crate::sys;
use crate::text::{self, Trapped};
use crate::thread::{Block, Pool};
use crate::watch;

/// The handler that the kernel knows for every signal the target handles.
///
/// # Safety
/// Called by the kernel alone, on the thread's signal stack with all signals blocked.
pub unsafe extern "C" fn vload_signal(signal: i32, info: *const SigInfo, context: usize) {
    // SAFETY: the third argument of an SA_SIGINFO handler is its ucontext.
    let mut context = unsafe { Context::new(context) };
    // SAFETY: the second argument is the frame's siginfo.
    let info = unsafe { &*info };
    if adopt::is_adopted() && adopt::arrive(signal, info, &mut context) {
        return;
    }
    // SAFETY: the thread is one of ours: handlers are inherited only by threads that the resident
    // started, and those block all signals until the kernel knows their alternate stack.
    let block = unsafe { &mut *own_block(&context) };
    let was_called = shared::is_called(block);
    let meant = shared::meant(block, signal, info);
    let (signal, info) = meant.as_ref().map_or((signal, info), |(signal, info)| (*signal, info));
    // SAFETY: the caller's promise.
    unsafe { found(signal, info, context, block) };
    if was_called {
        shared::settle(block);
    }
}

/// What becomes of a signal that has come.
///
/// # Safety
/// `info` and `context` must be those of the kernel's frame.
unsafe fn found(signal: i32, info: &SigInfo, mut context: Context, block: &mut Block) {
    let lent = arch::lend_thread_register(block);
    let mut leaving = false;
    // Behind a call nothing of the gate's faults: what looks like it was sent.
    let is_behind = arch::watched_at(context.pc()) == Watched::After;
    if !fault::is_step(signal, info, context.pc()) && (is_behind || !fault::is_fault(signal, info))
    {
        watch::leave_gate(&mut context, block);
    }
    let pc = context.pc();
    if watch::dispatch(signal, info, &mut context, block) {
        return;
    }
    let calls_to_arm = watch::is_call_to_arm(info).is_some();
    if arch::image_contains(pc) || module::is_running(block) {
        let exit = arch::exit_window();
        if !(exit.start..exit.end).contains(&pc) {
            if !calls_to_arm {
                // SAFETY: `context` and `info` are the frame's.
                unsafe { hold(signal, info, &mut context, block) };
            }
            return;
        }
        if is_second(block, &context) {
            put_off(signal, info, &mut context, block);
            return;
        }
        // SAFETY: in the exit window the registers of the call are complete (arch/*/exit.rs).
        context.finish_exit(unsafe { &*block.regs });
        leaving = true;
    } else if let Some(trapped) = text::trap_at(signal, info, pc) {
        // A site of the trap shape. A signal that was sent to the thread just then takes the trap's place.
        if !is_breakpoint(signal, info) {
            mask::keep(block, signal, info);
            shared::call_self(block, bit(signal));
        }
        match trapped {
            Trapped::Stub(stub) => context.enter_stub(stub, block),
            Trapped::Behind(pc) => {
                context.set_pc(pc);
                context.enter_anywhere(false, block);
            }
        }
        // The trap may have come first, too, and taken the place of a call to take one.
        shared::settle(block);
        return;
    } else if fault::is_step(signal, info, pc) && (context.is_in_vdso() || !text::is_resumable(pc))
    {
        // Between two instructions of a stub that are one to the caller, which single-steps itself.
        return;
    }
    // The target runs with its own mask: what was to be set is set.
    block.exit_mask_set = 0;
    watch::arm_interrupted(&mut context, block);
    if !calls_to_arm {
        let mut blocked = context.mask();
        let believed = block.blocked.get();
        if mask::hold_back(block, signal, info, believed, &mut blocked) {
            context.set_mask(blocked);
        } else {
            // Behind a call nothing of the target's has been executed yet.
            let is_sent = is_behind || leaving || text::shown_pc(pc) != pc;
            deliver::to_context(signal, info, &mut context, block, is_sent);
        }
        shared::settle(block);
    }
    drop(lent);
    if leaving {
        arch::restore_thread_register(block);
    }
}

/// The block of the thread that `context` interrupts.
fn own_block(context: &Context) -> *mut Block {
    match context.altstack() {
        // A filter of the target's has kept the thread from telling the kernel of its stack.
        (_, _, 0) => arch::thread_block(),
        // SAFETY: the kernel knows no other alternate stacks than those of blocks.
        (start, ..) => unsafe { Pool::of_signal_stack(start) },
    }
}

/// Keeps a signal that found the resident at work, and blocks all others until the call ends.
///
/// # Safety
/// `info` and `context` must be those of the kernel's frame.
unsafe fn hold(signal: i32, info: &SigInfo, context: &mut Context, block: &mut Block) {
    let pc = context.pc();
    // What the target's call has sent to its own thread may look like a fault (rt_sigqueueinfo(2)).
    let is_sent = pc == arch::forwarded();
    if fault::is_filtered(signal, info) && pc == arch::own_call_done() {
        // A filter of the target's forbids what the resident asked for itself: the target has made
        // no such call, and hears nothing of it.
        context.set_result(sys::raw(Err(sys::Errno::NOSYS)));
        return;
    }
    if fault::is_step(signal, info, pc) && !is_sent {
        // The caller single-steps itself: its flag is saved and off in a few instructions.
        return;
    }
    if fault::is_watchpoint(info) && !is_sent {
        // The resident has read for itself what the target watches: natively that is the kernel, which it does not hear of.
        return;
    }
    if fault::is_fault(signal, info) && !is_sent {
        if let Some(escape) = arch::escape_of_fault(pc).or_else(|| arch::escape_of_copy(pc)) {
            context.set_pc(escape);
            return;
        }
        if module::fault(signal, info, context, block) {
            return;
        }
        fault::report(signal, info, context, block);
    }
    if block.regs.is_null() && is_nothing_yet(signal, info, block) {
        return;
    }
    for window in arch::forward_windows() {
        if (window.start..window.end).contains(&pc) {
            context.set_pc(window.escape);
        }
    }
    if is_second(block, context) {
        put_off(signal, info, context, block);
        return;
    }
    // SAFETY: the caller's promise.
    unsafe { block.held.keep(info, context) };
    block.held_signal = signal;
    block.exit_mask = context.mask();
    block.held_flag.store(1, Ordering::Release);
    context.set_mask(mask::while_held());
}

/// Before the target's first call, which is the first thing to end as calls do: a signal that the target has inherited as
/// blocked waits, and for one that is ignored nothing happens.
fn is_nothing_yet(signal: i32, info: &SigInfo, block: &mut Block) -> bool {
    if block.blocked.get() & bit(signal) != 0 && mask::keep(block, signal, info) {
        return true;
    }
    // SAFETY: a bound block has its handlers. It may be interrupted as it takes one of them over (`SigHand::own`).
    unsafe { &*block.sighand }.is_ignored_now(signal)
}

/// Whether the mask that `context` shows is the resident's: one that was held is still to be delivered, or has been, and
/// the mask with which its handler begins is still to be set (arch/*/exit.rs); or the handler itself is interrupted,
/// while it lets faults through (`mask::with_faults`).
fn is_second(block: &Block, context: &Context) -> bool {
    let differs = (context.mask() ^ block.exit_mask) & !UNBLOCKABLE != 0;
    deliver::is_held(block)
        || (block.exit_mask_set != 0 && differs)
        || is_handler_interrupted(block, context)
}

/// Whether the context is one of the resident's handler.
fn is_handler_interrupted(block: &Block, context: &Context) -> bool {
    let (stack, length) = block.signal_stack;
    context.sp().wrapping_sub(stack) < length
}

/// Only a signal that is never blocked here (signal/fault.rs) comes second. It waits until the target's own mask is set: in
/// the block while the resident is at work, whose faults are still to come through, and then in the kernel's queue.
fn put_off(signal: i32, info: &SigInfo, context: &mut Context, block: &mut Block) {
    let is_held = deliver::is_held(block);
    let can_wait = is_held || mask::open() & bit(signal) != 0;
    let is_kept = can_wait && mask::keep(block, signal, info);
    if is_kept && is_held {
        return;
    }
    // The copy that the handler makes while it lets faults through goes on, and may need the other one still.
    let blocked = match is_handler_interrupted(block, context) {
        true => context.mask() | bit(signal),
        false => sys::ALL_SIGNALS,
    };
    context.set_mask(blocked);
    match is_kept {
        true => shared::call_self(block, bit(signal)),
        false => deliver::back_to_kernel(signal, info),
    }
}

/// Whether a trap is that of a breakpoint instruction.
pub fn is_breakpoint(signal: i32, info: &SigInfo) -> bool {
    signal == SIGTRAP && fault::is_fault(signal, info)
}
