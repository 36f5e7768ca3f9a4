//! The program `vload`: starts before the target, maps it and its interp, and hands over.
//!
//! The way through the files: `arch/*` (first instruction, self-relocation) → `start` → `command`
//! (what is asked) → `find` (which file) → `map` (its segments) → `stack` (what the kernel would have
//! put there) → `identity` (what the kernel shows of the process) → `handover`. `check` and `doctor` run
//! nothing, `bisect` runs vload.
#![no_std]
#![no_main]
#![deny(missing_docs)]

extern crate alloc;
// Named by nothing but compiled code.
extern crate builtins as _;

mod arch;
mod auxv;
mod bisect;
mod check;
mod command;
mod doctor;
mod executable_stack;
mod find;
mod handover;
mod help;
mod identity;
mod map;
mod message;
mod output;
mod privilege;
mod report;
mod stack;
mod start;
mod summary;
mod vdso;
mod vectors;

use core::panic::PanicInfo;

#[global_allocator]
static HEAP: runtime::memory::Heap = runtime::memory::Heap;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    runtime::log::panicked(info)
}

/// Named by the prebuilt `core`, which was built to unwind. Nothing unwinds here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As [`rust_eh_personality`].
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    runtime::sys::exit(125)
}
