//! `poll(2)` and `ppoll(2)` (`do_sys_poll`, fs/select.c).

use core::ffi::c_long;

use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::{Errno, Result};

use super::{ALWAYS, Watch, asked_about, ready, waited};
use crate::call::buffer;
use crate::call::time::Limit;
use crate::descriptor::Held;
use crate::vload;

const SIZE: usize = size_of::<nr::pollfd>();
/// Descriptors that can be waited for so; more are waited for as if all virtual ones were ready.
const MOST: usize = buffer::LARGE / SIZE - 1;

/// `poll`, `ppoll`: none when no file is among them of which a module says when it is ready.
pub fn poll(call: &mut Call) -> Option<c_long> {
    let [at, count, ..] = call.arguments;
    let count = count as u32 as usize;
    if count > MOST
        || !(0..count).any(|index| entry(at, index).is_ok_and(|one| asked(&one).is_some()))
    {
        return None;
    }
    let original = (call.number, call.arguments);
    let result = buffer::with((count + 1) * SIZE, |bytes| {
        // Where too many threads wait for many, as where the kernel has no memory.
        let is_room = bytes.len() >= (count + 1) * SIZE;
        if is_room { wait(call, at, count, bytes) } else { Err(Errno::NOMEM) }
    });
    (call.number, call.arguments) = original;
    Some(super::super::fd::raw(result))
}

fn entry(at: usize, index: usize) -> Result<nr::pollfd> {
    let [fd, events] = vload::get::<[i32; 2]>(at.wrapping_add(index * SIZE))?;
    Ok(nr::pollfd { fd, events: events as i16, revents: 0 })
}

fn asked(one: &nr::pollfd) -> Option<Held> {
    if one.fd < 0 { None } else { asked_about(one.fd) }
}

fn put(bytes: &mut [u8], index: usize, one: &nr::pollfd) {
    let [a, b, c, d] = one.fd.to_ne_bytes();
    let [e, f] = one.events.to_ne_bytes();
    let [g, h] = one.revents.to_ne_bytes();
    bytes[index * SIZE..(index + 1) * SIZE].copy_from_slice(&[a, b, c, d, e, f, g, h]);
}

fn revents(bytes: &[u8], index: usize) -> i16 {
    let at = index * SIZE + 6;
    i16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn wait(call: &mut Call, at: usize, count: usize, bytes: &mut [u8]) -> Result<usize> {
    let mut limit = Limit::of_poll(call)?;
    let watch = Watch::new()?;
    let mut round = 0;
    loop {
        let mut found = 0;
        for index in 0..count {
            let mut one = entry(at, index)?;
            if let Some(held) = asked(&one) {
                let holds = (ready(&held) & (u32::from(one.events as u16) | ALWAYS)) as i16;
                found += usize::from(holds != 0);
                // The kernel leaves an entry with a negative descriptor as it is.
                one = nr::pollfd { fd: -1, events: holds, revents: 0 };
            }
            put(bytes, index, &one);
        }
        let news = nr::pollfd { fd: watch.fd(), events: nr::POLLIN as i16, revents: 0 };
        put(bytes, count, &news);
        (call.arguments[0], call.arguments[1]) = (bytes.as_mut_ptr() as usize, count + 1);
        limit.apply(call, 2, found != 0);
        let ready = waited(vload::next(call), round).inspect_err(|&error| limit.ended(error))?;
        let has_news = revents(bytes, count) != 0;
        let ready = ready - usize::from(has_news);
        if found + ready != 0 || !has_news {
            limit.give_back();
            return give(at, count, bytes).map(|()| found + ready);
        }
        watch.drain();
        round += 1;
    }
}

/// Tells the program what holds of each.
fn give(at: usize, count: usize, bytes: &[u8]) -> Result<()> {
    for index in 0..count {
        let from = index * SIZE;
        let is_virtual = bytes[from..from + 4] == (-1i32).to_ne_bytes();
        // What the program has left out has no events that hold.
        let asked = entry(at, index)?;
        let holds = match is_virtual && asked.fd >= 0 {
            true => i16::from_ne_bytes([bytes[from + 4], bytes[from + 5]]),
            false => revents(bytes, index),
        };
        vload::put(at.wrapping_add(from + 6), &holds)?;
    }
    Ok(())
}
