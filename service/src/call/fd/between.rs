//! Data from one descriptor to another: `sendfile(2)`, `copy_file_range(2)` (`fs/read_write.c`, `fs/splice.c`).

use core::mem::MaybeUninit;

use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::{Errno, Result};

use super::span::Span;
use super::transfer::{self, Place};
use crate::call::buffer;
use crate::descriptor::{self, Held};
use crate::{kernel, vload};

/// What moves at most (`MAX_RW_COUNT`).
const MOST: usize = 0x7fff_f000;

/// Where data comes from or goes to.
enum End {
    /// A virtual file.
    Virtual(Held),
    /// A descriptor of the kernel's.
    Real(i32),
}

impl End {
    fn of(fd: i32) -> Result<Self> {
        Ok(match descriptor::find(fd) {
            Some(held) => Self::Virtual(held?),
            None => Self::Real(fd),
        })
    }

    /// The flags that it is open with.
    fn flags(&self) -> Result<u32> {
        match self {
            Self::Virtual(held) => Ok(held.flags()),
            Self::Real(fd) => kernel::fcntl(*fd, nr::F_GETFL, 0).map(|flags| flags as u32),
        }
    }

    /// `EBADF` unless it is open in another way than `other`, to read or to write.
    fn usable(&self, other: u32) -> Result<()> {
        let flags = self.flags()?;
        let is_other = flags & nr::O_ACCMODE == other || flags & nr::O_PATH != 0;
        if is_other { Err(Errno::BADF) } else { Ok(()) }
    }

    /// The kind of file that it is (`S_IFMT`); a regular one where the kernel does not say.
    fn kind(&self) -> u32 {
        match self {
            Self::Virtual(held) if held.is_directory() => nr::S_IFDIR,
            Self::Virtual(held) if held.is_stream() => nr::S_IFCHR,
            Self::Virtual(_) => nr::S_IFREG,
            Self::Real(fd) => {
                let mut known = MaybeUninit::<nr::statx>::uninit();
                let (path, to) = (c"".as_ptr() as usize, known.as_mut_ptr() as usize);
                let (flags, mask) = (nr::AT_EMPTY_PATH as usize, nr::STATX_TYPE as usize);
                // SAFETY: the path ends with a zero, and there is room for the structure.
                match unsafe { kernel::call(nr::__NR_statx, [*fd as usize, path, flags, mask, to]) }
                {
                    // SAFETY: it was filled in.
                    Ok(_) => u32::from(unsafe { known.assume_init() }.stx_mode) & nr::S_IFMT,
                    Err(_) => nr::S_IFREG,
                }
            }
        }
    }

    /// The position.
    fn position(&self) -> Result<i64> {
        match self {
            Self::Virtual(held) => Ok(held.position()),
            Self::Real(fd) => kernel::seek(*fd, 0, nr::SEEK_CUR),
        }
    }

    fn set_position(&self, to: i64) {
        match self {
            Self::Virtual(held) => held.set_position(to),
            // It was told just now.
            Self::Real(fd) => drop(kernel::seek(*fd, to, nr::SEEK_SET)),
        }
    }

    fn read(&self, call: &mut Call, buffer: &mut [u8], at: i64) -> Result<usize> {
        let (to, room) = (buffer.as_mut_ptr() as usize, buffer.len());
        match self {
            Self::Virtual(held) => transfer::read(held, Span::one(to, room)?, Place::At(at)),
            Self::Real(fd) => {
                pass(call, nr::__NR_pread64, [*fd as usize, to, room, at as usize, high(at)])
            }
        }
    }

    fn write(&self, call: &mut Call, bytes: &[u8]) -> Result<usize> {
        let (from, length) = (bytes.as_ptr() as usize, bytes.len());
        match self {
            Self::Virtual(held) => {
                transfer::write(held, Span::one(from, length)?, Place::Current, false)
            }
            Self::Real(fd) => pass(call, nr::__NR_write, [*fd as usize, from, length, 0, 0]),
        }
    }
}

/// The second register of an offset, where it takes two.
fn high(offset: i64) -> usize {
    if cfg!(target_pointer_width = "32") { (offset >> 32) as usize } else { 0 }
}

/// Makes another call in the place of the program's, which waits as that would.
pub fn pass(call: &mut Call, number: u32, arguments: [usize; 5]) -> Result<usize> {
    call.number = number as usize;
    call.arguments[..5].copy_from_slice(&arguments);
    let result = vload::next(call);
    Errno::check(result).map(|_| result as usize)
}

/// `sendfile(2)`; `offset` is where the program has the offset, and `wide` whether it has 64 bits. None when both are real.
pub fn send(call: &mut Call, wide: bool) -> Option<Result<usize>> {
    let [out, input, ..] = call.arguments;
    let (out, input) = (End::of(out as i32), End::of(input as i32));
    match (out, input) {
        (Ok(End::Real(_)), Ok(End::Real(_))) => None,
        (Err(error), _) | (_, Err(error)) => Some(Err(error)),
        (Ok(out), Ok(input)) => Some(send_between(call, &out, &input, wide)),
    }
}

