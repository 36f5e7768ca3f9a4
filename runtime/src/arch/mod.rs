//! What depends on the processor, under the same names for every architecture.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod all_kept;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
pub mod by_pointer;
#[cfg(target_pointer_width = "64")]
mod clone64;
mod context;
mod copy;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod extended;
#[cfg(any(test, not(target_arch = "x86_64")))]
pub mod functionless;
mod gate;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
pub mod generic_numbers;
mod guard;
#[cfg(target_arch = "x86")]
mod i686;
#[cfg(not(target_arch = "riscv64"))]
mod kernel_action;
#[cfg(not(target_arch = "x86_64"))]
mod keyless;
#[cfg(not(target_arch = "x86_64"))]
mod no_adoption;
#[cfg(not(target_arch = "x86_64"))]
mod no_tracee;
#[cfg(not(target_arch = "x86_64"))]
mod no_unwinding;
#[cfg(target_pointer_width = "64")]
mod numbers64;
#[cfg(not(target_arch = "x86_64"))]
mod one_way_in;
#[cfg(target_pointer_width = "64")]
mod raw64;
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
mod returning_in_place;
#[cfg(target_arch = "riscv64")]
mod riscv64;
#[cfg(target_pointer_width = "64")]
mod siginfo64;
#[cfg(any(test, not(any(target_arch = "x86", target_arch = "x86_64"))))]
pub mod tableless;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod tsc;
#[cfg(not(target_arch = "x86_64"))]
mod unwatched;
#[cfg(not(target_arch = "riscv64"))]
mod ways_out;
#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod xstate;

// What patches the text of another processor is tested on every one.
#[cfg(all(test, not(target_arch = "aarch64")))]
#[path = "aarch64/patch/mod.rs"]
pub mod aarch64_patch;
#[cfg(all(test, not(target_arch = "riscv64")))]
#[path = "riscv64/patch/mod.rs"]
pub mod riscv64_patch;

pub use copy::{copy, escape_of_copy};
pub use guard::{Guarded, guard_failed, guarded, trap};

#[cfg(target_arch = "aarch64")]
pub use aarch64::*;
#[cfg(target_arch = "x86")]
pub use i686::*;
#[cfg(not(target_arch = "x86_64"))]
pub use no_tracee::*;
#[cfg(not(target_arch = "x86_64"))]
pub use no_unwinding::*;
#[cfg(target_arch = "riscv64")]
pub use riscv64::*;
#[cfg(not(target_arch = "x86_64"))]
pub use unwatched::*;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;

// `linker.ld` gives these symbols their values in the program. Programs that only use parts of this
// crate (tests, fuzz targets) are linked without it, and have no resident.
core::arch::global_asm!(
    ".section .bss.vload_image, \"aw\", %nobits",
    ".weak __image_start, __image_end, __text_start, __text_end, __gate_start, __gate_end",
    ".hidden __image_start, __image_end, __text_start, __text_end, __gate_start, __gate_end",
    "__image_start:",
    "__image_end:",
    "__text_start:",
    "__text_end:",
    "__gate_start:",
    "__gate_end:",
    ".byte 0",
    ".previous",
);

unsafe extern "C" {
    static __image_start: u8;
    static __image_end: u8;
    static __text_start: u8;
    static __text_end: u8;
}

/// The addresses of the resident's image: first, and one past the last.
pub fn image_range() -> (usize, usize) {
    (&raw const __image_start as usize, &raw const __image_end as usize)
}

/// The addresses of the resident's text: first, and one past the last.
pub fn text_range() -> (usize, usize) {
    (&raw const __text_start as usize, &raw const __text_end as usize)
}

/// Whether `pc` is in the resident's text.
pub fn image_contains(pc: usize) -> bool {
    let (start, end) = text_range();
    (start..end).contains(&pc)
}

/// Where the way of a watched call through the gate has a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watched {
    /// Nowhere on it.
    Elsewhere,
    /// At its start: the description of the site is where the stub has left it.
    Entering,
    /// The call has not been made, or is to be made again.
    Before,
    /// The call has been made.
    After,
}
