//! The calls on descriptors of virtual files.

pub mod attributes;
mod between;
mod control;
mod copies;
mod listing;
mod lock;
mod mapping;
mod position;
mod span;
mod splice;
#[cfg(test)]
mod tests;
mod transfer;

use core::ffi::c_long;

use abi::{Arg, NUMBERS, Struct, Table};
use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::{Errno, Result};

use crate::call::poll;
use crate::descriptor::{self, Held};
use crate::{mapped, vload};
use listing::Form;
use span::Span;
use transfer::Place;

/// What a call on a virtual file does; the first argument is the descriptor.
type OnFile = fn(&Held, &mut Call) -> Result<usize>;
/// What a call does where any argument may be a virtual file's descriptor; none when none is.
type OnAny = fn(&mut Call) -> Option<c_long>;

/// How a call is answered.
#[derive(Clone, Copy)]
enum Answer {
    /// By the file behind its first argument.
    File(OnFile),
    /// As it needs.
    Any(OnAny),
    /// The same of a call that brings data from one file to another.
    Between(OnAny),
}

use Answer::{Any, Between, File};

/// The calls that count while a process has a virtual file open ([`abi::held`]).
const HELD: &[(&str, Answer)] = &[
    ("read", File(|held, call| transfer::read(held, one(call)?, Place::Current))),
    ("readv", File(|held, call| transfer::read(held, many(call)?, Place::Current))),
    ("pread64", File(|held, call| transfer::read(held, one(call)?, at(held, call, 3)?))),
    ("preadv", File(|held, call| transfer::read(held, many(call)?, at(held, call, 3)?))),
    ("preadv2", File(read_with_flags)),
    ("write", File(|held, call| write(held, one(call)?, Place::Current))),
    ("writev", File(|held, call| write(held, many(call)?, Place::Current))),
    ("pwrite64", File(|held, call| write(held, one(call)?, at(held, call, 3)?))),
    ("pwritev", File(|held, call| write(held, many(call)?, at(held, call, 3)?))),
    ("pwritev2", File(write_with_flags)),
    ("lseek", File(seek)),
    ("_llseek", File(seek_long)),
    ("ioctl", File(control::control)),
    ("fcntl", File(control::fcntl)),
    ("fcntl64", File(control::fcntl)),
    ("flock", File(lock::flock)),
    ("fstat", File(stat)),
    ("fstat64", File(stat)),
    ("oldfstat", File(stat)),
    ("fstatfs", File(|held, call| statfs(held, call, 1))),
    ("fstatfs64", File(|held, call| statfs(held, call, 2))),
    ("ftruncate", File(|held, call| attributes::truncate(held, offset(call, 1)))),
    ("ftruncate64", File(|held, call| attributes::truncate(held, offset(call, 1)))),
    ("fallocate", File(allocate)),
    ("fsync", File(|held, _| attributes::sync(held, false))),
    ("fdatasync", File(|held, _| attributes::sync(held, true))),
    ("sync_file_range", File(sync_range)),
    ("syncfs", File(|held, _| held.usable().map(|()| 0))),
    ("fadvise64", File(advise)),
    ("fadvise64_64", File(advise)),
    ("readahead", File(read_ahead)),
    ("cachestat", File(|_, _| Err(Errno::OPNOTSUPP))),
    ("fchmod", File(|held, call| attributes::chmod(held, call.arguments[1] as u32))),
    ("fchown", File(chown)),
    ("fchown32", File(chown)),
    ("getdents64", File(|held, call| list(held, call, Form::Wide))),
    ("getdents", File(|held, call| list(held, call, Form::Old))),
    ("fgetxattr", File(|held, call| attributes::get_attribute(held, call.arguments))),
    ("fsetxattr", File(|held, call| attributes::set_attribute(held, call.arguments))),
    ("flistxattr", File(|held, call| attributes::list_attributes(held, call.arguments))),
    ("fremovexattr", File(|held, call| attributes::remove_attribute(held, call.arguments[1]))),
    ("close", Any(|call| copies::close(call, call.arguments[0] as i32))),
    ("dup2", Any(copies::duplicate_onto)),
    ("dup3", Any(copies::duplicate_onto)),
    ("close_range", Any(copies::close_range)),
    ("mmap", Any(map)),
    ("mmap2", Any(map)),
    ("mremap", Any(mapped::remap)),
    ("remap_file_pages", Any(mapped::turn)),
    ("munmap", Any(mapped::unmap)),
    ("mprotect", Any(mapped::protect)),
    ("pkey_mprotect", Any(mapped::protect)),
    ("madvise", Any(mapped::advise)),
    ("process_madvise", Any(mapped::advise_many)),
    ("sendfile", Between(|call| between::send(call, cfg!(target_pointer_width = "64")).map(raw))),
    ("sendfile64", Between(|call| between::send(call, true).map(raw))),
    ("copy_file_range", Between(|call| between::copy(call).map(raw))),
    ("splice", Between(|call| splice::splice(call).map(raw))),
    ("poll", Any(poll::poll)),
    ("ppoll", Any(poll::poll)),
    ("ppoll_time64", Any(poll::poll)),
    ("select", Any(poll::select)),
    ("_newselect", Any(poll::select)),
    ("pselect6", Any(poll::select)),
    ("pselect6_time64", Any(poll::select)),
    ("epoll_ctl", Any(poll::control)),
    ("epoll_wait", Any(poll::wait)),
    ("epoll_pwait", Any(poll::wait)),
    ("epoll_pwait2", Any(poll::wait)),
];

