//! Calls that name mappings in another way: in lists, of a process that may be another, by a segment.

use super::holds;
use crate::digits::decimal;
use crate::layer::Call;
use crate::log::Line;
use crate::memory::read_words;
use crate::sys::{self, Errno};
use core::ffi::CStr;

/// A descriptor that stands for the calling thread or process (`PIDFD_SELF`, linux/pidfd.h).
const PIDFD_SELF: [i32; 2] = [-10000, -10001];
/// `SHM_REMAP` (linux/shm.h).
const SHM_REMAP: usize = 0o40000;
/// Elements of a list that the kernel takes (`UIO_MAXIOV`, linux/uio.h).
const UIO_MAXIOV: usize = 1024;

/// How many of the first elements of a list lie outside of vload's memory, if not all do.
fn before_own(list: usize, count: usize) -> Option<usize> {
    if count > UIO_MAXIOV {
        return None;
    }
    (0..count).find(|index| {
        let mut element = [0; 2];
        let at = list.wrapping_add(index * size_of_val(&element));
        read_words(at, &mut element).is_ok() && holds(element[0], element[1])
    })
}

/// `process_madvise(2)`: it ends before the first element that holds some of vload's memory.
pub fn advise(call: &mut Call<'_>) -> isize {
    let [process, list, count, ..] = call.args;
    match before_own(list, count) {
        Some(whole) if is_self(process as i32) => few(call, 2, whole, Errno::NOMEM),
        _ => call.pass(),
    }
}

/// `process_vm_readv(2)`, `process_vm_writev(2)`: as if vload's memory were not there. A transfer does not split an element.
pub fn copy(call: &mut Call<'_>) -> isize {
    let [process, _, _, list, count, _] = call.args;
    match before_own(list, count) {
        Some(whole) if sys::is_own_thread(process as i32) => few(call, 4, whole, Errno::FAULT),
        _ => call.pass(),
    }
}

fn few(call: &mut Call<'_>, argument: usize, count: usize, none: Errno) -> isize {
    call.args[argument] = count;
    let result = call.pass();
    // With no element it does nothing; what a filter says comes first.
    if count == 0 && sys::check(result).is_ok() { sys::raw(Err(none)) } else { result }
}

/// Whether a descriptor of a process stands for this one.
fn is_self(fd: i32) -> bool {
    PIDFD_SELF.contains(&fd) || process_behind(fd).is_some_and(sys::is_own_thread)
}

/// The process that a descriptor stands for (pidfd_open(2)).
pub fn process_behind(fd: i32) -> Option<i32> {
    let mut line = Line::new();
    line.text("/proc/thread-self/fdinfo/").decimal(i64::from(fd)).raw(b"\0");
    let path = CStr::from_bytes_with_nul(line.bytes()).ok()?;
    let mut text = [0; 512];
    let length = sys::read_file(path, &mut text).ok()?;
    let mut lines = text.get(..length)?.split(|&byte| byte == b'\n');
    let pid = lines.find_map(|line| line.strip_prefix(b"Pid:\t"))?;
    decimal(pid)
}

/// Whether `shmat(2)` would attach a segment in place of vload's memory. Without `SHM_REMAP` the kernel
/// puts none where something is.
pub fn refuses_attach(args: &[usize; 6]) -> bool {
    let [segment, address, flags, ..] = *args;
    if address == 0 || flags & SHM_REMAP == 0 {
        return false;
    }
    sys::segment_size(segment).is_ok_and(|size| holds(address, size))
}
