//! A process dies before each change of each operation: the file system is as before it, or as after.

use super::{CALLER, Killed, Memory, OPTIONS, at, planted, shown};
use crate::fs::{Fs, Slot};
use std::panic::{AssertUnwindSafe, catch_unwind};

const CREATE: u32 = (libc::O_CREAT | libc::O_WRONLY) as u32;

/// How an operation may end for others.
#[derive(PartialEq)]
enum Seen {
    /// All of it or nothing.
    Whole,
    /// A part of it.
    Parts,
}

fn file(fs: &Fs<'_>, root: Slot, path: &str, bytes: &[u8]) {
    let open = fs.open(at(root, path), CREATE, 0o644, 1, &CALLER).unwrap();
    assert_eq!(fs.write(open.slot, bytes, Some(0), &CALLER), Ok((bytes.len(), bytes.len() as u64)));
    fs.close(1).unwrap();
}

/// Does `act` with a death at each step in turn. The open files that are left are `opens`, if it dies in one.
fn walk(seen: Seen, prepare: impl Fn(&Fs<'_>, Slot), act: impl Fn(&Fs<'_>, Slot)) -> usize {
    let memory = Memory::new(400);
    let root = planted(&memory);
    prepare(&memory.fs(), root);
    memory.fs().check(&[]);
    let image = memory.image();
    let before = shown(&memory.fs(), root);
    act(&memory.fs(), root);
    let after = shown(&memory.fs(), root);
    memory.fs().check(&[]);
    for steps in 0.. {
        memory.restore(&image);
        memory.left.set(Some(steps));
        let end = catch_unwind(AssertUnwindSafe(|| act(&memory.fs(), root)));
        memory.left.set(None);
        match end {
            Ok(()) => {
                assert!(memory.most.get() <= 128, "{} words in one step", memory.most.get());
                return steps;
            }
            Err(cause) if cause.is::<Killed>() => memory.is_held.set(false),
            Err(cause) => std::panic::resume_unwind(cause),
        }
        // Takes the lock, which undoes what was half done.
        memory.fs().is_open(root).unwrap();
        memory.fs().check(&[]);
        let now = shown(&memory.fs(), root);
        assert!(seen == Seen::Parts || now == before || now == after, "after {steps}: {now:?}");
    }
    unreachable!("the steps end");
}

/// A tree with a bit of everything.
fn some(fs: &Fs<'_>, root: Slot) {
    fs.make_directory(at(root, "/a"), 0o755, &CALLER).unwrap();
    fs.make_directory(at(root, "/a/b"), 0o755, &CALLER).unwrap();
    fs.make_directory(at(root, "/c"), 0o755, &CALLER).unwrap();
    file(fs, root, "/a/file", &[1; 9000]);
    file(fs, root, "/c/other", &[2; 100]);
    fs.make_link(at(root, "/a/link"), b"../c/other", &CALLER).unwrap();
    fs.link(at(root, "/a/file"), at(root, "/c/second"), &CALLER).unwrap();
}

/// More names than a block holds.
fn many(fs: &Fs<'_>, root: Slot) {
    for number in 0..130 {
        fs.make_node(at(root, &format!("/name{number}")), libc::S_IFREG, 0, &CALLER).unwrap();
    }
}

