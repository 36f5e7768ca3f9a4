//! What is full says so, and what is given back is there again.

use super::{CALLER, Memory, OPTIONS, Random, at, listed, planted, shown};
use crate::fs::{Fs, Options, Place, Slot};
use vload_module::Errno;

const CREATE: u32 = (libc::O_CREAT | libc::O_WRONLY) as u32;

fn filled(fs: &Fs<'_>, root: Slot) -> usize {
    let mut files = 0;
    loop {
        let name = format!("/file{files}");
        let Ok(open) = fs.open(at(root, &name), CREATE, 0o644, 1, &CALLER) else { return files };
        let wrote = fs.write(open.slot, &[1; 50_000], Some(0), &CALLER);
        fs.close(1).unwrap();
        files += 1;
        if wrote.is_err_and(|error| error == Errno::NOSPC) {
            return files;
        }
    }
}

#[test]
fn full_of_data() {
    let memory = Memory::new(300);
    let root = planted(&memory);
    let fs = memory.fs();
    let empty = fs.room(at(root, "")).unwrap();
    for round in 0..3 {
        let files = filled(&fs, root);
        assert!(files > 10, "{files}");
        fs.check(&[]);
        assert_eq!(fs.room(at(root, "")).unwrap().free, 0, "round {round}");
        let denied = fs.make_directory(at(root, "/d"), 0o755, &CALLER);
        // There may be room for the name in the directory's own block.
        if denied.is_ok() {
            fs.remove_directory(at(root, "/d"), &CALLER).unwrap();
        }
        for name in listed(&fs, root, "") {
            fs.unlink(at(root, &format!("/{name}")), &CALLER).unwrap();
        }
        fs.check(&[]);
        assert_eq!(fs.room(at(root, "")).unwrap(), empty, "round {round}");
    }
}

#[test]
fn full_of_inodes() {
    let memory = Memory::new(300);
    let root = planted(&memory);
    let fs = memory.fs();
    let make =
        |number: u64| fs.make_node(at(root, &format!("/{number}")), libc::S_IFREG, 0, &CALLER);
    let made = (0..).take_while(|&number| make(number).is_ok()).count();
    assert_eq!(make(1_000_000), Err(Errno::NOSPC));
    assert_eq!(fs.room(at(root, "")).unwrap().files_free, 0);
    assert!(made > 100, "{made}");
    fs.check(&[]);
}

#[test]
fn limits_of_a_tree() {
    let memory = Memory::new(300);
    memory.fs().format().unwrap();
    let fs = memory.fs();
    let root = fs.plant(&Options { blocks: 20, inodes: 5, ..OPTIONS }, &CALLER).unwrap();
    assert_eq!(filled(&fs, root), 3);
    let room = fs.room(at(root, "")).unwrap();
    assert_eq!((room.blocks, room.free, room.files, room.files_free), (20, 0, 5, 1));
    fs.check(&[]);
    let fixed = fs.plant(&Options { is_read_only: true, ..OPTIONS }, &CALLER).unwrap();
    assert_eq!(fs.make_directory(at(fixed, "/a"), 0o755, &CALLER), Err(Errno::ROFS));
}

/// A file without a name stays until it is closed, and so does a whole tree.
#[test]
fn open_files() {
    let memory = Memory::new(300);
    let root = planted(&memory);
    let fs = memory.fs();
    let empty = fs.room(at(root, "")).unwrap();
    let open = fs.open(at(root, "/a"), CREATE, 0o644, 1, &CALLER).unwrap();
    fs.unlink(at(root, "/a"), &CALLER).unwrap();
    fs.write(open.slot, b"still", None, &CALLER).unwrap();
    let mut read = [0; 8];
    assert_eq!(fs.read(open.slot, &mut read, 0, None), Ok(5));
    fs.check(&[open.slot]);
    fs.close(1).unwrap();
    fs.check(&[]);
    assert_eq!(fs.room(at(root, "")), Ok(empty));
    let other = fs.plant(&OPTIONS, &CALLER).unwrap();
    let open = fs.open(at(other, "/a"), CREATE, 0o644, 1, &CALLER).unwrap();
    fs.fell(other).unwrap();
    assert!(fs.stat(at(other, "/a")).is_ok());
    fs.check(&[open.slot]);
    fs.close(1).unwrap();
    fs.check(&[]);
    assert_eq!(fs.room(at(root, "")), Ok(empty));
}

