//! What the framework asks of the kernel for itself: no layer sees it, and it may name vload's own descriptors.
//! Nothing here waits, but for [`process_lock`].

use core::ffi::c_long;

use linux_raw_sys::general as nr;
use vload_module::abi::service::core_side::{
    vload_kernel, vload_locks, vload_placeholders, vload_wait,
};
use vload_module::{Errno, Result};

/// `AT_FDCWD`.
const CWD: usize = nr::AT_FDCWD as usize;

#[cfg(target_pointer_width = "64")]
/// `fcntl(2)` with structures for offsets of 64 bits.
pub const FCNTL: u32 = nr::__NR_fcntl;
#[cfg(target_pointer_width = "32")]
/// `fcntl(2)` with structures for offsets of 64 bits.
pub const FCNTL: u32 = nr::__NR_fcntl64;

/// A call.
///
/// # Safety
/// As the call asks.
pub unsafe fn call<const N: usize>(number: u32, given: [usize; N]) -> Result<usize> {
    let mut arguments = [0; 6];
    arguments[..N].copy_from_slice(&given);
    // SAFETY: six arguments are there; the rest is the caller's promise.
    let result = unsafe { vload_kernel(number as c_long, &arguments) };
    Errno::check(result).map(|_| result as usize)
}

/// vload's descriptor of the file that placeholders are opened from.
pub fn placeholders() -> Result<i32> {
    // SAFETY: it takes nothing.
    Errno::check(unsafe { vload_placeholders() }).map_or(Err(Errno::NXIO), |fd| Ok(fd as i32))
}

/// vload's descriptor of the session's file.
pub fn session() -> Result<i32> {
    // SAFETY: it takes nothing.
    Errno::check(unsafe { vload_locks() }).map(|fd| fd as i32)
}

/// `close(2)`. The number is free afterwards whatever it says.
pub fn close(fd: i32) {
    // SAFETY: no memory is passed.
    let _ = unsafe { call(nr::__NR_close, [fd as usize]) };
}

/// `dup3(2)`.
pub fn duplicate_onto(from: i32, to: i32, flags: u32) -> Result<()> {
    // SAFETY: no memory is passed.
    unsafe { call(nr::__NR_dup3, [from as usize, to as usize, flags as usize]) }.map(drop)
}

/// `fcntl(2)` with an argument that is a number.
pub fn fcntl(fd: i32, command: u32, argument: usize) -> Result<usize> {
    // SAFETY: the commands used take numbers.
    unsafe { call(FCNTL, [fd as usize, command as usize, argument]) }
}

/// Does something with the link of `/proc` to the file behind `fd`.
pub fn with_link<R>(fd: i32, act: impl FnOnce(&core::ffi::CStr) -> Result<R>) -> Result<R> {
    const FOLDER: &[u8] = b"/proc/thread-self/fd/";
    let mut path = [0u8; 32];
    path[..FOLDER.len()].copy_from_slice(FOLDER);
    let mut digits = [0u8; 10];
    let mut length = 0;
    let mut rest = fd.unsigned_abs();
    while rest != 0 || length == 0 {
        digits[length] = b'0' + (rest % 10) as u8;
        rest /= 10;
        length += 1;
    }
    for (place, digit) in path[FOLDER.len()..].iter_mut().zip(digits[..length].iter().rev()) {
        *place = *digit;
    }
    act(core::ffi::CStr::from_bytes_until_nul(&path).map_err(|_| Errno::NXIO)?)
}

/// A fresh description of the file behind `fd`, opened with `flags`; `ENXIO` where there is no `/proc`.
pub fn reopen(fd: i32, flags: u32) -> Result<i32> {
    let opened = with_link(fd, |path| {
        // SAFETY: the path ends with a zero.
        unsafe { call(nr::__NR_openat, [CWD, path.as_ptr() as usize, flags as usize, 0]) }
    });
    match opened {
        Ok(fd) => Ok(fd as i32),
        Err(Errno::MFILE) => Err(Errno::MFILE),
        Err(error) if error == Errno::NFILE || error == Errno::NOMEM => Err(error),
        Err(_) => Err(Errno::NXIO),
    }
}

/// `lseek(2)`, with offsets of 64 bits.
pub fn seek(fd: i32, offset: i64, whence: u32) -> Result<i64> {
    #[cfg(target_pointer_width = "64")]
    let result =
        // SAFETY: no memory is passed.
        unsafe { call(nr::__NR_lseek, [fd as usize, offset as usize, whence as usize]) }
            .map(|at| at as i64);
    #[cfg(target_pointer_width = "32")]
    let result = {
        let mut at = 0i64;
        let (high, low) = ((offset >> 32) as usize, offset as usize);
        let result = (&raw mut at) as usize;
        // SAFETY: the position is written to `at`.
        unsafe { call(nr::__NR__llseek, [fd as usize, high, low, result, whence as usize]) }
            .map(|_| at)
    };
    result
}

