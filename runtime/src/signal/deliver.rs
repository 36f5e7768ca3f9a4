//! Delivery: a frame where the target asked for it, and its handler on top.

use core::sync::atomic::Ordering;

use super::mask::CANDIDATES;
use super::{Action, SIGCALL, SigHand, bit, fault, mask};
use crate::arch::{self, CallRegs, Context, SigInfo};
use crate::layer::Call;
use crate::memory::User;
use crate::sys;
use crate::text;
use crate::thread::{AltStack, Block, POOL};

const SIGSEGV: i32 = linux_raw_sys::general::SIGSEGV as i32;

/// Whether the kernel, or a filter of the target's, has forced the signal on a thread that does not want to hear
/// of it, which ends it then (`force_sig_info_to_task`, kernel/signal.c).
fn is_unwelcome(signal: i32, info: &SigInfo, action: &Action, blocked: u64) -> bool {
    (fault::is_filtered(signal, info) || fault::is_fault(signal, info))
        && (action.is_ignore() || blocked & bit(signal) != 0)
}

/// Makes `context`, which is about to run target code or a stub, go on in the target's handler for
/// `signal`, which looks like a fault but cannot be one if it `is_sent`.
pub fn to_context(
    signal: i32,
    info: &SigInfo,
    context: &mut Context,
    block: &mut Block,
    is_sent: bool,
) {
    // SAFETY: a bound block has its handlers.
    let sighand = unsafe { &*block.sighand };
    let action = sighand.get(signal);
    let old = block.blocked.believed(context.mask());
    if is_unwelcome(signal, info, &action, old) {
        fault::die_as_default(signal, info, is_sent);
        return;
    }
    if action.is_ignore() {
        return;
    }
    if action.is_default() {
        if fault::die_as_default(signal, info, is_sent) {
            return;
        }
        // The action cannot be set: blocked, the fault that happens again kills just so
        // (`force_sig_info_to_task`, kernel/signal.c).
        context.set_mask(context.mask() | bit(signal));
        return;
    }
    if action.resets() {
        sighand.was_reset(signal);
        fault::keep_ours(signal);
    }
    let during = action.mask_during(signal, old);
    context.set_mask(old);
    text::leave_stub(context);
    let info = fault::shown(signal, info, context.pc());
    // SAFETY: `context` is a kernel frame with the target's whole state.
    let Some(frame) = (unsafe { push(&info, context, &action, block, false) }) else {
        let _ = action_for_no_frame(signal, sighand, old);
        to_context(SIGSEGV, &fault::no_frame(), context, block, true);
        return;
    };
    context.enter_handler(action.kernel(), signal, frame);
    context.set_mask(mask::for_kernel(during));
    block.blocked.set_from(during);
}

/// Delivers the held signal on the way out of a call: the caller goes on in its handler.
///
/// # Safety
/// Called by the exit code alone, with the registers of the call that is ending.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vload_resident_deliver(regs: &mut CallRegs, block: &mut Block) {
    let mut signal = block.held_signal;
    // SAFETY: as in `to_context`.
    let sighand = unsafe { &*block.sighand };
    let mut action = sighand.get(signal);
    let old = block.blocked.believed(block.exit_mask);
    block.exit_mask_set = u32::from(sys::can_set_signal_mask());
    let mut info = block.held.info;
    // What is blocked is pending even while it is ignored (sig_ignored, kernel/signal.c).
    let unwelcome = is_unwelcome(signal, &info, &action, old);
    let mut kernel = block.exit_mask;
    // What has ended a wait came through the mask that the call waited with.
    let believed = block.temporary_mask.unwrap_or(block.blocked.get());
    let waits = !unwelcome && mask::hold_back(block, signal, &info, believed, &mut kernel);
    if waits || (!unwelcome && action.is_ignore()) {
        block.exit_mask = kernel;
        block.held_flag.store(0, Ordering::Relaxed);
        mask::after_first(block);
        return;
    }
    if unwelcome || action.is_default() {
        block.held_flag.store(0, Ordering::Relaxed);
        if !fault::die_as_default(signal, &info, true) {
            fault::die(signal);
        }
        return;
    }
    let blocked = block.temporary_mask.take().unwrap_or(old);
    let mut shown = *regs;
    shown.set_pc(text::shown_pc(regs.pc()));
    let held = &raw mut block.held;
    // SAFETY: `held` is this thread's and was filled by `hold`; its vector registers are taken from
    // beside `regs`, where entry.rs saved them.
    let mut context = unsafe { (*held).as_caller(regs) };
    context.take_regs(&shown);
    context.set_mask(old);
    let frame = loop {
        if action.resets() {
            sighand.was_reset(signal);
            fault::keep_ours(signal);
        }
        info = fault::shown(signal, &info, shown.pc());
        // SAFETY: the context is the caller's, complete.
        if let Some(frame) = unsafe { push(&info, &context, &action, block, true) } {
            break frame;
        }
        action = action_for_no_frame(signal, sighand, blocked);
        (signal, info) = (SIGSEGV, fault::no_frame());
    };
    arch::enter_handler(regs, action.kernel(), signal, frame);
    let during = action.mask_during(signal, blocked);
    block.exit_mask = mask::for_kernel(during);
    block.blocked.set_from(during);
    block.held_flag.store(0, Ordering::Relaxed);
    mask::after_first(block);
}

