//! `select(2)` and `pselect6(2)` (`core_sys_select`, fs/select.c).

use core::ffi::c_long;

use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::{Errno, Result};

use super::{Watch, asked_about, ready, waited};
use crate::call::time::Limit;
use crate::vload;

/// Words of a set.
const WORDS: usize = 1024 / BITS;
const BITS: usize = usize::BITS as usize;
/// Descriptors that can be waited for so; where there are more, virtual ones are held to be ready.
const MOST: usize = WORDS * BITS;

type Set = [usize; WORDS];

fn has(set: &Set, fd: usize) -> bool {
    set[fd / BITS] >> (fd % BITS) & 1 != 0
}

fn clear(set: &mut Set, fd: usize) {
    set[fd / BITS] &= !(1 << (fd % BITS));
}

fn add(set: &mut Set, fd: usize) {
    set[fd / BITS] |= 1 << (fd % BITS);
}

/// What makes a descriptor readable and writable (`POLLIN_SET`, `POLLOUT_SET`, `POLLEX_SET`).
const KINDS: [u32; 3] =
    [nr::POLLIN | nr::POLLHUP | nr::POLLERR, nr::POLLOUT | nr::POLLERR, nr::POLLPRI];

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

/// The sets of the program.
fn given(at: [usize; 3], bytes: usize) -> Result<[Set; 3]> {
    let mut sets = [[0; WORDS]; 3];
    for (set, at) in sets.iter_mut().zip(at).filter(|(_, at)| *at != 0) {
        for (index, word) in set[..bytes / size_of::<usize>()].iter_mut().enumerate() {
            *word = vload::get(at.wrapping_add(index * size_of::<usize>()))?;
        }
    }
    Ok(sets)
}

fn wait(call: &mut Call, is_wide: bool) -> Option<Result<usize>> {
    let [count, first, second, third, timeout, _] = call.arguments;
    let count = count as i32 as usize;
    if count > MOST {
        return None;
    }
    let (places, bytes) = ([first, second, third], count.div_ceil(BITS) * size_of::<usize>());
    let wanted = given(places, bytes).ok()?;
    let mut asked = [0; WORDS];
    for fd in 0..count {
        if wanted.iter().any(|set| has(set, fd)) && asked_about(fd as i32).is_some() {
            add(&mut asked, fd);
        }
    }
    if asked == [0; WORDS] {
        return None;
    }
    let limit = if is_wide { Limit::wide(timeout) } else { Limit::words(timeout) };
    Some(limit.and_then(|mut limit| {
        let found = rounds(call, count, (&wanted, &asked), &mut limit)?;
        limit.give_back();
        for (set, at) in found.1.iter().zip(places).filter(|(_, at)| *at != 0) {
            for (index, word) in set[..bytes / size_of::<usize>()].iter().enumerate() {
                vload::put(at.wrapping_add(index * size_of::<usize>()), word)?;
            }
        }
        Ok(found.0)
    }))
}

fn rounds(
    call: &mut Call,
    count: usize,
    (wanted, asked): (&[Set; 3], &Set),
    limit: &mut Limit,
) -> Result<(usize, [Set; 3])> {
    let watch = Watch::new()?;
    let news = watch.fd() as usize;
    if news >= MOST {
        return Err(Errno::NOMEM);
    }
    let mut round = 0;
    loop {
        let mut sets = *wanted;
        let mut holding = [[0; WORDS]; 3];
        let mut found = 0;
        for fd in (0..count).filter(|&fd| has(asked, fd)) {
            // One that was closed since is nobody's.
            let events = asked_about(fd as i32).map_or(0, |held| ready(&held));
            for kind in 0..KINDS.len() {
                clear(&mut sets[kind], fd);
                if has(&wanted[kind], fd) && events & KINDS[kind] != 0 {
                    add(&mut holding[kind], fd);
                    found += 1;
                }
            }
        }
        add(&mut sets[0], news);
        call.arguments[0] = count.max(news + 1);
        for (argument, set) in call.arguments[1..4].iter_mut().zip(&mut sets) {
            *argument = set.as_mut_ptr() as usize;
        }
        limit.apply(call, 4, found != 0);
        let ready = waited(vload::next(call), round).inspect_err(|&error| limit.ended(error))?;
        let has_news = ready != 0 && has(&sets[0], news);
        let ready = ready - usize::from(has_news);
        if found + ready != 0 || !has_news {
            for (kind, set) in sets.iter_mut().enumerate() {
                if ready == 0 {
                    *set = [0; WORDS];
                }
                set.iter_mut().zip(holding[kind]).for_each(|(word, more)| *word |= more);
            }
            if ready != 0 && has_news {
                clear(&mut sets[0], news);
            }
            return Ok((found + ready, sets));
        }
        watch.drain();
        round += 1;
    }
}