/// The device and the inode of an open file.
pub fn identity(fd: i32) -> Result<(u64, u64)> {
    // SAFETY: a structure of integers.
    let mut known: nr::statx = unsafe { core::mem::zeroed() };
    let arguments = [
        fd as usize,
        c"".as_ptr() as usize,
        nr::AT_EMPTY_PATH as usize,
        nr::STATX_INO as usize,
        (&raw mut known) as usize,
    ];
    // SAFETY: the path ends with a zero and the structure is the kernel's.
    unsafe { call(nr::__NR_statx, arguments) }?;
    let device = u64::from(known.stx_dev_major) << 32 | u64::from(known.stx_dev_minor);
    Ok((device, known.stx_ino))
}

/// A lock on a range of a file, that belongs to its description.
fn range_lock(fd: i32, command: u32, lock: &mut nr::flock64) -> Result<()> {
    let lock = core::ptr::from_mut(lock) as usize;
    // SAFETY: the structure is the kernel's.
    unsafe { call(FCNTL, [fd as usize, command as usize, lock]) }.map(drop)
}

fn byte(at: impl Into<i64>) -> nr::flock64 {
    nr::flock64 { l_type: nr::F_WRLCK as i16, l_whence: 0, l_start: at.into(), l_len: 1, l_pid: 0 }
}

/// Takes the lock of a byte for the description of `fd`: `EAGAIN` when another has it.
pub fn lock_byte(fd: i32, number: u32) -> Result<()> {
    range_lock(fd, nr::F_OFD_SETLK, &mut byte(number))
}

/// Takes the lock of a byte for the description of `fd`, as others may that take it so.
pub fn share_byte(fd: i32, at: i64) -> Result<()> {
    let mut lock = nr::flock64 { l_type: nr::F_RDLCK as i16, ..byte(at) };
    range_lock(fd, nr::F_OFD_SETLK, &mut lock)
}

/// Gives the lock of a byte back.
pub fn unlock_byte(fd: i32, number: u32) {
    let mut lock = nr::flock64 { l_type: nr::F_UNLCK as i16, ..byte(number) };
    // Nothing that was locked can fail to be unlocked but for want of memory; the end of the description does it then.
    let _ = range_lock(fd, nr::F_OFD_SETLK, &mut lock);
}

/// Whether another description has the lock of a byte.
pub fn is_locked(fd: i32, at: impl Into<i64>) -> Result<bool> {
    let mut lock = byte(at);
    range_lock(fd, nr::F_OFD_GETLK, &mut lock)?;
    Ok(lock.l_type != nr::F_UNLCK as i16)
}

/// What a file may be long at most (`RLIMIT_FSIZE`); none for any length.
pub fn file_size_limit() -> Option<u64> {
    let mut limit = [u64::MAX; 2];
    let (which, to) = (nr::RLIMIT_FSIZE as usize, (&raw mut limit) as usize);
    // SAFETY: the kernel writes two numbers of 64 bits.
    let asked = unsafe { call(nr::__NR_prlimit64, [0, which, 0, to]) };
    asked.ok().map(|_| limit[0]).filter(|&soft| soft != u64::MAX)
}

/// Whether a descriptor can be read or written without waiting, or has an end to tell.
pub fn is_ready(fd: i32, events: u32) -> Result<bool> {
    let mut asked = nr::pollfd { fd, events: events as i16, revents: 0 };
    // Two words of either size: no time at all.
    let now = [0usize; 4];
    let arguments = [(&raw mut asked) as usize, 1, now.as_ptr() as usize, 0, 0];
    // SAFETY: one structure, and a time.
    unsafe { call(nr::__NR_ppoll, arguments) }.map(|count| count != 0)
}

/// Sends the calling thread a signal, which comes when the call is over.
pub fn raise(signal: u32) {
    // SAFETY: no memory is passed.
    let sent = unsafe {
        let pid = call(nr::__NR_getpid, []);
        let tid = call(nr::__NR_gettid, []);
        pid.and_then(|pid| tid.map(|tid| (pid, tid)))
            .and_then(|(pid, tid)| call(nr::__NR_tgkill, [pid, tid, signal as usize]))
    };
    debug_assert!(sent.is_ok(), "a thread can send itself a signal");
}

