//! `splice(2)` between a virtual file and a pipe (`fs/splice.c`).

use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::{Errno, Result};

use super::between::pass;
use super::span::Span;
use super::transfer::{self, Place};
use crate::call::buffer;
use crate::descriptor::{self, Held};
use crate::{kernel, vload};

/// What a pipe that can be written to takes without waiting (`PIPE_BUF`).
const AT_ONCE: usize = nr::PIPE_BUF as usize;
/// `SPLICE_F_NONBLOCK`, and all flags (linux/splice.h).
const NONBLOCK: usize = 2;
const FLAGS: usize = 0xf;

/// Answers the call; none when both ends are real.
pub fn splice(call: &mut Call) -> Option<Result<usize>> {
    let [input, input_at, out, out_at, count, flags] = call.arguments;
    let (from, to) = (descriptor::find(input as i32), descriptor::find(out as i32));
    if from.is_none() && to.is_none() {
        return None;
    }
    if flags & !FLAGS != 0 || (from.is_some() && to.is_some()) {
        return Some(Err(Errno::INVAL));
    }
    if count == 0 {
        return Some(Ok(0));
    }
    let waits = flags & NONBLOCK == 0;
    Some(match (from, to) {
        (Some(held), _) => {
            held.and_then(|held| out_of(call, &held, (input_at, out, out_at), count, waits))
        }
        (_, Some(held)) => {
            held.and_then(|held| into(call, &held, (out_at, input, input_at), count, waits))
        }
        _ => return None,
    })
}

/// A pipe, which has no offset.
fn pipe(fd: usize, offset_at: usize) -> Result<i32> {
    kernel::fcntl(fd as i32, nr::F_GETPIPE_SZ, 0).map_err(|_| Errno::INVAL)?;
    if offset_at == 0 { Ok(fd as i32) } else { Err(Errno::SPIPE) }
}

/// Where the file's end of it is.
fn place(held: &Held, offset_at: usize) -> Result<Place> {
    match offset_at {
        0 => Ok(Place::Current),
        at => transfer::place_at(held, vload::get::<i64>(at)?),
    }
}

/// The offset is behind what was moved.
fn advance(offset_at: usize, place: Place, moved: usize) -> Result<()> {
    match place {
        Place::At(start) => vload::put(offset_at, &(start + moved as i64)),
        Place::Current => Ok(()),
    }
}

fn out_of(
    call: &mut Call,
    held: &Held,
    (offset_at, out, out_at): (usize, usize, usize),
    count: usize,
    waits: bool,
) -> Result<usize> {
    held.readable()?;
    if held.is_directory() {
        return Err(Errno::INVAL);
    }
    let (pipe, place) = (pipe(out, out_at)?, place(held, offset_at)?);
    let mut buffer = [0; AT_ONCE];
    let mut done = 0;
    while done < count {
        // It waits until it can move something, and then moves what fits.
        if (done != 0 || !waits) && !kernel::is_ready(pipe, nr::POLLOUT)? {
            if done == 0 {
                return Err(Errno::AGAIN);
            }
            break;
        }
        let wanted = (count - done).min(AT_ONCE);
        let start = match place {
            Place::At(start) => start + done as i64,
            Place::Current => held.position(),
        };
        let from = Span::one(buffer.as_mut_ptr() as usize, wanted)?;
        let step =
            transfer::read(held, from, if held.is_stream() { place } else { Place::At(start) })
                .and_then(|got| match got {
                    0 => Ok(0),
                    got => {
                        let bytes = buffer.as_ptr() as usize;
                        pass(call, nr::__NR_write, [pipe as usize, bytes, got, 0, 0])
                    }
                });
        match step {
            Ok(0) => break,
            Ok(moved) => {
                done += moved;
                if place == Place::Current && !held.is_stream() {
                    held.set_position(start + moved as i64);
                }
                if moved < wanted {
                    break;
                }
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    advance(offset_at, place, done)?;
    Ok(done)
}

fn into(
    call: &mut Call,
    held: &Held,
    (offset_at, input, input_at): (usize, usize, usize),
    count: usize,
    waits: bool,
) -> Result<usize> {
    held.writable()?;
    if held.flags() & nr::O_APPEND != 0 {
        return Err(Errno::INVAL);
    }
    let (pipe, place) = (pipe(input, input_at)?, place(held, offset_at)?);
    if !waits && !kernel::is_ready(pipe, nr::POLLIN)? {
        return Err(Errno::AGAIN);
    }
    let moved = buffer::with(count, |buffer| {
        let (to, room) = (buffer.as_mut_ptr() as usize, count.min(buffer.len()));
        match pass(call, nr::__NR_read, [pipe as usize, to, room, 0, 0])? {
            0 => Ok(0),
            got => transfer::write(held, Span::one(to, got)?, place, false),
        }
    })?;
    advance(offset_at, place, moved)?;
    Ok(moved)
}
