//! The working directory and the root of a process, where the kernel does not know them: what it keeps in a
//! `struct fs_struct`.
//!
//! A thread has a number, in its word of vload's, of the [`Fs`] that it shares with the threads which were started with
//! `CLONE_FS`. A child with memory of its own has a copy of all of them, and one that borrows its parent's gets another number.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

use vload_module::abi::offered::vload_thread_word;
use vload_module::{Errno, Result};

use super::moves::{self, Followed, Moment};
use super::text::{LONGEST, Text};
use crate::vload;

/// Working directories that the threads of a process can have at once. All but the first are those of children that
/// borrow its memory, and of threads that were started without `CLONE_FS`.
const MOST: usize = 16;

/// In a thread's word: the thread that it starts next has an [`Fs`] of its own, with this number.
const STARTING: usize = 1 << 8;
/// The number in a thread's word.
const NUMBER: usize = STARTING - 1;

/// A path that one thread writes and others read.
struct Kept {
    /// Its length; 0 for none.
    length: AtomicUsize,
    bytes: [AtomicU8; LONGEST],
}

/// What is known at one moment.
struct Version {
    /// The working directory, where it is virtual.
    cwd: Kept,
    /// When the claim was made that it is in.
    claim: AtomicU64,
    /// The moment at which it was there.
    since: AtomicU64,
    /// Whether it has been removed since: 1.
    gone: AtomicU32,
    /// The root, where it is not the session's.
    root: Kept,
    /// The root that the kernel has, where it is not the session's.
    kernel_root: Kept,
}

/// What is known of a working directory besides its path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeldAt {
    /// When the claim was made that it is in.
    pub claim: u64,
    /// The moment at which it was there.
    pub since: Moment,
    /// Whether it has been removed since.
    pub gone: bool,
}

/// The working directory and the root of the threads that share them.
pub struct Fs {
    /// Whether there are such threads.
    used: AtomicU32,
    /// Held by who writes.
    writing: AtomicU32,
    /// How often it was written; the last bit says which version counts.
    count: AtomicUsize,
    /// The umask plus one; 0 while it is not known.
    umask: AtomicU32,
    versions: [Version; 2],
}

/// Which of the paths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// The working directory.
    Cwd,
    /// The root.
    Root,
    /// The kernel's root.
    KernelRoot,
}

static ALL: [Fs; MOST] = [const {
    Fs {
        used: AtomicU32::new(0),
        writing: AtomicU32::new(0),
        count: AtomicUsize::new(0),
        umask: AtomicU32::new(0),
        versions: [const { Version::new() }; 2],
    }
}; MOST];

impl Kept {
    const fn new() -> Self {
        Self { length: AtomicUsize::new(0), bytes: [const { AtomicU8::new(0) }; LONGEST] }
    }

    fn set(&self, path: &[u8]) {
        for (to, &from) in self.bytes.iter().zip(path) {
            to.store(from, Ordering::Relaxed);
        }
        self.length.store(path.len(), Ordering::Relaxed);
    }

    fn copy(&self, other: &Self) {
        let length = other.length.load(Ordering::Relaxed);
        for (to, from) in self.bytes.iter().zip(&other.bytes[..length]) {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.length.store(length, Ordering::Relaxed);
    }
}

impl Version {
    const fn new() -> Self {
        Self {
            cwd: Kept::new(),
            claim: AtomicU64::new(0),
            since: AtomicU64::new(0),
            gone: AtomicU32::new(0),
            root: Kept::new(),
            kernel_root: Kept::new(),
        }
    }

    fn which(&self, which: Which) -> &Kept {
        match which {
            Which::Cwd => &self.cwd,
            Which::Root => &self.root,
            Which::KernelRoot => &self.kernel_root,
        }
    }

    fn copy(&self, other: &Self) {
        for which in ALL_PATHS {
            self.which(which).copy(other.which(which));
        }
        self.set_held(other.held());
    }

    fn held(&self) -> HeldAt {
        HeldAt {
            claim: self.claim.load(Ordering::Relaxed),
            since: self.since.load(Ordering::Relaxed),
            gone: self.gone.load(Ordering::Relaxed) != 0,
        }
    }

    fn set_held(&self, held: HeldAt) {
        self.claim.store(held.claim, Ordering::Relaxed);
        self.since.store(held.since, Ordering::Relaxed);
        self.gone.store(held.gone.into(), Ordering::Relaxed);
    }
}

impl Fs {
    /// The path, in `to`. Whether there is one.
    pub fn read(&self, which: Which, to: &mut Text) -> bool {
        loop {
            let count = self.count.load(Ordering::Acquire);
            let kept = self.versions[count & 1].which(which);
            let length = kept.length.load(Ordering::Relaxed).min(LONGEST - 1);
            let read = to.fill(|bytes| {
                for (to, from) in bytes.iter_mut().zip(&kept.bytes[..length]) {
                    *to = from.load(Ordering::Relaxed);
                }
                Ok(length)
            });
            fence(Ordering::Acquire);
            // A version is written again only after the other one has come to count.
            if self.count.load(Ordering::Relaxed) == count {
                return read.is_ok();
            }
        }
    }

    /// Whether there is such a path.
    pub fn has(&self, which: Which) -> bool {
        let count = self.count.load(Ordering::Acquire);
        self.versions[count & 1].which(which).length.load(Ordering::Relaxed) != 0
    }

