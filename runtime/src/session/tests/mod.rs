//! Sessions as several processes have them, of which some are killed.

mod locks;
mod stepped;

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::vec::Vec;

use super::*;
use crate::sys::{self, Errno};
use crate::view::OWN;
use linux_raw_sys::general::{MAP_ANONYMOUS, MAP_SHARED, PROT_READ, PROT_WRITE};

const KILLED: i32 = 9;

unsafe extern "C" {
    /// The C library's, whose locks no other thread of the tests holds in the child.
    safe fn fork() -> i32;
}

/// Starts `act` in a process of its own.
fn start(act: impl FnOnce()) -> i32 {
    match fork() {
        0 => {
            let done = catch_unwind(AssertUnwindSafe(act));
            sys::exit(i32::from(done.is_err()));
        }
        child => {
            assert!(child > 0, "no process");
            child
        }
    }
}

/// Runs `act` in a process of its own; gives how that ends (wait(2)).
fn status_of(act: impl FnOnce()) -> i32 {
    sys::wait(start(act))
}

/// Runs `act` in a process that has a session of its own.
fn in_session(act: impl FnOnce()) {
    let status = status_of(|| {
        OWN.session.set(create().expect("a session"));
        OWN.placeholders.set(placeholders().expect("a file"));
        act();
    });
    assert_eq!(status, 0);
}

fn kill_myself() -> ! {
    sys::send_signal(sys::getpid(), KILLED);
    unreachable!("a killed process goes on");
}

fn new<'a>(name: &'a str, arguments: &'a str) -> NewLayer<'a> {
    NewLayer {
        name: name.as_bytes(),
        description: b"",
        kind: 1,
        flags: 0,
        image: Stored { offset: 0, length: 0 },
        arguments: arguments.as_bytes(),
        area: 8192,
        wants: Some(&[39, 5000]),
    }
}

fn put_in(view: ViewId, name: &str, arguments: &str) -> sys::Result<LayerId> {
    insert(view, &new(name, arguments), None, &mut |_| Ok(()))
}

fn take_out(view: ViewId, name: &str) -> sys::Result<()> {
    remove(view, name.as_bytes(), None, &mut |_| Ok(()))
}

fn names(view: ViewId) -> Vec<std::string::String> {
    let mut names = Vec::new();
    effective(view, &mut |record| {
        names.push(std::string::String::from_utf8_lossy(record.name()).into_owned());
    });
    names
}

/// What names the newest layer of a view.
fn epoch_of(view: ViewId) -> u32 {
    let mut epoch = 0;
    effective(view, &mut |record| epoch = record.epoch as u32);
    epoch
}

#[test]
fn layers_are_found_by_their_time_and_their_view() {
    in_session(|| {
        assert_eq!(names(ROOT), [""; 0]);
        put_in(ROOT, "a", "").expect("room");
        put_in(ROOT, "b", "x=1").expect("room");
        assert_eq!(put_in(ROOT, "b", "x=1"), Err(Errno::EXIST));
        put_in(ROOT, "b", "x=2").expect("other arguments");
        let (inner, _) = new_view(ROOT, OWN.session.get()).expect("room");
        put_in(inner, "c", "").expect("room");
        assert_eq!(put_in(inner, "a", ""), Err(Errno::EXIST), "it is there already");
        // As a session's options ask for one.
        at_place(1, || put_in(ROOT, "first", "")).expect("room");
        assert_eq!(names(ROOT), ["first", "a", "b", "b"]);
        assert_eq!(names(inner), ["first", "a", "b", "b", "c"]);
        assert_eq!(take_out(inner, "a"), Err(Errno::PERM));
        assert_eq!(take_out(ROOT, "c"), Err(Errno::NOENT));
        take_out(ROOT, "b").expect("the newest");
        assert_eq!(put_in(ROOT, "b", "x=1"), Err(Errno::EXIST), "the older one is left");
        assert_eq!(names(inner), ["first", "a", "b", "c"]);
        take_out(inner, "c").expect("its own");
        assert_eq!(names(inner), ["first", "a", "b"]);
    });
}

#[test]
fn what_is_refused_leaves_nothing() {
    in_session(|| {
        let fails = |_: &Record| Err(Errno::IO);
        assert_eq!(insert(ROOT, &new("a", ""), None, &mut { fails }), Err(Errno::IO));
        assert_eq!(names(ROOT), [""; 0]);
        put_in(ROOT, "a", "").expect("room");
        assert_eq!(remove(ROOT, b"a", None, &mut { fails }), Err(Errno::IO));
        let epoch = epoch_of(ROOT);
        assert!(is_there(epoch));
        take_out(ROOT, "a").expect("it is still there");
        assert!(!is_there(epoch), "it is gone");
        // Who puts a layer in place does not wait for himself.
        let mut again = |_: &Record| put_in(ROOT, "b", "").map(drop);
        assert_eq!(insert(ROOT, &new("a", ""), None, &mut again), Err(Errno::DEADLK));
        let long = "a".repeat(40);
        assert_eq!(put_in(ROOT, &long, ""), Err(Errno::NAMETOOLONG));
        for index in 0..LAYERS {
            put_in(ROOT, "n", &std::format!("i={index}")).expect("room");
        }
        assert_eq!(put_in(ROOT, "n", "one=more"), Err(Errno::NOSPC));
        take_out(ROOT, "n").expect("the newest");
        put_in(ROOT, "n", "one=more").expect("its place");
    });
}