fn send_between(call: &mut Call, out: &End, input: &End, wide: bool) -> Result<usize> {
    let [_, _, offset_at, count, ..] = call.arguments;
    input.usable(nr::O_WRONLY)?;
    out.usable(nr::O_RDONLY)?;
    let is_stream = matches!(input, End::Virtual(held) if held.is_stream());
    if is_stream || input.kind() == nr::S_IFDIR {
        return Err(Errno::INVAL);
    }
    let start = match offset_at {
        0 => input
            .position()
            .map_err(|error| if error == Errno::SPIPE { Errno::INVAL } else { error })?,
        at if wide => vload::get::<i64>(at)?,
        at => vload::get::<isize>(at)? as i64,
    };
    if start < 0 || (count as isize) < 0 || out.flags()? & nr::O_APPEND != 0 {
        return Err(Errno::INVAL);
    }
    let moved = stream(call, out, input, start, count.min(MOST));
    let end = start + *moved.as_ref().unwrap_or(&0) as i64;
    match offset_at {
        0 => input.set_position(end),
        at if wide => vload::put(at, &end)?,
        at => vload::put(at, &(end as isize))?,
    }
    moved
}

/// Moves up to `count` bytes, to the position of `out`.
fn stream(call: &mut Call, out: &End, input: &End, start: i64, count: usize) -> Result<usize> {
    buffer::with(count, |buffer| {
        let mut done = 0;
        while done < count {
            let wanted = (count - done).min(buffer.len());
            let step =
                input.read(call, &mut buffer[..wanted], start + done as i64).and_then(|got| {
                    if got == 0 { Ok((0, 0)) } else { Ok((out.write(call, &buffer[..got])?, got)) }
                });
            match step {
                Ok((written, got)) => {
                    done += written;
                    if written < wanted || got < wanted {
                        break;
                    }
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    })
}

/// `copy_file_range(2)`: within a claim, as within a file system.
pub fn copy(call: &mut Call) -> Option<Result<usize>> {
    let [input, from_at, out, to_at, count, flags] = call.arguments;
    match (End::of(input as i32), End::of(out as i32)) {
        (Ok(End::Real(_)), Ok(End::Real(_))) => None,
        (Err(error), _) | (_, Err(error)) => Some(Err(error)),
        (Ok(End::Virtual(input)), Ok(End::Virtual(out))) => {
            Some(copy_within(&input, &out, (from_at, to_at), count, flags))
        }
        (Ok(input), Ok(out)) => Some(Err(across(&input, &out, flags))),
    }
}

/// Why nothing is copied between a virtual file and a real one (`generic_file_rw_checks`).
fn across(input: &End, out: &End, flags: usize) -> Errno {
    let (from, to) = match (input.flags(), out.flags()) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(error), _) | (_, Err(error)) => return error,
    };
    let kinds = [input.kind(), out.kind()];
    match () {
        () if (from | to) & nr::O_PATH != 0 => Errno::BADF,
        () if flags != 0 => Errno::INVAL,
        () if kinds.contains(&nr::S_IFDIR) => Errno::ISDIR,
        () if kinds.iter().any(|kind| *kind != nr::S_IFREG) => Errno::INVAL,
        () if input.usable(nr::O_WRONLY).is_err() || out.usable(nr::O_RDONLY).is_err() => {
            Errno::BADF
        }
        () if to & nr::O_APPEND != 0 => Errno::BADF,
        () => Errno::XDEV,
    }
}

fn copy_within(
    input: &Held,
    out: &Held,
    (from_at, to_at): (usize, usize),
    count: usize,
    flags: usize,
) -> Result<usize> {
    input.usable()?;
    out.usable()?;
    if flags != 0 {
        return Err(Errno::INVAL);
    }
    let place = |at: usize, held: &Held| match at {
        0 => Ok(held.position()),
        at => vload::get::<i64>(at),
    };
    let (from, to) = (place(from_at, input)?, place(to_at, out)?);
    if input.is_directory() || out.is_directory() {
        return Err(Errno::ISDIR);
    }
    input.readable()?;
    out.writable()?;
    if out.flags() & nr::O_APPEND != 0 {
        return Err(Errno::BADF);
    }
    if input.is_stream() || out.is_stream() || from < 0 || to < 0 || (count as isize) < 0 {
        return Err(Errno::INVAL);
    }
    if input.claim() != out.claim() {
        return Err(Errno::XDEV);
    }
    let (known, other) = (input.stat()?, out.stat()?);
    // Behind the end there is nothing, before the ranges are compared (`generic_copy_file_checks`).
    let left = (known.size as i64).saturating_sub(from).max(0);
    let count = count.min(MOST).min(usize::try_from(left).unwrap_or(usize::MAX));
    let length = count as i64;
    let same = (known.device, known.inode) == (other.device, other.inode);
    if same && from < to.saturating_add(length) && to < from.saturating_add(length) {
        return Err(Errno::INVAL);
    }
    let moved = buffer::with(count, |buffer| {
        let mut done = 0;
        while done < count {
            let wanted = (count - done).min(buffer.len());
            let at = buffer.as_mut_ptr() as usize;
            let offset = done as i64;
            let step = transfer::read(input, Span::one(at, wanted)?, Place::At(from + offset))
                .and_then(|got| {
                    transfer::write(out, Span::one(at, got)?, Place::At(to + offset), false)
                });
            match step {
                Ok(written) => {
                    done += written;
                    if written < wanted {
                        break;
                    }
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    })?;
    for (at, start, held) in [(from_at, from, input), (to_at, to, out)] {
        let end = start + moved as i64;
        match at {
            0 => held.set_position(end),
            at => vload::put(at, &end)?,
        }
    }
    Ok(moved)
}
