//! The layer that code of a module runs for.

use crate::abi::{self, offered};
use crate::{Errno, Result};
use core::ffi::{CStr, c_int, c_long, c_uint};
use core::marker::PhantomData;
use core::sync::atomic::AtomicU64;

/// A layer in this process, while code of it is called.
#[derive(Clone, Copy)]
pub struct Layer<'a> {
    raw: *mut abi::Layer,
    called: PhantomData<&'a ()>,
}

/// Session memory can hold it: all bytes zero are a value, and other processes may change it at any time.
///
/// # Safety
/// Both hold, and it has no pointer in it: integers that are atomic, and arrays and `repr(C)` structures of such.
pub unsafe trait Shared: Sync {}

// SAFETY: as the trait asks.
unsafe impl Shared for core::sync::atomic::AtomicU8 {}
// SAFETY: as the trait asks.
unsafe impl Shared for core::sync::atomic::AtomicU32 {}
// SAFETY: as the trait asks.
unsafe impl Shared for AtomicU64 {}
// SAFETY: each element is as the trait asks.
unsafe impl<T: Shared, const N: usize> Shared for [T; N] {}

impl<'a> Layer<'a> {
    /// The layer that vload has called code of a module with.
    ///
    /// # Safety
    /// `raw` is what vload has given, and the call is not over.
    pub unsafe fn new(raw: *mut abi::Layer) -> Self {
        Self { raw, called: PhantomData }
    }

    /// As C has it.
    pub fn as_raw(self) -> *mut abi::Layer {
        self.raw
    }

    /// A system call that the layer makes for itself. Only older layers see it.
    ///
    /// # Safety
    /// As the call asks, with the caller's memory.
    pub unsafe fn system(self, number: u32, arguments: [usize; 6]) -> Result<usize> {
        // SAFETY: the layer is one; the rest is the caller's promise.
        let result = unsafe { offered::vload_system(self.raw, number as c_long, &arguments) };
        Errno::check(result).map(|_| result as usize)
    }

    /// The value of an argument that the layer was loaded with, in `to`.
    pub fn argument<'b>(self, key: &CStr, to: &'b mut [u8]) -> Option<&'b [u8]> {
        // SAFETY: the room is as long as it says, and the key ends with a zero.
        let length = unsafe {
            offered::vload_argument(self.raw, key.as_ptr(), to.as_mut_ptr().cast(), to.len())
        };
        to.get(..usize::try_from(length).ok()?)
    }

    /// Writes a line to vload's log: level 1 is an error, 2 a warning, 3 information, 4 for finding faults.
    pub fn log(self, level: c_int, text: &str) {
        // SAFETY: the text is valid for its length.
        unsafe { offered::vload_log(self.raw, level, text.as_ptr().cast(), text.len()) };
    }

    /// The layer's session memory, as the first `T` of it; none when the module asked for less.
    pub fn area<T: Shared>(self) -> Option<&'a T> {
        // SAFETY: the layer is one.
        let bytes = unsafe { offered::vload_area_size(self.raw) };
        if (size_of::<T>() as u64) > bytes {
            return None;
        }
        // SAFETY: the area has `bytes` bytes and is mapped while the process lives. Every content of it is
        // a `T`, and a page's start fits any alignment.
        unsafe { offered::vload_area(self.raw).cast::<T>().as_ref() }
    }

    /// Takes one of the layer's 8 locks, over all processes of the session.
    pub fn lock(self, which: u32) -> Result<Locked<'a>> {
        // SAFETY: the layer is one.
        let result = unsafe { offered::vload_lock(self.raw, which as c_uint) };
        Errno::check(result).map(|_| Locked { layer: self, which })
    }
}

/// A lock that is held.
pub struct Locked<'a> {
    layer: Layer<'a>,
    which: u32,
}

impl Locked<'_> {
    /// Changes a word of the layer's area. Should the process die before the lock is let go, all changes are undone.
    pub fn change(&self, at: &AtomicU64, value: u64) {
        // SAFETY: a reference to an atomic in the area may be written through.
        unsafe { offered::vload_change(self.layer.raw, at.as_ptr(), value) };
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: this is the one that holds it.
        unsafe { offered::vload_unlock(self.layer.raw, self.which as c_uint) };
    }
}

/// Reads memory of the program whose call is answered.
pub fn get(to: &mut [u8], from: usize) -> Result<()> {
    // SAFETY: the room is as long as it says.
    let result = unsafe { offered::vload_get(to.as_mut_ptr().cast(), from, to.len()) };
    Errno::check(result).map(drop)
}

/// Writes memory of the program whose call is answered.
pub fn put(to: usize, from: &[u8]) -> Result<()> {
    // SAFETY: the bytes are as many as it says.
    let result = unsafe { offered::vload_put(to, from.as_ptr().cast(), from.len()) };
    Errno::check(result).map(drop)
}