    /// Sets paths, all at once; `""` is none.
    pub fn write(&self, paths: &[(Which, &[u8])]) {
        self.change(None, |next| {
            for (which, path) in paths {
                next.which(*which).set(path);
            }
        });
    }

    /// The working directory is in a claim.
    pub fn set_cwd(&self, path: &[u8], held: HeldAt) {
        moves::watch();
        self.change(None, |next| {
            next.cwd.set(path);
            next.set_held(held);
        });
    }

    /// Makes another version count; `false` when another one than `expected` does by now.
    fn change(&self, expected: Option<usize>, act: impl FnOnce(&Version)) -> bool {
        while self.writing.swap(1, Ordering::Acquire) != 0 {
            vload::let_others_run();
        }
        let count = self.count.load(Ordering::Relaxed);
        let is_expected = expected.is_none_or(|expected| expected == count);
        if is_expected {
            let next = &self.versions[(count + 1) & 1];
            next.copy(&self.versions[count & 1]);
            act(next);
            self.count.store(count + 1, Ordering::Release);
        }
        self.writing.store(0, Ordering::Release);
        is_expected
    }

    /// What is known of the working directory, if it is virtual, and how often it has been set.
    fn held(&self) -> (HeldAt, usize) {
        loop {
            let count = self.count.load(Ordering::Acquire);
            let held = self.versions[count & 1].held();
            fence(Ordering::Acquire);
            if self.count.load(Ordering::Relaxed) == count {
                return (held, count);
            }
        }
    }

    /// Goes on with the working directory to where that is now.
    #[inline(never)]
    pub fn follow(&self) {
        while self.has(Which::Cwd) {
            let (held, count) = self.held();
            let now = moves::now();
            if held.since == now || held.gone {
                return;
            }
            let mut cwd = Text::root();
            self.read(Which::Cwd, &mut cwd);
            let followed = moves::follow(&mut cwd, held.claim, held.since, now);
            let changed = self.change(Some(count), |next| {
                next.cwd.set(cwd.bytes());
                next.set_held(HeldAt { since: now, gone: followed == Followed::Gone, ..held });
            });
            if changed {
                return;
            }
        }
    }

    /// Whether the working directory is virtual and has been removed.
    pub fn is_gone(&self) -> bool {
        self.has(Which::Cwd) && self.held().0.gone
    }

    /// The umask, if it is known.
    pub fn umask(&self) -> Option<u32> {
        self.umask.load(Ordering::Relaxed).checked_sub(1)
    }

    /// The umask is this.
    pub fn set_umask(&self, mask: u32) {
        self.umask.store(mask + 1, Ordering::Relaxed);
    }

    fn begin_as(&self, other: &Fs) {
        self.umask.store(other.umask.load(Ordering::Relaxed), Ordering::Relaxed);
        let mut paths = [const { Text::root() }; 3];
        let all = [Which::Cwd, Which::Root, Which::KernelRoot];
        let had = [0, 1, 2].map(|number| other.read(all[number], &mut paths[number]));
        let path = |number: usize| if had[number] { paths[number].bytes() } else { b"" };
        self.write(&[(all[0], path(0)), (all[1], path(1)), (all[2], path(2))]);
        let (held, _) = other.held();
        self.change(None, |next| next.set_held(held));
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

/// That of the calling thread.
pub fn mine() -> &'static Fs {
    &ALL[(read_word() & NUMBER) % MOST]
}

/// Before a call that starts a thread or a process: `own` when it has a working directory of its own and the memory of
/// this one. `EAGAIN` when there are too many.
pub fn starting(own: bool) -> Result<()> {
    if !own {
        return Ok(());
    }
    let free =
        |fs: &&Fs| fs.used.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    let number = 1 + ALL[1..].iter().position(|fs| free(&fs)).ok_or(Errno::AGAIN)?;
    ALL[number].begin_as(mine());
    // The new thread's word begins as this one's is now.
    write_word((read_word() & NUMBER) | (number * 2 * STARTING) | STARTING);
    Ok(())
}

/// After that call, where it was made.
pub fn started(failed: bool, is_over: bool) {
    let word = read_word();
    if word & STARTING == 0 {
        return;
    }
    write_word(word & NUMBER);
    if failed || is_over {
        ALL[(word / (2 * STARTING)) % MOST].used.store(0, Ordering::Release);
    }
}

/// In a new thread, or the first of a new process.
pub fn begun() {
    let word = read_word();
    if word & STARTING != 0 {
        write_word((word / (2 * STARTING)) & NUMBER);
    }
}

/// In a process that is a copy of another: whoever was writing is not in it.
pub fn forked() {
    for fs in &ALL {
        fs.writing.store(0, Ordering::Relaxed);
    }
}

/// `unshare(CLONE_FS)`, where it has succeeded.
pub fn unshared() {
    if starting(true).is_ok() {
        begun();
    }
}

const ALL_PATHS: [Which; 3] = [Which::Cwd, Which::Root, Which::KernelRoot];

/// Whether the kernel does not know all of the calling thread's.
pub fn is_noted() -> bool {
    ALL_PATHS.iter().any(|which| mine().has(*which))
}

/// Writes what a program that is executed needs to know: what is known of the working directory, and three paths, each
/// with a zero behind it.
pub fn leave(write: &mut dyn FnMut(&[u8])) {
    let (held, _) = mine().held();
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
pub fn enter(mut left: impl Iterator<Item = u8>) {
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
