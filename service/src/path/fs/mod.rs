//! The working directory and the root of a process, where the kernel does not know them: what it keeps in a
//! `struct fs_struct`.
//!
//! A thread has a number, in its word of vload's, of the [`Fs`] that it shares with the threads which were started with
//! `CLONE_FS`. A child with memory of its own has a copy of all of them, and one that borrows its parent's gets another number.
//! What it shares with a process that has other memory lies in the session's (`shared.rs`), and its own says where.

mod own;
mod paths;
pub mod shared;

use linux_raw_sys::general as nr;
use vload_module::abi::offered::vload_thread_word;
use vload_module::{Errno, Result};

use super::text::Text;
use crate::vload;

use own::{ALL, MOST, Own};
use paths::ALL_PATHS;
pub use paths::{Fs, HeldAt, Which};

/// In a thread's word: the thread that it starts next has an [`Fs`] of its own, with this number.
const STARTING: usize = 1 << 8;
/// The number in a thread's word. That of the next one is above [`STARTING`].
const NUMBER: usize = STARTING - 1;
/// In a thread's word: the process that it starts next shares its own.
const SHARING: usize = 2 * STARTING * (NUMBER + 1);
/// The same of one that has its memory too.
const JOINING: usize = 2 * SHARING;
/// In a thread's word: the process that it starts next has a copy of what is this process's own, which it shares with no other.
const COPYING: usize = 2 * JOINING;

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

/// Of which number that is which a new thread has that begins with this word.
fn kept(word: usize) -> usize {
    if word & STARTING != 0 { next(word) } else { word & NUMBER }
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
        let is_joining = has(nr::CLONE_VM);
        if is_joining {
            own.expect_one();
        }
        write_word(read_word() | if is_joining { JOINING } else { SHARING });
        return Ok(());
    }
    // Its memory has a copy of what is this process's own.
    if has(nr::CLONE_VM) || own.fs.shared().is_some() {
        reserve()?;
        self::own(next(read_word())).hold();
    } else {
        write_word(read_word() | COPYING);
    }
    Ok(())
}

/// From now on it may be another process's too. Where there is no `/proc` each has its own, and where there is no room while
/// the kernel knows all of it.
fn share(own: &Own) -> Result<()> {
    match shared::share(&own.fs, &own.anchor) {
        Err(error) if error != Errno::NXIO && is_virtual() => Err(Errno::AGAIN),
        _ => Ok(()),
    }
}

/// The thread that is started next, or this one, is to have its own, which begins as this one's is now.
pub fn reserve() -> Result<()> {
    let number = own::take().ok_or(Errno::AGAIN)?;
    ALL[number].fs.begin_as(mine());
    // The new thread's word begins as this one's is now.
    write_word((read_word() & NUMBER) | (number * 2 * STARTING) | STARTING);
    Ok(())
}

/// After that call, where it was made: it has failed, or the new one has memory of its own by now.
pub fn started(failed: bool, is_over: bool) {
    let word = read_word();
    write_word(word & NUMBER);
    if word & STARTING != 0 {
        let own = own(next(word));
        if failed || is_over { own.give_back() } else { own.quit() }
    }
    if word & JOINING != 0 && failed {
        own(word).expect_none();
    }
}

/// In a new thread, or the first of a new process.
pub fn begun() {
    let word = read_word();
    let kept = kept(word);
    write_word(kept);
    if word & (STARTING | JOINING) != 0 {
        own(kept).joined();
    }
}

/// In a process that is a copy of another: of all threads only this one is in it.
pub fn forked() {
    let word = read_word();
    let kept = kept(word);
    for (number, own) in ALL.iter().enumerate() {
        own.fs.forked();
        if number != kept {
            own.forget();
        }
    }
    let own = own(kept);
    own.begin_alone();
    if word & COPYING != 0 {
        // Another thread may have begun to share it since: from then on its own has stayed as it was.
        own.part();
    } else if word & (STARTING | SHARING | JOINING) == 0 {
        leave_others(own);
    }
}

fn leave_others(own: &Own) {
    if let Some(shared) = own.fs.shared() {
        own.fs.begin_as(shared);
        own.part();
    }
}

/// Before an `unshare(CLONE_FS)`: `EAGAIN` where there are too many. Where the kernel knows all of it this one shares on then.
pub fn leaving() -> Result<()> {
    if own(read_word()).is_sole() {
        return Ok(());
    }
    reserve().or_else(|error| if is_virtual() { Err(error) } else { Ok(()) })
}

/// After it.
pub fn left(has_failed: bool) {
    if read_word() & STARTING != 0 {
        if has_failed {
            started(true, false)
        } else {
            own(read_word()).quit();
            begun()
        }
        return;
    }
    let own = own(read_word());
    if !has_failed && own.is_sole() {
        leave_others(own);
    }
}

/// Whether the kernel does not know all of the calling thread's.
fn is_virtual() -> bool {
    ALL_PATHS.iter().any(|which| mine().has(*which))
}

/// Whether the kernel does not know all of the calling thread's, or others may change it.
pub fn is_noted() -> bool {
    own(read_word()).fs.shared().is_some() || is_virtual()
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
    let own = own(read_word());
    if let Some(number) = shared::enter(ticket, &own.anchor) {
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
