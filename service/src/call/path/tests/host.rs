//! What vload offers, for these tests, besides what all unit tests have.

use core::cell::Cell;
use core::ffi::{c_int, c_uint};
use core::sync::atomic::{AtomicU64, Ordering};

use vload_module::abi::Layer;

std::thread_local! {
    static WORD: Cell<usize> = const { Cell::new(0) };
}

#[unsafe(no_mangle)]
extern "C" fn vload_thread_word(_: *mut Layer) -> *mut usize {
    WORD.with(Cell::as_ptr)
}

#[unsafe(no_mangle)]
extern "C" fn vload_lock(_: *mut Layer, _: c_uint) -> c_int {
    0
}

#[unsafe(no_mangle)]
extern "C" fn vload_unlock(_: *mut Layer, _: c_uint) {}

#[unsafe(no_mangle)]
extern "C" fn vload_new_epoch() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[unsafe(no_mangle)]
extern "C" fn vload_epoch(_: *mut Layer) -> u64 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn vload_view() -> u32 {
    0
}

#[unsafe(no_mangle)]
extern "C" fn vload_sees(view: u32) -> c_int {
    c_int::from(view == 0)
}

/// Layers from 100 on are gone, and views but the first.
#[unsafe(no_mangle)]
extern "C" fn vload_lives(layer: u32, view: u32) -> c_int {
    c_int::from(layer < 100 && view == 0)
}

#[unsafe(no_mangle)]
extern "C" fn vload_area(_: *mut Layer) -> *mut core::ffi::c_void {
    core::ptr::null_mut()
}
