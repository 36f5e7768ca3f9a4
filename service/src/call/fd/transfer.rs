//! Reading and writing (`fs/read_write.c`, `generic_perform_write` in mm/filemap.c).

use core::sync::atomic::{AtomicI64, Ordering};

use linux_raw_sys::general as nr;
use vload_module::{Errno, Result};

use super::span::Span;
use crate::call::{buffer, poll};
use crate::descriptor::Held;
use crate::kernel;

/// Where a call reads or writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// At the position of the open file, which moves.
    Current,
    /// There.
    At(i64),
}

/// Flags of `preadv2(2)` and `pwritev2(2)` that change nothing here: what they ask for holds, or is a hint.
const HINTS: u32 = nr::RWF_HIPRI | nr::RWF_DSYNC | nr::RWF_SYNC;

/// `RWF_NOSIGNAL` (linux/fs.h, since 6.18): `SIGPIPE` comes of streams alone.
const NOSIGNAL: u32 = 0x100;

/// `RWF_NOAPPEND` (linux/fs.h, since 6.9).
const NOAPPEND: u32 = 0x20;

/// Whether the flags of a vectored call can be (`kiocb_set_rw_flags`, linux/fs.h), and whether it appends.
pub fn appends(held: &Held, flags: u32) -> Result<bool> {
    let without_signal = if held.is_stream() { 0 } else { NOSIGNAL };
    if flags & !(HINTS | nr::RWF_APPEND | NOAPPEND | without_signal) != 0 {
        return Err(Errno::OPNOTSUPP);
    }
    if flags & nr::RWF_APPEND != 0 && flags & NOAPPEND != 0 {
        return Err(Errno::INVAL);
    }
    let appends = held.flags() & nr::O_APPEND != 0 && flags & NOAPPEND == 0;
    Ok(appends || flags & nr::RWF_APPEND != 0)
}

/// Where a file without positions is read and written.
const STREAM: i64 = -1;

/// The place of `pread64` and its likes.
pub fn place_at(held: &Held, offset: i64) -> Result<Place> {
    if held.is_stream() {
        return Err(Errno::SPIPE);
    }
    if offset < 0 { Err(Errno::INVAL) } else { Ok(Place::At(offset)) }
}

/// Reads.
pub fn read(held: &Held, mut span: Span, place: Place) -> Result<usize> {
    held.readable()?;
    if held.is_directory() {
        return Err(Errno::ISDIR);
    }
    if held.is_stream() {
        return read_at(held, &mut span, STREAM);
    }
    let position = &held.record().position;
    match place {
        Place::At(offset) => read_at(held, &mut span, offset),
        Place::Current => loop {
            // Who reads at the same time, by the same open file, reads what comes behind: the position tells.
            let start = position.load(Ordering::Acquire);
            let mut again = span.clone();
            let count = read_at(held, &mut again, start)?;
            if moved(position, start, start.saturating_add(count as i64)) {
                return Ok(count);
            }
        },
    }
}

