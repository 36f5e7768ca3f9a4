//! The calls on the descriptors of a small module's files, compared with those on a file of the kernel's.

mod killed;
mod life;
mod world;

use std::vec::Vec;

use crate::host::Pages;
use world::{Pair, World, call};

const CUR: usize = 1;
const END: usize = 2;

fn bytes(of: &[u8]) -> [usize; 2] {
    [of.as_ptr() as usize, of.len()]
}

#[test]
fn the_table_of_calls_has_all_that_is_answered() {
    let answered = super::HELD.iter().map(|(name, _)| *name);
    assert!(answered.eq(abi::held::NAMES.iter().copied()));
}

#[test]
fn reading_and_writing_are_as_on_a_file_of_the_kernels() {
    let world = World::new();
    let pair = Pair::new(&world, libc::O_RDWR);
    let mut room = [0u8; 16];
    let [to, length] = [room.as_mut_ptr() as usize, room.len()];
    assert_eq!(pair.alike("write", &bytes(b"hello, world")), 12);
    assert_eq!(pair.alike("read", &[to, length]), 0);
    assert_eq!(pair.alike("lseek", &[0, 0]), 0);
    assert_eq!(pair.alike("read", &[to, 5]), 5);
    assert_eq!(&room[..5], b"hello");
    assert_eq!(pair.alike("pread64", &[to, length, 7]), 5);
    assert_eq!(pair.alike("lseek", &[0, CUR]), 5);
    assert_eq!(pair.alike("pwrite64", &[b"W".as_ptr() as usize, 1, 7]), 1);
    assert_eq!(pair.alike("pwrite64", &[b"end".as_ptr() as usize, 3, 20]), 3);
    pair.alike("lseek", &[0, END]);
    for whence in 0..6 {
        for offset in [0isize, 1, -1, 10, 23, 24, 100, isize::MAX, isize::MIN] {
            // What lies in a hole is the file system's to say.
            if !(whence == 3 || whence == 4) || !(12..20).contains(&offset) {
                pair.alike("lseek", &[offset as usize, whence]);
            }
        }
    }
    for offset in [0usize, 5, 100, usize::MAX, isize::MAX as usize] {
        pair.alike("pread64", &[to, length, offset]);
    }
    for count in [0usize, usize::MAX, isize::MAX as usize + 1] {
        pair.alike("read", &[to, count]);
        pair.alike("write", &[to, count]);
        pair.alike("pwrite64", &[to, count, 3]);
    }
    for whence in [0, CUR, END] {
        pair.alike("lseek", &[0, whence]);
    }
    assert_eq!(&world.content("/pair")[..12], b"hello, World");
    assert_eq!(&world.content("/pair")[12..], b"\0\0\0\0\0\0\0\0end");
}

#[test]
fn vectors_are_as_on_a_file_of_the_kernels() {
    let world = World::new();
    let pair = Pair::new(&world, libc::O_RDWR);
    let mut pieces: Vec<[usize; 2]> = [&b"one "[..], b"", b"two ", b"three"].map(bytes).into();
    let all = |pieces: &[[usize; 2]]| [pieces.as_ptr() as usize, pieces.len()];
    assert_eq!(pair.alike("writev", &all(&pieces)), 13);
    assert_eq!(pair.alike("pwritev", &[&all(&pieces)[..], &[2, 0]].concat()), 13);
    for (offset, flags) in [(0, 0), (usize::MAX, 0), (3, 0x10), (5, 1 << 20), (0, 0x30), (1, 2)] {
        pair.alike("pwritev2", &[&all(&pieces)[..], &[offset, 0, flags]].concat());
        pair.alike("lseek", &[0, CUR]);
    }
    let mut rooms = [[0u8; 5]; 20];
    let rooms: Vec<[usize; 2]> =
        rooms.iter_mut().map(|room| [room.as_mut_ptr() as usize, room.len()]).collect();
    pair.alike("lseek", &[0, 0]);
    pair.alike("readv", &all(&rooms));
    for offset in [0, 4, usize::MAX] {
        pair.alike("preadv", &[&all(&rooms)[..], &[offset, 0]].concat());
        pair.alike("preadv2", &[&all(&rooms)[..], &[offset, 0, 0]].concat());
        pair.alike("lseek", &[0, CUR]);
    }
    for count in [0, 1024, 1025, usize::MAX] {
        pair.alike("readv", &[0, count]);
        pair.alike("writev", &[8, count]);
    }
    pieces.push([0, usize::MAX]);
    pair.alike("writev", &all(&pieces));
    pieces.pop();
    pieces.push([0, isize::MAX as usize]);
    pair.alike("writev", &all(&pieces));
    pieces.pop();
    pieces.push([8, 8]);
    pair.alike("writev", &all(&pieces));
    pair.alike("lseek", &[0, CUR]);
    pair.alike("lseek", &[0, END]);
}

