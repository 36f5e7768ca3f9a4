//! The descriptors whose content is made here, and the calls that read them.
//!
//! These calls are wanted only while there is such a descriptor. Its entry is found by number; because
//! tables of descriptors come and go (vfork, `CLONE_FILES`), each use asks again what the descriptor is.
//! Who names a place and finds the entry in use makes the text anew for itself. Who reads on waits, because two that did
//! so at once would move the position past what nobody has read; others that have the description are kept apart by
//! `sequence.rs`.

use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering};

use super::buffer::Buffer;
use super::records::Records;
use super::sequence;
use super::{Kind, content, kind_of, query};
use crate::arch;
use crate::arch::numbers::{FSTAT, RawStat};
use crate::layer::{self, Call, Class};
use crate::memory::{copy_out, read_words};
use crate::sys::{self, Errno, Result};
use crate::view::{Descriptors, hidden};
use linux_raw_sys::general as nr;

macro_rules! numbers {
    ($($name:ident = $number:ident;)*) => { $(const $name: usize = nr::$number as usize;)* };
}

numbers! {
    READ = __NR_read;
    PREAD64 = __NR_pread64;
    READV = __NR_readv;
    PREADV = __NR_preadv;
    PREADV2 = __NR_preadv2;
    SENDFILE = __NR_sendfile;
    SPLICE = __NR_splice;
    COPY_FILE_RANGE = __NR_copy_file_range;
    DUP = __NR_dup;
    IOCTL = __NR_ioctl;
}

/// What a descriptor shows, and how far it was read.
pub(super) struct Text {
    pub(super) bytes: Buffer,
    pub(super) records: Records,
}

/// The calls that are wanted while a descriptor is claimed.
pub const CALLS: &[usize] =
    &[READ, PREAD64, READV, PREADV, PREADV2, SENDFILE, SPLICE, COPY_FILE_RANGE, DUP, IOCTL, FSTAT];

/// Descriptors that can be claimed at once.
const MOST: usize = 32;

const FREE: u32 = 0;
const BUSY: u32 = 1;
const LIVE: u32 = 2;

struct Claim {
    state: AtomicU32,
    /// One more than the number; 0 when it is not claimed any more: what is 0 takes no byte of the file.
    number: AtomicI32,
    /// The table that it is a number of.
    table: AtomicPtr<Descriptors>,
    /// Other descriptors are of the same description, here or in another process.
    shared: AtomicBool,
    /// What was read from the beginning.
    text: UnsafeCell<Option<Text>>,
}

// SAFETY: `text` is only touched by the one that made the state BUSY.
unsafe impl Sync for Claim {}

static CLAIMS: [Claim; MOST] = [const { Claim::free() }; MOST];

impl Claim {
    const fn free() -> Self {
        Self {
            state: AtomicU32::new(FREE),
            number: AtomicI32::new(0),
            table: AtomicPtr::new(core::ptr::null_mut()),
            shared: AtomicBool::new(false),
            text: UnsafeCell::new(None),
        }
    }

    /// The descriptor's number, while it is claimed.
    fn fd(&self) -> Option<i32> {
        let number = self.number.load(Ordering::Acquire);
        (number > 0).then(|| number - 1)
    }

    /// Does something with the text, unless somebody else does.
    fn with<T>(&self, work: impl FnOnce(&mut Option<Text>) -> T) -> Option<T> {
        self.take().then(|| self.work(work))
    }

    /// The same, once nobody else does; not where somebody was killed who did.
    fn with_waiting<T>(&self, work: impl FnOnce(&mut Option<Text>) -> T) -> Option<T> {
        const ROUNDS: usize = 1000;
        const NANOSECONDS: usize = 1_000_000;
        for _ in 0..ROUNDS {
            // Who finds it free need not be the one who gets it.
            if self.take() {
                return Some(self.work(work));
            }
            if self.state.load(Ordering::Relaxed) == FREE {
                break;
            }
            sys::wait_while_shared(&self.state, BUSY, NANOSECONDS);
        }
        None
    }

