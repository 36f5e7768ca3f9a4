//! `select(2)` and `pselect6(2)` (`core_sys_select`, fs/select.c).

use core::ffi::c_long;

use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::{Errno, Result};

use super::{ABORTED, Watch, asked_about, ready, waited};
use crate::call::buffer;
use crate::call::time::Limit;
use crate::path::status;
use crate::{kernel, vload};

const WORD: usize = size_of::<usize>();
const BITS: usize = usize::BITS as usize;
/// How many sets there are in [`Sets`].
const SETS: usize = 10;
/// Descriptors that can be waited for so; where there are more, virtual ones are held to be ready.
const MOST: usize = buffer::LARGE / (SETS * WORD) * BITS;

/// Bytes of a set of so many descriptors (`FDS_BYTES`, linux/poll.h).
fn bytes_for(count: usize) -> usize {
    count.div_ceil(BITS) * WORD
}

// A set has descriptor 8 in the lowest bit of its second byte: that is how words lie on the processors there are.
fn has(set: &[u8], fd: usize) -> bool {
    set[fd / 8] >> (fd % 8) & 1 != 0
}

fn clear(set: &mut [u8], fd: usize) {
    set[fd / 8] &= !(1 << (fd % 8));
}

fn add(set: &mut [u8], fd: usize) {
    set[fd / 8] |= 1 << (fd % 8);
}

