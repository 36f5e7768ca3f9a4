//! Raw modules: the registers of every call in a set.

use super::Layer;
use core::ffi::c_long;

/// A system call of the program's on its way through the layers.
#[repr(C)]
pub struct Call {
    /// Its number, as the program gave it.
    pub number: usize,
    /// Its arguments; a layer may change them, and the number, before it passes the call on.
    pub arguments: [usize; 6],
    /// How it entered: [`NATIVE`], [`INT80`] or [`X32`].
    pub entry: u32,
    _reserved: u32,
}

/// [`Call::entry`]: by the processor's own instruction.
pub const NATIVE: u32 = 0;
/// [`Call::entry`]: by `int $0x80` from 64-bit code, with the numbers and arguments of a 32-bit program.
pub const INT80: u32 = 1;
/// [`Call::entry`]: with an x32 number.
pub const X32: u32 = 2;

impl Call {
    /// A call.
    pub const fn new(number: usize, arguments: [usize; 6], entry: u32) -> Self {
        Self { number, arguments, entry, _reserved: 0 }
    }
}

/// What a raw module does.
#[repr(C)]
pub struct RawOperations {
    /// A call of the set. What it gives back is the call's result. What it gets from `vload_next` it
    /// may give back as it is, or not.
    pub call: unsafe extern "C" fn(*mut Layer, *mut Call) -> c_long,
    /// The numbers of the calls that its layers want, by the processor's own instruction.
    pub numbers: *const usize,
    /// How many; `usize::MAX` for every call by every entry, whatever its number.
    pub count: usize,
}

// SAFETY: the pointers lead to what never changes.
unsafe impl Sync for RawOperations {}