/// The calls that bring descriptors from elsewhere: they count wherever there is a service layer.
const ARRIVING: &[(&str, Answer)] = &[
    ("recvmsg", Any(|call| copies::receive(call, call.arguments[1]))),
    ("recvmmsg", Any(copies::receive_many)),
    ("recvmmsg_time64", Any(copies::receive_many)),
    ("pidfd_getfd", Any(copies::fetch)),
];

const fn count(calls: &[(&str, Answer)]) -> usize {
    let (mut row, mut count) = (0, 0);
    while row < calls.len() {
        count += abi::native_number(calls[row].0).is_some() as usize;
        row += 1;
    }
    count
}

const fn numbers<const N: usize>(calls: &[(&str, Answer)]) -> [usize; N] {
    let mut numbers = [0; N];
    let (mut row, mut at) = (0, 0);
    while row < calls.len() {
        if let Some(number) = abi::native_number(calls[row].0) {
            numbers[at] = number;
            at += 1;
        }
        row += 1;
    }
    numbers
}

/// The numbers of those that count always.
pub static ARRIVING_NUMBERS: [usize; count(ARRIVING)] = numbers(ARRIVING);

/// By number, which row of which table; 0 for none.
const fn rows() -> [u8; NUMBERS] {
    let mut rows = [0; NUMBERS];
    let mut row = 0;
    while row < HELD.len() + ARRIVING.len() {
        let name = if row < HELD.len() { HELD[row].0 } else { ARRIVING[row - HELD.len()].0 };
        if let Some(number) = abi::native_number(name) {
            rows[number] = row as u8 + 1;
        }
        row += 1;
    }
    rows
}

static ROWS: [u8; NUMBERS] = rows();

/// A result as the program gets it.
pub fn raw(result: Result<usize>) -> c_long {
    match result {
        Ok(value) => value as c_long,
        Err(error) => -c_long::from(error.0),
    }
}

/// Answers a call by the processor's own instruction, if a virtual file is concerned. After a program's own call what it
/// has mapped is as long as its file.
pub fn call(call: &mut Call, is_programs: bool) -> Option<c_long> {
    let row = usize::from(*ROWS.get(call.number)?).checked_sub(1)?;
    let (_, answer) = HELD.get(row).or_else(|| ARRIVING.get(row - HELD.len()))?;
    match answer {
        Any(answer) => answer(call),
        Between(answer) if is_programs => answer(call).inspect(|_| mapped::fit_all()),
        Between(answer) => answer(call),
        File(answer) => {
            let found = descriptor::use_of(call.arguments[0] as i32)?;
            Some(raw(found.and_then(|(held, _pin)| {
                let result = answer(&held, call);
                if is_programs {
                    mapped::fit(&held);
                }
                result
            })))
        }
    }
}

/// An offset that begins in an argument: on 32-bit machines the next one has its other half.
fn offset(call: &Call, index: usize) -> i64 {
    let low = call.arguments[index];
    if cfg!(target_pointer_width = "64") || is_one_word(call, index) {
        return low as isize as i64;
    }
    (call.arguments.get(index + 1).copied().unwrap_or(0) as i64) << 32 | low as u32 as i64
}

/// Whether the offset is in one register all the same.
fn is_one_word(call: &Call, index: usize) -> bool {
    let known = abi::lookup(Table::NATIVE, call.number as u32);
    known.and_then(|known| known.args().get(index)).is_some_and(|arg| *arg == Arg::Offset)
}

fn one(call: &Call) -> Result<Span> {
    Span::one(call.arguments[1], call.arguments[2])
}

fn many(call: &Call) -> Result<Span> {
    Span::many(call.arguments[1], call.arguments[2])
}

fn at(held: &Held, call: &Call, index: usize) -> Result<Place> {
    transfer::place_at(held, offset(call, index))
}

fn write(held: &Held, span: Span, place: Place) -> Result<usize> {
    transfer::write(held, span, place, held.flags() & nr::O_APPEND != 0)
}

/// The place of `preadv2` and `pwritev2`: −1 is the position.
fn current_or_at(held: &Held, call: &Call) -> Result<Place> {
    if offset(call, 3) == -1 { Ok(Place::Current) } else { at(held, call, 3) }
}

fn read_with_flags(held: &Held, call: &mut Call) -> Result<usize> {
    let (span, place) = (many(call)?, current_or_at(held, call)?);
    held.readable()?;
    transfer::appends(held, call.arguments[5] as u32)?;
    transfer::read(held, span, place)
}

fn write_with_flags(held: &Held, call: &mut Call) -> Result<usize> {
    let (span, place) = (many(call)?, current_or_at(held, call)?);
    held.writable()?;
    let appends = transfer::appends(held, call.arguments[5] as u32)?;
    transfer::write(held, span, place, appends)
}

