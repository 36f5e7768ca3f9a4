//! What is kept of a working directory and a root.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

use vload_module::abi::offered::{vload_lock, vload_unlock};

use crate::path::moves::{self, Followed, Moment};
use crate::path::text::{LONGEST, Text};
use crate::vload;

/// The lock under which those in the session are written, taken and given back.
const LOCK: u32 = 2;
/// In [`Fs::shared`].
const IN_SESSION: u32 = u32::MAX;

/// A path that one thread writes and others read.
#[repr(C)]
struct Kept {
    /// Its length; 0 for none.
    length: AtomicUsize,
    bytes: [AtomicU8; LONGEST],
}

/// What is known at one moment.
#[repr(C)]
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

/// The working directory and the root of those that share them. All bytes zero are as the kernel has them.
#[repr(C)]
pub struct Fs {
    /// [`IN_SESSION`] where it lies in the session's memory. In a process's own: the number of the one in the session which
    /// those that share this one have now, plus one; 0 for none.
    shared: AtomicU32,
    /// Held by who writes. For one in the session there is a lock that is free again when its holder is killed.
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

/// All of them.
pub const ALL_PATHS: [Which; 3] = [Which::Cwd, Which::Root, Which::KernelRoot];

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
        let length = other.length.load(Ordering::Relaxed).min(LONGEST);
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
    /// As the kernel has them.
    pub const fn none() -> Self {
        Self {
            shared: AtomicU32::new(0),
            writing: AtomicU32::new(0),
            count: AtomicUsize::new(0),
            umask: AtomicU32::new(0),
            versions: [const { Version::new() }; 2],
        }
    }

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
        if self.shared.load(Ordering::Acquire) == IN_SESSION {
            return in_session(|| self.change_alone(expected, act));
        }
        self.lock();
        if let Some(shared) = self.shared() {
            self.unlock();
            return expected.is_none() && shared.change(None, act);
        }
        let is_expected = self.change_alone(expected, act);
        self.unlock();
        is_expected
    }

    fn lock(&self) {
        while self.writing.swap(1, Ordering::Acquire) != 0 {
            vload::let_others_run();
        }
    }

    fn unlock(&self) {
        self.writing.store(0, Ordering::Release);
    }

    fn change_alone(&self, expected: Option<usize>, act: impl FnOnce(&Version)) -> bool {
        let count = self.count.load(Ordering::Relaxed);
        let is_expected = expected.is_none_or(|expected| expected == count);
        if is_expected {
            let next = &self.versions[(count + 1) & 1];
            next.copy(&self.versions[count & 1]);
            act(next);
            self.count.store(count + 1, Ordering::Release);
        }
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

    /// Goes on with the working directory to where that is now; `false` where somebody has changed it meanwhile.
    #[inline(never)]
    pub fn follow(&self) -> bool {
        if !self.has(Which::Cwd) {
            return true;
        }
        let (held, count) = self.held();
        let now = moves::now();
        if held.since == now || held.gone {
            return true;
        }
        let mut cwd = Text::root();
        self.read(Which::Cwd, &mut cwd);
        let followed = moves::follow(&mut cwd, held.claim, held.since, now);
        self.change(Some(count), |next| {
            next.cwd.set(cwd.bytes());
            next.set_held(HeldAt { since: now, gone: followed == Followed::Gone, ..held });
        })
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

    /// The umask was found to be this, unless it has been set since: what it is.
    pub fn find_umask(&self, mask: u32) -> u32 {
        let order = Ordering::Relaxed;
        self.umask.compare_exchange(0, mask + 1, order, order).map_or_else(|set| set - 1, |_| mask)
    }

    /// Begins as another is now. Nobody else has this one.
    pub fn begin_as(&self, other: &Fs) {
        self.umask.store(other.umask.load(Ordering::Relaxed), Ordering::Relaxed);
        let to = &self.versions[self.count.load(Ordering::Relaxed) & 1];
        loop {
            let count = other.count.load(Ordering::Acquire);
            to.copy(&other.versions[count & 1]);
            fence(Ordering::Acquire);
            if other.count.load(Ordering::Relaxed) == count {
                return;
            }
        }
    }

    /// The one in the session that those which share this one have now.
    pub fn shared(&self) -> Option<&'static Fs> {
        super::shared::get(self.shared.load(Ordering::Acquire).checked_sub(1)?)
    }

    /// The number of that.
    pub fn number(&self) -> Option<u32> {
        self.shared.load(Ordering::Acquire).checked_sub(1)
    }

    /// Those that share this one have that of the session from now on, which begins as this is.
    pub fn become_shared(&self, number: u32, shared: &Fs) {
        self.lock();
        shared.begin_as(self);
        shared.shared.store(IN_SESSION, Ordering::Relaxed);
        self.enter(number);
        self.unlock();
    }

    /// A program that was just executed has that of the session.
    pub fn enter(&self, number: u32) {
        self.shared.store(number + 1, Ordering::Release);
    }

    /// They have that no more.
    pub fn leave_shared(&self) {
        self.shared.store(0, Ordering::Release);
    }

    /// In a process that is a copy of another: whoever was writing is not in it.
    pub fn forked(&self) {
        self.writing.store(0, Ordering::Relaxed);
    }

    /// What is known of the working directory.
    pub fn held_at(&self) -> HeldAt {
        self.held().0
    }
}

/// Does something that one process does at a time.
pub fn in_session<R>(act: impl FnOnce() -> R) -> R {
    // It fails for who holds it, or four others: nobody does here.
    // SAFETY: the framework's layer.
    let is_taken = unsafe { vload_lock(vload::framework(), LOCK) } == 0;
    debug_assert!(is_taken, "the lock can be taken");
    let done = act();
    // SAFETY: this thread holds it.
    unsafe { vload_unlock(vload::framework(), LOCK) };
    done
}
