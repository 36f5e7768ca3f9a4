//! `epoll(7)` of files whose module says when they are ready (`fs/eventpoll.c`).
//!
//! The kernel does not take their placeholders. What a process has asked for is kept here, by the number of the descriptor
//! of the set; a copy of that descriptor, and a program that is executed, do not have it.

use core::cell::UnsafeCell;
use core::ffi::c_long;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::{Errno, Result};

use super::{ALWAYS, PPOLL, Watch, asked_about, ready, waited};
use crate::call::time::Limit;
use crate::descriptor::{self, Held, Temporary};
use crate::{kernel, vload};

/// Files that a process can have in its sets.
const MOST: usize = 128;
/// Bytes of a `struct epoll_event`.
const SIZE: usize = size_of::<nr::epoll_event>();
/// Where its data lies.
const DATA: usize = SIZE - 8;

/// A file in a set.
#[derive(Clone, Copy)]
struct Interest {
    /// The set's descriptor.
    set: i32,
    /// The descriptor by which the file was added.
    fd: i32,
    /// The file.
    number: u32,
    generation: u32,
    events: u32,
    data: u64,
    /// What of `events` has been told, for `EPOLLET`.
    told: u32,
    /// How much had been written in the session then.
    written: u32,
}

struct All {
    held: AtomicBool,
    interests: UnsafeCell<[Option<Interest>; MOST]>,
}

// SAFETY: the interests belong to who has made `held` true.
unsafe impl Sync for All {}

static ALL: All = All { held: AtomicBool::new(false), interests: UnsafeCell::new([None; MOST]) };
/// How many there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn with<R>(act: impl FnOnce(&mut [Option<Interest>; MOST]) -> R) -> R {
    while ALL.held.swap(true, Ordering::Acquire) {
        vload::let_others_run();
    }
    // SAFETY: `held` was made true.
    let result = act(unsafe { &mut *ALL.interests.get() });
    ALL.held.store(false, Ordering::Release);
    result
}

/// The process has just been forked: whoever was in the table is not in it.
pub fn forked() {
    ALL.held.store(false, Ordering::Relaxed);
}

/// Descriptors have been closed: what was asked for by sets among them is forgotten.
pub fn closed(first: u32, last: u32) {
    if COUNT.load(Ordering::Acquire) == 0 || vload::is_borrowed() {
        return;
    }
    with(|all| {
        let is_its = |one: &Interest| (first..=last).contains(&(one.set as u32));
        for place in all.iter_mut().filter(|place| place.as_ref().is_some_and(is_its)) {
            *place = None;
            COUNT.fetch_sub(1, Ordering::AcqRel);
        }
    });
}