/// Whether there is a thread of that number.
pub fn is_thread(number: u32) -> bool {
    // SAFETY: no memory is passed. The signal 0 is none.
    let asked = unsafe { call(nr::__NR_tkill, [number as usize, 0]) };
    asked != Err(Errno(linux_raw_sys::errno::ESRCH as i32))
}

/// A lock of the process's on a range of the session's file, as `command` of `fcntl(2)` says. It waits, until a signal
/// comes.
pub fn process_lock(command: u32, lock: &mut nr::flock64) -> Result<usize> {
    let fd = session().map_err(|_| Errno(linux_raw_sys::errno::ENOLCK as i32))?;
    let lock = core::ptr::from_mut(lock) as usize;
    let arguments = [fd as usize, command as usize, lock, 0, 0, 0];
    // SAFETY: the structure is the kernel's.
    let result = unsafe { vload_wait(FCNTL as c_long, &arguments) };
    Errno::check(result).map(|_| result as usize)
}

/// A file without a name; its descriptor is closed by an exec.
pub fn memory_file(name: &core::ffi::CStr) -> Result<i32> {
    let flags = nr::MFD_CLOEXEC;
    // SAFETY: the name ends with a zero.
    let made = unsafe { call(nr::__NR_memfd_create, [name.as_ptr() as usize, flags as usize]) };
    made.map(|fd| fd as i32)
}

/// The call that maps a file, and what the last argument of it counts.
#[cfg(target_pointer_width = "64")]
pub const MMAP: (u32, u64) = (nr::__NR_mmap, 1);
/// The call that maps a file, and what the last argument of it counts.
#[cfg(target_pointer_width = "32")]
pub const MMAP: (u32, u64) = (nr::__NR_mmap2, 4096);

/// Maps a part of a file over what the program has mapped there.
///
/// # Safety
/// It is the program's memory, which is to become this.
pub unsafe fn map_over(
    at: usize,
    length: usize,
    (protection, flags): (usize, usize),
    (fd, offset): (i32, u64),
) -> Result<()> {
    let (number, unit) = MMAP;
    let flags = flags | nr::MAP_FIXED as usize;
    // SAFETY: the caller's promise.
    unsafe { call(number, [at, length, protection, flags, fd as usize, (offset / unit) as usize]) }
        .map(drop)
}

/// `munmap(2)`.
///
/// # Safety
/// It is the program's memory, which is to go.
pub unsafe fn unmap(at: usize, length: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { call(nr::__NR_munmap, [at, length]) }.map(drop)
}

/// `remap_file_pages(2)`: another part of the file that a shared mapping is of. It is refused where there is no such mapping.
///
/// # Safety
/// It is the program's memory, which is to become this.
pub unsafe fn turn(at: usize, length: usize, offset: u64) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { call(nr::__NR_remap_file_pages, [at, length, 0, (offset / 4096) as usize, 0]) }
        .map(drop)
}

/// `read(2)`.
pub fn read(fd: i32, to: &mut [u8]) -> Result<usize> {
    // SAFETY: the room is as long as it says.
    unsafe { call(nr::__NR_read, [fd as usize, to.as_mut_ptr() as usize, to.len()]) }
}

/// Opens a file of the kernel's to read it.
pub fn open_to_read(path: &core::ffi::CStr) -> Result<i32> {
    let flags = nr::O_RDONLY | nr::O_CLOEXEC;
    // SAFETY: the path ends with a zero.
    unsafe { call(nr::__NR_openat, [CWD, path.as_ptr() as usize, flags as usize, 0]) }
        .map(|fd| fd as i32)
}

/// `pwrite64(2)`.
pub fn write_at(fd: i32, bytes: &[u8], offset: u64) -> Result<usize> {
    let (at, length) = (bytes.as_ptr() as usize, bytes.len());
    #[cfg(target_pointer_width = "64")]
    let arguments = [fd as usize, at, length, offset as usize, 0];
    #[cfg(target_pointer_width = "32")]
    let arguments = [fd as usize, at, length, offset as usize, (offset >> 32) as usize];
    // SAFETY: the bytes are as many as it says.
    unsafe { call(nr::__NR_pwrite64, arguments) }
}

/// `ftruncate(2)`.
pub fn truncate(fd: i32, size: u64) -> Result<()> {
    #[cfg(target_pointer_width = "64")]
    let (number, words) = (nr::__NR_ftruncate, [fd as usize, size as usize]);
    #[cfg(target_pointer_width = "32")]
    let (number, words) =
        (nr::__NR_ftruncate64, [fd as usize, size as usize, (size >> 32) as usize]);
    // SAFETY: no memory is passed.
    unsafe { call(number, words) }.map(drop)
}
