//! Directories that get other names while processes are in them.
//!
//! Who moves a directory of a claim notes it here, in the session's memory, and a process that has its working directory
//! or its root in a claim goes on from there when it uses that next. The notes are a ring: what has happened since a
//! process has looked last must be in it.

use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

use vload_module::abi::offered::{vload_lock, vload_unlock};
use vload_module::{Errno, Result};

use super::{Text, is_within};
use crate::vload;

/// Bytes of notes.
const ROOM: usize = 128 * 1024;
/// Bytes before the paths of a note: when the claim was made, what has happened, and two lengths.
const HEAD: usize = 13;

/// The lock under which names are changed; that of the claims is another one.
const LOCK: u32 = 1;

/// The notes. All bytes zero are none.
#[repr(C)]
pub struct Log {
    /// Where the oldest note is that has not been written over.
    begin: AtomicU64,
    /// Where the next one goes.
    end: AtomicU64,
    /// Whether any process has ever been in a claim: 1.
    watched: AtomicU32,
    /// Odd while somebody changes names.
    changes: AtomicU32,
    bytes: [AtomicU8; ROOM],
}

/// What has happened to a directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Moved,
    Exchanged,
    Removed,
}

static LOG: AtomicPtr<Log> = AtomicPtr::new(core::ptr::null_mut());

/// Learns where the session's notes are, in each program.
pub fn attach(log: &'static Log) {
    LOG.store(core::ptr::from_ref(log).cast_mut(), Ordering::Release);
}

fn log() -> Option<&'static Log> {
    // SAFETY: null, or what `attach` was given.
    unsafe { LOG.load(Ordering::Acquire).as_ref() }
}

/// A moment in the history of directories.
pub type Moment = u64;

/// Now.
pub fn now() -> Moment {
    log().map_or(0, |log| log.end.load(Ordering::Acquire))
}

/// A process is in a claim: what happens to directories must be noted. Whether it has not been until now.
pub fn watch() -> bool {
    log().is_some_and(|log| log.watched.swap(1, Ordering::SeqCst) == 0)
}

/// Whether any process may be.
pub fn is_watched() -> bool {
    log().is_some_and(|log| log.watched.load(Ordering::Acquire) != 0)
}

/// How often names have been changed, and are being.
pub fn changes() -> u32 {
    log().map_or(0, |log| log.changes.load(Ordering::SeqCst))
}

/// Whether names have been changed since, or are being.
pub fn have_changed(since: u32) -> bool {
    !since.is_multiple_of(2) || changes() != since
}

/// The thread of this process that changes names.
static HOLDER: AtomicU32 = AtomicU32::new(0);

/// What may be noted while names are changed.
pub struct Changing(());

/// Changes names: no other thread of the session does at the same time. A module may ask for another change, of an older
/// layer's names, while it makes one.
pub fn alone<T>(what: impl FnOnce(&Changing) -> Result<T>) -> Result<T> {
    let log = log().ok_or(Errno::IO)?;
    if HOLDER.load(Ordering::Relaxed) == vload::thread() {
        return match log.changes.load(Ordering::Relaxed).is_multiple_of(2) {
            true => log.change(what),
            false => what(&Changing(())),
        };
    }
    still(|_| log.change(what))
}

/// Does something while nobody else changes names. It is told whether it may [`let_go`]: not if it is a part of a change.
pub fn still<T>(what: impl FnOnce(bool) -> Result<T>) -> Result<T> {
    let thread = vload::thread();
    if HOLDER.load(Ordering::Relaxed) == thread {
        return what(false);
    }
    let log = log().ok_or(Errno::IO)?;
    // SAFETY: the framework's layer.
    Errno::check(unsafe { vload_lock(vload::framework(), LOCK) })?;
    HOLDER.store(thread, Ordering::Relaxed);
    // One that was killed has left it odd.
    if !log.changes.load(Ordering::Relaxed).is_multiple_of(2) {
        log.changes.fetch_add(1, Ordering::SeqCst);
    }
    let done = what(true);
    if HOLDER.load(Ordering::Relaxed) == thread {
        let_go();
    }
    done
}

