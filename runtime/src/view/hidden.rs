//! vload's descriptors as closed ones: to calls that name them by number or in `/proc/PID/fd`.

use core::ffi::{CStr, c_char};
use core::mem::offset_of;

use super::identity::{path_of, pid_in_proc};
use super::{Descriptors, OWN, OWN_DESCRIPTORS, maps, procfs};
use crate::abi::{self, Arg, Table};
use crate::arch;
use crate::digits::decimal;
use crate::layer::Call;
use crate::memory::User;
use crate::memory::guard::{Peer, process_behind};
use crate::sys;
use linux_raw_sys::general as nr;
use linux_raw_sys::general::MAP_ANONYMOUS;

/// Room for paths in `/proc`, which are short.
pub const PATH: usize = 256;
/// Calls to which a number of ours means something else than a descriptor that is used: these know.
const KNOWN: [u32; 2] = [nr::__NR_dup3, nr::__NR_close_range];

/// Whether an argument of the call is one of vload's descriptors, where the kernel would look for an open
/// one. It then answers as for one that is not (`EBADF`).
pub fn is_named(call: &Call<'_>) -> bool {
    let own = call.descriptors();
    if !call.args.iter().any(|arg| own.contains(*arg as i32)) {
        return false;
    }
    let number = call.number as u32;
    if KNOWN.contains(&number) || arch::numbers::is_dup2(call.number) {
        return false;
    }
    if call.number == arch::numbers::MMAP && call.args[3] & MAP_ANONYMOUS as usize != 0 {
        return false;
    }
    let Some(described) = abi::lookup(Table::NATIVE, number) else { return false };
    let kinds = described.args();
    kinds.iter().zip(&call.args).enumerate().any(|(index, (kind, arg))| {
        own.contains(*arg as i32)
            && match kind {
                Arg::Fd => true,
                Arg::DirFd => !is_absolute(call, kinds, index),
                _ => false,
            }
    })
}

/// `pidfd_getfd(2)` and `kcmp(2)`: a descriptor of vload's is a closed one in every process.
pub fn of_process(call: &mut Call<'_>) -> isize {
    let result = call.pass();
    if result < 0 || !is_taken(call) {
        return result;
    }
    if call.number as u32 == nr::__NR_pidfd_getfd {
        sys::close(result as i32);
    }
    sys::raw(Err(sys::Errno::BADF))
}

fn is_taken(call: &Call<'_>) -> bool {
    const KCMP_FILE: usize = 0;
    /// Another process's have numbers like ours.
    const AROUND: u32 = 64;
    let own = call.descriptors().all().map(super::Slot::get);
    let [first, second, third, left, right, _] = call.args;
    let asked = match call.number as u32 {
        nr::__NR_pidfd_getfd => [(None, second), (None, second)],
        nr::__NR_kcmp if third == KCMP_FILE => {
            [(Some(first as i32), left), (Some(second as i32), right)]
        }
        _ => return false,
    };
    asked.into_iter().any(|(pid, fd)| {
        let fd = fd as i32;
        own.iter().any(|own| *own >= 0 && own.abs_diff(fd) < AROUND)
            && pid.or_else(|| process_behind(first as i32)).is_some_and(|pid| {
                match sys::is_own_thread(pid) {
                    true => own.contains(&fd),
                    false => fd >= 0 && of(call, pid).contains(&fd),
                }
            })
    })
}

/// Whether the path that belongs to the folder in argument `folder` does without it.
fn is_absolute(call: &Call<'_>, kinds: &[Arg], folder: usize) -> bool {
    let belongs = |kind: &Arg| matches!(kind, Arg::PathAt(of) if usize::from(*of) == folder);
    let Some(path) = kinds.iter().position(belongs) else { return false };
    let first = call.args.get(path).map(|at| User::<u8>::new(*at).read());
    matches!(first, Some(Ok(b'/')))
}

/// The path of a call that has succeeded, as it was given.
pub fn given<'a>(call: &Call<'_>, result: isize, path: usize) -> Option<&'a [u8]> {
    let address = call.args[path];
    if result < 0 || address == 0 {
        return None;
    }
    // SAFETY: a call that succeeded has read a NUL-terminated path there.
    Some(unsafe { CStr::from_ptr(address as *const c_char) }.to_bytes())
}

/// Whether a call that has succeeded was led to one of vload's descriptors: natively there is no such
/// file (`ENOENT`).
pub fn is_reached(call: &Call<'_>, result: isize, path: usize) -> bool {
    given(call, result, path).is_some_and(|given| leads_to_own(call, dirfd(call, path), given))
}

