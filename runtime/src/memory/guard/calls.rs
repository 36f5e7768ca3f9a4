//! The calls on mappings, with holes where vload's own memory is.

use core::ops::Range;

use super::{PAGE, fault, first_in, holds, lock, remote, texts};
use crate::layer::Call;
use crate::sys::{self, Errno};
use linux_raw_sys::general as nr;
use linux_raw_sys::general::{MAP_FIXED, MAP_FIXED_NOREPLACE, MREMAP_FIXED};

macro_rules! numbers {
    ($($name:ident = $number:ident;)*) => { $(pub(super) const $name: usize = nr::$number as usize;)* };
}

numbers! {
    MPROTECT = __NR_mprotect;
    PKEY_MPROTECT = __NR_pkey_mprotect;
    MADVISE = __NR_madvise;
    MREMAP = __NR_mremap;
    REMAP_FILE_PAGES = __NR_remap_file_pages;
    MLOCK = __NR_mlock;
    MLOCK2 = __NR_mlock2;
    MUNLOCK = __NR_munlock;
    MLOCKALL = __NR_mlockall;
    MUNLOCKALL = __NR_munlockall;
    MINCORE = __NR_mincore;
    MSYNC = __NR_msync;
    MBIND = __NR_mbind;
    SET_MEMPOLICY_HOME_NODE = __NR_set_mempolicy_home_node;
    MSEAL = __NR_mseal;
    SHMAT = __NR_shmat;
    PROCESS_MADVISE = __NR_process_madvise;
    PROCESS_VM_READV = __NR_process_vm_readv;
    PROCESS_VM_WRITEV = __NR_process_vm_writev;
    GET_MEMPOLICY = __NR_get_mempolicy;
    USERFAULTFD = __NR_userfaultfd;
    RSEQ = __NR_rseq;
}

/// Wanted in a process with a userfaultfd (`fault::watch`).
pub const IOCTL: usize = nr::__NR_ioctl as usize;

/// The calls that are answered here, besides `mmap` and `munmap`.
pub const WANTED: &[usize] = &[
    MPROTECT,
    PKEY_MPROTECT,
    MADVISE,
    MREMAP,
    REMAP_FILE_PAGES,
    MLOCK,
    MLOCK2,
    MUNLOCK,
    MLOCKALL,
    MUNLOCKALL,
    MINCORE,
    MSYNC,
    MBIND,
    SET_MEMPOLICY_HOME_NODE,
    MSEAL,
    SHMAT,
    PROCESS_MADVISE,
    PROCESS_VM_READV,
    PROCESS_VM_WRITEV,
    GET_MEMPOLICY,
    USERFAULTFD,
    RSEQ,
];

/// The call, if it is one of [`WANTED`], or an `ioctl(2)` that is wanted since there is a userfaultfd.
/// `pass` makes it with the arguments as they are then.
pub fn call(call: &mut Call<'_>, pass: &mut dyn FnMut(&mut Call<'_>) -> isize) -> Option<isize> {
    Some(match call.number {
        MPROTECT | PKEY_MPROTECT | MINCORE => up_to_hole(call, pass),
        MLOCK | MLOCK2 | MUNLOCK => {
            // The range of these need not start with a page (do_mlock, mm/mlock.c).
            let before = call.args[0] % PAGE;
            call.args[0] -= before;
            call.args[1] = call.args[1].saturating_add(before);
            up_to_hole(call, pass)
        }
        MADVISE | MSYNC => over_holes(call, pass, Some(Errno::NOMEM)),
        MREMAP => match refuses_mremap(&call.args) {
            Some(error) => sys::raw(Err(error)),
            None => mremap(call, pass),
        },
        REMAP_FILE_PAGES => whole_or(call, pass, Errno::INVAL),
        MSEAL => whole_or(call, pass, Errno::NOMEM),
        MBIND => whole_or(call, pass, Errno::FAULT),
        // It passes over what is not mapped, but does not tell a range with nothing from an error.
        SET_MEMPOLICY_HOME_NODE => whole_or(call, pass, Errno::NOENT),
        SHMAT => match remote::refuses_attach(&call.args) {
            true => sys::raw(Err(Errno::INVAL)),
            false => pass(call),
        },
        MLOCKALL | MUNLOCKALL => lock::all(call, pass),
        PROCESS_MADVISE => remote::advise(call),
        PROCESS_VM_READV | PROCESS_VM_WRITEV => remote::copy(call),
        GET_MEMPOLICY => {
            if asks_of_own(&call.args) {
                call.args[3] = NOWHERE;
            }
            pass(call)
        }
        USERFAULTFD => fault::create(call),
        RSEQ => {
            let result = pass(call);
            if result == 0 {
                let ends = call.args[2] as u32 & RSEQ_FLAG_UNREGISTER != 0;
                call.block.sequences = if ends { 0 } else { call.args[0] };
            }
            result
        }
        IOCTL => fault::control(call),
        _ => return None,
    })
}

