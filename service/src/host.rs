//! What vload offers, for unit tests: the kernel's own, and the test's memory for the program's.

use core::ffi::{c_char, c_int, c_long, c_void};

use vload_module::abi::{Call, Layer};

/// A call of the kernel's, with its way to say errors.
fn kernel(number: c_long, arguments: *const [usize; 6]) -> c_long {
    // SAFETY: the test's arguments.
    let [a, b, c, d, e, f] = unsafe { *arguments };
    // SAFETY: as above.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result == -1 {
        -c_long::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    } else {
        result
    }
}

#[unsafe(no_mangle)]
extern "C" fn vload_kernel(number: c_long, arguments: *const [usize; 6]) -> c_long {
    kernel(number, arguments)
}

#[unsafe(no_mangle)]
extern "C" fn vload_system(_: *mut Layer, number: c_long, arguments: *const [usize; 6]) -> c_long {
    kernel(number, arguments)
}

/// Copies by the kernel, which finds out what is there.
fn copy(from: usize, to: usize, length: usize) -> c_long {
    let (here, there) = (
        libc::iovec { iov_base: to as *mut c_void, iov_len: length },
        libc::iovec { iov_base: from as *mut c_void, iov_len: length },
    );
    // SAFETY: the kernel looks at both ranges.
    let copied = unsafe { libc::process_vm_readv(libc::getpid(), &here, 1, &there, 1, 0) };
    if copied == length as isize { 0 } else { -c_long::from(libc::EFAULT) }
}

#[unsafe(no_mangle)]
extern "C" fn vload_get(to: *mut c_void, from: usize, length: usize) -> c_long {
    copy(from, to as usize, length)
}

#[unsafe(no_mangle)]
extern "C" fn vload_put(to: usize, from: *const c_void, length: usize) -> c_long {
    copy(from as usize, to, length)
}

/// Pages of which the last is not there.
pub struct Pages(usize);

impl Pages {
    /// Two, the second of which is not there.
    pub fn two_of_which_one_is_there() -> Self {
        // SAFETY: new memory.
        let start = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let start = libc::mmap(core::ptr::null_mut(), 8192, 3, flags, -1, 0);
            assert_ne!(start, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(start.add(4096), 4096, 0), 0);
            start
        };
        Self(start as usize)
    }

    /// Where they begin.
    pub fn address(&self) -> usize {
        self.0
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: mapped above.
        unsafe { libc::munmap(self.0 as *mut c_void, 8192) };
    }
}

#[unsafe(no_mangle)]
extern "C" fn vload_wait(number: c_long, arguments: *const [usize; 6]) -> c_long {
    kernel(number, arguments)
}

#[unsafe(no_mangle)]
extern "C" fn vload_next(_: *mut Layer, call: *mut Call) -> c_long {
    // SAFETY: the test's call.
    let call = unsafe { &*call };
    kernel(call.number as c_long, &call.arguments)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vload_guard(
    _: *mut Layer,
    _: u32,
    _: u64,
    _: c_int,
    function: unsafe extern "C" fn(*mut c_void) -> c_long,
    argument: *mut c_void,
) -> c_long {
    // SAFETY: the caller's promise.
    unsafe { function(argument) }
}

#[unsafe(no_mangle)]
extern "C" fn vload_hold(_: *mut Layer, _: c_int) {}

#[unsafe(no_mangle)]
extern "C" fn vload_alone(on: c_int) -> c_int {
    static TAKEN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    while TAKEN.swap(on != 0, std::sync::atomic::Ordering::AcqRel) && on != 0 {
        std::thread::yield_now();
    }
    0
}

/// A file without a name that stays open.
fn file(at: &std::sync::OnceLock<c_int>) -> c_int {
    // SAFETY: the name ends with a zero.
    *at.get_or_init(|| unsafe { libc::memfd_create(c"vload".as_ptr(), libc::MFD_CLOEXEC) })
}

#[unsafe(no_mangle)]
extern "C" fn vload_placeholders() -> c_int {
    static FILE: std::sync::OnceLock<c_int> = std::sync::OnceLock::new();
    file(&FILE)
}

#[unsafe(no_mangle)]
extern "C" fn vload_locks() -> c_int {
    static FILE: std::sync::OnceLock<c_int> = std::sync::OnceLock::new();
    file(&FILE)
}

/// Where in the file that stands for the session's the area of the test's layer begins.
pub const AREA_OFFSET: u64 = 8192;

#[unsafe(no_mangle)]
extern "C" fn vload_area_offset(_: *mut Layer) -> u64 {
    AREA_OFFSET
}

/// How long that is.
pub const AREA_SIZE: u64 = 1 << 20;

#[unsafe(no_mangle)]
extern "C" fn vload_area_size(_: *mut Layer) -> u64 {
    AREA_SIZE
}

#[unsafe(no_mangle)]
extern "C" fn vload_own(start: usize, length: usize, on: c_int) {
    if on == 0 {
        // SAFETY: the framework has mapped it.
        unsafe { libc::munmap(start as *mut c_void, length) };
    }
}

#[unsafe(no_mangle)]
extern "C" fn vload_execute_as(_: *const c_char, _: *const c_char, _: usize, _: usize) {}

#[unsafe(no_mangle)]
extern "C" fn vload_is_placed() -> c_int {
    0
}

#[unsafe(no_mangle)]
extern "C" fn vload_get_string(to: *mut c_char, from: usize, room: usize) -> c_long {
    for at in 0..room {
        let mut byte = 0u8;
        if copy(from + at, (&raw mut byte) as usize, 1) != 0 {
            return -c_long::from(libc::EFAULT);
        }
        // SAFETY: the caller's room.
        unsafe { to.add(at).write(byte as c_char) };
        if byte == 0 {
            return at as c_long;
        }
    }
    -c_long::from(libc::ENAMETOOLONG)
}
