//! io_uring and aio: what a program asks for through a ring is no system call, and no layer hears of it.
//!
//! While a layer gives a meaning to calls that a ring could make instead, no ring can be set up, and the
//! program is told what it is told where the administrator has disabled them: `EPERM`
//! (`kernel.io_uring_disabled`), for aio `EAGAIN` (`fs.aio-max-nr`). Layers that only look do not count:
//! for them a ring is no more hidden than from strace.

use core::sync::atomic::{AtomicBool, Ordering};

use super::raw::Raw;
use super::{Call, layers};
use crate::abi::Entry;
use crate::log::Line;
use crate::module;
use crate::sys::{self, Errno};
use linux_raw_sys::general as nr;

/// What a ring can do in place of a call (`enum io_uring_op`, linux/io_uring.h).
const RING: &[u32] = &[
    nr::__NR_accept4,
    nr::__NR_bind,
    nr::__NR_close,
    nr::__NR_connect,
    nr::__NR_epoll_ctl,
    nr::__NR_fallocate,
    nr::__NR_fgetxattr,
    nr::__NR_fsetxattr,
    nr::__NR_fsync,
    nr::__NR_futex,
    nr::__NR_getxattr,
    nr::__NR_linkat,
    nr::__NR_listen,
    nr::__NR_madvise,
    nr::__NR_mkdirat,
    nr::__NR_openat,
    nr::__NR_openat2,
    nr::__NR_pipe2,
    nr::__NR_ppoll,
    nr::__NR_read,
    nr::__NR_readv,
    nr::__NR_recvfrom,
    nr::__NR_recvmsg,
    nr::__NR_renameat2,
    nr::__NR_sendmsg,
    nr::__NR_sendto,
    nr::__NR_setxattr,
    nr::__NR_shutdown,
    nr::__NR_socket,
    nr::__NR_splice,
    nr::__NR_statx,
    nr::__NR_symlinkat,
    nr::__NR_tee,
    nr::__NR_unlinkat,
    nr::__NR_waitid,
    nr::__NR_write,
    nr::__NR_writev,
];

/// What aio can (`IOCB_CMD_*`, linux/aio_abi.h).
const AIO: &[u32] = &[
    nr::__NR_fdatasync,
    nr::__NR_fsync,
    nr::__NR_ppoll,
    nr::__NR_pread64,
    nr::__NR_preadv,
    nr::__NR_pwrite64,
    nr::__NR_pwritev,
    nr::__NR_read,
    nr::__NR_write,
];

/// Whether a layer gives one of the calls a meaning.
fn is_claimed(calls: &[u32]) -> bool {
    layers().any(|layer| gives_meaning(layer.raw(), calls))
}

fn gives_meaning(raw: &Raw, calls: &[u32]) -> bool {
    !raw.only_looks && calls.iter().any(|&call| raw.wants.has(Entry::Native, call as usize))
}

/// `io_uring_setup(2)`.
pub fn io_uring_setup(call: &mut Call<'_>) -> isize {
    if is_claimed(RING) {
        crate::log!(Info, "io_uring_setup: refused: a layer claims what a ring could reach");
        return sys::raw(Err(Errno::PERM));
    }
    MADE.store(true, Ordering::Relaxed);
    call.pass()
}

/// The program has asked for a ring.
static MADE: AtomicBool = AtomicBool::new(false);

/// Whether the process may have a ring: one that another program has executed begins without, as they are close-on-exec.
pub fn may_be_there() -> bool {
    MADE.load(Ordering::Relaxed) || !module::is_executed()
}

/// `io_setup(2)`.
pub fn io_setup(call: &mut Call<'_>) -> isize {
    if is_claimed(AIO) {
        crate::log!(Info, "io_setup: refused: a layer claims what aio could reach");
        return sys::raw(Err(Errno::AGAIN));
    }
    call.pass()
}

/// Whether a ring could make a call to which the layer gives a meaning.
pub fn is_hidden_from(raw: &Raw) -> bool {
    gives_meaning(raw, RING)
}

/// Says of every ring that the session's first program inherits that layers do not hear of it.
pub fn report_inherited() {
    if is_claimed(RING) {
        report();
    }
}

/// Says of every ring of the process that layers do not hear of it.
pub fn report() {
    let flags = nr::O_RDONLY | nr::O_DIRECTORY | nr::O_CLOEXEC;
    let Ok(folder) = sys::openat(sys::CWD, c"/proc/thread-self/fd", flags, 0) else { return };
    let listed = sys::list(folder, &mut |name| {
        let mut target = [0; 64];
        if sys::readlink(folder, name, &mut target) == Ok(b"anon_inode:[io_uring]") {
            let mut line = Line::new();
            line.text("vload: descriptor ").raw(name.to_bytes());
            line.text(" is an io_uring: what goes through it, no module hears of\n");
            crate::log::emergency(line.bytes());
        }
    });
    debug_assert!(listed.is_ok());
    sys::close(folder);
}
