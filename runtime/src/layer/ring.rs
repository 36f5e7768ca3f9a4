//! io_uring and aio: what a program asks for through a ring is no system call, and no layer hears of it.
//!
//! While a layer gives a meaning to calls that a ring could make instead, no ring can be set up, and the
//! program is told what it is told where the administrator has disabled them: `EPERM`
//! (`kernel.io_uring_disabled`), for aio `EAGAIN` (`fs.aio-max-nr`). What is there already when such a layer comes stays,
//! and is named where a person sees it. Layers that only look do not count: for them a ring is no more hidden than from
//! strace.

use core::sync::atomic::{AtomicBool, Ordering};

use super::raw::Raw;
use super::{Call, layers};
use crate::abi::Entry;
use crate::log::Line;
use crate::signal;
use crate::sys::maps::each_in;
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

/// The program runs: a layer that comes meets what it has set up.
static BEGUN: AtomicBool = AtomicBool::new(false);
/// The process has asked for a ring since its exec, or may have.
static HAS_RINGS: AtomicBool = AtomicBool::new(false);
/// The same of aio contexts. They are of one memory, and neither a fork nor an exec hands them on.
static HAS_CONTEXTS: AtomicBool = AtomicBool::new(false);
/// A ring of the process has been named.
static IS_NAMED: AtomicBool = AtomicBool::new(false);

/// `io_uring_setup(2)`.
pub fn io_uring_setup(call: &mut Call<'_>) -> isize {
    if is_claimed(RING) {
        crate::log!(Info, "io_uring_setup: refused: a layer claims what a ring could reach");
        return sys::raw(Err(Errno::PERM));
    }
    HAS_RINGS.store(true, Ordering::Relaxed);
    call.pass()
}

/// `io_uring_enter(2)`. A ring that could not be found before is named now, once: its descriptor is closed, or there is no
/// `/proc`, or it came from another process.
pub fn io_uring_enter(call: &mut Call<'_>) -> isize {
    /// The number is not that of a descriptor.
    const REGISTERED_RING: usize = 1 << 4;
    let [ring, _, _, flags, ..] = call.args;
    let result = signal::io_uring_enter(call);
    if result >= 0 && !IS_NAMED.load(Ordering::Relaxed) && is_claimed(RING) {
        match flags & REGISTERED_RING {
            0 => say_ring(&|line| line.text("descriptor ").decimal(i64::from(ring as i32))),
            _ => say_ring(&|line| line.text("registered ring ").decimal(i64::from(ring as i32))),
        }
    }
    result
}

/// `io_setup(2)`.
pub fn io_setup(call: &mut Call<'_>) -> isize {
    if is_claimed(AIO) {
        crate::log!(Info, "io_setup: refused: a layer claims what aio could reach");
        return sys::raw(Err(Errno::AGAIN));
    }
    HAS_CONTEXTS.store(true, Ordering::Relaxed);
    call.pass()
}

/// Says of every ring that the session's first program inherits that layers do not hear of it.
pub fn report_inherited() {
    if is_claimed(RING) {
        report_descriptors();
    }
}

/// The program's first instruction comes next.
pub fn begin() {
    BEGUN.store(true, Ordering::Relaxed);
}

/// The same in a process that runs already, and has whatever it has.
pub fn begin_adopted() {
    for flag in [&HAS_RINGS, &HAS_CONTEXTS, &BEGUN] {
        flag.store(true, Ordering::Relaxed);
    }
    report(is_claimed(RING), is_claimed(AIO));
}

/// This is a new process, with a copy of its parent's memory.
pub fn forked() {
    HAS_CONTEXTS.store(false, Ordering::Relaxed);
}

/// Says what the process has that layers which come to it do not hear of.
pub fn meet(new: impl Iterator<Item = &'static Raw>) {
    // What an exec has kept was named when the layer came to the program before.
    if !BEGUN.load(Ordering::Relaxed) {
        return;
    }
    let (mut rings, mut contexts) = (false, false);
    for raw in new {
        rings |= gives_meaning(raw, RING);
        contexts |= gives_meaning(raw, AIO);
    }
    report(rings, contexts);
}

fn report(rings: bool, contexts: bool) {
    let found = rings && report_descriptors();
    let rings = rings && !found && HAS_RINGS.load(Ordering::Relaxed);
    let contexts = contexts && HAS_CONTEXTS.load(Ordering::Relaxed);
    if rings || contexts {
        report_mappings(rings, contexts);
    }
}

/// Names each descriptor that is a ring. Whether there is one.
fn report_descriptors() -> bool {
    let flags = nr::O_RDONLY | nr::O_DIRECTORY | nr::O_CLOEXEC;
    let Ok(folder) = sys::openat(sys::CWD, c"/proc/thread-self/fd", flags, 0) else { return false };
    let mut found = false;
    let listed = sys::list(folder, &mut |name| {
        let mut target = [0; 64];
        if sys::readlink(folder, name, &mut target) == Ok(RING_FILE) {
            found = true;
            say_ring(&|line| line.text("descriptor ").raw(name.to_bytes()));
        }
    });
    debug_assert!(listed.is_ok());
    sys::close(folder);
    found
}

/// Names each mapping of a ring, whose descriptor may be closed, and each aio context, which is the address of one.
fn report_mappings(rings: bool, contexts: bool) {
    let looked = each_in(0, usize::MAX, &mut |mapped, _| {
        if rings && mapped.name == RING_FILE {
            say_ring(&|line| line.text("the mapping at ").hex(mapped.start as u64));
        } else if contexts && mapped.name.starts_with(CONTEXT_FILE) {
            say(&|line| line.text("aio context ").hex(mapped.start as u64));
        }
        true
    });
    if looked.is_err() && contexts {
        say(&|line| line.text("io_setup was called in this process"));
    }
}

/// What a descriptor or a mapping of a ring is named in `/proc` (`io_uring_get_file`, io_uring/io_uring.c).
const RING_FILE: &[u8] = b"anon_inode:[io_uring]";
/// The same of an aio context (`aio_private_file`, fs/aio.c).
const CONTEXT_FILE: &[u8] = b"/[aio]";

fn say_ring(which: Words<'_>) {
    IS_NAMED.store(true, Ordering::Relaxed);
    say(&|line| which(line).text(" is an io_uring"));
}

fn say(what: Words<'_>) {
    let mut line = Line::new();
    what(line.text("vload: ")).text(": what goes through it, no module hears of\n");
    crate::log::emergency(line.bytes());
}

type Words<'a> = &'a dyn for<'line> Fn(&'line mut Line) -> &'line mut Line;