/// What the target does when there is no room for the frame of `signal`'s handler, in a thread that blocks `blocked`
/// (`force_sigsegv`, kernel/signal.c).
pub(super) fn action_for_no_frame(signal: i32, sighand: &SigHand, blocked: u64) -> Action {
    let action = sighand.get(SIGSEGV);
    let is_deaf = signal == SIGSEGV || blocked & bit(SIGSEGV) != 0;
    if is_deaf || action.is_default() || action.is_ignore() {
        fault::die(SIGSEGV);
    }
    action
}

/// Builds the frame on the stack that the target asked for (`get_sigframe`,
/// arch/x86/kernel/signal.c, and its likes). `None`: it cannot be written there. In a handler, with all signals blocked,
/// that ends the process at once, as the kernel would, where nobody could hear of it: faults come through where the
/// target has a handler for them on another stack, and `in_resident`, where they always do.
///
/// # Safety
/// `context` must be complete.
unsafe fn push(
    info: &SigInfo,
    context: &Context,
    action: &Action,
    block: &mut Block,
    in_resident: bool,
) -> Option<usize> {
    let sp = context.sp();
    let alt = block.altstack;
    let nested = alt.holds(sp);
    let has_choice = alt.enabled() && !nested;
    let entering = action.on_altstack() && has_choice;
    let top =
        if entering { alt.sp.wrapping_add(alt.size) } else { sp.wrapping_sub(arch::RED_ZONE) };
    let reported = (alt.sp, alt.flags, alt.size);
    // A frame that leaves the stack it is for kills, instead of what lies below.
    let floor = if entering || nested { alt.sp } else { 0 };
    // SAFETY: a bound block has its handlers.
    let fault = unsafe { &*block.sighand }.get(SIGSEGV);
    let hears = has_choice && fault.is_handled() && fault.on_altstack() != entering;
    // The rights are not those of the code that the stack belongs to, or as narrow as it has them: since Linux 6.12 the
    // kernel writes a frame whatever they are.
    let frame = mask::with_faults(hears && !in_resident, context.mask(), || {
        arch::with_every_key(|| {
            // SAFETY: the caller's promise; the place is the one the kernel would have taken.
            unsafe { arch::build_frame(top, floor, info, context, reported, action.kernel()) }
        })
    })?;
    if alt.flags & AltStack::AUTODISARM != 0 {
        // sas_ss_reset: the stack is forgotten until the handler returns.
        block.altstack = AltStack::NONE;
    }
    Some(frame)
}

/// Whether the calling thread has a signal to deliver.
pub fn is_held(block: &Block) -> bool {
    block.held_flag.load(Ordering::Acquire) != 0
}

/// Whether what is held has called the thread to take a signal that another one has taken.
pub fn is_nothing_held(block: &Block) -> bool {
    is_held(block) && fault::code(&block.held.info) == fault::TAKE
}