#[test]
fn names() {
    let whole = |act: fn(&Fs<'_>, Slot)| walk(Seen::Whole, some, act);
    let steps = whole(|fs, root| fs.make_directory(at(root, "/a/new"), 0o700, &CALLER).unwrap());
    assert!(steps > 10, "{steps}");
    whole(|fs, root| fs.make_node(at(root, "/c/pipe"), libc::S_IFIFO, 0, &CALLER).unwrap());
    whole(|fs, root| fs.make_link(at(root, "/c/way"), b"to somewhere", &CALLER).unwrap());
    whole(|fs, root| fs.link(at(root, "/c/other"), at(root, "/a/b/more"), &CALLER).unwrap());
    whole(|fs, root| fs.unlink(at(root, "/a/file"), &CALLER).unwrap());
    whole(|fs, root| fs.unlink(at(root, "/c/other"), &CALLER).unwrap());
    whole(|fs, root| fs.unlink(at(root, "/a/link"), &CALLER).unwrap());
    whole(|fs, root| fs.remove_directory(at(root, "/a/b"), &CALLER).unwrap());
}

#[test]
fn renames() {
    let rename = |from: &'static str, to: &'static str, flags: u32| {
        walk(Seen::Whole, some, move |fs, root| {
            fs.rename(at(root, from), at(root, to), flags, &CALLER).unwrap();
        })
    };
    rename("/a/file", "/c/new", 0);
    rename("/c/other", "/a/file", 0);
    rename("/a", "/c/moved", 0);
    rename("/a/b", "/d", libc::RENAME_NOREPLACE);
    rename("/a", "/c/other", libc::RENAME_EXCHANGE);
    rename("/a/b", "/c/second", libc::RENAME_EXCHANGE);
    rename("/a/file", "/c/new", libc::RENAME_WHITEOUT);
    rename("/c/other", "/a/file", libc::RENAME_WHITEOUT);
    walk(Seen::Whole, some, |fs, root| {
        fs.rename(at(root, "/a/b"), at(root, "/a/b"), 0, &CALLER).unwrap();
    });
}

#[test]
fn large_directories() {
    let grow = |number: usize| {
        move |fs: &Fs<'_>, root: Slot| {
            for number in 0..number {
                let name = format!("/name{number}");
                fs.make_node(at(root, &name), libc::S_IFREG, 0, &CALLER).unwrap();
            }
        }
    };
    // The second block comes somewhere in here, with the table.
    walk(Seen::Parts, grow(124), |fs, root| {
        for number in 124..130 {
            let name = format!("/name{number}");
            if fs.stat(at(root, &name)).is_err() {
                fs.make_node(at(root, &name), libc::S_IFREG, 0, &CALLER).unwrap();
            }
        }
    });
    walk(Seen::Whole, many, |fs, root| fs.unlink(at(root, "/name0"), &CALLER).unwrap());
    walk(Seen::Whole, many, |fs, root| fs.unlink(at(root, "/name128"), &CALLER).unwrap());
    walk(Seen::Parts, many, |fs, root| {
        for number in 120..130 {
            let name = format!("/name{number}");
            // After a death some are gone.
            let _ = fs.unlink(at(root, &name), &CALLER);
        }
    });
}

#[test]
fn content() {
    let write = |offset: u64, length: usize| {
        walk(Seen::Parts, some, move |fs, root| {
            let bytes = vec![3; length];
            let slot = fs.slot(at(root, "/a/file")).unwrap();
            fs.write(slot, &bytes, Some(offset), &CALLER).unwrap();
        })
    };
    write(0, 100);
    write(8000, 5000);
    write(100_000, 200_000);
    write(1 << 40, 10);
    walk(Seen::Whole, some, |fs, root| fs.truncate(at(root, "/a/file"), 3, &CALLER).unwrap());
    walk(Seen::Whole, some, |fs, root| fs.truncate(at(root, "/a/file"), 1 << 50, &CALLER).unwrap());
    walk(Seen::Parts, some, |fs, root| {
        let slot = fs.slot(at(root, "/a/file")).unwrap();
        fs.allocate(slot, 0, 4096, 300_000, &CALLER).unwrap();
        fs.allocate(slot, 3, 5000, 200_000, &CALLER).unwrap();
        fs.truncate(at(root, "/a/file"), 40_000, &CALLER).unwrap();
        fs.truncate(at(root, "/a/file"), 50_000, &CALLER).unwrap();
    });
    walk(Seen::Whole, some, |fs, root| {
        fs.set_attribute(at(root, "/a/file"), b"user.a", b"value", 0, &CALLER).unwrap();
    });
}

/// A map's block that was given back is taken for bytes: to who dies then it is a free one, whatever is in it.
#[test]
fn blocks_of_maps() {
    let write = |fs: &Fs<'_>, root| {
        let slot = fs.slot(at(root, "/c/other")).unwrap();
        fs.write(slot, &[3; 60_000], Some(0), &CALLER).unwrap();
    };
    let given_back = |fs: &Fs<'_>, root| {
        some(fs, root);
        for number in 0..6 {
            file(fs, root, &format!("/a/{number}"), &vec![1; 9000 * number]);
        }
        for number in 0..6 {
            fs.unlink(at(root, &format!("/a/{number}")), &CALLER).unwrap();
        }
    };
    walk(Seen::Parts, given_back, write);
    // What was cut off a file that programs had is given back by who makes it longer.
    let cut_off = |fs: &Fs<'_>, root| {
        some(fs, root);
        let place = at(root, "/c/other");
        let slot = fs.open(place, CREATE, 0o600, 1, &CALLER).unwrap().slot;
        fs.write(slot, &[1; 50_000], Some(0), &CALLER).unwrap();
        fs.map(slot, 0, 100).unwrap();
        fs.truncate(place, 100, &CALLER).unwrap();
        fs.close(1).unwrap();
    };
    walk(Seen::Parts, cut_off, write);
}

