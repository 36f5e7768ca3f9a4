//! A writer that is killed at any instruction: it is single-stepped, and each time that the session's memory
//! has changed, what would be left of it there is what others go on with.

use core::sync::atomic::{AtomicU32, Ordering};
use std::vec::Vec;

use super::*;
use crate::layer::TABLES;
use linux_raw_sys::general as nr;

// linux/ptrace.h
const PTRACE_TRACEME: u32 = 0;
const PTRACE_SINGLESTEP: u32 = 9;
const SIGSTOP: i32 = 19;
/// `FUTEX_OWNER_DIED` and the bits of the holder (linux/futex.h).
const DIED: u32 = 0x4000_0000;
const HOLDER: u32 = 0x3fff_ffff;

fn ptrace(request: u32, pid: i32) {
    let args = [request as usize, pid as usize, 0, 0, 0, 0];
    // SAFETY: these requests take no memory.
    let done = unsafe { crate::arch::syscall(nr::__NR_ptrace as usize, args) };
    assert_eq!(done, 0, "ptrace");
}

/// A step between two processors takes four times as long.
fn stay_on_one_processor() {
    let mut which = 0u32;
    let args = [&raw mut which as usize, 0, 0, 0, 0, 0];
    // SAFETY: the kernel writes the processor's number.
    assert_eq!(unsafe { crate::arch::syscall(nr::__NR_getcpu as usize, args) }, 0);
    let mut set = [0u64; 16];
    set[which as usize / 64 % 16] = 1 << (which % 64);
    let args = [0, size_of_val(&set), set.as_ptr() as usize, 0, 0, 0];
    // SAFETY: the kernel reads the set.
    assert_eq!(unsafe { crate::arch::syscall(nr::__NR_sched_setaffinity as usize, args) }, 0);
}

/// Whether wait(2) tells of a stop.
fn has_stopped(status: i32) -> bool {
    status & 0xff == 0x7f
}

/// What the writer can change, and how it was.
struct Watched {
    places: Vec<(usize, Vec<u8>)>,
}

impl Watched {
    fn bytes((start, saved): &(usize, Vec<u8>)) -> &'static mut [u8] {
        // SAFETY: shared mappings that stay; the writer is stopped while they are looked at.
        unsafe { core::slice::from_raw_parts_mut(*start as *mut u8, saved.len()) }
    }

    fn new(places: &[(usize, usize)]) -> Self {
        let saved = |&(start, length): &(usize, usize)| (start, std::vec![0; length]);
        let mut watched = Self { places: places.iter().map(saved).collect() };
        watched.save();
        watched
    }

    fn save(&mut self) {
        for place in &mut self.places {
            let now = Self::bytes(place).to_vec();
            place.1 = now;
        }
    }

    fn has_changed(&self) -> bool {
        self.places.iter().any(|place| Self::bytes(place) != place.1)
    }

    fn put_back(&self) {
        self.places.iter().for_each(|place| Self::bytes(place).copy_from_slice(&place.1));
    }
}

/// Puts a layer in place that wants calls as they have numbers.
fn put_narrow(name: &str, arguments: &str) -> sys::Result<LayerId> {
    let layer = NewLayer { wants: Some(&[39, 40]), ..new(name, arguments) };
    insert(ROOT, &layer, None, &mut |_| Ok(()))
}

/// Steps through `write`; after each change of what is `watched`, others find `check` to hold as if the writer
/// had been killed. Gives how many changes there were.
fn walk(watched: &mut Watched, word: &AtomicU32, write: fn(), check: &mut dyn FnMut()) -> usize {
    let child = start(|| {
        ptrace(PTRACE_TRACEME, 0);
        sys::send_signal(sys::getpid(), SIGSTOP);
        write();
    });
    assert!(has_stopped(sys::wait(child)));
    let mut changes = 0;
    loop {
        ptrace(PTRACE_SINGLESTEP, child);
        let status = sys::wait(child);
        if !has_stopped(status) {
            assert_eq!(status, 0);
            return changes;
        }
        if !watched.has_changed() {
            continue;
        }
        changes += 1;
        watched.save();
        // What the kernel does with the lock of a thread that ends.
        if word.load(Ordering::Relaxed) & HOLDER == child as u32 {
            word.fetch_and(!HOLDER, Ordering::Relaxed);
            word.fetch_or(DIED, Ordering::Relaxed);
        }
        check();
        watched.put_back();
    }
}