/// Bytes of memory that the session's file takes.
fn taken() -> u64 {
    let mut stat: linux_raw_sys::general::stat = unsafe_zeroed();
    let args = [OWN.session.get() as usize, &raw mut stat as usize, 0, 0, 0, 0];
    // SAFETY: the kernel writes one structure.
    let asked = unsafe { crate::arch::syscall(linux_raw_sys::general::__NR_fstat as usize, args) };
    assert_eq!(asked, 0);
    stat.st_blocks as u64 * 512
}

fn unsafe_zeroed<T>() -> T {
    // SAFETY: used for a structure of the kernel's, of integers.
    unsafe { core::mem::zeroed() }
}

#[test]
fn a_writer_that_is_killed_changes_nothing_and_leaves_nothing() {
    in_session(|| {
        put_in(ROOT, "kept", "").expect("room");
        let write = |record: &Record| {
            let area = Stored { offset: record.shared.offset, length: 1 << 16 };
            super::arena::fill(area, &[1; 1 << 16])
        };
        insert(ROOT, &new("a", "x=1"), None, &mut { write }).expect("room");
        take_out(ROOT, "a").expect("it is there");
        let before = taken();
        for _ in 0..8 {
            let status = status_of(|| {
                let _ = insert(ROOT, &new("a", "x=1"), None, &mut |record: &Record| {
                    write(record).expect("room");
                    kill_myself();
                });
            });
            assert_eq!(status, KILLED);
            assert_eq!(names(ROOT), ["kept"]);
            let status = status_of(|| {
                let _ = remove(ROOT, b"kept", None, &mut |_| kill_myself());
            });
            assert_eq!(status, KILLED);
            assert_eq!(names(ROOT), ["kept"]);
        }
        put_in(ROOT, "b", "").expect("the lock is free");
        take_out(ROOT, "b").expect("it is there");
        assert_eq!(taken(), before);
    });
}

#[test]
fn views_are_freed_when_their_last_process_has_ended() {
    in_session(|| {
        let session = OWN.session.get();
        let mut all: Vec<(ViewId, i32)> = Vec::new();
        while let Ok((view, fd)) = new_view(ROOT, session) {
            all.push((view, fd.expect("/proc is there")));
        }
        assert_eq!(all.len(), VIEWS - 1);
        let (view, fd) = all[7];
        put_in(view, "a", "").expect("room");
        // It has the descriptor, too.
        let child = start(|| {
            let never = AtomicU32::new(0);
            loop {
                sys::wait_while(&never, 0);
            }
        });
        sys::close(fd);
        assert_eq!(new_view(ROOT, session).map(|(view, _)| view), Err(Errno::NOSPC));
        sys::send_signal(child, KILLED);
        sys::wait(child);
        assert_eq!(new_view(ROOT, session).map(|(view, _)| view), Ok(view));
        assert_eq!(names(view), [""; 0], "its layers are gone with it");
    });
}

#[test]
fn who_comes_to_a_place_of_another_has_its_room_and_not_its_name() {
    in_session(|| {
        let enter = || new_view(ROOT, OWN.session.get()).expect("room");
        let (view, fd) = enter();
        let first = tables(view).expect("tables").offset;
        for index in 0..LAYERS {
            put_in(view, "n", &std::format!("i={index}")).expect("room");
        }
        let epoch = epoch_of(view);
        set_view(view);
        let called = name();
        assert!(called != 0 && sees(called) && is_lived_in(called) && is_there(epoch));
        set_view(ROOT);
        assert!(!sees(called) && is_lived_in(called) && sees(0) && is_lived_in(0));
        assert_eq!(put_in(ROOT, "a", ""), Err(Errno::NOSPC), "its layers have all places");
        sys::close(fd.expect("/proc is there"));
        assert!(!is_lived_in(called));
        put_in(ROOT, "a", "").expect("a place of those that are gone");
        assert!(!is_there(epoch));
        let (again, _) = enter();
        assert_eq!((again, tables(again).expect("tables").offset), (view, first));
        set_view(again);
        assert!(name() != called && sees(name()) && !sees(called) && !is_lived_in(called));
    });
}

/// The layer that `view` has.
fn only(view: ViewId) -> Record {
    let mut found = None;
    effective(view, &mut |record| found = Some(*record));
    found.expect("a layer")
}

