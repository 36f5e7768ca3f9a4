//! How a debugger goes on from a stub or from the resident to the program's own functions.
//!
//! A thread that waits in the kernel has its program counter in a stub, or in the gate: text that no file which the
//! debugger knows describes. It takes an image of the vDSO from memory where the auxiliary vector that the kernel
//! keeps leads (`AT_SYSINFO_EHDR`). So that entry leads to an image of vload's (`image.rs`): the vDSO's own call frame
//! information and symbols, and rules for the resident's text and for the stubs of each patched text. Nothing of the program's is
//! changed: its own copy of the vector is the kernel's.

pub mod dwarf;
mod image;
mod vdso;

pub use image::begin;

use core::sync::atomic::{AtomicUsize, Ordering};

/// What an architecture says of itself.
pub struct Unwinding {
    /// The sets of rules.
    pub rules: &'static [u8],
    /// Where in them the address of the first thread's block is to be put.
    pub addresses: &'static [u16],
    /// Where the rules behind the call of a stub are.
    pub stub: u32,
    /// Where those in the resident are.
    pub resident: u32,
    /// Where those of parts of its text are, which are from an address to another one, in their order.
    pub parts: [(u32, (usize, usize)); 2],
}

/// A frame description in `.debug_frame`: length, place of its CIE, first address, length (DWARF 5, section 6.4.1).
#[repr(C)]
pub(super) struct Description {
    length: u32,
    cie: u32,
    start: usize,
    size: usize,
}

impl Description {
    /// One that follows the rules of the CIE at `cie` without any of its own.
    const fn new(cie: u32, start: usize, size: usize) -> Self {
        Self { length: (size_of::<Self>() - size_of::<u32>()) as u32, cie, start, size }
    }
}

/// Where the descriptions of the stubs are, one for each entry of the table of patched texts; 0 when there is no image.
static STUBS: AtomicUsize = AtomicUsize::new(0);
/// Where the rules for stubs are in their section.
static CIE: AtomicUsize = AtomicUsize::new(0);

/// The stubs of entry `index` of the table have `size` bytes at `start`; none when that is 0. The entry is the caller's to change.
pub fn describe(index: usize, start: usize, size: usize) {
    let stubs = STUBS.load(Ordering::Acquire);
    if stubs == 0 {
        return;
    }
    let place = (stubs as *mut Description).wrapping_add(index);
    // Of no length where there are none: one that is all 0 would end the section for some.
    let description = Description::new(CIE.load(Ordering::Relaxed) as u32, start, size);
    // SAFETY: the image has one for each entry of the table, and that of an entry is written by who changes it.
    unsafe { place.write(description) };
}
