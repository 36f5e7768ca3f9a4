//! What vload offers the framework alone: the kernel as vload itself asks it, and vload's descriptors.

use core::ffi::{c_char, c_int, c_long};
use core::sync::atomic::Ordering;

use super::guard::Guard;
use crate::arch;
use crate::memory::guard;
use crate::process::copying::COPYING;
use crate::seccomp;
use crate::signal;
use crate::sys::{self, Errno};
use crate::thread::Block;
use crate::view::{Descriptors, PROGRAM, Slot};

/// A call that does not wait.
pub unsafe extern "C" fn vload_kernel(number: c_long, arguments: *const [usize; 6]) -> c_long {
    // SAFETY: the framework's own, and its promise that the call is sound.
    let result = unsafe { arch::syscall(number as usize, *arguments) };
    result as c_long
}

/// A call that waits, until a signal comes. It is made again after a handler that says so (`SA_RESTART`), also where the kernel
/// would not (signal(7)). `ENOSYS` where a filter of the target's would not let it pass.
pub unsafe extern "C" fn vload_wait(number: c_long, arguments: *const [usize; 6]) -> c_long {
    let block = Block::own();
    let Some(guard) = Guard::current(block) else { return sys::raw(Err(Errno::INVAL)) as c_long };
    let number = number as usize;
    // SAFETY: the framework's own.
    let arguments = unsafe { &*arguments };
    if seccomp::refuses(number, arguments) {
        return sys::raw(Err(Errno::NOSYS)) as c_long;
    }
    let wait = || {
        // SAFETY: the framework's promise that the call is sound.
        let result = unsafe { arch::forward(number, arguments, block) };
        let is_ended = result == sys::raw(Err(Errno::INTR));
        if is_ended && signal::held_restarts(block) { arch::ABORTED } else { result }
    };
    guard.leave(wait) as c_long
}

/// One of vload's descriptors, as numbered in the calling thread's table.
fn own(which: fn(&Descriptors) -> &Slot) -> c_int {
    // SAFETY: a bound block has its descriptors (`Call::descriptors`).
    let fd = which(unsafe { &*Block::own().descriptors }).get();
    if fd < 0 { sys::raw(Err(Errno::BADF)) as c_int } else { fd }
}

/// That of the file which the descriptors of virtual files are opened from.
pub unsafe extern "C" fn vload_placeholders() -> c_int {
    own(|own| &own.placeholders)
}

/// That of the session, for locks on ranges that its file does not have.
pub unsafe extern "C" fn vload_locks() -> c_int {
    own(|own| &own.session)
}

/// Enters what the framework has mapped, or unmaps it.
pub unsafe extern "C" fn vload_own(start: usize, length: usize, on: c_int) {
    match on {
        // SAFETY: entered below, and the framework's promise that it does not use it any more.
        0 => unsafe { guard::unmap(start, length) },
        _ => guard::own(start, length),
    }
}

/// Keeps the process from being copied, and says which table of descriptors the thread has; or lets it be again.
pub unsafe extern "C" fn vload_alone(on: c_int) -> c_int {
    let block = Block::own();
    let Some(guard) = Guard::current(block) else { return -Errno::INVAL.0 };
    let done = match on {
        0 => guard.locks().give_back(Some(&COPYING)),
        _ => guard.locks().take_private(&COPYING),
    };
    done.map_or_else(
        |error| -error.0,
        |()| if on == 0 { 0 } else { block.table.load(Ordering::Relaxed) as c_int },
    )
}

/// What the thread executes next is shown so.
pub unsafe extern "C" fn vload_execute_as(
    execfn: *const c_char,
    path: *const c_char,
    memory: usize,
    length: usize,
) {
    let block = Block::own();
    block.exec_as = [execfn as usize, path as usize];
    block.exec_scratch[1] = (memory, length);
}

/// Whether the program lies where the framework has said.
pub unsafe extern "C" fn vload_is_placed() -> c_int {
    PROGRAM.is_placed().into()
}