fn moved(position: &AtomicI64, from: i64, to: i64) -> bool {
    position.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

fn read_at(held: &Held, span: &mut Span, start: i64) -> Result<usize> {
    let is_stream = start == STREAM;
    if !is_stream {
        span.check_at(start)?;
    }
    buffer::with(span.left(), |buffer| {
        let mut done = 0;
        while span.left() != 0 {
            let wanted = span.left().min(buffer.len());
            let offset = if is_stream { STREAM } else { start + done as i64 };
            let (to, room) = (buffer.as_mut_ptr(), wanted);
            let result = held.ask(Errno::INVAL, |operations, file| {
                // SAFETY: the buffer has the room.
                Some(unsafe { (operations.read?)(file, to.cast(), room, offset) })
            });
            let count = match result {
                Ok(count) if count as usize > wanted => return partly(done, Errno::IO),
                Ok(count) => count as usize,
                Err(Errno::AGAIN) if waits(held, done) => {
                    poll::wait_for(held, nr::POLLIN)?;
                    continue;
                }
                Err(error) => return partly(done, error),
            };
            poll::used(held, false);
            let put = span.put(&buffer[..count]);
            done += put;
            if put < count {
                return partly(done, Errno::FAULT);
            }
            if count < wanted || is_stream {
                break;
            }
        }
        Ok(done)
    })
}

/// Whether a call waits that would have to: until its module says that it need not any more.
fn waits(held: &Held, done: usize) -> bool {
    held.is_stream()
        && done == 0
        && held.flags() & nr::O_NONBLOCK == 0
        && poll::says_when_ready(held)
}

/// What a call that could not do all gives.
fn partly(done: usize, error: Errno) -> Result<usize> {
    if done == 0 { Err(error) } else { Ok(done) }
}

/// Writes; `appends` says that it is at the end of the file.
pub fn write(held: &Held, mut span: Span, place: Place, appends: bool) -> Result<usize> {
    held.writable()?;
    if held.is_stream() {
        return write_at(held, &mut span, STREAM, appends);
    }
    let position = &held.record().position;
    let start = match place {
        Place::At(offset) => offset,
        Place::Current => position.load(Ordering::Acquire),
    };
    span.check_at(start)?;
    if span.left() == 0 {
        return Ok(0);
    }
    if appends {
        let end = end(held)?;
        within_limit(&mut span, end)?;
        let count = write_at(held, &mut span, end, true)?;
        if place == Place::Current {
            // Others may have appended since: the position is the end that they have made.
            position.store(self::end(held)?.max(0), Ordering::Release);
        }
        return Ok(count);
    }
    within_limit(&mut span, start)?;
    if let Place::At(_) = place {
        return write_at(held, &mut span, start, false);
    }
    // The room is taken first, so that who writes at the same time by the same open file writes behind it.
    let mut start = start;
    let wanted = span.left() as i64;
    loop {
        match position.compare_exchange(start, start + wanted, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => break,
            Err(now) => {
                within_limit(&mut span, now)?;
                start = now;
            }
        }
    }
    let result = write_at(held, &mut span, start, false);
    let count = *result.as_ref().unwrap_or(&0) as i64;
    if count < wanted {
        // Unless somebody has written behind it by now.
        moved(position, start + wanted, start + count);
    }
    result
}

/// `appends` is what the module is told, whatever the open file's own flags are: it may be this call's alone.
fn write_at(held: &Held, span: &mut Span, start: i64, appends: bool) -> Result<usize> {
    let is_stream = start == STREAM;
    buffer::with(span.left(), |buffer| {
        let mut done = 0;
        while span.left() != 0 || (is_stream && done == 0) {
            let wanted = span.left().min(buffer.len());
            let before = span.clone();
            let got = span.get(&mut buffer[..wanted]);
            if got == 0 && wanted != 0 {
                return partly(done, Errno::FAULT);
            }
            let offset = if is_stream { STREAM } else { start + done as i64 };
            let from = buffer.as_ptr();
            let result = held.ask(Errno::INVAL, |operations, file| {
                // SAFETY: the file is the one that is asked about, and so many bytes of the buffer have been filled.
                Some(unsafe {
                    (*file).flags &= !(nr::O_APPEND as i32);
                    (*file).flags |= if appends { nr::O_APPEND as i32 } else { 0 };
                    (operations.write?)(file, from.cast(), got, offset)
                })
            });
            let count = match result {
                Ok(count) if count as usize > got => return partly(done, Errno::IO),
                Ok(count) => count as usize,
                Err(Errno::AGAIN) if waits(held, done) => {
                    poll::wait_for(held, nr::POLLOUT)?;
                    span.clone_from(&before);
                    continue;
                }
                Err(error) => return partly(done, error),
            };
            poll::used(held, true);
            done += count;
            if count < got || got < wanted || is_stream {
                break;
            }
        }
        Ok(done)
    })
}

/// The size of the file.
pub fn end(held: &Held) -> Result<i64> {
    held.stat().map(|known| known.size as i64)
}

/// What may be written from `start` on (`generic_write_checks`, fs/read_write.c; `generic_write_check_limits`).
fn within_limit(span: &mut Span, start: i64) -> Result<()> {
    let limit = kernel::file_size_limit();
    if let Some(limit) = limit {
        let room = limit.saturating_sub(start as u64);
        if room == 0 {
            kernel::raise(nr::SIGXFSZ);
            return Err(Errno::FBIG);
        }
        span.shorten(usize::try_from(room).unwrap_or(usize::MAX));
    }
    let room = i64::MAX - start;
    if room <= 0 {
        return Err(Errno::FBIG);
    }
    span.shorten(usize::try_from(room).unwrap_or(usize::MAX));
    Ok(())
}
