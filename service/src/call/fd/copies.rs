//! Descriptors that go: `close`, `dup2`, `close_range`; and that come from elsewhere.

use core::ffi::c_long;

use linux_raw_sys::general as nr;
use vload_module::abi::Call;

use super::lock;
use crate::call::poll;
use crate::descriptor;
use crate::vload;

/// A call that closes `fd`.
pub fn close(call: &mut Call, fd: i32) -> Option<c_long> {
    poll::closed(fd as u32, fd as u32);
    let held = descriptor::find(fd)?.ok()?;
    // What the process has locked it has no more, with the first descriptor of the file that it closes; the file must
    // be asked while it is open.
    let range = lock::of_process(&held);
    let result = descriptor::closing(fd as u32, fd as u32, || vload::next(call));
    let is_closed = result >= 0 || call.number == nr::__NR_close as usize;
    if is_closed {
        lock::drop_of_process(range);
        descriptor::left(held.number);
    }
    Some(result)
}

/// `dup2(2)`, `dup3(2)`.
pub fn duplicate_onto(call: &mut Call) -> Option<c_long> {
    let [from, onto, ..] = call.arguments;
    if from as i32 == onto as i32 { None } else { close(call, onto as i32) }
}

/// `CLOSE_RANGE_CLOEXEC` (linux/close_range.h).
const CLOSE_RANGE_CLOEXEC: usize = 4;

/// `close_range(2)`.
pub fn close_range(call: &mut Call) -> Option<c_long> {
    if call.arguments[2] & CLOSE_RANGE_CLOEXEC != 0 {
        return None;
    }
    let [first, last, ..] = call.arguments;
    poll::closed(first as u32, last as u32);
    let result = descriptor::closing(first as u32, last as u32, || vload::next(call));
    if result == 0 {
        descriptor::reclaim();
    }
    Some(result)
}

/// `pidfd_getfd(2)`.
pub fn fetch(call: &mut Call) -> Option<c_long> {
    let result = vload::next(call);
    descriptor::arrived(result as i32);
    Some(result)
}

/// Bytes of `struct cmsghdr`.
const HEAD: usize = size_of::<usize>() + 8;

/// `recvmsg(2)`: `header` is where its `msghdr` is.
pub fn receive(call: &mut Call, header: usize) -> Option<c_long> {
    let result = vload::next(call);
    if result >= 0 {
        look_at_control(header);
    }
    Some(result)
}

/// `recvmmsg(2)`: as many headers as it says, each with a length behind it.
pub fn receive_many(call: &mut Call) -> Option<c_long> {
    const STEP: usize = (7 * size_of::<usize>() + 4).next_multiple_of(size_of::<usize>());
    let headers = call.arguments[1];
    let result = vload::next(call);
    for index in 0..usize::try_from(result).unwrap_or(0) {
        look_at_control(headers.wrapping_add(index * STEP));
    }
    Some(result)
}

/// Looks at the descriptors that have come with a message (`scm_detach_fds`, net/core/scm.c).
fn look_at_control(header: usize) {
    if descriptor::holds() {
        return;
    }
    // `struct msghdr`: name, its length, the pieces, their number, the control data, its length, flags: seven words.
    let Ok(words) = vload::get::<[usize; 6]>(header) else { return };
    let (mut at, end) = (words[4], words[4].wrapping_add(words[5]));
    while at != 0 && end.wrapping_sub(at) >= HEAD && at < end {
        let Ok(length) = vload::get::<usize>(at) else { return };
        let Ok([level, kind]) = vload::get::<[u32; 2]>(at + size_of::<usize>()) else { return };
        if length < HEAD || length > end - at {
            return;
        }
        // SOL_SOCKET, SCM_RIGHTS (linux/socket.h).
        if (level, kind) == (1, 1) {
            for place in (at + HEAD..at + length).step_by(4) {
                if let Ok(fd) = vload::get::<i32>(place) {
                    descriptor::arrived(fd);
                }
            }
        }
        at = at.saturating_add(length.next_multiple_of(size_of::<usize>()));
    }
}
