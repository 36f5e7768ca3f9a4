//! What vload offers every module.

use super::{Call, Layer};
use core::ffi::{c_char, c_int, c_long, c_uint, c_void};

unsafe extern "C" {
    /// Gives a call to the next layer down, as it is now: the call's result.
    pub fn vload_next(layer: *mut Layer, call: *mut Call) -> c_long;
    /// A system call that the layer makes for itself, with memory of its own. Only layers that are older than it see it. One that
    /// may wait, as `poll(2)`, is not made when a signal has come, and gives -512: whoever hands that up has the program
    /// make its call again after the handler.
    pub fn vload_system(layer: *mut Layer, number: c_long, arguments: *const [usize; 6]) -> c_long;

    /// Reads memory of who made the call: 0 or `-EFAULT`.
    pub fn vload_get(to: *mut c_void, from: usize, length: usize) -> c_long;
    /// Writes memory of who made the call: 0 or `-EFAULT`.
    pub fn vload_put(to: usize, from: *const c_void, length: usize) -> c_long;
    /// Reads a string with its zero: its length without it, `-EFAULT`, or `-ENAMETOOLONG` when it does not fit.
    pub fn vload_get_string(to: *mut c_char, from: usize, room: usize) -> c_long;

    /// The layer's session memory, [`super::Module::area`] bytes, which every process of the session has, at different addresses.
    pub fn vload_area(layer: *mut Layer) -> *mut c_void;
    /// How many bytes that is.
    pub fn vload_area_size(layer: *mut Layer) -> u64;
    /// A word that the layer has in this process. It begins as 0 in each program.
    pub fn vload_word(layer: *mut Layer) -> *mut usize;
    /// A word that the layer has in this thread. A new thread begins with that of the one which started it.
    pub fn vload_thread_word(layer: *mut Layer) -> *mut usize;
    /// The value of an argument that the layer was loaded with, and a zero: its length, or `-ENOENT`.
    pub fn vload_argument(
        layer: *mut Layer,
        key: *const c_char,
        to: *mut c_char,
        room: usize,
    ) -> c_long;
    /// Writes a line to vload's log: 1 error, said on standard error too, 2 warning, 3 information, 4 for finding faults.
    pub fn vload_log(layer: *mut Layer, level: c_int, text: *const c_char, length: usize);
    /// A fault that the code which is being called has found in itself: reported with the name of its layer, and the end of
    /// the call that it is in.
    pub fn vload_panic(text: *const c_char, length: usize) -> !;

    /// Takes one of the layer's 8 locks, over all threads of all processes. A process that dies with it has changed nothing.
    pub fn vload_lock(layer: *mut Layer, which: c_uint) -> c_int;
    /// Changes a word of the layer's area under a lock: either all changes under it are seen by others, or none.
    pub fn vload_change(layer: *mut Layer, at: *mut u64, value: u64);
    /// Lets a lock go.
    pub fn vload_unlock(layer: *mut Layer, which: c_uint);
}
