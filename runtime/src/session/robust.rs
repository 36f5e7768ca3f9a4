//! What the kernel does when a thread ends that holds locks: it walks the thread's robust list
//! (Documentation/locking/robust-futex-ABI.rst) and marks each word on it that has the thread's number.
//! That is so however the thread ends: by SIGKILL, by another thread's exec or exit, out of memory.
//!
//! A thread has one list, and it is the program's (its robust mutexes). For as long as a lock is held the
//! list is one of vload's own, which goes on into the program's.

use core::ptr::null;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering, compiler_fence};

use crate::memory::User;
use crate::sys::{self, Errno};

/// `struct robust_list_head` (linux/futex.h).
#[repr(C)]
#[derive(Clone, Copy)]
struct Head {
    /// The first entry: each begins with the address of the next, the last leads to the head.
    first: usize,
    /// From an entry to its word.
    offset: isize,
    /// An entry that is just being taken or given back.
    pending: usize,
}

/// What a list begins with.
#[derive(Clone, Copy)]
struct Before {
    first: usize,
    offset: usize,
    /// It is one of vload's.
    is_ours: bool,
}

/// The first eight bytes of a list.
type Beginning = [usize; 8 / size_of::<usize>()];

/// From an entry to its word, where the program has no list whose way would have to be kept. It is
/// glibc's.
const OFFSET: isize = -32;
/// Bytes before and behind a word in which its entry can be.
const ROOM: usize = 64;

/// A word that threads of several processes lock, with room for the list's entry on either side.
#[repr(C, align(64))]
pub struct Word {
    before: [AtomicUsize; ROOM / size_of::<usize>()],
    /// 0, or the number of the thread that holds it, and the kernel's two flags.
    pub value: AtomicU32,
    _pad: u32,
    behind: [AtomicUsize; (ROOM - 8) / size_of::<usize>()],
}

const _: () = assert!(size_of::<Word>() == 2 * ROOM);

impl Word {
    /// Nobody holds it.
    pub const fn new() -> Self {
        Self {
            before: [const { AtomicUsize::new(0) }; ROOM / size_of::<usize>()],
            value: AtomicU32::new(0),
            _pad: 0,
            behind: [const { AtomicUsize::new(0) }; (ROOM - 8) / size_of::<usize>()],
        }
    }

    /// Where the entry is of a list with this offset, if there is room for it.
    fn entry(&self, offset: isize) -> Option<usize> {
        let start = core::ptr::from_ref(self) as usize;
        let word = self.value.as_ptr() as usize;
        let entry = word.wrapping_sub_signed(offset);
        let end = entry.checked_add(size_of::<usize>())?;
        let fits = entry >= start && end <= start + size_of::<Self>();
        // The lowest bit of an entry's address has a meaning of its own.
        (fits && (end <= word || entry >= word + 4) && entry & 1 == 0).then_some(entry)
    }

    /// Whether `entry` is one that this word has, whatever the list's offset.
    fn has(&self, entry: usize) -> bool {
        let start = core::ptr::from_ref(self) as usize;
        (start..start + size_of::<Self>()).contains(&entry)
    }
}

/// The list of the calling thread while it holds a lock. It must stay where it is from
/// [`Robust::begin`] to [`Robust::end`].
#[repr(C)]
pub struct Robust {
    /// The program's head, or an outer lock's, may be walked as if it was an entry: its word is no
    /// thread's number.
    zero: [u64; 4],
    head: Head,
    /// The complement of the head's address: it is one of vload's.
    mark: usize,
    /// The list before; `None` while the thread has its own.
    before: Option<usize>,
    /// What the list before begins with, which leads to this one meanwhile.
    lent: Option<Before>,
    word: *const Word,
    /// Where the word's entry is.
    entry: usize,
    /// What the program is just taking or giving back.
    pending: usize,
}

impl Before {
    /// Makes `first` the first entry of the list at `head`, which is not the kernel's now. Whether that is so.
    fn lead(self, head: usize, first: usize) -> bool {
        if self.is_ours {
            // SAFETY: a list of vload's stays where it is while the thread holds its word, and this one's comes back first.
            unsafe { (head as *mut usize).write_volatile(first) };
            return true;
        }
        // Eight bytes on each machine, for the probe writes as many.
        let begins = [first, self.offset];
        User::<Beginning>::new(head).write(core::array::from_fn(|at| begins[at])).is_ok()
    }
}

impl Robust {
    /// No list.
    pub const fn new() -> Self {
        let head = Head { first: 0, offset: OFFSET, pending: 0 };
        Self {
            zero: [0; 4],
            head,
            mark: 0,
            before: None,
            lent: None,
            word: null(),
            entry: 0,
            pending: 0,
        }
    }