/// Names come and go in a large directory: those that stay are listed once each, whoever goes meanwhile.
#[test]
fn listing_while_names_go() {
    let memory = Memory::new(600);
    let root = planted(&memory);
    let fs = memory.fs();
    let mut random = Random(5);
    for number in 0..1000 {
        let long = "x".repeat(random.below(60) as usize);
        let name = format!("/{number}{long}");
        let made = fs.make_node(at(root, &name), libc::S_IFREG, 0, &CALLER);
        if number >= 290 {
            break;
        }
        made.unwrap();
    }
    fs.check(&[]);
    let all: Vec<String> = listed(&fs, root, "").collect();
    let (mut cookie, mut seen, mut name) = (0, Vec::new(), [0; 256]);
    while let Some(listed) = fs.list(root, cookie, &mut name, None).unwrap() {
        let text = String::from_utf8(name[..listed.length].to_vec()).unwrap();
        if text.starts_with(|first: char| "13579".contains(first)) {
            fs.unlink(at(root, &format!("/{text}")), &CALLER).unwrap();
        }
        seen.push(text);
        cookie = listed.next;
    }
    assert_eq!(seen, all);
    fs.check(&[]);
    let left = shown(&fs, root).len() - 1;
    let kept = all.iter().filter(|name| !name.starts_with(|c: char| "13579".contains(c))).count();
    assert_eq!(left, kept);
}

#[test]
fn data_and_holes() {
    let memory = Memory::new(300);
    let root = planted(&memory);
    let fs = memory.fs();
    let open = fs.open(at(root, "/a"), CREATE, 0o644, 1, &CALLER).unwrap().slot;
    fs.write(open, &[1; 10], Some(1 << 45), &CALLER).unwrap();
    fs.write(open, &[2; 5000], Some(10_000), &CALLER).unwrap();
    let seek = |offset, whence: i32| fs.seek(open, offset, whence as u32);
    assert_eq!(seek(0, libc::SEEK_DATA), Ok(8192));
    assert_eq!(seek(9000, libc::SEEK_DATA), Ok(9000));
    assert_eq!(seek(9000, libc::SEEK_HOLE), Ok(16384));
    assert_eq!(seek(16384, libc::SEEK_DATA), Ok(1 << 45));
    assert_eq!(seek(1 << 45, libc::SEEK_HOLE), Ok((1 << 45) + 10));
    assert_eq!(seek((1 << 45) + 10, libc::SEEK_DATA), Err(Errno::NXIO));
    fs.allocate(open, 3, 8192, 1 << 46, &CALLER).unwrap();
    assert_eq!(seek(0, libc::SEEK_DATA), Err(Errno::NXIO));
    assert_eq!(fs.stat(Place::Inode(open)).unwrap().size, (1 << 45) + 10);
    fs.close(1).unwrap();
    assert_eq!(fs.truncate(at(root, "/a"), u64::MAX >> 1, &CALLER), Ok(()));
    assert_eq!(fs.truncate(at(root, "/a"), u64::MAX, &CALLER), Err(Errno::INVAL));
}

/// What one writes to the end of a file while another is at it too comes behind that, and neither is lost.
#[test]
fn two_at_the_end() {
    for locks in 0..12 {
        let memory = Memory::new(400);
        let root = planted(&memory);
        let fs = memory.fs();
        let slot = fs.open(at(root, "/log"), CREATE, 0o644, 1, &CALLER).unwrap().slot;
        fs.write(slot, &[1; 9000], Some(0), &CALLER).unwrap();
        // What has been cut off is given back in steps of its own.
        fs.map(slot, 0, 9000).unwrap();
        fs.truncate(at(root, "/log"), 10, &CALLER).unwrap();
        fs.close(1).unwrap();
        memory.other.set(Some((locks, root, |fs, root| {
            let slot = fs.slot(at(root, "/log")).unwrap();
            fs.write(slot, &[3; 500], None, &CALLER).unwrap();
        })));
        let (done, end) = fs.write(slot, &[2; 200_000], None, &CALLER).unwrap();
        let was_there = memory.other.take().is_none();
        let others = if was_there { 500 } else { 0 };
        assert_eq!((done, fs.stat(at(root, "/log")).unwrap().size), (200_000, 200_010 + others));
        assert!(end <= 200_010 + others);
        let mut content = vec![0; 200_010 + others as usize];
        fs.read(slot, &mut content, 0, None).unwrap();
        let count = |byte| content.iter().filter(|&&seen| seen == byte).count() as u64;
        assert_eq!((count(2), count(3)), (200_000, others), "after {locks}");
    }
}
