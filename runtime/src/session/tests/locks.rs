//! Locks whose holders are killed, and what they had changed.

use super::*;
use crate::session::journal::{ENTRIES, Journal};
use crate::session::robust::{Robust, Word};

/// Memory that is shared with the children: a lock and words that it guards.
#[repr(C)]
struct Guarded {
    lock: Lock,
    words: [AtomicU64; 8],
}

fn guarded() -> &'static Guarded {
    let flags = MAP_SHARED | MAP_ANONYMOUS;
    // SAFETY: a new mapping takes nothing away; all zero bytes are valid.
    unsafe {
        let start = sys::mmap(0, size_of::<Guarded>(), PROT_READ | PROT_WRITE, flags, -1, 0);
        &*(start.expect("memory") as *const Guarded)
    }
}

impl Guarded {
    fn memory(&self) -> core::ops::Range<usize> {
        let start = core::ptr::from_ref(self) as usize;
        start..start + size_of::<Self>()
    }

    fn values(&self) -> Vec<u64> {
        self.words.iter().map(|word| word.load(Ordering::Relaxed)).collect()
    }

    fn hold<T>(&self, act: impl FnOnce(&Kept) -> T) -> T {
        let mut kept = Kept::none();
        self.lock.take(&mut kept, self.memory(), None).expect("the lock");
        let result = act(&kept);
        self.lock.give_back(&mut kept);
        result
    }
}

#[test]
fn a_journal_that_is_cut_anywhere_takes_back_all() {
    let shared = guarded();
    let memory = shared.memory();
    for cut in 0..=2 * shared.words.len() {
        let journal = std::boxed::Box::new(Journal::new());
        shared.words.iter().for_each(|word| word.store(7, Ordering::Relaxed));
        // Each word twice; an odd cut is between the note and the change.
        for step in 0..cut {
            let word = &shared.words[step / 2 % 3];
            match step % 2 {
                0 => journal.note(&memory, word).expect("room"),
                _ => word.store(step as u64, Ordering::Relaxed),
            }
        }
        journal.undo(&memory);
        assert_eq!(shared.values(), [7; 8], "cut after {cut}");
        journal.note(&memory, &shared.words[0]).expect("room");
        shared.words[0].store(8, Ordering::Relaxed);
        journal.commit();
        journal.undo(&memory);
        assert_eq!(shared.values()[0], 8, "what is final stays");
    }
}

#[test]
fn a_journal_has_an_end_and_knows_its_memory() {
    let shared = guarded();
    let memory = shared.memory();
    let journal = std::boxed::Box::new(Journal::new());
    for _ in 0..ENTRIES {
        assert_eq!(journal.note(&memory, &shared.words[0]), Ok(()));
    }
    assert_eq!(journal.note(&memory, &shared.words[0]), Err(Errno::NOSPC));
    let elsewhere = AtomicU64::new(0);
    journal.commit();
    assert_eq!(journal.note(&memory, &elsewhere), Err(Errno::FAULT));
}

#[test]
fn a_killed_holder_loses_its_lock_and_its_changes() {
    let shared = guarded();
    let status = status_of(|| {
        shared.hold(|kept| {
            shared.lock.change(kept, &shared.words[0], 1).expect("room");
            shared.lock.change(kept, &shared.words[1], 2).expect("room");
            kill_myself();
        });
    });
    assert_eq!(status, KILLED);
    shared.hold(|_| assert_eq!(shared.values(), [0; 8]));
}

/// Others may be about to take the inner of two locks when their holder is killed.
#[test]
fn a_killed_holder_of_two_locks_loses_both() {
    const OWNER_DIED: u32 = 0x4000_0000;
    let flags = MAP_SHARED | MAP_ANONYMOUS;
    // SAFETY: a new mapping takes nothing away; all zero bytes are words that nobody holds.
    let words: &[Word; 2] = unsafe {
        let start = sys::mmap(0, size_of::<[Word; 2]>(), PROT_READ | PROT_WRITE, flags, -1, 0);
        &*(start.expect("memory") as *const [Word; 2])
    };
    let status = status_of(|| {
        let mut lists = [Robust::new(), Robust::new()];
        for (list, word) in lists.iter_mut().zip(words) {
            list.begin(word);
            word.value.store(sys::gettid() as u32, Ordering::Relaxed);
            list.taken();
        }
        let other = status_of(|| {
            let mut list = Robust::new();
            list.begin(&words[1]);
            list.end();
        });
        assert_eq!(other, 0);
        kill_myself();
    });
    assert_eq!(status, KILLED);
    for word in words {
        assert_eq!(word.value.load(Ordering::Relaxed), OWNER_DIED);
    }
}