/// Whether a descriptor is that of a set: `EBADF`, `EINVAL`.
fn check_set(set: i32) -> Result<()> {
    // What is not in a set cannot be taken from it.
    // SAFETY: no memory is passed.
    let make = || unsafe { kernel::call(nr::__NR_eventfd2, [0, nr::O_CLOEXEC as usize]) };
    let other = Temporary::make(|| make().map(|fd| fd as i32)).map_err(|_| Errno::NOMEM)?;
    let arguments = [set as usize, nr::EPOLL_CTL_DEL as usize, other.fd() as usize, 0];
    // SAFETY: no memory is passed.
    let taken = unsafe { kernel::call(nr::__NR_epoll_ctl, arguments) };
    match taken {
        Err(Errno::NOENT) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}

/// `epoll_ctl`: none when the file is the kernel's.
pub fn control(call: &mut Call) -> Option<c_long> {
    let [set, operation, fd, from, ..] = call.arguments;
    let held = asked_about(fd as i32)?;
    Some(super::super::fd::raw(change(&held, (set as i32, fd as i32), operation as u32, from)))
}

fn change(held: &Held, (set, fd): (i32, i32), operation: u32, from: usize) -> Result<usize> {
    let mut event = [0u8; SIZE];
    if operation != nr::EPOLL_CTL_DEL {
        vload::get_bytes(&mut event, from)?;
    }
    check_set(set)?;
    held.usable()?;
    let [e0, e1, e2, e3] = [event[0], event[1], event[2], event[3]];
    let mut data = [0; 8];
    data.copy_from_slice(&event[DATA..]);
    let new = Interest {
        set,
        fd,
        number: held.number,
        generation: held.generation(),
        events: u32::from_ne_bytes([e0, e1, e2, e3]),
        data: u64::from_ne_bytes(data),
        told: 0,
        written: 0,
    };
    let is_it = |one: &Option<Interest>| {
        one.is_some_and(|one| {
            (one.set, one.fd) == (set, fd)
                && (one.number, one.generation) == (new.number, new.generation)
        })
    };
    let changed = with(|all| {
        let there = all.iter().position(is_it);
        match (operation, there) {
            (nr::EPOLL_CTL_ADD, Some(_)) => Err(Errno::EXIST),
            (nr::EPOLL_CTL_ADD, None) => {
                let is_left = |one: &Option<Interest>| {
                    one.is_none_or(|one| Held::of(one.number, one.generation).is_none())
                };
                let free = all.iter().position(is_left).ok_or(Errno::NOSPC)?;
                if all[free].replace(new).is_none() {
                    COUNT.fetch_add(1, Ordering::AcqRel);
                }
                Ok(0)
            }
            (nr::EPOLL_CTL_MOD, Some(at)) => {
                all[at] = Some(new);
                Ok(0)
            }
            (nr::EPOLL_CTL_DEL, Some(at)) => {
                all[at] = None;
                COUNT.fetch_sub(1, Ordering::AcqRel);
                Ok(0)
            }
            (nr::EPOLL_CTL_MOD | nr::EPOLL_CTL_DEL, None) => Err(Errno::NOENT),
            _ => Err(Errno::INVAL),
        }
    })?;
    // Who waits for the set by now waits for this too, if it had a module's file before.
    super::wake();
    Ok(changed)
}

/// The events of a set's files that hold and have not been told: at most `most`, written to `to`.
fn collect(set: i32, to: usize, most: usize) -> Result<usize> {
    let written = descriptor::written();
    let mut found = 0;
    for index in 0..MOST {
        let one = with(|all| all[index]);
        let Some(mut one) = one.filter(|one| one.set == set && found < most) else { continue };
        let Some(held) = Held::of(one.number, one.generation) else { continue };
        // One that was told once waits to be asked for again.
        if one.events & !(nr::EPOLLET | nr::EPOLLONESHOT) == 0 {
            continue;
        }
        let holds = ready(&held) & (one.events | ALWAYS);
        let is_new =
            one.events & nr::EPOLLET == 0 || holds & !one.told != 0 || one.written != written;
        (one.told, one.written) = (holds, written);
        if holds != 0 && is_new {
            let mut event = [0u8; SIZE];
            event[..4].copy_from_slice(&holds.to_ne_bytes());
            event[DATA..].copy_from_slice(&one.data.to_ne_bytes());
            vload::put_bytes(to.wrapping_add(found * SIZE), &event)?;
            found += 1;
            if one.events & nr::EPOLLONESHOT != 0 {
                one.events &= nr::EPOLLET | nr::EPOLLONESHOT;
            }
        }
        with(|all| {
            // Unless somebody has changed it meanwhile.
            if let Some(now) = &mut all[index]
                && (now.set, now.number, now.generation) == (set, one.number, one.generation)
            {
                *now = one;
            }
        });
    }
    Ok(found)
}

/// `epoll_wait` and its likes: none when all in the set are the kernel's.
pub fn wait(call: &mut Call) -> Option<c_long> {
    let set = call.arguments[0] as i32;
    if COUNT.load(Ordering::Acquire) == 0
        || !with(|all| all.iter().flatten().any(|one| one.set == set))
    {
        return None;
    }
    let original = (call.number, call.arguments);
    let result = rounds(call, set);
    (call.number, call.arguments) = original;
    Some(super::super::fd::raw(result))
}

/// What the kernel has of the set, without waiting.
fn of_kernel(set: i32, to: usize, most: usize) -> Result<usize> {
    let mut events = [0u8; 16 * SIZE];
    let most = most.min(16);
    if most == 0 {
        return Ok(0);
    }
    let arguments = [set as usize, events.as_mut_ptr() as usize, most, 0, 0, 8];
    // SAFETY: the room is for as many as it says.
    let count = unsafe { kernel::call(nr::__NR_epoll_pwait, arguments) }?;
    vload::put_bytes(to, &events[..count * SIZE])?;
    Ok(count)
}

/// Whether a filter of the program's forbids [`PPOLL`].
fn is_poll_refused() -> bool {
    // A time of two numbers of 64 bits: none.
    let none = [0u64; 2];
    // SAFETY: no descriptors, and a time.
    let asked = unsafe { kernel::call(PPOLL, [0, 0, none.as_ptr() as usize, 0, 0]) };
    asked == Err(Errno::NOSYS)
}

fn rounds(call: &mut Call, set: i32) -> Result<usize> {
    let is = |name: &str| abi::native_number(name) == Some(call.number);
    let [_, to, most, timeout, mask, mask_size] = call.arguments;
    let masked = if is("epoll_wait") { [0, 0] } else { [mask, mask_size] };
    let mut limit = match is("epoll_pwait2") {
        true => Limit::wide(timeout)?,
        false => Limit::milliseconds(timeout as i32),
    };
    let most = usize::try_from(most as i32).unwrap_or(0);
    if most == 0 {
        return Err(Errno::INVAL);
    }
    let watch = Watch::new()?;
    // A filter of the program's that allows this call may forbid the one that is made in its stead.
    if is_poll_refused() {
        return Err(Errno::NOMEM);
    }
    let mut round = 0;
    loop {
        let found = collect(set, to, most)?;
        let more = of_kernel(set, to.wrapping_add(found * SIZE), most - found);
        match more {
            Ok(more) if found + more != 0 => return Ok(found + more),
            Err(error) if found == 0 => return Err(error),
            Err(_) => return Ok(found),
            Ok(_) => {}
        }
        let entry = |fd: i32| nr::pollfd { fd, events: nr::POLLIN as i16, revents: 0 };
        let mut entries = [entry(set), entry(watch.fd())];
        call.number = PPOLL as usize;
        call.arguments = [entries.as_mut_ptr() as usize, 2, 0, masked[0], masked[1], 0];
        limit.apply_wide(call, 2);
        if waited(vload::next(call), round)? == 0 {
            return Ok(0);
        }
        watch.drain();
        round += 1;
    }
}