#[test]
fn what_a_layer_had_is_another_ones_when_nobody_has_it_mapped() {
    in_session(|| {
        let put = || {
            put_in(ROOT, "one", "x=1").expect("a layer");
            let record = only(ROOT);
            take_out(ROOT, "one").expect("it is there");
            record
        };
        put_in(ROOT, "one", "x=1").expect("a layer");
        let first = only(ROOT);
        let at = map_shared(&first).expect("its memory");
        take_out(ROOT, "one").expect("it is there");
        // A child has what its parent has mapped, and a thread may still be in a call of it.
        let child = start(|| assert_eq!(sys::wait_for_signal(0, None), None));
        // SAFETY: mapped above, a page at least.
        unsafe { *(at as *mut u8) = 7 };
        let second = put();
        assert_ne!(first.shared.offset, second.shared.offset);
        // SAFETY: mapped above; nothing refers to it.
        unsafe { sys::munmap(at, first.shared.length + ANCHOR) };
        assert_eq!(put().shared.offset, second.shared.offset);
        sys::send_signal(child, KILLED);
        sys::wait(child);
        put_in(ROOT, "one", "x=1").expect("a layer");
        let third = only(ROOT);
        assert_eq!(third.shared.offset, first.shared.offset);
        assert!(bytes(third.shared).expect("its memory").iter().all(|&byte| byte == 0));
        assert_eq!(bytes(third.arguments).expect("its arguments"), b"x=1");
        assert_eq!(map_shared(&first).err(), Some(Errno::NOENT));
        take_out(ROOT, "one").expect("it is there");
        for _ in 0..200 {
            assert_eq!(put().shared.offset, first.shared.offset);
        }
    });
}

#[test]
fn a_full_index_and_a_full_file_say_so_and_take_nothing() {
    in_session(|| {
        let before = taken();
        let key = |index: u64| [index, 0, 0, 0, 0, 7];
        let mut index = 0;
        while put_known(&key(index), b"x", 100).is_ok() {
            index += 1;
        }
        assert_eq!(index, 1024 - 100);
        assert!(find(&key(index - 1)).is_some() && find(&key(index)).is_none());
        let full = taken();
        assert!(full > before);
        assert!(matches!(put_known(&key(index), &[1; 1 << 20], 100), Err(Errno::NOSPC)));
        assert_eq!(taken(), full);
        put_known(&key(index), b"x", 99).expect("what was spared");
        // More than is left, and then as much as before.
        for _ in 0..3 {
            let vast = NewLayer { area: 9 << 40, ..new("vast", "") };
            assert_eq!(insert(ROOT, &vast, None, &mut |_| Ok(())), Err(Errno::NOSPC));
        }
        put_in(ROOT, "a", "").expect("room");
    });
}

#[test]
fn what_layers_want_is_in_the_tables() {
    in_session(|| {
        let tables = tables(ROOT).expect("a session has them");
        let start = sys::map_shared(OWN.session.get(), tables.offset, crate::layer::TABLES, false);
        let start = start.expect("mapped");
        let byte = |low: usize| {
            // SAFETY: mapped just now, and as long.
            unsafe { &*((start + low) as *const AtomicU8) }.load(Ordering::Relaxed)
        };
        let shown = || [39, 40, 5000].map(byte);
        put_in(ROOT, "early", "").expect("room");
        crate::layer::fill_table(ROOT, 0).expect("filled");
        assert_eq!(shown(), [1, 0, 1], "a layer that was there before");
        take_out(ROOT, "early").expect("it is there");
        assert_eq!(shown(), [0, 0, 0]);
        put_in(ROOT, "a", "").expect("room");
        put_in(ROOT, "b", "").expect("room");
        assert_eq!(shown(), [1, 0, 1]);
        take_out(ROOT, "a").expect("it is there");
        assert_eq!(shown(), [1, 0, 1], "another layer wants them");
        // More than a record lists: every call comes, which does no harm.
        let many: Vec<usize> = (2000..2040).collect();
        insert(ROOT, &NewLayer { wants: Some(&many), ..new("many", "") }, None, &mut |_| Ok(()))
            .expect("room");
        assert_eq!((shown(), byte(2039)), ([1, 1, 1], 1));
        take_out(ROOT, "many").expect("it is there");
        assert_eq!((shown(), byte(2039)), ([1, 0, 1], 0));
        let (inner, _) = new_view(ROOT, OWN.session.get()).expect("room");
        insert(inner, &NewLayer { wants: None, ..new("every", "") }, None, &mut |_| Ok(()))
            .expect("room");
        assert_eq!(byte(41), 0, "views above do not see it");
        insert(ROOT, &NewLayer { wants: None, ..new("every", "x=1") }, None, &mut |_| Ok(()))
            .expect("room");
        assert_eq!([byte(41), byte(65535)], [1, 1]);
        take_out(ROOT, "every").expect("it is there");
        take_out(ROOT, "b").expect("it is there");
        assert_eq!([byte(41), byte(65535), byte(39)], [0, 0, 0]);
    });
}