#[test]
fn memory_that_is_not_there_is_as_on_a_file_of_the_kernels() {
    let world = World::new();
    let pair = Pair::new(&world, libc::O_RDWR);
    let pages = Pages::two_of_which_one_is_there();
    let at = pages.address() + 4096 - 10;
    for _ in 0..2 {
        pair.alike("write", &[at, 20]);
        pair.alike("write", &[pages.address() + 4096, 20]);
        pair.alike("write", &[pages.address(), 8192]);
        pair.alike("write", &[8, 20]);
        pair.alike("lseek", &[0, CUR]);
        pair.alike("lseek", &[0, 0]);
        pair.alike("read", &[at, 20]);
        pair.alike("read", &[pages.address() + 4096, 20]);
        pair.alike("lseek", &[0, CUR]);
        pair.alike("lseek", &[100_000, 0]);
        pair.alike("read", &[pages.address() + 4096, 20]);
    }
    pair.alike("lseek", &[0, END]);
    pair.alike("fstat", &[pages.address() + 4096]);
}

#[test]
fn much_data_goes_through_in_pieces() {
    let world = World::new();
    let pair = Pair::new(&world, libc::O_RDWR);
    let long: Vec<u8> = (0..300_001u32).map(|at| ((at * 7) >> 3) as u8).collect();
    assert_eq!(pair.alike("write", &bytes(&long)), 300_001);
    assert_eq!(world.content("/pair"), long);
    pair.alike("lseek", &[0, 0]);
    let mut back = std::vec![0u8; 400_000];
    assert_eq!(pair.alike("read", &[back.as_mut_ptr() as usize, back.len()]), 300_001);
    assert_eq!(&back[..long.len()], &long[..]);
}

#[test]
fn what_a_descriptor_may_is_as_on_a_file_of_the_kernels() {
    let world = World::new();
    let room = [0u8; 200];
    for flags in [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR, libc::O_RDWR | libc::O_APPEND] {
        let pair = Pair::new(&world, flags);
        let [at, length] = bytes(&room);
        for name in ["read", "write", "pread64", "pwrite64"] {
            pair.alike(name, &[at, length, 0]);
        }
        for name in ["readv", "writev"] {
            pair.alike(name, &[0, 0]);
        }
        pair.alike("lseek", &[0, CUR]);
        for size in [0usize, 10, 5000, usize::MAX] {
            pair.alike("ftruncate", &[size]);
            pair.alike("lseek", &[0, END]);
        }
        pair.alike("fcntl", &[libc::F_GETFL as usize]);
        pair.alike("fcntl", &[libc::F_SETFL as usize, libc::O_APPEND as usize | 3]);
        pair.alike("fcntl", &[libc::F_GETFL as usize]);
        pair.alike("write", &bytes(b"abc"));
        pair.alike("lseek", &[0, CUR]);
        pair.alike("fcntl", &[libc::F_GETFD as usize]);
        // Those that a file system may have are the module's to refuse.
        for mode in [2usize, 9, 0x12, 0x21] {
            pair.alike("fallocate", &[mode, 0, 4096]);
        }
        for [offset, length] in [[0, 0], [usize::MAX, 1], [0, usize::MAX], [1 << 62, 1 << 62]] {
            pair.alike("fallocate", &[0, offset, length]);
        }
        for name in ["fsync", "fdatasync"] {
            pair.alike(name, &[]);
        }
        pair.alike("getdents64", &[at, length]);
        pair.alike("ioctl", &[0x5401, at]);
        pair.alike("ioctl", &[0x541b, at]);
        pair.alike("ioctl", &[0x541b, 8]);
        for advice in [0, 5, 6] {
            pair.alike("fadvise64", &[0, 0, advice]);
        }
        pair.alike("listen", &[1]);
        pair.alike("mmap", &[]);
    }
}