/// The session's registry, its lock's word, and the tables of the first view.
fn places() -> (Watched, &'static AtomicU32) {
    let registry = super::super::arena::registry().expect("a session");
    let tables = tables(ROOT).expect("a session has them");
    let shown = sys::map_shared(OWN.session.get(), tables.offset, TABLES, true).expect("mapped");
    let watched = Watched::new(&[
        (core::ptr::from_ref(registry) as usize, size_of_val(registry)),
        (shown, 4096),
    ]);
    // The lock is the registry's first field, and its word in the middle of its first part.
    let word = core::ptr::from_ref(registry) as usize + 64;
    // SAFETY: within the registry, which stays mapped.
    (watched, unsafe { &*(word as *const AtomicU32) })
}

/// Whether the calls that layers of the tests want are wanted.
fn shown(watched: &Watched) -> [u8; 2] {
    let table = Watched::bytes(&watched.places[1]);
    [table[39], table[40]]
}

fn in_walked_session(act: fn(&mut Watched, &AtomicU32)) {
    in_session(|| {
        stay_on_one_processor();
        crate::layer::fill_table(ROOT, 0).expect("filled");
        let (mut watched, word) = places();
        act(&mut watched, word);
    });
}

#[test]
fn a_layer_is_put_in_place_whole_or_not_at_all() {
    in_walked_session(|watched, word| {
        let mut seen = [0; 2];
        let look = Watched::new(&[watched.places[0].0, watched.places[1].0].map(|at| (at, 4096)));
        let changes =
            walk(watched, word, || put_narrow("a", "x=1").map(drop).expect("room"), &mut || {
                let there = names(ROOT);
                let done = there == ["a"];
                assert!(done || there.is_empty(), "{there:?}");
                seen[usize::from(done)] += 1;
                if done {
                    assert_eq!(shown(&look), [1, 1]);
                }
                // Everything can go on, and what was left is gone.
                assert_eq!(put_narrow("a", "x=1").is_err(), done);
                put_narrow("b", "").expect("the lock is free");
                assert_eq!(names(ROOT), ["a", "b"]);
                take_out(ROOT, "b").expect("it is there");
                take_out(ROOT, "a").expect("it is there");
                assert_eq!(shown(&look), [0, 0]);
            });
        assert!(changes > 12 && seen[0] > 10 && seen[1] > 0, "{changes} changes, {seen:?}");
    });
}

#[test]
fn a_layer_is_removed_whole_or_not_at_all() {
    in_walked_session(|watched, word| {
        put_narrow("a", "x=1").expect("room");
        let mut seen = [0; 2];
        let look = Watched::new(&[watched.places[0].0, watched.places[1].0].map(|at| (at, 4096)));
        let changes =
            walk(watched, word, || take_out(ROOT, "a").expect("it is there"), &mut || {
                let there = names(ROOT);
                let done = there.is_empty();
                assert!(done || there == ["a"], "{there:?}");
                seen[usize::from(done)] += 1;
                if !done {
                    assert_eq!(shown(&look), [1, 1]);
                }
                assert_eq!(take_out(ROOT, "a").is_err(), done);
                put_narrow("b", "").expect("the lock is free");
                assert_eq!(names(ROOT), ["b"]);
                take_out(ROOT, "b").expect("it is there");
                assert_eq!(shown(&look), [0, 0]);
            });
        assert!(changes > 4 && seen[0] > 1 && seen[1] > 1, "{changes} changes, {seen:?}");
    });
}