/// A file that its process died with, while it was opened or closed, is closed by its number.
#[test]
fn open_files() {
    for path in ["/a/file", "/c/made", "/c/other"] {
        let memory = Memory::new(400);
        let root = planted(&memory);
        let fs = memory.fs();
        some(&fs, root);
        let image = memory.image();
        for steps in 0.. {
            memory.restore(&image);
            memory.left.set(Some(steps));
            let end = catch_unwind(AssertUnwindSafe(|| {
                let flags = CREATE | libc::O_TRUNC as u32;
                fs.open(at(root, path), flags, 0o600, 1, &CALLER).unwrap();
                fs.unlink(at(root, path), &CALLER).unwrap();
                fs.close(1).unwrap();
            }));
            memory.left.set(None);
            memory.is_held.set(false);
            // Twice: it may be the one who closes it that dies.
            fs.close(1).unwrap();
            fs.close(1).unwrap();
            fs.check(&[]);
            match end {
                Ok(()) => break,
                Err(cause) => assert!(cause.is::<Killed>()),
            }
        }
    }
}

/// A file whose blocks programs have keeps them, and gives them back when it is closed, whoever does it.
#[test]
fn mapped_files() {
    let memory = Memory::new(400);
    let root = planted(&memory);
    let fs = memory.fs();
    some(&fs, root);
    let image = memory.image();
    for steps in 0.. {
        memory.restore(&image);
        memory.left.set(Some(steps));
        let end = catch_unwind(AssertUnwindSafe(|| {
            let place = at(root, "/a/file");
            let slot = fs.open(place, CREATE, 0o600, 1, &CALLER).unwrap().slot;
            fs.truncate(place, 100_000, &CALLER).unwrap();
            let mut blocks = 0;
            while blocks < 25 {
                blocks += fs.map(slot, blocks * 4096, 1 << 20).unwrap().blocks;
            }
            fs.truncate(place, 5000, &CALLER).unwrap();
            fs.truncate(place, 50_000, &CALLER).unwrap();
            fs.truncate(place, 10, &CALLER).unwrap();
            fs.close(1).unwrap();
        }));
        memory.left.set(None);
        memory.is_held.set(false);
        // Twice: it may be the one who closes it that dies.
        fs.close(1).unwrap();
        fs.close(1).unwrap();
        fs.check(&[]);
        match end {
            Ok(()) => {
                assert_eq!(fs.stat(at(root, "/a/file")).unwrap().blocks, 16, "a block, and a map");
                return;
            }
            Err(cause) => assert!(cause.is::<Killed>()),
        }
    }
}

/// A file goes while what was cut off it is given back.
#[test]
fn gone_meanwhile() {
    for locks in 0..8 {
        let memory = Memory::new(400);
        let root = planted(&memory);
        let fs = memory.fs();
        file(&fs, root, "/file", &[1; 200_000]);
        memory.other.set(Some((locks, root, |fs, root| {
            fs.unlink(at(root, "/file"), &CALLER).unwrap();
        })));
        let cut = fs.truncate(at(root, "/file"), 10, &CALLER);
        memory.other.set(None);
        assert!(cut.is_ok() || locks == 0, "{cut:?}");
        fs.check(&[]);
    }
}

/// Who dies while a tree is given back leaves the rest to whoever makes the next.
#[test]
fn trees() {
    let memory = Memory::new(400);
    let first = planted(&memory);
    let fs = memory.fs();
    let empty = fs.room(at(first, "")).unwrap();
    let root = fs.plant(&OPTIONS, &CALLER).unwrap();
    some(&fs, root);
    many(&fs, root);
    let image = memory.image();
    for steps in 0.. {
        memory.restore(&image);
        memory.left.set(Some(steps));
        let end = catch_unwind(AssertUnwindSafe(|| memory.fs().fell(root)));
        memory.left.set(None);
        match &end {
            Ok(result) => result.unwrap(),
            Err(cause) => assert!(cause.is::<Killed>()),
        }
        memory.is_held.set(false);
        let again = fs.plant(&OPTIONS, &CALLER).unwrap();
        fs.check(&[]);
        fs.fell(again).unwrap();
        if steps > 2 * 64 {
            assert_eq!(fs.room(at(first, "")), Ok(empty), "after {steps}");
        }
        if end.is_ok() {
            return;
        }
    }
}
