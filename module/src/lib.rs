//! What a module is to vload, and vload to a module.
//!
//! A module is a shared object without a C library that gives system calls a meaning. vload loads it
//! into a session, once, and maps it into each process of the session.

#![no_std]
#![deny(missing_docs)]

pub mod abi;
mod errno;
mod layer;
pub mod raw;
pub mod service;

use core::fmt::{self, Write};

pub use errno::{Errno, Result};
pub use layer::{Layer, Locked, Shared, get, put};
/// The kernel's numbers and structures.
pub use linux_raw_sys as linux;

/// What a module's panic handler does: the fault is reported with the layer's name, and the call ends.
pub fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    let mut said = Said { text: [0; 256], length: 0 };
    // What there is no room for is not said.
    let _ = match info.location() {
        Some(at) => write!(said, "panic at {}:{}: {}", at.file(), at.line(), info.message()),
        None => write!(said, "panic: {}", info.message()),
    };
    // SAFETY: the text is valid for its length.
    unsafe { abi::offered::vload_panic(said.text.as_ptr().cast(), said.length) }
}

/// What a module says of its fault, without a heap.
struct Said {
    text: [u8; 256],
    length: usize,
}

impl Write for Said {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.text[self.length..];
        let length = text.len().min(room.len());
        room[..length].copy_from_slice(&text.as_bytes()[..length]);
        self.length += length;
        if length < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// What an image without a standard library must define.
#[doc(hidden)]
#[macro_export]
macro_rules! without_unwinding {
    () => {
        #[cfg(not(test))]
        #[panic_handler]
        fn vload_panicked(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::panicked(info)
        }
        /// Named by the prebuilt `core`, which was built to unwind. Nothing unwinds here.
        #[cfg(not(test))]
        #[unsafe(no_mangle)]
        extern "C" fn rust_eh_personality() {}
        /// As [`rust_eh_personality`].
        #[cfg(not(test))]
        #[unsafe(no_mangle)]
        extern "C" fn _Unwind_Resume() -> ! {
            panic!("unwinding")
        }
        /// Asked on aarch64 by what is prebuilt, for the atomic operations that the processor has besides those that all
        /// have. Nothing is known of it, and all have those (`AT_HWCAP` 0, getauxval(3)).
        #[cfg(not(test))]
        #[unsafe(no_mangle)]
        extern "C" fn getauxval(_: core::ffi::c_ulong) -> core::ffi::c_ulong {
            0
        }
    };
}