/// Sets of equal length.
#[derive(Default)]
struct Sets<'a> {
    /// What the program waits for: to read, to write, and what is exceptional.
    wanted: [&'a mut [u8]; 3],
    /// Those of files whose module is asked.
    asked: &'a mut [u8],
    /// What holds of these.
    holding: [&'a mut [u8]; 3],
    /// What the kernel is given, and gives.
    given: [&'a mut [u8]; 3],
}

impl<'a> Sets<'a> {
    /// Empty ones of so many bytes. `ENOMEM` where the room is too small.
    fn within(room: &'a mut [u8], length: usize) -> Result<Self> {
        let room = room.get_mut(..SETS * length).ok_or(Errno::NOMEM)?;
        room.fill(0);
        let mut parts = room.chunks_exact_mut(length);
        let mut next = |_| parts.next().unwrap_or_default();
        Ok(Self {
            wanted: core::array::from_fn(&mut next),
            asked: next(0),
            holding: core::array::from_fn(&mut next),
            given: core::array::from_fn(&mut next),
        })
    }
}

/// What makes a descriptor readable and writable (`POLLIN_SET`, `POLLOUT_SET`, `POLLEX_SET`).
const KINDS: [u32; 3] = [
    nr::POLLIN | nr::POLLHUP | nr::POLLERR | nr::POLLNVAL,
    nr::POLLOUT | nr::POLLERR | nr::POLLNVAL,
    nr::POLLPRI | nr::POLLNVAL,
];

/// `select`, `pselect6`: none when no file is among them of which a module says when it is ready.
pub fn select(call: &mut Call) -> Option<c_long> {
    let original = (call.number, call.arguments);
    let known = abi::lookup(abi::Table::NATIVE, call.number as u32)?;
    // The oldest form has its arguments in memory.
    if known.args().len() == 1 {
        let given = vload::get::<[usize; 5]>(call.arguments[0]).ok()?;
        call.arguments[..5].copy_from_slice(&given);
        call.number = abi::native_number("_newselect")?;
    }
    let result = wait(call, known.name() == "pselect6_time64");
    (call.number, call.arguments) = original;
    result.map(super::super::fd::raw)
}

/// How many of the descriptors that a program names the kernel would look at: as many as the process's table has room
/// for (`core_sys_select`), which programs know that name more than their sets have. vload's own make that table
/// larger, so what counts is what the process is shown of it.
fn looked_at(count: usize) -> Result<usize> {
    // The smallest table (`NR_OPEN_DEFAULT`), and one that has the last of them.
    if count <= BITS || kernel::fcntl(count as i32 - 1, nr::F_GETFD, 0).is_ok() {
        return Ok(count);
    }
    match status::value(b"FDSize", 10, vload::system) {
        Ok(size) => Ok(count.min(size as usize)),
        // A signal has come first: the call is made again after the handler.
        Err(error) if c_long::from(error.0) == -ABORTED => Err(error),
        Err(_) => Ok(count),
    }
}

/// Whether a file is in the program's sets whose module is asked.
fn is_any_asked(places: [usize; 3], count: usize) -> Result<bool> {
    for index in 0..count.div_ceil(BITS) {
        let mut word = 0;
        for at in places.into_iter().filter(|at| *at != 0) {
            word |= vload::get::<usize>(at.wrapping_add(index * WORD))?;
        }
        let numbers = (0..BITS).filter(|bit| word >> bit & 1 != 0).map(|bit| index * BITS + bit);
        if numbers.take_while(|fd| *fd < count).any(|fd| asked_about(fd as i32).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn wait(call: &mut Call, is_wide: bool) -> Option<Result<usize>> {
    let [count, first, second, third, timeout, _] = call.arguments;
    // A negative one the kernel refuses.
    let count = usize::try_from(count as i32).ok()?;
    let places = [first, second, third];
    if is_any_asked(places, count.min(MOST)) != Ok(true) {
        return None;
    }
    let count = match looked_at(count) {
        Ok(count) => count,
        Err(error) => return Some(Err(error)),
    };
    if count > MOST {
        return None;
    }
    let limit = if is_wide { Limit::wide(timeout) } else { Limit::words(timeout) };
    Some(limit.and_then(|mut limit| {
        let watch = Watch::new()?;
        // The kernel is given one more descriptor, wherever that lies.
        let length = bytes_for(count.max(watch.fd() as usize + 1));
        buffer::with(SETS * length, |room| {
            let mut sets = Sets::within(room, length)?;
            let bytes = bytes_for(count);
            for (set, at) in sets.wanted.iter_mut().zip(places).filter(|(_, at)| *at != 0) {
                vload::get_bytes(&mut set[..bytes], at)?;
                // The kernel takes whole words, and does not look at what is behind the last descriptor.
                (count..bytes * 8).for_each(|fd| clear(set, fd));
            }
            let found = rounds(call, count, &watch, &mut sets, &mut limit)?;
            limit.give_back();
            for (set, at) in sets.given.iter().zip(places).filter(|(_, at)| *at != 0) {
                vload::put_bytes(at, &set[..bytes])?;
            }
            Ok(found)
        })
    }))
}

/// Waits: how many descriptors are in `given` then.
fn rounds(
    call: &mut Call,
    count: usize,
    watch: &Watch,
    sets: &mut Sets<'_>,
    limit: &mut Limit,
) -> Result<usize> {
    let news = watch.fd() as usize;
    for fd in 0..count {
        if sets.wanted.iter().any(|set| has(set, fd)) && asked_about(fd as i32).is_some() {
            add(sets.asked, fd);
        }
    }
    let mut round = 0;
    loop {
        let mut found = 0;
        for (kind, wanted) in sets.wanted.iter().enumerate() {
            sets.given[kind].copy_from_slice(wanted);
            sets.holding[kind].fill(0);
        }
        for fd in (0..count).filter(|&fd| has(sets.asked, fd)) {
            // One that was closed since is nobody's.
            let events = asked_about(fd as i32).map_or(0, |held| ready(&held));
            for (kind, events_of_kind) in KINDS.into_iter().enumerate() {
                clear(sets.given[kind], fd);
                if has(sets.wanted[kind], fd) && events & events_of_kind != 0 {
                    add(sets.holding[kind], fd);
                    found += 1;
                }
            }
        }
        add(sets.given[0], news);
        call.arguments[0] = count.max(news + 1);
        for (argument, set) in call.arguments[1..4].iter_mut().zip(&mut sets.given) {
            *argument = set.as_mut_ptr() as usize;
        }
        limit.apply(call, 4, found != 0);
        let ready = waited(vload::next(call), round).inspect_err(|&error| limit.ended(error))?;
        let has_news = ready != 0 && has(sets.given[0], news);
        let ready = ready - usize::from(has_news);
        if found + ready != 0 || !has_news {
            clear(sets.given[0], news);
            for (set, holding) in sets.given.iter_mut().zip(&sets.holding) {
                // What the kernel was given stays in the sets when nothing holds of it.
                if ready == 0 {
                    set.fill(0);
                }
                set.iter_mut().zip(holding.iter()).for_each(|(byte, more)| *byte |= more);
            }
            return Ok(found + ready);
        }
        watch.drain();
        round += 1;
    }
}
