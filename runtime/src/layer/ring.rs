//! io_uring and aio: what a program asks for through a ring is no system call, and no layer hears of it.
//!
//! While a layer gives a meaning to calls that a ring could make instead, no ring can be set up, and the
//! program is told what it is told where the administrator has disabled them: `EPERM`
//! (`kernel.io_uring_disabled`), for aio `EAGAIN` (`fs.aio-max-nr`). What is there already when such a layer comes stays,
//! and is named where a person sees it. Layers that only look do not count: for them a ring is no more hidden than from
//! strace.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};

use super::raw::Raw;
use super::{Call, layers};
use crate::abi::Entry;
use crate::digits::decimal;
use crate::log::Line;
use crate::memory::read_words;
use crate::seccomp;
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
/// Rings that the process may have: each that it has set up counts, and what was there before vload, or before an exec, as one.
/// None any more when it was looked through, and none was found.
static MAY_BE: AtomicU64 = AtomicU64::new(0);
/// How rings were set up that this memory has, or had, and that a thread of the kernel serves: all their flags.
static SERVED: AtomicUsize = AtomicUsize::new(0);
/// A layer gives calls a meaning that a ring could make: [`is_claimed`] when the layers last changed.
static CLAIMED: AtomicBool = AtomicBool::new(false);
/// The newest context of the memory; 0: none; [`UNKNOWN`]. Neither a fork nor an exec hands it on.
static CONTEXT: AtomicUsize = AtomicUsize::new(0);
const UNKNOWN: usize = usize::MAX;

/// `io_uring_setup(2)`.
pub fn io_uring_setup(call: &mut Call<'_>) -> isize {
    if is_claimed(RING) {
        crate::log!(Info, "io_uring_setup: refused: a layer claims what a ring could reach");
        return sys::raw(Err(Errno::PERM));
    }
    let result = call.pass();
    if result >= 0 {
        is_set_up(result as usize, flags(call.args[1]));
    }
    result
}

/// `IORING_SETUP_SQPOLL`.
const SERVED_BY_KERNEL: usize = 1 << 1;
/// `IORING_SETUP_NO_MMAP`.
const IN_MEMORY_OF_PROGRAM: usize = 1 << 14;
/// `IORING_SETUP_REGISTERED_FD_ONLY`.
const REGISTERED_ONLY: usize = 1 << 15;

/// The flags of a ring (`struct io_uring_params`, linux/io_uring.h), which the kernel has just written. If another thread has
/// unmapped them since, those of what is the hardest to find.
fn flags(params: usize) -> usize {
    const FLAGS_AT: usize = 8;
    let mut word = [0];
    match read_words(params.wrapping_add(FLAGS_AT), &mut word) {
        Ok(()) => word[0] as u32 as usize,
        Err(_) => SERVED_BY_KERNEL | IN_MEMORY_OF_PROGRAM,
    }
}

fn is_set_up(number: usize, flags: usize) {
    if flags & SERVED_BY_KERNEL != 0 {
        SERVED.fetch_or(flags, Ordering::Relaxed);
    }
    MAY_BE.fetch_add(1, Ordering::Relaxed);
    // A layer may have come during the call. Either it is seen here, or who loaded it has seen the ring (`report`).
    fence(Ordering::SeqCst);
    if is_claimed(RING) {
        name(number, flags & REGISTERED_ONLY != 0);
    }
}

/// `io_uring_enter(2)`. What could not be found is named now: a ring that is no descriptor of this table and not mapped, or came
/// from another process since, or where there is no `/proc`.
pub fn io_uring_enter(call: &mut Call<'_>) -> isize {
    /// The number is not that of a descriptor.
    const REGISTERED_RING: usize = 1 << 4;
    let [ring, _, _, flags, ..] = call.args;
    let result = signal::io_uring_enter(call);
    if result >= 0 && CLAIMED.load(Ordering::Relaxed) {
        name(ring as i32 as usize, flags & REGISTERED_RING != 0);
    }
    result
}

/// `io_setup(2)`.
pub fn io_setup(call: &mut Call<'_>) -> isize {
    if is_claimed(AIO) {
        crate::log!(Info, "io_setup: refused: a layer claims what aio could reach");
        return sys::raw(Err(Errno::AGAIN));
    }
    let result = call.pass();
    let mut context = [0];
    if result == 0 && read_words(call.args[1], &mut context).is_ok() {
        CONTEXT.store(context[0], Ordering::Relaxed);
    }
    result
}

/// The session's first program begins with what it inherits.
pub fn begin_session() {
    MAY_BE.store(1, Ordering::Relaxed);
    report(is_claimed(RING), false);
}

/// What the program inherits may be a ring.
pub fn begin_resumed(rings: bool) {
    MAY_BE.store(rings.into(), Ordering::Relaxed);
}

/// Whether the process may have a ring, which an exec may keep.
pub fn may_be_there() -> bool {
    MAY_BE.load(Ordering::Relaxed) != 0
}

/// The program's first instruction comes next.
pub fn begin() {
    CLAIMED.store(is_claimed(RING), Ordering::Relaxed);
    BEGUN.store(true, Ordering::Relaxed);
}

/// The same in a process that runs already.
pub fn begin_adopted() {
    CONTEXT.store(UNKNOWN, Ordering::Relaxed);
    MAY_BE.store(1, Ordering::Relaxed);
    report(is_claimed(RING), is_claimed(AIO));
    begin();
}

/// Layers have come or gone; of what the process has, those that are new hear nothing. Who loads one has not begun.
pub fn meet(new: impl Iterator<Item = &'static Raw>) {
    if !BEGUN.load(Ordering::Relaxed) {
        return;
    }
    let (mut rings, mut contexts) = (false, false);
    for raw in new {
        rings |= gives_meaning(raw, RING);
        contexts |= gives_meaning(raw, AIO);
    }
    report(rings, contexts);
    CLAIMED.store(is_claimed(RING), Ordering::Relaxed);
}