    /// Makes the state BUSY.
    fn take(&self) -> bool {
        self.state.compare_exchange(LIVE, BUSY, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Who has made it so does something with the text, and lets others.
    fn work<T>(&self, work: impl FnOnce(&mut Option<Text>) -> T) -> T {
        debug_assert_eq!(self.state.load(Ordering::Relaxed), BUSY);
        // SAFETY: BUSY is ours alone.
        let done = work(unsafe { &mut *self.text.get() });
        self.state.store(LIVE, Ordering::Release);
        if self.fd().is_none() {
            self.give_back();
        }
        done
    }

    /// Frees an entry that is not claimed any more, unless somebody still uses it, who then does.
    fn give_back(&self) {
        if self.take() {
            // SAFETY: BUSY is ours alone.
            drop(unsafe { (*self.text.get()).take() });
            self.state.store(FREE, Ordering::Release);
        }
    }
}

fn claimed(fd: i32) -> Option<&'static Claim> {
    CLAIMS.iter().find(|claim| claim.fd() == Some(fd))
}

fn any() -> bool {
    CLAIMS.iter().any(|claim| claim.fd().is_some())
}

fn want(on: bool) {
    layer::set_class(Class::Maps, on);
}

/// A process is started that has descriptors of its own, of the same descriptions.
pub fn share() {
    for claim in &CLAIMS {
        claim.shared.store(true, Ordering::Relaxed);
    }
}

/// Claims a descriptor of the caller's; `shared`: there are others of its description.
fn claim(call: &Call<'_>, fd: i32, kind: Kind, shared: bool) {
    let table = call.block.descriptors.cast_mut();
    // Folders leave room for files, which show more.
    let room = if kind == Kind::Descriptors { MOST / 2 } else { MOST };
    for claim in &CLAIMS[..room] {
        if claim.state.compare_exchange(FREE, BUSY, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            claim.table.store(table, Ordering::Relaxed);
            claim.shared.store(shared, Ordering::Relaxed);
            claim.number.store(fd + 1, Ordering::Release);
            claim.state.store(LIVE, Ordering::Release);
            want(true);
            return;
        }
    }
    crate::log!(Warn, "descriptor {fd} shows what vload has: too many such files are open");
}

/// Gives up the claims on the numbers from `first` to `last` of the caller's table, which are closed.
pub fn forget(call: &Call<'_>, first: i32, last: i32) {
    let table = call.block.descriptors.cast_mut();
    let mut found = false;
    for claim in &CLAIMS {
        if let Some(fd) = claim.fd()
            && (first..=last).contains(&fd)
            && claim.table.load(Ordering::Relaxed) == table
        {
            drop_claim(claim, fd);
            found = true;
        }
    }
    if found && !any() {
        want(false);
        if any() {
            // Another thread has claimed one meanwhile.
            want(true);
        }
    }
}

fn drop_claim(claim: &Claim, fd: i32) {
    if claim.number.compare_exchange(fd + 1, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
        claim.give_back();
    }
}

/// A descriptor that the caller has just opened by a path whose last part is `name`.
pub fn opened(call: &Call<'_>, fd: i32, name: &[u8]) {
    if Kind::named(name).is_some()
        && let Some((kind, _)) = kind_of(fd)
    {
        forget(call, fd, fd);
        claim(call, fd, kind, false);
    }
}

/// `copy` is now what `fd` is.
pub fn copied(call: &Call<'_>, fd: i32, copy: isize) {
    if copy >= 0
        && copy as i32 != fd
        && let Some(original) = claimed(fd)
        && let Some((kind, _)) = kind_of(copy as i32)
    {
        original.shared.store(true, Ordering::Relaxed);
        forget(call, copy as i32, copy as i32);
        claim(call, copy as i32, kind, true);
    }
}

/// The call, if it reads a descriptor that is claimed.
pub fn call(call: &mut Call<'_>) -> Option<isize> {
    if !CALLS.contains(&call.number) {
        return None;
    }
    let [first, second, ..] = call.args;
    let fd = if call.number == SENDFILE { second } else { first } as i32;
    let claim = claimed(fd)?;
    if call.number == DUP {
        let result = call.pass();
        copied(call, fd, result);
        return Some(result);
    }
    let Some(kind) = kind_of(fd) else {
        // Closed in a way that was not seen.
        drop_claim(claim, fd);
        return None;
    };
    if call.number == FSTAT && kind.0 == Kind::Descriptors {
        let result = call.pass();
        if result == 0 {
            hidden::uncount_of(call, kind.1, second + offset_of!(RawStat, st_size));
        }
        return Some(result);
    }
    if call.number == FSTAT || kind.0 == Kind::Descriptors {
        return None;
    }
    let offset = || arch::offset_of_pair(call.args[3], call.args[4]);
    let answer = match call.number {
        READ => serve(claim, fd, kind, None, &mut [(second, call.args[2])].into_iter()),
        PREAD64 => {
            serve(claim, fd, kind, Some(offset()), &mut [(second, call.args[2])].into_iter())
        }
        READV => serve(claim, fd, kind, None, &mut pieces(second, call.args[2])),
        PREADV2 if offset() == u64::MAX => {
            serve(claim, fd, kind, None, &mut pieces(second, call.args[2]))
        }
        PREADV | PREADV2 => {
            serve(claim, fd, kind, Some(offset()), &mut pieces(second, call.args[2]))
        }
        IOCTL if second & 0xffff == query::COMMAND => query::answer(fd, second, call.args[2], kind),
        IOCTL => return None,
        // Not every file can be spliced: programs then read it.
        _ => Err(Errno::INVAL),
    };
    // Where there is no memory for the text, the kernel's is read, which takes none of the process's.
    if answer == Err(Errno::NOMEM) { None } else { Some(sys::raw(answer)) }
}

/// The elements of a vector. One that cannot be read is an address at which nothing is.
fn pieces(vector: usize, count: usize) -> impl Iterator<Item = (usize, usize)> {
    /// `UIO_MAXIOV` (linux/uio.h).
    const MOST: usize = 1024;
    (0..count.min(MOST)).map(move |index| {
        let mut element = [0; 2];
        let at = vector.wrapping_add(index * size_of_val(&element));
        match read_words(at, &mut element) {
            Ok(()) => (element[0], element[1]),
            Err(_) => (0, 1),
        }
    })
}

/// Reads from `offset`, or from the descriptor's position on.
fn serve(
    claim: &Claim,
    fd: i32,
    kind: (Kind, i32),
    offset: Option<u64>,
    pieces: &mut dyn Iterator<Item = (usize, usize)>,
) -> Result<usize> {
    let made = || Ok(Text { bytes: content(fd, kind)?, records: Records::new() });
    if let Some(position) = offset {
        let kept =
            claim.with(|text| from_start(text, position, made)?.copy(kind.0, position, pieces));
        return kept.unwrap_or_else(|| made()?.copy(kind.0, position, pieces));
    }
    let kept = claim.with_waiting(|text| {
        let position = sequence::position(fd)?;
        let text = from_start(text, position, made)?;
        if claim.shared.load(Ordering::Relaxed) {
            return sequence::among_others(fd, kind.0, text, pieces);
        }
        let length = text.copy(kind.0, position, pieces)?;
        sequence::advance(fd, position, length).map(|()| length)
    });
    kept.unwrap_or_else(|| sequence::among_others(fd, kind.0, &mut made()?, pieces))
}

/// The text, made anew for who reads its beginning.
fn from_start(
    text: &mut Option<Text>,
    position: u64,
    made: impl Fn() -> Result<Text>,
) -> Result<&mut Text> {
    if position == 0 || text.is_none() {
        *text = Some(made()?);
    }
    text.as_mut().ok_or(Errno::NOMEM)
}

impl Text {
    /// Reads into each place in turn, until one is not filled (`do_loop_readv_writev`, fs/read_write.c).
    fn copy(
        &mut self,
        kind: Kind,
        position: u64,
        pieces: &mut dyn Iterator<Item = (usize, usize)>,
    ) -> Result<usize> {
        let bytes = self.bytes.bytes();
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
        let mut done = 0;
        for (address, room) in pieces {
            let at = start + done;
            let taken = self.records.take(kind, bytes, at, room);
            match copy_out(address, bytes.get(at..at + taken).unwrap_or_default()) {
                Ok(()) => done += taken,
                Err(error) => {
                    self.records.put_back(taken);
                    return if done == 0 { Err(error) } else { Ok(done) };
                }
            }
            if taken < room {
                break;
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_gets_its_turn() {
        const THREADS: usize = 16;
        const TURNS: usize = 5_000;
        let claim = Claim::free();
        claim.number.store(1, Ordering::Relaxed);
        claim.state.store(LIVE, Ordering::Relaxed);
        let taken = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..TURNS {
                        let turn = || {
                            // Nobody else comes between the two.
                            let before = taken.load(Ordering::Relaxed);
                            std::hint::spin_loop();
                            taken.store(before + 1, Ordering::Relaxed);
                        };
                        std::thread::yield_now();
                        assert!(claim.with_waiting(|_| turn()).is_some(), "somebody was faster");
                    }
                });
            }
        });
        assert_eq!(taken.load(Ordering::Relaxed) as usize, THREADS * TURNS);
    }
}
