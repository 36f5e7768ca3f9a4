//! `exit(2)` and `exit_group(2)`.

use crate::arch;
use crate::layer::Call;
use crate::signal;
use crate::sys;
use crate::thread::Ownership;
use crate::watch;

/// Ends the calling thread; its block is given back by the last instruction that needs it. That of
/// a first thread is not: a process in seccomp's strict mode may call exit(2), and nothing besides.
pub fn exit(call: &mut Call<'_>) -> isize {
    let waited = matches!(call.block.ownership, Ownership::Parent | Ownership::First);
    if waited || !sys::can_set_signal_mask() {
        let blocked = call.block.blocked.get();
        signal::take_nothing_more(call.block);
        let result = call.pass();
        // A signal has come first.
        call.block.blocked.set(blocked);
        return result;
    }
    sys::set_signal_mask(sys::ALL_SIGNALS);
    if signal::is_held(call.block) {
        return arch::ABORTED;
    }
    signal::take_nothing_more(call.block);
    let (sp, start, length) = call.block.last_stack;
    if length != 0 && sp == call.regs.sp() {
        // SAFETY: the thread has unmapped it itself, and the resident runs on a stack of its own.
        unsafe { sys::munmap(start, length) };
    }
    // SAFETY: all signals are blocked, so nothing runs on this thread's stacks any more; another
    // thread may take the block as soon as its state is 0.
    unsafe { arch::exit_thread(call.args[0], call.block.state.as_ptr()) }
}

/// Ends the process. One that shares its memory with another must not leave its block behind.
pub fn exit_group(call: &mut Call<'_>) -> isize {
    if call.block.ownership == Ownership::SharedMemory {
        return exit(call);
    }
    watch::report();
    call.pass()
}
