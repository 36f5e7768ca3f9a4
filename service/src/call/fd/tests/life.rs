//! How long a file stays open, and what its copies share.

use std::sync::Barrier;
use std::thread;

use super::world::{World, call};
use crate::descriptor;

fn fork(child: impl FnOnce()) -> libc::pid_t {
    match super::world::fork() {
        0 => {
            child();
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) }
        }
        pid => pid,
    }
}

fn wait(pid: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: the status is the test's.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    status
}

#[test]
fn copies_share_the_position_and_the_last_close_is_told_once() {
    let world = World::new();
    let fd = world.open("/x", libc::O_CREAT | libc::O_RDWR).unwrap() as usize;
    assert_eq!(call("write", &[fd, b"abcdef".as_ptr() as usize, 6]), 6);
    let copy = call("dup", &[fd]) as usize;
    let third = call("fcntl", &[fd, libc::F_DUPFD_CLOEXEC as usize, 100]) as usize;
    assert!(third >= 100);
    assert_eq!(call("lseek", &[copy, 2, 0]), 2);
    assert_eq!(call("lseek", &[fd, 0, 1]), 2);
    let child = fork(|| {
        call("lseek", &[third, 4, 0]);
    });
    wait(child);
    assert_eq!(call("lseek", &[fd, 0, 1]), 4);
    call("close", &[fd]);
    call("close", &[third]);
    assert_eq!(world.counts(), (1, 0));
    let other = world.open("/y", libc::O_CREAT | libc::O_RDWR).unwrap() as usize;
    assert_eq!(call("dup2", &[other, copy]), copy as i64);
    assert_eq!(world.counts(), (1, 1));
    assert_eq!(call("dup2", &[copy, copy]), copy as i64);
    call("close", &[other]);
    assert_eq!(world.counts(), (1, 1));
    call("close_range", &[copy, copy, 0]);
    assert_eq!(world.counts(), (0, 2));
    assert_eq!(call("read", &[copy, 0, 0]), -i64::from(libc::EBADF));
}

#[test]
fn whether_a_write_appends_is_told_for_the_call() {
    let world = World::new();
    let mut content = [0u8; 16];
    let (append, no_append) = (libc::RWF_APPEND as usize, 0x20);
    for (flags, call_flags, left) in [
        (0, append, b"abcdefXY".as_slice()),
        (libc::O_APPEND, 0, b"abcdefXY"),
        (libc::O_APPEND, no_append, b"XYcdef"),
    ] {
        let fd = world.open("/x", libc::O_CREAT | libc::O_TRUNC | libc::O_RDWR).unwrap() as usize;
        assert_eq!(call("write", &[fd, b"abcdef".as_ptr() as usize, 6]), 6);
        call("fcntl", &[fd, libc::F_SETFL as usize, flags as usize]);
        let part = [b"XY".as_ptr() as usize, 2];
        let words = [fd, part.as_ptr() as usize, 1, 0, 0, call_flags];
        assert_eq!(call("pwritev2", &words), 2);
        let got = call("pread64", &[fd, content.as_mut_ptr() as usize, content.len(), 0]);
        assert_eq!(&content[..got as usize], left, "{flags:x} {call_flags:x}");
        call("close", &[fd]);
    }
}

#[test]
fn what_a_call_has_found_is_kept_though_it_was_closed_and_opened_before_it_was_found() {
    let world = World::new();
    let fd = world.open("/x", libc::O_CREAT | libc::O_RDWR).unwrap();
    let mut is_first = true;
    let found = descriptor::pinned(fd, || {
        if std::mem::take(&mut is_first) {
            call("close", &[fd as usize]);
            assert_eq!(world.open("/y", libc::O_CREAT | libc::O_RDWR), Ok(fd));
        }
        descriptor::find(fd)
    });
    let (held, pin) = found.unwrap().unwrap();
    call("close", &[fd as usize]);
    assert_eq!(world.counts(), (1, 1));
    assert!(descriptor::Held::of(held.number, held.generation()).is_some());
    drop(pin);
    assert_eq!(world.counts(), (0, 2));
}

