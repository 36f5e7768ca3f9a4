//! What vload offers the framework, typed.

use core::ffi::c_long;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use linux_raw_sys::general as nr;
use vload_module::abi::offered;
use vload_module::abi::{Call, Layer};
use vload_module::{Errno, Result};

/// The framework's own layer in this process.
static FRAMEWORK: AtomicPtr<Layer> = AtomicPtr::new(core::ptr::null_mut());

/// vload has given the framework its layer.
pub fn begin(layer: *mut Layer) {
    FRAMEWORK.store(layer, Ordering::Release);
}

/// The framework's layer.
pub fn framework() -> *mut Layer {
    FRAMEWORK.load(Ordering::Acquire)
}

/// A system call of the framework's own: no layer sees it.
///
/// # Safety
/// As the call asks, with memory of the framework's.
pub unsafe fn system(number: u32, arguments: [usize; 6]) -> Result<usize> {
    // SAFETY: the framework's layer; the rest is the caller's promise.
    let result = unsafe { offered::vload_system(framework(), number as c_long, &arguments) };
    Errno::check(result).map(|_| result as usize)
}

/// The call as it is now, to the system.
pub fn next(call: &mut Call) -> c_long {
    // SAFETY: the framework's layer, and a call that it was given.
    unsafe { offered::vload_next(framework(), call) }
}

/// A value in the memory of who made the call. Every pattern of bytes is a `T`: integers, and structures of them.
pub fn get<T: Copy>(from: usize) -> Result<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the room is as long as it says.
    Errno::check(unsafe { offered::vload_get(value.as_mut_ptr().cast(), from, size_of::<T>()) })?;
    // SAFETY: it was filled, and `T` is as said above.
    Ok(unsafe { value.assume_init() })
}

/// Bytes of the memory of who made the call.
pub fn get_bytes(to: &mut [u8], from: usize) -> Result<()> {
    vload_module::get(to, from)
}

/// Puts bytes into the memory of who made the call.
pub fn put_bytes(to: usize, from: &[u8]) -> Result<()> {
    if from.is_empty() { Ok(()) } else { vload_module::put(to, from) }
}

/// Puts a structure of integers without gaps into the memory of who made the call.
pub fn put<T: Copy>(to: usize, value: &T) -> Result<()> {
    // SAFETY: a `T` has no gaps, as said above, so all its bytes are initialised.
    put_bytes(to, unsafe {
        core::slice::from_raw_parts(core::ptr::from_ref(value).cast(), size_of::<T>())
    })
}

/// A string in the memory of who made the call, in `to` with its zero: its length without it.
pub fn get_string(to: &mut [u8], from: usize) -> Result<usize> {
    // SAFETY: the room is as long as it says.
    let length = unsafe { offered::vload_get_string(to.as_mut_ptr().cast(), from, to.len()) };
    Errno::check(length).map(|length| length as usize)
}

/// The calling thread's number.
pub fn thread() -> u32 {
    // SAFETY: no memory is passed.
    unsafe { system(nr::__NR_gettid, [0; 6]) }.unwrap_or(1) as u32
}

/// The process's number.
pub fn process() -> u32 {
    // SAFETY: no memory is passed.
    unsafe { system(nr::__NR_getpid, [0; 6]) }.unwrap_or(1) as u32
}

/// The process whose descriptors the framework's memory tells of; 0 where no other has that memory.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// A process is about to be started that has this memory, and descriptors of its own.
pub fn lend() {
    if OWNER.load(Ordering::Acquire) == 0 {
        // Whoever was first has said the same.
        let _ = OWNER.compare_exchange(0, process(), Ordering::AcqRel, Ordering::Acquire);
    }
}

/// Whether this process has another's memory, and descriptors that it tells nothing of.
pub fn is_borrowed() -> bool {
    let owner = OWNER.load(Ordering::Acquire);
    owner != 0 && owner != process()
}

/// The process has just been forked: its memory is its own.
pub fn own() {
    OWNER.store(0, Ordering::Release);
}

/// Lets another thread run, which this one waits for.
pub fn let_others_run() {
    // SAFETY: no memory is passed. It cannot fail.
    let _ = unsafe { system(nr::__NR_sched_yield, [0; 6]) };
}