    /// The calling thread is about to take `word`: it is what the thread's list has pending. Nothing is written to the
    /// word, which others may hold, or be about to take, with locks on their lists behind it. Where the kernel, an emulator or a filter gives no list,
    /// the lock works all the same, but nobody hears of its holder's end.
    pub fn begin(&mut self, word: &Word) {
        let Ok(theirs) = sys::robust_list() else { return };
        let own = &raw const self.head as usize;
        let mut head = Head { first: own, offset: OFFSET, pending: 0 };
        let mut behind = None;
        if theirs != 0
            && let Ok(there) = User::<[usize; 3]>::new(theirs).read()
        {
            let [first, offset, pending] = there;
            let is_used = first != theirs || pending != 0;
            if is_used && word.entry(offset as isize).is_some() {
                head = Head { first, offset: offset as isize, pending };
                let mark = User::<usize>::new(theirs + size_of::<Head>()).read();
                behind = Some(Before { first, offset, is_ours: mark == Ok(!theirs) });
            }
        }
        let Some(entry) = word.entry(head.offset) else { return };
        (self.entry, self.pending) = (entry, head.pending);
        head.pending = entry;
        self.head = head;
        self.mark = !own;
        self.word = word;
        compiler_fence(Ordering::SeqCst);
        // SAFETY: the head stays here until `end`, and the entry for as long as the word is mapped.
        if unsafe { sys::set_robust_list(own) }.is_err() {
            return;
        }
        self.before = Some(theirs);
        // The end of the list before must be the end of ours: what is pending comes last to the kernel, which would go
        // round before that, among words that it has just freed and whose next holders write to the entries. Where the
        // program's head cannot be written to, it does.
        self.lent = behind.filter(|behind| behind.lead(theirs, own));
        compiler_fence(Ordering::SeqCst);
    }

    /// The word is the calling thread's: it is the first on the list.
    pub fn taken(&mut self) {
        if self.before.is_none() {
            return;
        }
        // SAFETY: `Word::entry` gives a place in the room around the word, which is for its holder to write. It may not
        // be aligned.
        unsafe { (self.entry as *mut usize).write_unaligned(self.head.first) };
        self.set_head(self.entry, self.entry);
        self.set_head(self.entry, self.pending);
    }

    /// The calling thread is about to give the word back: from then on others write to its entry.
    pub fn leaving(&mut self) {
        if self.before.is_none() {
            return;
        }
        self.set_head(self.entry, self.entry);
        // SAFETY: as in `taken`.
        let next = unsafe { (self.entry as *const usize).read_unaligned() };
        self.set_head(next, self.entry);
    }

    /// One step for the kernel, which reads the head when the thread has been killed: the word is on the list, or pending,
    /// or both, and so always found.
    fn set_head(&mut self, first: usize, pending: usize) {
        compiler_fence(Ordering::SeqCst);
        // SAFETY: both are fields of ours.
        unsafe {
            (&raw mut self.head.first).write_volatile(first);
            compiler_fence(Ordering::SeqCst);
            (&raw mut self.head.pending).write_volatile(pending);
        }
        compiler_fence(Ordering::SeqCst);
    }

    /// [`Errno::DEADLK`]: a lock that a thread with the caller's number holds is the caller's own. Without a
    /// list that is taken for granted.
    pub fn check(word: &Word) -> sys::Result<()> {
        let own = match sys::robust_list() {
            Ok(0) => false,
            Ok(head) => {
                User::<[usize; 3]>::new(head).read().is_ok_and(|head| Self::holds(head[0], word))
            }
            Err(_) => true,
        };
        if own { Err(Errno::DEADLK) } else { Ok(()) }
    }

    /// Whether one of the first entries from `first` on is the word's: vload's come before the program's.
    fn holds(mut first: usize, word: &Word) -> bool {
        /// Locks that a thread holds at once.
        const MOST: usize = 8;
        for _ in 0..MOST {
            if word.has(first) {
                return true;
            }
            match User::<[u8; size_of::<usize>()]>::new(first).read() {
                Ok(next) if first != 0 => first = usize::from_ne_bytes(next),
                _ => return false,
            }
        }
        false
    }

    /// In a child that has a copy of the memory, and no list yet: the list before is as it was.
    pub fn forget(&mut self) {
        if let (Some(before), Some(lent)) = (self.before.take(), self.lent.take()) {
            let led = lent.lead(before, lent.first);
            debug_assert!(led);
        }
    }

    /// Gives the thread the list that it had.
    pub fn end(&mut self) {
        let before = self.before;
        self.forget();
        if let Some(before) = before {
            // SAFETY: it was the thread's list until `begin`.
            let set = unsafe { sys::set_robust_list(before) };
            debug_assert!(set.is_ok());
        }
    }
}