#[test]
fn what_was_being_closed_before_a_call_had_noted_it_is_not_found() {
    let world = World::new();
    let fd = world.open("/x", libc::O_CREAT | libc::O_RDWR).unwrap();
    let (begun, found, over) = (Barrier::new(2), Barrier::new(2), Barrier::new(2));
    thread::scope(|threads| {
        threads.spawn(|| {
            descriptor::closing(fd as u32, fd as u32, || {
                begun.wait();
                found.wait();
                // SAFETY: the test's own.
                unsafe { libc::close(fd) };
            });
            over.wait();
        });
        begun.wait();
        let mut is_first = true;
        let kept = descriptor::pinned(fd, || {
            let held = descriptor::find(fd);
            if std::mem::take(&mut is_first) {
                found.wait();
                over.wait();
            }
            held
        });
        assert!(kept.is_none());
    });
    descriptor::reclaim();
    assert_eq!(world.counts(), (0, 1));
}

#[test]
fn a_file_is_open_while_a_call_on_it_goes_on() {
    let world = World::new();
    let slow = &super::world::SLOW;
    for closes in 0..3 {
        let fd = world.open("/slow", libc::O_CREAT | libc::O_RDWR).unwrap() as usize;
        let other = world.open("/x", libc::O_CREAT | libc::O_RDWR).unwrap() as usize;
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut room = [0u8; 4];
                call("read", &[fd, room.as_mut_ptr() as usize, room.len()])
            });
            slow.0.wait();
            match closes {
                0 => assert_eq!(call("close", &[fd]), 0),
                1 => assert_eq!(call("dup2", &[other, fd]), fd as i64),
                _ => assert_eq!(call("close_range", &[fd, fd, 0]), 0),
            }
            assert_eq!(world.counts(), (2, 2 * closes));
            slow.1.wait();
            assert_eq!(reader.join().unwrap(), 0);
        });
        assert_eq!(world.counts(), (1, 2 * closes + 1));
        if closes == 1 {
            call("close", &[fd]);
        }
        call("close", &[other]);
        assert_eq!(world.counts(), (0, 2 * closes + 2));
    }
}

#[test]
fn a_file_of_a_killed_process_is_closed_by_who_comes_next() {
    let world = World::new();
    let (mut ready, mut blocked) = ([0; 2], [0; 2]);
    // SAFETY: room for two descriptors each.
    unsafe {
        assert_eq!((libc::pipe(ready.as_mut_ptr()), libc::pipe(blocked.as_mut_ptr())), (0, 0))
    };
    let kept = world.open("/kept", libc::O_CREAT | libc::O_RDWR).unwrap() as usize;
    // The module's count of a forked child is the child's own here: what matters is who asks it to close.
    let child = fork(|| {
        for _ in 0..5 {
            world.open("/lost", libc::O_CREAT | libc::O_RDWR).unwrap();
        }
        let mut byte = 0u8;
        // SAFETY: one byte each.
        unsafe {
            libc::write(ready[1], (&raw const byte).cast(), 1);
            libc::read(blocked[0], (&raw mut byte).cast(), 1);
        }
    });
    let mut byte = 0u8;
    // SAFETY: one byte; then the test's child is killed.
    unsafe {
        libc::read(ready[0], (&raw mut byte).cast(), 1);
    }
    assert_eq!(crate::descriptor::users(3, None), 6);
    // SAFETY: the test's own child.
    unsafe { libc::kill(child, libc::SIGKILL) };
    wait(child);
    // The count of the module's in this process goes below what it opened: it has room for that.
    super::world::expect(5);
    assert_eq!(crate::descriptor::users(3, None), 1);
    assert_eq!(world.counts(), (1, 5));
    call("close", &[kept]);
    assert_eq!(world.counts(), (0, 6));
}

#[test]
fn a_descriptor_that_is_sent_is_the_same_file() {
    let world = World::new();
    let fd = world.open("/sent", libc::O_CREAT | libc::O_RDWR).unwrap() as usize;
    call("write", &[fd, b"abc".as_ptr() as usize, 3]);
    let (mut pair, mut byte) = ([0; 2], [0u8; 1]);
    // SAFETY: room for two descriptors.
    unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()) };
    let mut piece = [byte.as_mut_ptr() as usize, 1];
    let mut control = [0usize; 3];
    control[0] = 20;
    control[1] = 1 | 1 << 32;
    control[2] = fd;
    let vector = piece.as_mut_ptr() as usize;
    let mut header = [0, 0, vector, 1, control.as_mut_ptr() as usize, 24, 0usize];
    assert_eq!(call("sendmsg", &[pair[0] as usize, header.as_mut_ptr() as usize, 0]), 1);
    call("close", &[fd]);
    assert_eq!(crate::descriptor::users(3, None), 1, "in flight it is open");
    assert_eq!(world.counts(), (1, 0));
    control = [0; 3];
    assert_eq!(call("recvmsg", &[pair[1] as usize, header.as_mut_ptr() as usize, 0]), 1);
    let got = control[2] as u32 as usize;
    assert_eq!(call("lseek", &[got, 0, 1]), 3);
    call("close", &[got]);
    assert_eq!(world.counts(), (0, 1));
    for fd in pair {
        call("close", &[fd as usize]);
    }
}

