//! vload's own system calls: typed, without libc, entered through [`crate::arch`]'s raw entry.

mod errno;
mod files;
mod futex;
pub mod maps;
mod memory;
mod mount;
mod process;
mod rings;
mod signals;
mod write;

pub use errno::Errno;
pub use files::*;
pub use futex::*;
pub use memory::*;
pub use mount::{mount, umount};
pub use process::*;
pub use rings::*;
pub use signals::*;
pub use write::*;

use crate::arch;

/// What a system call of vload's own gives: a value, or the kernel's error number.
pub type Result<T> = core::result::Result<T, Errno>;

/// Turns the kernel's convention (−4095..−1 is an error) into a [`Result`].
#[inline]
pub fn check(raw: isize) -> Result<usize> {
    if (-4095..0).contains(&raw) { Err(Errno(-raw as i32)) } else { Ok(raw as usize) }
}

/// Turns a [`Result`] back into what the kernel would have left in the result register.
pub fn raw(result: Result<usize>) -> isize {
    match result {
        Ok(value) => value as isize,
        Err(Errno(number)) => -(number as isize),
    }
}

/// Makes call `number` for vload itself; signals do not matter to it.
///
/// # Safety
/// Whatever the call does to memory and descriptors must be sound.
unsafe fn call<const N: usize>(number: u32, given: [usize; N]) -> Result<usize> {
    let mut args = [0; 6];
    args[..N].copy_from_slice(&given);
    // SAFETY: the caller's promise.
    check(unsafe { arch::syscall(number as usize, args) })
}