#[test]
fn a_directory_is_listed_in_any_pieces() {
    let world = World::new();
    for name in ["/a", "/bb", "/a-long-name-that-takes-more"] {
        call("close", &[world.open(name, libc::O_CREAT).unwrap() as usize]);
    }
    let fd = world.open("", libc::O_DIRECTORY).unwrap() as usize;
    let all = |room: usize| {
        let mut names: Vec<(Vec<u8>, i64)> = Vec::new();
        let mut bytes = std::vec![0u8; room];
        loop {
            let length = call("getdents64", &[fd, bytes.as_mut_ptr() as usize, room]);
            assert!(length >= 0, "{length}");
            if length == 0 {
                return names;
            }
            let mut at = 0;
            while at < length as usize {
                let record = u16::from_ne_bytes([bytes[at + 16], bytes[at + 17]]);
                let next = i64::from_ne_bytes(bytes[at + 8..at + 16].try_into().unwrap());
                let name = bytes[at + 19..at + usize::from(record)].split(|&byte| byte == 0);
                names.push((name.into_iter().next().unwrap().to_vec(), next));
                at += usize::from(record);
            }
        }
    };
    let names = all(4096);
    let only: Vec<&[u8]> = names.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(only, [&b"."[..], b"..", b"a", b"a-long-name-that-takes-more", b"bb"]);
    assert_eq!(call("lseek", &[fd, 0, 0]), 0);
    assert_eq!(all(48), names);
    assert_eq!(call("lseek", &[fd, names[2].1 as usize, 0]), names[2].1);
    assert_eq!(all(4096), names[3..]);
    call("lseek", &[fd, 0, 0]);
    let mut short = [0u8; 23];
    let at = short.as_mut_ptr() as usize;
    assert_eq!(call("getdents64", &[fd, at, 23]), -i64::from(libc::EINVAL));
    assert_eq!(call("read", &[fd, at, 23]), -i64::from(libc::EISDIR));
    call("close", &[fd]);
}

#[test]
fn data_goes_from_one_to_another() {
    let world = World::new();
    let long: Vec<u8> = (0..100_000u32).map(|at| (at >> 2) as u8).collect();
    let from = world.open("/from", libc::O_CREAT | libc::O_RDWR).unwrap() as usize;
    let to = world.open("/to", libc::O_CREAT | libc::O_RDWR).unwrap() as usize;
    // SAFETY: the name ends with a zero.
    let real = unsafe { libc::memfd_create(c"x".as_ptr(), 0) } as usize;
    let [at, length] = bytes(&long);
    assert_eq!(call("write", &[from, at, length]), 100_000);
    let mut offset = 10u64;
    let offset_at = &raw mut offset as usize;
    assert_eq!(call("sendfile", &[real, from, offset_at, 1 << 20]), 99_990);
    assert_eq!(offset, 100_000);
    assert_eq!(call("lseek", &[real, 0, 0]), 0);
    assert_eq!(call("sendfile", &[to, real, 0, 50_000]), 50_000);
    assert_eq!(call("lseek", &[real, 0, CUR]), 50_000);
    assert_eq!(call("lseek", &[to, 0, CUR]), 50_000);
    assert_eq!(world.content("/to"), long[10..50_010]);
    (offset, ..) = (7, ());
    assert_eq!(call("copy_file_range", &[from, offset_at, to, 0, 80_000, 0]), 80_000);
    assert_eq!(offset, 80_007);
    assert_eq!(&world.content("/to")[50_000..], &long[7..80_007]);
    assert_eq!(call("copy_file_range", &[from, 0, real, 0, 1, 0]), -i64::from(libc::EXDEV));
    let itself = [from, offset_at, from, offset_at, 10, 0];
    assert_eq!(call("copy_file_range", &itself), -i64::from(libc::EINVAL));
    assert_eq!(call("splice", &[from, 0, real, 0, 1, 0]), -i64::from(libc::EINVAL));
    assert_eq!(call("splice", &[from, 0, to, 0, 1, 0]), -i64::from(libc::EINVAL));
    for fd in [from, to, real] {
        call("close", &[fd]);
    }
}

