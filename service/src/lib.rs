//! The framework that service modules rest on: an image of its own, which vload loads into a session
//! with the first of them.
//!
//! | folder | knows |
//! |---|---|
//! | `claim` | which layer owns which place |
//! | `path` | which place a path of a call leads to |
//! | `descriptor` | what is behind the descriptors of virtual files |
//! | `mapped` | virtual files that are the memory of programs |
//! | `call` | which operation of a module each variant of a call is |
#![cfg_attr(not(test), no_std)]
#![deny(missing_docs)]

pub mod call;
pub mod claim;
pub mod descriptor;
mod framework;
#[cfg(test)]
mod host;
mod kernel;
pub mod layers;
mod mapped;
pub mod path;
pub mod vload;

#[cfg(not(test))]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    vload_module::panicked(info)
}

/// As in a module (`without_unwinding` of the crate `vload-module`).
#[cfg(not(test))]
#[unsafe(no_mangle)]
extern "C" fn getauxval(_: core::ffi::c_ulong) -> core::ffi::c_ulong {
    0
}