#[test]
fn locks_are_between_open_files() {
    let world = World::new();
    let [a, b, other] = ["/locked", "/locked", "/other"]
        .map(|name| world.open(name, libc::O_CREAT | libc::O_RDWR).unwrap() as usize);
    let again = -i64::from(libc::EAGAIN);
    let flock = |fd, how: i32| call("flock", &[fd, how as usize]);
    assert_eq!(flock(a, libc::LOCK_EX), 0);
    assert_eq!(flock(b, libc::LOCK_EX | libc::LOCK_NB), again);
    assert_eq!(flock(other, libc::LOCK_EX | libc::LOCK_NB), 0);
    assert_eq!(flock(a, libc::LOCK_SH), 0);
    assert_eq!(flock(b, libc::LOCK_SH | libc::LOCK_NB), 0);
    assert_eq!(flock(a, 77), -i64::from(libc::EINVAL));
    let range = |fd, command: i32, kind: i32, start: i64, length: i64| {
        let mut lock = libc::flock {
            l_type: kind as i16,
            l_whence: 0,
            l_start: start,
            l_len: length,
            l_pid: 0,
        };
        let result = call("fcntl", &[fd, command as usize, &raw mut lock as usize]);
        (result, lock.l_type as i32, lock.l_start, lock.l_len)
    };
    let set = |fd, kind, start, length| range(fd, libc::F_OFD_SETLK, kind, start, length).0;
    assert_eq!(set(a, libc::F_WRLCK, 10, 10), 0);
    assert_eq!(set(b, libc::F_WRLCK, 19, 1), again);
    assert_eq!(set(b, libc::F_WRLCK, 20, 0), 0);
    assert_eq!(set(other, libc::F_WRLCK, 0, 0), 0);
    assert_eq!(range(b, libc::F_OFD_GETLK, libc::F_RDLCK, 0, 0), (0, libc::F_WRLCK, 10, 10));
    assert_eq!(range(a, libc::F_OFD_GETLK, libc::F_RDLCK, 0, 0), (0, libc::F_WRLCK, 20, 0));
    // A process's own locks do not hinder it, and go with the first descriptor of the file that it closes.
    let own = |fd, kind, start| range(fd, libc::F_SETLK, kind, start, 1).0;
    assert_eq!(own(a, libc::F_WRLCK, 100), 0);
    assert_eq!(own(b, libc::F_WRLCK, 100), 0);
    assert_eq!(own(other, libc::F_WRLCK, 100), 0);
    let taken = |fd: usize| {
        let child = fork(|| {
            let free = own(fd, libc::F_WRLCK, 100) == 0;
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(free)) }
        });
        wait(child) == 0
    };
    assert!(taken(a) && taken(other));
    call("close", &[b]);
    assert!(!taken(a) && taken(other));
    call("close", &[a]);
    call("close", &[other]);
    assert_eq!(world.counts(), (0, 3));
}

#[test]
fn the_table_is_bounded_and_comes_back() {
    let world = World::new();
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is the test's.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    let mut open = std::vec::Vec::new();
    let error = loop {
        match world.open("/many", libc::O_CREAT) {
            Ok(fd) => open.push(fd),
            Err(error) => break error,
        }
    };
    assert!(error == libc::EMFILE || error == libc::ENFILE, "{error}");
    let last = open.pop().unwrap();
    call("close", &[last as usize]);
    open.push(world.open("/many", libc::O_CREAT).unwrap());
    assert_eq!(open.last(), Some(&last));
    for fd in open {
        call("close", &[fd as usize]);
    }
    assert_eq!(world.counts().0, 0);
    assert_eq!(crate::descriptor::users(3, None), 0);
}