const RSEQ_FLAG_UNREGISTER: u32 = 1;

/// Whether `get_mempolicy(2)` is asked of an address of vload's.
fn asks_of_own(args: &[usize; 6]) -> bool {
    const MPOL_F_NODE: usize = 1;
    const MPOL_F_ADDR: usize = 2;
    let [_, _, _, address, flags, _] = *args;
    matches!(flags & !MPOL_F_NODE, MPOL_F_ADDR) && holds(address, 1)
}

/// `mmap(2)`: nothing is put in place of vload's.
pub fn mmap(call: &mut Call<'_>, pass: &mut dyn FnMut(&mut Call<'_>) -> isize) -> isize {
    let [address, length, _, flags, ..] = call.args;
    let replaces = flags & MAP_FIXED as usize != 0 && flags & MAP_FIXED_NOREPLACE as usize == 0;
    // What has no length, or begins within a page, is wrong anyway.
    if replaces && range_of(call).is_some() && holds(address, length) {
        return sys::raw(Err(Errno::NOMEM));
    }
    if replaces {
        texts::forget(&(address..address.saturating_add(length)));
    }
    pass(call)
}

/// `munmap(2)`: what is vload's stays.
pub fn munmap(call: &mut Call<'_>) -> isize {
    over_holes(
        call,
        &mut |call| {
            let result = call.pass();
            if result == 0 {
                let [start, length, ..] = call.args;
                texts::forget(&(start..start.saturating_add(length)));
            }
            result
        },
        None,
    )
}

fn mremap(call: &mut Call<'_>, pass: &mut dyn FnMut(&mut Call<'_>) -> isize) -> isize {
    let [old, length, ..] = call.args;
    let result = pass(call);
    if let Ok(new) = sys::check(result)
        && new != old
    {
        texts::moved(&(old..old.saturating_add(length)), new);
    }
    result
}

/// The range that the first two arguments name. `None` when the kernel would refuse it before it
/// looks at mappings, or has nothing to do.
fn range_of(call: &Call<'_>) -> Option<Range<usize>> {
    let [start, length, ..] = call.args;
    let end = start.checked_add(length.checked_next_multiple_of(PAGE)?)?;
    (start.is_multiple_of(PAGE) && start < end).then_some(start..end)
}