/// The outer of two locks, or a robust mutex of the program, is free, and may be another's, before the kernel comes to the
/// inner one.
#[test]
fn a_killed_holder_loses_the_lock_that_it_has_just_won_though_others_take_the_outer_one() {
    const OWNER_DIED: u32 = 0x4000_0000;
    /// From a word to its entry, as glibc has it.
    const ENTRY: usize = 32;
    let flags = MAP_SHARED | MAP_ANONYMOUS;
    for turn in 0..20 {
        // SAFETY: a new mapping takes nothing away; all zero bytes are words that nobody holds.
        let words: &[Word; 2] = unsafe {
            let start = sys::mmap(0, size_of::<[Word; 2]>(), PROT_READ | PROT_WRITE, flags, -1, 0);
            &*(start.expect("memory") as *const [Word; 2])
        };
        let [outer, inner] = words.each_ref().map(|word| &word.value);
        // SAFETY: in the room behind the word.
        let entry = unsafe { outer.as_ptr().byte_add(ENTRY).cast::<usize>() };
        let holder = start(|| {
            let own = sys::gettid() as u32;
            let mut lists = [Robust::new(), Robust::new()];
            let head = [entry as usize, ENTRY.wrapping_neg(), 0];
            if turn % 2 == 0 {
                lists[0].begin(&words[0]);
                outer.store(own, Ordering::Relaxed);
                lists[0].taken();
            } else {
                outer.store(own, Ordering::Relaxed);
                // SAFETY: the entry is the holder's, and the head stays until the process is killed.
                unsafe {
                    entry.write_volatile(head.as_ptr() as usize);
                    sys::set_robust_list(head.as_ptr() as usize).expect("a list");
                }
            }
            lists[1].begin(&words[1]);
            inner.store(own, Ordering::Release);
            loop {
                sys::give_way();
            }
        });
        while inner.load(Ordering::Acquire) == 0 {
            sys::give_way();
        }
        sys::send_signal(holder, KILLED);
        let told = (0..u32::MAX).any(|_| {
            core::hint::spin_loop();
            outer.load(Ordering::Relaxed) & OWNER_DIED != 0
        });
        assert!(told, "turn {turn}: the kernel has not told of the outer one");
        // SAFETY: whoever takes it writes there what leads nowhere in the killed process.
        unsafe { entry.write_volatile(8) };
        assert_eq!(sys::wait(holder), KILLED);
        assert_eq!(inner.load(Ordering::Relaxed), OWNER_DIED, "turn {turn}");
    }
}

#[test]
fn the_end_of_the_thread_that_holds_a_lock_frees_it() {
    let shared = guarded();
    // Another thread's exit ends the process: the holder does not end by itself.
    let status = status_of(|| {
        shared.hold(|_| {
            std::thread::scope(|scope| {
                scope.spawn(|| sys::exit(3));
                loop {
                    sys::give_way();
                }
            })
        })
    });
    assert_eq!(status, 3 << 8);
    shared.hold(|_| {});
}

#[test]
fn a_thread_does_not_wait_for_itself() {
    let shared = guarded();
    shared.hold(|_| {
        let mut kept = Kept::none();
        assert_eq!(shared.lock.take(&mut kept, shared.memory(), None), Err(Errno::DEADLK));
        // Another lock is another matter.
        guarded().hold(|_| {});
    });
    shared.hold(|_| {});
}

#[test]
fn robust_mutexes_of_the_program_are_heard_of_too() {
    // A list as a C library keeps it, of the same layout, with a word that the thread holds.
    #[repr(C)]
    struct List {
        head: [usize; 3],
        entry: usize,
        between: [usize; 3],
        word: AtomicU64,
    }
    const DIED: u64 = 1 << 30;
    let shared = guarded();
    let words = &guarded().words;
    // SAFETY: the mapping is zero and large enough, and only this test and its child know it.
    let list = unsafe { &mut *(words.as_ptr() as *mut List) };
    let head = &raw const list.head as usize;
    let entry = &raw const list.entry as usize;
    list.head = [entry, &raw const list.word as usize - entry, 0];
    list.entry = head;
    let status = status_of(|| {
        list.word.store(sys::gettid() as u64, Ordering::Relaxed);
        // SAFETY: the list is mapped for as long as the process is there.
        unsafe { sys::set_robust_list(head) }.expect("a list");
        shared.hold(|_| kill_myself());
    });
    assert_eq!(status, KILLED);
    assert_eq!(list.word.load(Ordering::Relaxed), DIED);
    shared.hold(|_| {});
}

#[test]
fn processes_that_are_killed_at_random_leave_what_belongs_together_equal() {
    const PROCESSES: usize = 4;
    const ROUNDS: u64 = 40;
    let shared = guarded();
    let count = |limit: u64| {
        for _ in 0..limit {
            shared.hold(|kept| {
                let next = shared.words[0].load(Ordering::Relaxed) + 1;
                for word in &shared.words[..3] {
                    assert_eq!(word.load(Ordering::Relaxed), next - 1);
                    shared.lock.change(kept, word, next).expect("room");
                }
            });
        }
    };
    for round in 0..ROUNDS {
        let children: Vec<i32> = (0..PROCESSES).map(|_| start(|| count(u64::MAX))).collect();
        let before = shared.words[3].load(Ordering::Relaxed);
        while shared.words[0].load(Ordering::Relaxed) < before + 20 + round {
            sys::give_way();
        }
        for child in children {
            sys::send_signal(child, KILLED);
            assert_eq!(sys::wait(child), KILLED, "round {round}");
        }
        shared.hold(|_| {
            let values = shared.values();
            assert_eq!(values[..3], [values[0]; 3], "round {round}");
            shared.words[3].store(values[0], Ordering::Relaxed);
        });
    }
    count(3);
}