/// Whether the calling thread has a signal to deliver that lets a call go on which it has interrupted. So does one that the
/// target blocks, and of which it hears nothing yet (`mask::hold_back`).
pub fn held_restarts(block: &Block) -> bool {
    let is_blocked = || block.blocked.get() & mask::open() & bit(block.held_signal) != 0;
    // SAFETY: as in `to_context`.
    let restarts = || unsafe { &*block.sighand }.get(block.held_signal).restarts();
    is_nothing_held(block) || (is_held(block) && (is_blocked() || restarts()))
}

/// Drops to the default action of `signal` in the kernel and sends it again with `info`; it takes
/// effect when the mask lets it.
pub fn again(signal: i32, info: &SigInfo) {
    let info = as_sent(info);
    if sys::queue_signal(signal, (&raw const info).addr()).is_err() {
        let _ = sys::raise(signal);
    }
}

/// `si_code` of what `tgkill(2)` sends.
const SI_TKILL: i32 = -6;

/// Whether what has come was sent to the thread, and not to its process.
pub fn is_for_thread(info: &SigInfo) -> bool {
    let code = fault::code(info);
    code == SI_TKILL || sent_code(code).is_some() || fault::is_of_event(info)
}

/// The `si_code` of what a process has sent one of its threads by `rt_tgsigqueueinfo(2)`, as `pthread_sigqueue(3)` does:
/// it is the sender's, from -64 to 0, less this. As it is it would look like that of `sigqueue(3)`.
const TO_THREAD: i32 = 0x7700;

/// `rt_tgsigqueueinfo(2)` of a signal that may be held back.
pub fn rt_tgsigqueueinfo(call: &mut Call<'_>) -> isize {
    let [process, thread, signal, at, ..] = call.args;
    let (own, own_thread) = (&call.block.process, &call.block.tid);
    let mut info;
    if CANDIDATES.contains(&(signal as i32))
        && mask::open() & bit(signal as i32) != 0
        && process as i32 == own.load(Ordering::Relaxed)
        && let Ok(given) = User::<SigInfo>::new(at).read()
    {
        let code = fault::code(&given);
        // What looks like kill's, or tgkill's, is taken from the thread that names itself alone.
        let is_taken = match code {
            SI_TKILL => false,
            0 => thread as i32 == own_thread.load(Ordering::Relaxed),
            code => (-64..0).contains(&code),
        };
        if is_taken {
            info = given;
            // To the kernel the marked code is an unknown one, of which it takes nothing that it does not know.
            if matches!(code, -7..=0 | -60) {
                info[arch::SIGINFO_KEPT / size_of_val(&given[0])..].fill(0);
            }
            info = for_thread(info);
            call.args[3] = (&raw const info).addr();
        }
    }
    let result = call.pass();
    call.args[3] = at;
    result
}

/// `info`, which looks like it was sent to the process, as one that was sent to the thread.
pub fn for_thread(mut info: SigInfo) -> SigInfo {
    let code = fault::code(&info);
    if (-64..=0).contains(&code) && code != SI_TKILL {
        arch::set_si_code(&mut info, code - TO_THREAD);
    }
    info
}

/// The sender's `si_code`, where `code` tells that one was sent to a thread.
fn sent_code(code: i32) -> Option<i32> {
    let sent = code.wrapping_add(TO_THREAD);
    (-64..=0).contains(&sent).then_some(sent)
}

/// `info` as it was sent.
pub fn as_sent(info: &SigInfo) -> SigInfo {
    let mut sent = *info;
    if let Some(code) = sent_code(fault::code(info)) {
        arch::set_si_code(&mut sent, code);
    }
    sent
}

/// Sends what has come to the calling thread once more, to whom it was sent: the thread, or its process. Of a
/// process with threads, none must take what it believes to be blocked and the kernel does not block.
pub fn back_to_kernel(signal: i32, info: &SigInfo) {
    let is_open = mask::open() & bit(signal) != 0 && signal != SIGCALL;
    if is_for_thread(info)
        || (is_open && !POOL.has_one_thread())
        || sys::queue_process_signal(signal, info).is_err()
    {
        again(signal, info);
    }
}