/// Whether a path from `folder` on leads to one of vload's descriptors.
#[inline(never)]
pub fn leads_to_own(call: &Call<'_>, folder: i32, given: &[u8]) -> bool {
    let name = given.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let Some(number) = decimal(name) else { return false };
    if !call.descriptors().contains(number) {
        return false;
    }
    let mut buffer = [0; PATH];
    procfs::canonical(folder, procfs::split(given).0, &mut buffer)
        .and_then(process_of_listing)
        .is_some_and(|pid| of(call, pid).contains(&number))
}

/// `stat(2)` and its likes of a folder that lists descriptors: since Linux 6.2 its size is their number
/// (`proc_fd_getattr`, fs/proc/fd.c). `size` is the address of that field.
pub fn uncount(
    call: &Call<'_>,
    result: isize,
    (path, follows): (usize, bool),
    size: Option<usize>,
) {
    let Some(size) = size.filter(|&size| result >= 0 && is_of_proc(call, size)) else { return };
    // Few other folders in `/proc` have one.
    if User::<usize>::new(size).read_again() == Ok(0) {
        return;
    }
    let given = given(call, result, path).unwrap_or_default();
    let mut buffer = [0; PATH];
    let listed = match dirfd(call, path) {
        // What is open already.
        open if given.is_empty() && open != sys::CWD => path_of(open, &mut buffer),
        // A link has a size of its own.
        folder if !follows => procfs::canonical_unless_link(folder, given, &mut buffer),
        folder => procfs::canonical(folder, given, &mut buffer),
    };
    if let Some(pid) = listed.and_then(process_of_listing) {
        uncount_of(call, pid, size);
    }
}

/// The same of the folder of process `pid`, whose length a call that has succeeded has put at `size`.
#[inline(never)]
pub fn uncount_of(call: &Call<'_>, pid: i32, size: usize) {
    let own = of(call, pid).into_iter().filter(|fd| *fd >= 0).count();
    // SAFETY: the kernel has filled the structure whose field it is. It may not be aligned.
    unsafe {
        let size = size as *mut usize;
        let counted = size.read_unaligned();
        if counted > own {
            size.write_unaligned(counted - own);
        }
    }
}

/// Whether what a call has said of a file, whose length is at `size`, can be of one in `/proc`: few others have blocks
/// of 1024 bytes (`proc_fill_super`, fs/proc/root.c).
fn is_of_proc(call: &Call<'_>, size: usize) -> bool {
    // `st_blksize` lies two words of 32 bits behind, `stx_blksize` nine before (linux/stat.h).
    let at = if call.number == nr::__NR_statx as usize { size - 36 } else { size + 8 };
    User::<u32>::new(at).read_again() == Ok(1024)
}

/// The process whose descriptors a folder in `/proc` lists.
fn process_of_listing(folder: &[u8]) -> Option<i32> {
    let (_, last) = procfs::split(folder);
    if matches!(last, b"fd" | b"fdinfo") { procfs::process_of(folder) } else { None }
}

/// Where a path that is argument `path` starts.
pub fn dirfd(call: &Call<'_>, path: usize) -> i32 {
    if path == 1 { call.args[0] as i32 } else { sys::CWD }
}

/// vload's descriptors in process `pid`, which the caller sees.
#[inline(never)]
fn of(call: &Call<'_>, pid: i32) -> [i32; OWN_DESCRIPTORS] {
    if Some(pid) == pid_in_proc() {
        return call.descriptors().all().map(super::Slot::get);
    }
    maps::peer(pid).map_or([-1; OWN_DESCRIPTORS], |peer| of_peer(&peer))
}

/// Those in another process.
pub fn of_peer(peer: &Peer) -> [i32; OWN_DESCRIPTORS] {
    let mut numbers = [-1i32; OWN_DESCRIPTORS];
    // The numbers lie at the beginning.
    const { assert!(offset_of!(Descriptors, marked) == size_of::<[i32; OWN_DESCRIPTORS]>()) };
    match peer.read((&raw const OWN).addr(), &mut numbers) {
        Ok(()) => numbers,
        Err(_) => [-1; OWN_DESCRIPTORS],
    }
}

/// vload's descriptors in the process whose `fd` or `fdinfo` in `/proc` the open folder is.
pub fn in_listing(call: &Call<'_>, folder: i32) -> Option<[i32; OWN_DESCRIPTORS]> {
    let mut buffer = [0; PATH];
    let path = path_of(folder, &mut buffer)?;
    let pid = process_of_listing(path)?;
    procfs::is_proc(folder).then(|| of(call, pid))
}
