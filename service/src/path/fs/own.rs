//! Those of this process, and which threads have each.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::Fs;
use crate::mapped::backing;
use crate::{kernel, vload};

/// Working directories that the threads of a process can have at once. All but the first are those of children that
/// borrow its memory, and of threads that share theirs with no other, or with those that they have started.
pub const MOST: usize = 16;
/// How many threads that have one together are known.
const KNOWN: usize = 16;

/// In [`Own::state`]: nobody's.
const FREE: u32 = 0;
/// In [`Own::state`]: somebody looks whether it is.
const CHANGING: u32 = 1;
/// In [`Own::state`]: it has been taken.
const TAKEN: u32 = 2;

/// In [`Own::users`]: a thread that is about to be started.
const NOT_YET: u32 = u32::MAX - 1;
/// The first of [`Own::users`]: more than are known.
const SEVERAL: u32 = u32::MAX;

/// One of this process's.
pub struct Own {
    state: AtomicU32,
    /// The numbers of the threads that have it, which may have ended; 0 is none. Nobody else adds one.
    users: [AtomicU32; KNOWN],
    /// Where its anchor is, when it is shared with other processes; 0 for none.
    pub anchor: AtomicUsize,
    pub fs: Fs,
}

/// The first is had by the threads that were there before any had one of its own: it is not taken, and they are not known.
pub static ALL: [Own; MOST] = [const {
    Own {
        state: AtomicU32::new(FREE),
        users: [const { AtomicU32::new(0) }; KNOWN],
        anchor: AtomicUsize::new(0),
        fs: Fs::none(),
    }
}; MOST];

/// The number of one that nobody has, for a thread that is to begin.
pub fn take() -> Option<usize> {
    let take = |from| ALL[1..].iter().position(|own| own.is_taken(from));
    take(FREE).or_else(|| take(TAKEN)).map(|number| 1 + number)
}

fn is_alive(user: u32) -> bool {
    user != 0 && (user >= NOT_YET || kernel::is_thread(user))
}

impl Own {
    /// Whether no other thread has it.
    pub fn is_sole(&self) -> bool {
        let users = || self.users.iter().map(|user| user.load(Ordering::Acquire));
        users().all(|user| user != SEVERAL) && users().filter(|&user| is_alive(user)).count() <= 1
    }

    /// It is not shared with other processes any more.
    pub fn part(&self) {
        self.fs.leave_shared();
        match self.anchor.swap(0, Ordering::AcqRel) {
            0 => {}
            anchor => backing::weigh(anchor),
        }
    }

    /// In a process that is a copy of another, whose only thread has another one.
    pub fn forget(&self) {
        self.part();
        self.set_user(0);
        self.state.store(FREE, Ordering::Release);
    }

    /// The calling thread has taken it for another: nobody else takes it before it is given away or back.
    pub fn hold(&self) {
        let thread = vload::thread();
        self.replace(|user| user == 0, thread);
    }

    /// Who holds it knows that nobody has it.
    pub fn give_back(&self) {
        let thread = vload::thread();
        self.part();
        for user in self.users.iter().rev() {
            if user.load(Ordering::Acquire) != thread {
                user.store(0, Ordering::Release);
            }
        }
        self.quit();
    }

    fn set_user(&self, first: u32) {
        for (number, user) in self.users.iter().enumerate() {
            user.store(if number == 0 { first } else { 0 }, Ordering::Release);
        }
    }

    /// Takes one that is in this state, unless one of its threads is alive.
    fn is_taken(&self, from: u32) -> bool {
        let (to, order) = (CHANGING, Ordering::AcqRel);
        if self.state.compare_exchange(from, to, order, Ordering::Relaxed).is_err() {
            return false;
        }
        let is_ours = !self.users.iter().any(|user| is_alive(user.load(Ordering::Acquire)));
        if is_ours {
            self.part();
            self.set_user(NOT_YET);
        }
        self.state.store(TAKEN, Ordering::Release);
        is_ours
    }

    /// Puts a user where another is: whether one was.
    fn replace(&self, is_it: impl Fn(u32) -> bool, to: u32) -> bool {
        self.users.iter().any(|user| {
            let from = user.load(Ordering::Acquire);
            let (order, failed) = (Ordering::AcqRel, Ordering::Relaxed);
            is_it(from) && user.compare_exchange(from, to, order, failed).is_ok()
        })
    }

    /// One of its threads is about to start another that has it too.
    pub fn expect_one(&self) {
        let is_first = core::ptr::eq(self, &ALL[0]);
        if is_first || self.users[0].load(Ordering::Acquire) == SEVERAL {
            self.users[0].store(SEVERAL, Ordering::Release);
            return;
        }
        let is_put = self.replace(|user| user == 0, NOT_YET)
            || self.replace(|user| !is_alive(user), NOT_YET);
        if !is_put {
            self.users[0].store(SEVERAL, Ordering::Release);
        }
    }

    /// It has not been started.
    pub fn expect_none(&self) {
        self.replace(|user| user == NOT_YET, 0);
    }

    /// The calling thread is one that was expected.
    pub fn joined(&self) {
        if self.users[0].load(Ordering::Acquire) != SEVERAL {
            self.replace(|user| user == NOT_YET, vload::thread());
        }
    }

    /// The calling thread has another one from now on, or holds it no more.
    pub fn quit(&self) {
        let thread = vload::thread();
        self.replace(|user| user == thread, 0);
    }

    /// In a process that is a copy of another: the calling thread has it, and no other does.
    pub fn begin_alone(&self) {
        self.set_user(vload::thread());
        self.state.store(TAKEN, Ordering::Release);
    }
}