/// Others may change names again, before what [`still`] does is over: it may have to wait for them.
pub fn let_go() {
    HOLDER.store(0, Ordering::Relaxed);
    // SAFETY: this thread holds it.
    unsafe { vload_unlock(vload::framework(), LOCK) };
}

/// A copy of the process: no other thread of it changes names.
pub fn forked() {
    HOLDER.store(0, Ordering::Relaxed);
}

impl Changing {
    /// A directory of the claim that was made then has another name.
    pub fn moved(&self, claim: u64, from: &[u8], to: &[u8], exchanged: bool) {
        let kind = if exchanged { Kind::Exchanged } else { Kind::Moved };
        if let Some(log) = log() {
            log.add(claim, kind, from, to);
        }
    }

    /// A directory is gone.
    pub fn removed(&self, claim: u64, path: &[u8]) {
        if let Some(log) = log() {
            log.add(claim, Kind::Removed, path, b"");
        }
    }
}

/// What has become until `now` of a directory of a claim that was at `path` at a moment before; `path` is where it is.
pub fn follow(path: &mut Text, claim: u64, mut since: Moment, now: Moment) -> Followed {
    let mut followed = Followed::Same;
    while let Some(log) = log().filter(|_| since < now) {
        match log.step(since, claim, path, &mut followed) {
            Some(next) => since = next,
            // What was written over is lost.
            None => break,
        }
    }
    followed
}

/// Where in what has happened the next note is. None when there is none before `now`, or this one is lost.
pub fn next(moment: Moment, now: Moment) -> Option<Moment> {
    let log = log().filter(|_| moment < now)?;
    log.step(moment, 0, &mut Text::root(), &mut Followed::Gone)
}

/// What has become of a directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Followed {
    /// It is where it was.
    Same,
    /// It is elsewhere.
    Moved,
    /// It is gone.
    Gone,
}

impl Log {
    /// Names are changed meanwhile. The caller holds the lock.
    fn change<T>(&self, what: impl FnOnce(&Changing) -> Result<T>) -> Result<T> {
        self.changes.fetch_add(1, Ordering::SeqCst);
        let done = what(&Changing(()));
        self.changes.fetch_add(1, Ordering::SeqCst);
        done
    }

    fn byte(&self, at: u64) -> &AtomicU8 {
        &self.bytes[(at % ROOM as u64) as usize]
    }

    fn add(&self, claim: u64, kind: Kind, from: &[u8], to: &[u8]) {
        let kind = match kind {
            Kind::Moved => 0,
            Kind::Exchanged => 1,
            Kind::Removed => 2,
        };
        let lengths = [from.len() as u16, to.len() as u16].map(u16::to_ne_bytes);
        let end = self.end.load(Ordering::Relaxed);
        let next = end + (HEAD + from.len() + to.len()) as u64;
        // One who was killed may have written over more than this will.
        self.begin.fetch_max(next.saturating_sub(ROOM as u64), Ordering::Relaxed);
        fence(Ordering::Release);
        let head = claim.to_ne_bytes().into_iter().chain([kind]);
        let bytes = head.chain(lengths.into_iter().flatten());
        for (at, byte) in (end..).zip(bytes.chain(from.iter().copied()).chain(to.iter().copied())) {
            self.byte(at).store(byte, Ordering::Relaxed);
        }
        self.end.store(next, Ordering::Release);
    }

