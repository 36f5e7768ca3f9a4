//! The working directory and the root of a process, where the kernel does not know them: what it keeps in a
//! `struct fs_struct`.
//!
//! A thread has a number, in its word of vload's, of the [`Fs`] that it shares with the threads which were started with
//! `CLONE_FS`. A child with memory of its own has a copy of all of them, and one that borrows its parent's gets another number.
//! What it shares with a process that has other memory lies in the session's (`shared.rs`), and its own says where.

mod paths;
pub mod shared;

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use linux_raw_sys::general as nr;
use vload_module::abi::offered::vload_thread_word;
use vload_module::{Errno, Result};

use super::text::Text;
use crate::mapped::backing;
use crate::{kernel, vload};

use paths::ALL_PATHS;
pub use paths::{Fs, HeldAt, Which};

/// Working directories that the threads of a process can have at once. All but the first are those of children that
/// borrow its memory, and of threads that share theirs with no other.
const MOST: usize = 16;

/// In a thread's word: the thread that it starts next has an [`Fs`] of its own, with this number.
const STARTING: usize = 1 << 8;
/// The number in a thread's word.
const NUMBER: usize = STARTING - 1;

/// One of this process's.
struct Own {
    /// 0: nobody's. The number of the only thread that has it, or one of these two.
    user: AtomicU32,
    /// Where its anchor is, when it is shared with other processes; 0 for none.
    anchor: AtomicUsize,
    fs: Fs,
}

/// In [`Own::user`]: a thread that is about to be started.
const NOT_YET: u32 = u32::MAX - 1;
/// In [`Own::user`]: more than one thread, or a process that has been one of them.
const SEVERAL: u32 = u32::MAX;

static ALL: [Own; MOST] =
    [const { Own { user: AtomicU32::new(0), anchor: AtomicUsize::new(0), fs: Fs::none() } }; MOST];

impl Own {
    fn is_sole(&self) -> bool {
        self.user.load(Ordering::Relaxed) != SEVERAL
    }

    /// It is not shared with other processes any more.
    fn part(&self) {
        self.fs.leave_shared();
        match self.anchor.swap(0, Ordering::AcqRel) {
            0 => {}
            anchor => backing::weigh(anchor),
        }
    }

    fn give_back(&self) {
        self.part();
        self.user.store(0, Ordering::Release);
    }

    fn is_taken(&self) -> bool {
        let user = &self.user;
        let take = |from| user.compare_exchange(from, NOT_YET, Ordering::AcqRel, Ordering::Relaxed);
        take(0).is_ok()
    }

    /// Takes it from a thread that has ended.
    fn is_taken_from_dead(&self) -> bool {
        let user = self.user.load(Ordering::Acquire);
        if user == NOT_YET || user == SEVERAL || kernel::is_thread(user) {
            return false;
        }
        let (to, order) = (NOT_YET, Ordering::AcqRel);
        let is_ours = self.user.compare_exchange(user, to, order, Ordering::Relaxed).is_ok();
        if is_ours {
            self.part();
        }
        is_ours
    }
}

fn word() -> *mut usize {
    // SAFETY: the framework's layer.
    unsafe { vload_thread_word(vload::framework()) }
}

fn read_word() -> usize {
    // SAFETY: the word is this thread's own.
    unsafe { word().read() }
}

fn write_word(value: usize) {
    // SAFETY: the word is this thread's own.
    unsafe { word().write(value) };
}

fn own(word: usize) -> &'static Own {
    &ALL[(word & NUMBER) % MOST]
}

/// In a word that has [`STARTING`].
fn next(word: usize) -> usize {
    (word / (2 * STARTING)) & NUMBER
}

/// That of the calling thread.
pub fn mine() -> &'static Fs {
    let own = own(read_word());
    own.fs.shared().unwrap_or(&own.fs)
}

/// Goes on with the working directory to where that is now.
pub fn follow() {
    while !mine().follow() {}
}

/// Before a call that starts a thread or a process with these flags: what that is to have is there. `EAGAIN` when there are too
/// many.
pub fn starting(flags: u64) -> Result<()> {
    let has = |flag: u32| flags & u64::from(flag) != 0;
    let own = own(read_word());
    if has(nr::CLONE_FS) {
        if !has(nr::CLONE_THREAD) {
            share(own)?;
        }
        if has(nr::CLONE_VM) {
            own.user.store(SEVERAL, Ordering::Release);
        }
        return Ok(());
    }
    // Its memory has a copy of what is this process's own.
    if has(nr::CLONE_VM) || own.fs.shared().is_some() { reserve() } else { Ok(()) }
}