/// Makes the call for each part of its range that is not vload's. What the kernel says of a hole is
/// `hole`, after it has done the rest.
fn over_holes(
    call: &mut Call<'_>,
    pass: &mut dyn FnMut(&mut Call<'_>) -> isize,
    hole: Option<Errno>,
) -> isize {
    let Some(mut range) = range_of(call) else { return pass(call) };
    let Some(mut own) = first_in(&range) else { return pass(call) };
    if hole.is_none() {
        // A range that does not end below the kernel's is refused as a whole (`do_vmi_munmap`, mm/vma.c).
        let mut last = own.clone();
        while let Some(next) = first_in(&(last.end..range.end)) {
            last = next;
        }
        if last.end < range.end {
            call.args[..2].copy_from_slice(&[last.end, range.end - last.end]);
            let result = pass(call);
            if result != 0 {
                return result;
            }
        }
        // Somebody may have mapped something there since.
        range.end = last.end;
    } else {
        // What is wrong with the other arguments comes first, and an empty range is right.
        call.args[1] = 0;
        let result = pass(call);
        if result != 0 {
            return result;
        }
    }
    let mut from = range.start;
    let mut late = None;
    loop {
        let part = from..own.start;
        if hole.is_none() && part.contains(&call.block.sequences) {
            // The kernel writes there whenever the thread has been interrupted, and ends it where it cannot
            // (`rseq(2)`): natively that comes when all is unmapped.
            late = Some(part);
        } else if from < own.start {
            call.args[..2].copy_from_slice(&[from, own.start - from]);
            let result = pass(call);
            // What the target has not mapped there is a hole too.
            if result != 0 && sys::check(result).err() != hole {
                return result;
            }
        }
        from = own.end;
        if from >= range.end {
            if let Some(part) = late {
                call.args[..2].copy_from_slice(&[part.start, part.len()]);
                return pass(call);
            }
            return hole.map_or(0, |error| sys::raw(Err(error)));
        }
        own = first_in(&(from..range.end)).unwrap_or(range.end..range.end);
    }
}

/// Makes the call for what comes before vload's memory; there the kernel would find a hole and stop.
fn up_to_hole(call: &mut Call<'_>, pass: &mut dyn FnMut(&mut Call<'_>) -> isize) -> isize {
    let Some(range) = range_of(call) else { return pass(call) };
    let Some(own) = first_in(&range) else { return pass(call) };
    if range.start < own.start {
        call.args[1] = own.start - range.start;
        let result = pass(call);
        return if result == 0 { sys::raw(Err(Errno::NOMEM)) } else { result };
    }
    // What is wrong with the other arguments comes first: where only the kernel is nothing is mapped.
    call.args[..2].copy_from_slice(&[NOWHERE, PAGE]);
    call.pass()
}

/// The address of a page that is no program's.
const NOWHERE: usize = usize::MAX - (2 * PAGE - 1);

/// The call, which the kernel refuses as a whole with `hole` when something is not mapped.
fn whole_or(
    call: &mut Call<'_>,
    pass: &mut dyn FnMut(&mut Call<'_>) -> isize,
    hole: Errno,
) -> isize {
    match range_of(call) {
        Some(range) if first_in(&range).is_some() => {
            // What is wrong with the other arguments comes first, and what a filter says; an empty
            // range is right.
            call.args[1] = 0;
            match pass(call) {
                0 => sys::raw(Err(hole)),
                error => error,
            }
        }
        _ => pass(call),
    }
}

/// `mremap(2)` of what is vload's, or to where something of vload's is. The kernel has more to refuse,
/// and comes first where it would (`check_mremap_params`, mm/mremap.c).
fn refuses_mremap(args: &[usize; 6]) -> Option<Errno> {
    let [old, old_length, new_length, flags, new, _] = *args;
    if !old.is_multiple_of(PAGE) || new_length == 0 || flags & !0x7 != 0 {
        return None;
    }
    let to_fixed = flags & MREMAP_FIXED as usize != 0;
    if to_fixed && (!new.is_multiple_of(PAGE) || flags & MREMAP_MAYMOVE == 0) {
        return None;
    }
    if to_fixed && holds(new, new_length) {
        return Some(Errno::NOMEM);
    }
    holds(old, old_length.max(1)).then_some(Errno::FAULT)
}

const MREMAP_MAYMOVE: usize = nr::MREMAP_MAYMOVE as usize;