    /// Reads a note, and applies it to `path`: where the next one is. None when it has been written over.
    #[inline(never)]
    fn step(
        &self,
        at: Moment,
        claim: u64,
        path: &mut Text,
        followed: &mut Followed,
    ) -> Option<Moment> {
        let head: [u8; HEAD] = core::array::from_fn(|index| self.read(at + index as u64));
        let [c0, c1, c2, c3, c4, c5, c6, c7, kind, from0, from1, to0, to1] = head;
        let of = u64::from_ne_bytes([c0, c1, c2, c3, c4, c5, c6, c7]);
        let lengths =
            [[from0, from1], [to0, to1]].map(|bytes| usize::from(u16::from_ne_bytes(bytes)));
        let start = at + HEAD as u64;
        let (mut from, mut to) = (Text::root(), Text::root());
        let read = |text: &mut Text, start: u64, length: usize| {
            text.fill(|bytes| {
                let room = bytes.get_mut(..length).ok_or(Errno::NAMETOOLONG)?;
                room.iter_mut().zip(start..).for_each(|(byte, at)| *byte = self.read(at));
                Ok(length)
            })
        };
        let is_read = read(&mut from, start, lengths[0]).is_ok();
        // A note of what was removed has no second path.
        let second = read(&mut to, start + lengths[0] as u64, lengths[1]);
        fence(Ordering::Acquire);
        if self.begin.load(Ordering::Relaxed) > at || !is_read || (second.is_err() && kind != 2) {
            return None;
        }
        let next = start + (lengths[0] + lengths[1]) as u64;
        if of != claim || *followed == Followed::Gone {
            return Some(next);
        }
        let (new, is_gone) = match kind {
            2 => (None, path.bytes() == from.bytes()),
            1 if !path.is_within(from.bytes()) => (path.moved(to.bytes(), from.bytes()), false),
            // What was at the new place has made room.
            _ if !is_within(path.bytes(), from.bytes()) => {
                (None, kind == 0 && path.bytes() == to.bytes())
            }
            _ => (path.moved(from.bytes(), to.bytes()), false),
        };
        match new {
            Some(new) => {
                *followed = Followed::Moved;
                path.set(new.bytes()).ok()?;
            }
            None if is_gone => *followed = Followed::Gone,
            None => {}
        }
        Some(next)
    }

    fn read(&self, at: u64) -> u8 {
        self.byte(at).load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::format;

    fn empty() -> Box<Log> {
        // SAFETY: all bytes zero are no notes.
        unsafe { Box::<Log>::new_zeroed().assume_init() }
    }

    /// Where a directory is after all notes since a moment.
    fn after(log: &Log, path: &str, mut since: Moment) -> (std::string::String, Followed) {
        let (mut text, mut followed) = (Text::of(path.as_bytes()).unwrap(), Followed::Same);
        while since < log.end.load(Ordering::Relaxed) {
            match log.step(since, 5, &mut text, &mut followed) {
                Some(next) => since = next,
                None => break,
            }
        }
        (std::str::from_utf8(text.bytes()).unwrap().into(), followed)
    }

    #[test]
    fn a_directory_is_followed_through_all_its_names() {
        let log = empty();
        log.add(5, Kind::Moved, b"/m/a", b"/m/b");
        let between = log.end.load(Ordering::Relaxed);
        log.add(5, Kind::Moved, b"/m/b/x", b"/m/c");
        log.add(5, Kind::Exchanged, b"/m/c", b"/m/d");
        log.add(5, Kind::Removed, b"/m/e", b"");
        log.add(5, Kind::Moved, b"/m/f", b"/m/g");
        log.add(6, Kind::Moved, b"/m", b"/n");
        for (path, found, how) in [
            ("/m/a/x/y", "/m/d/y", Followed::Moved),
            ("/m/a", "/m/b", Followed::Moved),
            ("/m/ab", "/m/ab", Followed::Same),
            ("/m/d", "/m/c", Followed::Moved),
            ("/m/e", "/m/e", Followed::Gone),
            ("/m/g", "/m/g", Followed::Gone),
            ("/m", "/m", Followed::Same),
        ] {
            assert_eq!(after(&log, path, 0), (found.into(), how), "{path}");
        }
        assert_eq!(after(&log, "/m/a/x", between), ("/m/a/x".into(), Followed::Same));
    }

    #[test]
    fn what_was_written_over_is_known_to_be_lost() {
        let log = empty();
        log.add(5, Kind::Moved, b"/m/a", b"/m/b");
        let mut since = log.end.load(Ordering::Relaxed);
        for number in 0..20_000 {
            let name = format!("/m/{number}");
            log.add(5, Kind::Moved, name.as_bytes(), b"/n");
            since = if number == 19_000 { log.end.load(Ordering::Relaxed) } else { since };
        }
        assert_eq!(after(&log, "/m/a", 0).1, Followed::Same);
        assert_eq!(after(&log, "/m/19500", since), ("/n".into(), Followed::Gone));
    }
}