/// From now on it may be another process's too. Where there is no `/proc` each has its own.
fn share(own: &Own) -> Result<()> {
    if own.fs.shared().is_some() {
        return Ok(());
    }
    match shared::share(&own.fs) {
        Ok(anchor) => own.anchor.store(anchor, Ordering::Release),
        Err(Errno::NXIO) => {}
        Err(_) => return Err(Errno::AGAIN),
    }
    Ok(())
}

/// The thread that is started next, or this one, is to have its own, which begins as this one's is now.
pub fn reserve() -> Result<()> {
    let others = || ALL[1..].iter();
    let number = others()
        .position(Own::is_taken)
        .or_else(|| others().position(Own::is_taken_from_dead))
        .ok_or(Errno::AGAIN)?;
    ALL[1 + number].fs.begin_as(mine());
    // The new thread's word begins as this one's is now.
    write_word((read_word() & NUMBER) | ((1 + number) * 2 * STARTING) | STARTING);
    Ok(())
}

/// After that call, where it was made: it has failed, or the new one has memory of its own by now.
pub fn started(failed: bool, is_over: bool) {
    let word = read_word();
    if word & STARTING == 0 {
        return;
    }
    write_word(word & NUMBER);
    if failed || is_over {
        own(next(word)).give_back();
    }
}

/// In a new thread, or the first of a new process.
pub fn begun() {
    let word = read_word();
    if word & STARTING != 0 {
        let number = next(word);
        write_word(number);
        own(number).user.store(vload::thread(), Ordering::Release);
    }
}

/// In a process that is a copy of another: of all threads only this one is in it.
pub fn forked() {
    let word = read_word();
    let kept = if word & STARTING != 0 { next(word) } else { word & NUMBER };
    for (number, own) in ALL.iter().enumerate() {
        own.fs.forked();
        if number != kept {
            own.give_back();
        }
    }
    own(kept).user.store(vload::thread(), Ordering::Release);
}

/// Before an `unshare(CLONE_FS)`: `EAGAIN` where there are too many.
pub fn leaving() -> Result<()> {
    if own(read_word()).is_sole() { Ok(()) } else { reserve() }
}

/// After it.
pub fn left(has_failed: bool) {
    if read_word() & STARTING != 0 {
        if has_failed {
            started(true, false)
        } else {
            begun()
        }
        return;
    }
    let own = own(read_word());
    if let Some(shared) = own.fs.shared().filter(|_| !has_failed) {
        own.fs.begin_as(shared);
        own.part();
    }
}

/// Whether the kernel does not know all of the calling thread's, or others may change it.
pub fn is_noted() -> bool {
    own(read_word()).fs.shared().is_some() || ALL_PATHS.iter().any(|which| mine().has(*which))
}

/// What a program that is executed is told of those that it shares with; 0 for nobody.
pub fn ticket() -> u32 {
    own(read_word()).fs.number().map_or(0, shared::ticket)
}

/// Writes what a program that is executed needs to know: what is known of the working directory, and three paths, each
/// with a zero behind it.
pub fn leave(write: &mut dyn FnMut(&[u8])) {
    let held = mine().held_at();
    write(&held.claim.to_ne_bytes());
    write(&held.since.to_ne_bytes());
    write(&[held.gone.into()]);
    let mut text = Text::root();
    for which in ALL_PATHS {
        if mine().read(which, &mut text) {
            write(text.bytes());
        }
        write(&[0]);
    }
}

/// Takes what the program before this one has left.
pub fn enter(ticket: u32, mut left: impl Iterator<Item = u8>) {
    if let Some((number, anchor)) = shared::enter(ticket) {
        let own = own(read_word());
        own.anchor.store(anchor, Ordering::Release);
        own.fs.enter(number);
        return;
    }
    let mut number = || {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(left.by_ref()).for_each(|(to, byte)| *to = byte);
        u64::from_ne_bytes(bytes)
    };
    let (claim, since) = (number(), number());
    let held = HeldAt { claim, since, gone: left.next() == Some(1) };
    let mut text = Text::root();
    for which in ALL_PATHS {
        let mut length = 0;
        let read = text.fill(|bytes| {
            for byte in left.by_ref().take_while(|&byte| byte != 0) {
                *bytes.get_mut(length).ok_or(Errno::NAMETOOLONG)? = byte;
                length += 1;
            }
            Ok(length)
        });
        if length != 0 && read.is_ok() {
            match which {
                Which::Cwd => mine().set_cwd(text.bytes(), held),
                _ => mine().write(&[(which, text.bytes())]),
            }
        }
    }
}