fn report(rings: bool, contexts: bool) {
    fence(Ordering::SeqCst);
    let before = MAY_BE.load(Ordering::Relaxed);
    let rings = rings && before != 0;
    let mut found = Found { inodes: [0; 8], count: 0, any: false };
    let is_looked_through = rings && report_descriptors(&mut found);
    let context = CONTEXT.load(Ordering::Relaxed);
    let contexts = contexts && context != 0;
    let mappings = (rings || contexts).then(|| report_mappings(rings, contexts, &mut found));
    let is_without_proc = mappings.is_some_and(|mappings| mappings.is_err());
    // At least the newest is known.
    if is_without_proc && contexts && context != UNKNOWN && is_context(context) {
        say_context(context);
    }
    if !rings {
        return;
    }
    let hidden = if is_without_proc { SERVED_BY_KERNEL } else { IN_MEMORY_OF_PROGRAM };
    if SERVED.load(Ordering::Relaxed) & hidden != 0 {
        say(&|line| line.text("an io_uring that a thread of the kernel serves may be there"));
    } else if is_looked_through && !found.any {
        // Unless one was set up since.
        let _ = MAY_BE.compare_exchange(before, 0, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Rings that have been found, and the inodes of those that are descriptors. For which there is no room may be named twice.
struct Found {
    inodes: [u64; 8],
    count: usize,
    any: bool,
}

/// Names each descriptor that is a ring. Whether all could be seen.
fn report_descriptors(found: &mut Found) -> bool {
    for word in &NAMED {
        word.store(0, Ordering::Relaxed);
    }
    list_descriptors(found).is_ok() || ask_descriptors(found)
}

fn list_descriptors(found: &mut Found) -> sys::Result<()> {
    let flags = nr::O_RDONLY | nr::O_DIRECTORY | nr::O_CLOEXEC;
    let folder = sys::openat(sys::CWD, c"/proc/thread-self/fd", flags, 0)?;
    let listed = sys::list(folder, &mut |entry| {
        let mut target = [0; 64];
        if sys::readlink(folder, entry, &mut target) != Ok(RING_FILE) {
            return;
        }
        found.any = true;
        if let Some(number) = decimal::<usize>(entry.to_bytes()) {
            name(number, false);
        }
        if let (Ok(ring), Some(place)) =
            (sys::stat(folder, entry), found.inodes.get_mut(found.count))
        {
            *place = ring.ino;
            found.count += 1;
        }
    });
    sys::close(folder);
    listed
}

/// The same without `/proc`: each number is asked, up to where programs have them. A filter that is not the target's own is not
/// known here, and might end who asks.
fn ask_descriptors(found: &mut Found) -> bool {
    const NUMBERS: usize = 4096;
    if sys::is_filtered() {
        return false;
    }
    for number in (0..NUMBERS).filter(|&number| sys::is_ring(number as i32)) {
        found.any = true;
        name(number, false);
    }
    true
}

/// Names each mapping of a ring that no descriptor was, and each aio context, which is the address of a mapping.
fn report_mappings(rings: bool, contexts: bool, found: &mut Found) -> sys::Result<()> {
    each_in(0, usize::MAX, &mut |mapped, _| {
        // A ring has others, at offsets that are no place in it (IORING_OFF_SQES, linux/io_uring.h).
        if rings && mapped.name == RING_FILE && mapped.offset == 0 {
            found.any = true;
            if !found.inodes[..found.count].contains(&mapped.inode) {
                say_ring(&|line| line.text("the mapping at ").hex(mapped.start as u64));
            }
        } else if contexts && mapped.name.starts_with(CONTEXT_FILE) && is_context(mapped.start) {
            say_context(mapped.start);
        }
        true
    })
}

/// Whether `id` is one of this memory's contexts, and no copy of one that a parent has. Where a filter lets nobody ask it may be.
fn is_context(id: usize) -> bool {
    let arguments = [id, 0, 0, 0, 0, 0];
    seccomp::refuses(nr::__NR_io_getevents as usize, &arguments) || sys::is_aio_context(id)
}

/// Numbers of rings that have been named since a layer came, a bit each: of descriptors, as far as that goes, and behind them
/// those that are registered.
static NAMED: [AtomicU64; 17] = [const { AtomicU64::new(0) }; 17];

/// Names a ring by its number, once.
fn name(number: usize, is_registered: bool) {
    let descriptors = NAMED.len() - 1;
    let word = if is_registered { descriptors } else { number / 64 % descriptors };
    let bit = 1 << (number % 64);
    if NAMED[word].fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return;
    }
    let what = if is_registered { "registered ring " } else { "descriptor " };
    say_ring(&|line| line.text(what).decimal(number as i64));
}

/// What a descriptor or a mapping of a ring is named in `/proc` (`io_uring_get_file`, io_uring/io_uring.c).
const RING_FILE: &[u8] = b"anon_inode:[io_uring]";
/// The same of an aio context (`aio_private_file`, fs/aio.c).
const CONTEXT_FILE: &[u8] = b"/[aio]";

fn say_ring(which: Words<'_>) {
    say(&|line| which(line).text(" is an io_uring"));
}

fn say_context(id: usize) {
    say(&|line| line.text("aio context ").hex(id as u64));
}

fn say(what: Words<'_>) {
    let mut line = Line::new();
    what(line.text("vload: ")).text(": what goes through it, no module hears of\n");
    crate::log::emergency(line.bytes());
}

type Words<'a> = &'a dyn for<'line> Fn(&'line mut Line) -> &'line mut Line;