fn seek(held: &Held, call: &mut Call) -> Result<usize> {
    let [_, offset, whence, ..] = call.arguments;
    let to = position::seek(held, offset as isize as i64, whence as u32)?;
    usize::try_from(to).map_err(|_| Errno::OVERFLOW)
}

fn seek_long(held: &Held, call: &mut Call) -> Result<usize> {
    let [_, high, low, to, whence, _] = call.arguments;
    let offset = (high as i64) << 32 | low as u32 as i64;
    let position = position::seek(held, offset, whence as u32)?;
    vload::put(to, &position)?;
    Ok(0)
}

/// The structure that a call writes, as the table of calls has it.
fn form(call: &Call) -> Result<Struct> {
    let known = abi::lookup(Table::NATIVE, call.number as u32).ok_or(Errno::INVAL)?;
    let form = known.args().iter().find_map(|arg| match arg {
        Arg::Out(form) => Some(*form),
        _ => None,
    });
    form.ok_or(Errno::INVAL)
}

fn stat(held: &Held, call: &mut Call) -> Result<usize> {
    attributes::stat(held, form(call)?, call.arguments[1])
}

fn statfs(held: &Held, call: &mut Call, to: usize) -> Result<usize> {
    attributes::statfs(held, form(call)?, call.arguments[to])
}

fn allocate(held: &Held, call: &mut Call) -> Result<usize> {
    let second = if is_one_word(call, 2) { 3 } else { 4 };
    let (start, length) = (offset(call, 2), offset(call, second));
    attributes::allocate(held, call.arguments[1] as i32, start, length)
}

/// `posix_fadvise(2)` (`generic_fadvise`, mm/fadvise.c): nothing is kept in memory that could be asked for.
fn advise(held: &Held, call: &mut Call) -> Result<usize> {
    held.usable()?;
    if held.is_stream() {
        return Err(Errno::SPIPE);
    }
    let known =
        abi::lookup(Table::NATIVE, call.number as u32).map_or(4, |known| known.args().len());
    let advice = call.arguments[known - 1];
    // The length is a `loff_t`: its high half says whether it is negative.
    let length =
        if known == 4 { call.arguments[2] as isize as i64 } else { offset(call, known - 3) };
    let is_narrow_length = known == 5;
    if advice > nr::POSIX_FADV_NOREUSE as usize || (!is_narrow_length && length < 0) {
        return Err(Errno::INVAL);
    }
    Ok(0)
}

/// `sync_file_range(2)` (`ksys_sync_file_range`, fs/sync.c).
fn sync_range(held: &Held, call: &mut Call) -> Result<usize> {
    const KNOWN: usize = 7;
    held.usable()?;
    let known =
        abi::lookup(Table::NATIVE, call.number as u32).map_or(4, |known| known.args().len());
    if call.arguments[known - 1] as u32 as usize & !KNOWN != 0 {
        return Err(Errno::INVAL);
    }
    attributes::sync(held, true)
}

/// `readahead(2)`.
fn read_ahead(held: &Held, _: &mut Call) -> Result<usize> {
    held.readable()?;
    if held.is_directory() || held.is_stream() { Err(Errno::INVAL) } else { Ok(0) }
}

fn chown(held: &Held, call: &mut Call) -> Result<usize> {
    let is_narrow = cfg!(target_pointer_width = "32") && !is_32(call);
    // 16-bit ids: -1 leaves one as it is (`low2highuid`, linux/highuid.h).
    let id = |value: usize| match value as u32 & 0xffff {
        0xffff if is_narrow => u32::MAX,
        low if is_narrow => low,
        _ => value as u32,
    };
    attributes::chown(held, id(call.arguments[1]), id(call.arguments[2]))
}

fn is_32(call: &Call) -> bool {
    abi::lookup(Table::NATIVE, call.number as u32).is_some_and(|known| known.name() == "fchown32")
}

fn list(held: &Held, call: &mut Call, form: Form) -> Result<usize> {
    listing::list(held, call.arguments[1], call.arguments[2] as u32 as usize, form)
}

fn map(call: &mut Call) -> Option<c_long> {
    // The oldest form has its arguments in memory.
    let in_memory = abi::lookup(Table::NATIVE, call.number as u32)?.args().len() == 1;
    let mut real = [0; 6];
    if in_memory {
        real = vload::get(call.arguments[0]).ok()?;
    } else {
        real.copy_from_slice(&call.arguments);
    }
    let is_anonymous = real[3] & nr::MAP_ANONYMOUS as usize != 0;
    let found = if is_anonymous { None } else { descriptor::use_of(real[4] as i32) };
    let Some(found) = found else { return mapped::map_other(call, real) };
    let in_pages = !in_memory && cfg!(target_pointer_width = "32");
    let offset = if in_pages { (real[5] as i64) << 12 } else { real[5] as isize as i64 };
    if in_memory {
        call.number = abi::native_number("mmap2")?;
        call.arguments = real;
    }
    Some(raw(found.and_then(|(held, _pin)| mapping::map(&held, call, offset))))
}
