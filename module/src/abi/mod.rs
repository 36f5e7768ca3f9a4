//! The C types that vload, its service framework and modules share. `vload/module.h` has the same in C.
//!
//! A function's result is a negative error number of the kernel's, or what it says.

pub mod offered;
mod raw;
pub mod service;

pub use raw::{Call, INT80, NATIVE, RawOperations, X32};

use core::ffi::{c_char, c_int, c_void};

/// "vloadmod", little endian: how a [`Module`] begins.
pub const MAGIC: u64 = u64::from_le_bytes(*b"vloadmod");
/// The version of everything here. An image made for another is refused.
pub const VERSION: u32 = 1;
/// What tells these types from those of any other build: the version of the framework, which is made with a vload and goes
/// with no other.
pub const LAYOUT: u32 = {
    let files: [&[u8]; 4] = [
        include_bytes!("mod.rs"),
        include_bytes!("offered.rs"),
        include_bytes!("raw.rs"),
        include_bytes!("service.rs"),
    ];
    let (mut sum, mut file) = (0x811c_9dc5u32, 0);
    while file < files.len() {
        let mut at = 0;
        while at < files[file].len() {
            sum = (sum ^ files[file][at] as u32).wrapping_mul(0x0100_0193);
            at += 1;
        }
        file += 1;
    }
    sum
};
/// The symbol that an image has its [`Module`] under.
pub const SYMBOL: &str = "vload_module";

/// [`Module::kind`]: its operations are [`RawOperations`].
pub const RAW: u32 = 1;
/// [`Module::kind`]: it gives a meaning to what it claims.
pub const SERVICE: u32 = 2;
/// [`Module::kind`]: the framework that service modules rest on. There is one.
pub const FRAMEWORK: u32 = 3;

/// [`Module::flags`]: it gives no call another meaning, so that what goes around it is only not seen.
pub const LOOKS_ONLY: u64 = 1;

/// [`Module::event`]: an exec has succeeded, and this is the new program.
pub const EXEC: c_int = 1;
/// [`Module::event`]: this is a process that has just been started.
pub const PROCESS: c_int = 2;
/// [`Module::event`]: this is a thread that has just been started.
pub const THREAD: c_int = 3;

/// A layer in a process. Only vload knows what is in it.
#[repr(C)]
pub struct Layer {
    _private: [u8; 0],
}

/// What an image says of itself.
#[repr(C)]
pub struct Module {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`]; [`LAYOUT`] for the framework.
    pub version: u32,
    /// [`RAW`], [`SERVICE`] or [`FRAMEWORK`].
    pub kind: u32,
    /// Its name, at most 31 bytes of letters, digits, `-` and `_`.
    pub name: *const c_char,
    /// What it does, in a line.
    pub description: *const c_char,
    /// The names of the arguments that it takes, with commas between them; null when it takes none.
    pub keys: *const c_char,
    /// A set of flags.
    pub flags: u64,
    /// Bytes of session memory that a layer of it has, zero at first; only what is written takes memory.
    pub area: u64,
    /// Once for each layer in a session, in the process that loads it; an error refuses the layer.
    pub init: Option<unsafe extern "C" fn(*mut Layer) -> c_int>,
    /// Once for each layer in each program that a process begins, before its first call of the layer.
    pub attach: Option<unsafe extern "C" fn(*mut Layer) -> c_int>,
    /// Before a layer is removed, in the process that removes it; an error keeps it.
    pub fini: Option<unsafe extern "C" fn(*mut Layer) -> c_int>,
    /// Something has happened that is no call: [`EXEC`], [`PROCESS`], [`THREAD`].
    pub event: Option<unsafe extern "C" fn(*mut Layer, c_int)>,
    /// What it does with calls, as its kind says.
    pub operations: *const c_void,
}

// SAFETY: the pointers lead to what never changes.
unsafe impl Sync for Module {}