#[test]
fn data_goes_through_pipes() {
    let world = World::new();
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    let [output, input] = ends.map(|fd| fd as usize);
    let fd = world.open("/file", libc::O_CREAT | libc::O_RDWR).unwrap() as usize;
    let long: Vec<u8> = (0..200_000u32).map(|at| (at >> 3) as u8).collect();
    let [at, length] = bytes(&long);
    assert_eq!(call("write", &[fd, at, length]), 200_000);
    assert_eq!(call("splice", &[fd, 0, input, 0, 10, 0]), 0, "at the end");
    let mut offset = 7u64;
    let offset_at = &raw mut offset as usize;
    // What fits into the pipe, and no more, so that it does not wait for ever.
    let moved = call("splice", &[fd, offset_at, input, 0, 150_000, 0]);
    assert!((4096..=65_536).contains(&moved), "{moved}");
    assert_eq!(offset, 7 + moved as u64);
    assert_eq!(call("splice", &[fd, 0, input, 0, 10, 2]), -i64::from(libc::EAGAIN));
    let mut back = std::vec![0u8; moved as usize];
    assert_eq!(call("read", &[output, back.as_mut_ptr() as usize, back.len()]), moved);
    assert_eq!(back, long[7..7 + back.len()]);
    call("write", &[input, b"into".as_ptr() as usize, 4]);
    offset = 3;
    assert_eq!(call("splice", &[output, 0, fd, offset_at, 100, 0]), 4);
    assert_eq!((offset, &world.content("/file")[3..7]), (7, &b"into"[..]));
    assert_eq!(call("splice", &[output, 0, fd, offset_at, 100, 2]), -i64::from(libc::EAGAIN));
    assert_eq!(call("splice", &[output, offset_at, fd, 0, 1, 0]), -i64::from(libc::ESPIPE));
    for fd in [fd, output, input] {
        call("close", &[fd]);
    }
}

#[test]
fn a_private_mapping_is_the_files_content() {
    let world = World::new();
    let long: Vec<u8> = (0..10_000u32).map(|at| (at % 251) as u8).collect();
    let fd = world.open("/mapped", libc::O_CREAT | libc::O_RDWR).unwrap() as usize;
    let [at, length] = bytes(&long);
    call("write", &[fd, at, length]);
    let (private, shared) = (libc::MAP_PRIVATE as usize, libc::MAP_SHARED as usize);
    let mapped = call("mmap", &[0, 12_288, 3, private, fd, 4096]);
    assert!(mapped > 0, "{mapped}");
    // SAFETY: mapped just now, and the file's last page is there.
    let there = unsafe { core::slice::from_raw_parts_mut(mapped as *mut u8, 8192) };
    assert_eq!(&there[..5904], &long[4096..]);
    assert!(there[5904..].iter().all(|&byte| byte == 0));
    there[0] ^= 1;
    assert_eq!(world.content("/mapped"), long);
    call("munmap", &[mapped as usize, 12_288]);
    let error = |arguments: &[usize]| -call("mmap", arguments) as i32;
    assert_eq!(error(&[0, 4096, 3, shared, fd, 0]), libc::ENODEV);
    let to_read = call("mmap", &[0, 4096, 1, shared, fd, 0]);
    // SAFETY: mapped just now.
    assert_eq!(unsafe { core::slice::from_raw_parts(to_read as *const u8, 4096) }, &long[..4096]);
    assert_eq!(call("mprotect", &[to_read as usize, 4096, 3]), -i64::from(libc::EACCES));
    call("munmap", &[to_read as usize, 4096]);
    assert_eq!(error(&[0, 4096, 3, private, fd, 1]), libc::EINVAL);
    assert_eq!(error(&[0, 0, 3, private, fd, 0]), libc::EINVAL);
    call("close", &[fd]);
}
