//! Files whose blocks are the memory of programs.

use super::{CALLER, Memory, at, planted};
use crate::fs::{Fs, Piece, Slot};

const CREATE: u32 = (libc::O_CREAT | libc::O_RDWR) as u32;

/// What a program does with its memory.
fn store(memory: &Memory, piece: Piece, from: usize, bytes: &[u8]) {
    let start = piece.block as usize * 4096 + from;
    for (at, &byte) in (start..).zip(bytes) {
        let word = &memory.words[at / 8];
        let shift = at % 8 * 8;
        word.set(word.get() & !(0xff << shift) | u64::from(byte) << shift);
    }
}

fn load(memory: &Memory, piece: Piece, at: usize) -> u8 {
    let at = piece.block as usize * 4096 + at;
    memory.words[at / 8].get().to_le_bytes()[at % 8]
}

fn content(fs: &Fs<'_>, slot: Slot) -> Vec<u8> {
    let mut all = vec![0; 100_000];
    let length = fs.read(slot, &mut all, 0, None).unwrap();
    all.truncate(length);
    all
}

fn free(fs: &Fs<'_>, root: Slot) -> u64 {
    fs.room(at(root, "")).unwrap().free
}

#[test]
fn a_piece_is_the_file() {
    let memory = Memory::new(400);
    let (root, fs) = (planted(&memory), memory.fs());
    let slot = fs.open(at(root, "/file"), CREATE, 0o644, 1, &CALLER).unwrap().slot;
    fs.write(slot, &[7; 5000], Some(0), &CALLER).unwrap();
    let piece = fs.map(slot, 0, 1 << 20).unwrap();
    assert_eq!(piece.blocks, 1, "a block of the map lies between the first and the second");
    let second = fs.map(slot, 4096, 1 << 20).unwrap();
    assert_eq!(second.blocks, 1);
    assert_eq!(fs.map(slot, 8192, 1 << 20).unwrap().blocks, 0);
    store(&memory, piece, 10, b"stored");
    assert_eq!(&content(&fs, slot)[9..17], b"\x07stored\x07");
    fs.write(slot, b"written", Some(4096), &CALLER).unwrap();
    assert_eq!(load(&memory, second, 6), b'n');
    fs.check(&[slot]);
}

#[test]
fn a_hole_is_filled_and_what_cannot_be_is_refused() {
    let memory = Memory::new(400);
    let (root, fs) = (planted(&memory), memory.fs());
    let slot = fs.open(at(root, "/file"), CREATE, 0o644, 1, &CALLER).unwrap().slot;
    fs.truncate(at(root, "/file"), 40 * 4096, &CALLER).unwrap();
    let mut blocks = 0;
    while blocks < 40 {
        let piece = fs.map(slot, blocks * 4096, 1 << 20).unwrap();
        assert_ne!(piece.blocks, 0);
        blocks += piece.blocks;
    }
    fs.check(&[slot]);
    assert_eq!(content(&fs, slot)[..], vec![0; 100_000][..]);
    fs.truncate(at(root, "/file"), 4000 * 4096, &CALLER).unwrap();
    let mut end = 40;
    let refused = loop {
        match fs.map(slot, end * 4096, 1 << 30) {
            Ok(piece) => end += piece.blocks,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, vload_module::Errno::NOSPC);
    assert!(end > 100, "{end}");
    fs.check(&[slot]);
}

#[test]
fn what_is_cut_off_stays_the_files_and_is_zero() {
    let memory = Memory::new(400);
    let (root, fs) = (planted(&memory), memory.fs());
    let empty = free(&fs, root);
    let slot = fs.open(at(root, "/file"), CREATE, 0o644, 1, &CALLER).unwrap().slot;
    fs.write(slot, &[7; 30_000], Some(0), &CALLER).unwrap();
    let last = fs.map(slot, 7 * 4096, 4096).unwrap();
    let full = free(&fs, root);
    for cut in [29_000, 100, 0] {
        fs.truncate(at(root, "/file"), cut, &CALLER).unwrap();
        assert_eq!(free(&fs, root), full);
        fs.check(&[slot]);
    }
    assert_eq!(load(&memory, last, 0), 0);
    // A program that has not heard of it.
    store(&memory, last, 0, b"late");
    fs.truncate(at(root, "/file"), 30_000, &CALLER).unwrap();
    assert_eq!(content(&fs, slot), vec![0; 30_000]);
    store(&memory, last, 0, b"in time");
    assert_eq!(&content(&fs, slot)[7 * 4096..][..8], b"in time\0");
    // Behind the end, and then written over from further on.
    fs.truncate(at(root, "/file"), 10, &CALLER).unwrap();
    store(&memory, last, 0, b"late");
    fs.write(slot, b"far", Some(29_000), &CALLER).unwrap();
    let mut expected = vec![0; 29_000];
    expected.extend(b"far");
    expected[..10].fill(0);
    assert_eq!(content(&fs, slot), expected);
    let punch = (libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE) as u32;
    fs.allocate(slot, punch, 0, 29_002, &CALLER).unwrap();
    assert_eq!(free(&fs, root), full);
    assert_eq!(content(&fs, slot)[28_999..], *b"\0\0\0r");
    // Not in use by any other file, until it is closed.
    fs.truncate(at(root, "/file"), 0, &CALLER).unwrap();
    fs.close(1).unwrap();
    fs.check(&[]);
    assert_eq!(free(&fs, root), empty - 1, "but for the root's own");
}

#[test]
fn an_unlinked_file_keeps_its_blocks_until_it_is_closed() {
    let memory = Memory::new(400);
    let (root, fs) = (planted(&memory), memory.fs());
    let slot = fs.open(at(root, "/file"), CREATE, 0o644, 1, &CALLER).unwrap().slot;
    fs.write(slot, &[7; 9000], Some(0), &CALLER).unwrap();
    let before = free(&fs, root);
    let piece = fs.map(slot, 0, 4096).unwrap();
    fs.unlink(at(root, "/file"), &CALLER).unwrap();
    let other = fs.open(at(root, "/other"), CREATE, 0o644, 2, &CALLER).unwrap().slot;
    fs.write(other, &[1; 9000], Some(0), &CALLER).unwrap();
    assert_eq!(load(&memory, piece, 0), 7);
    fs.close(2).unwrap();
    fs.unlink(at(root, "/other"), &CALLER).unwrap();
    fs.close(1).unwrap();
    fs.check(&[]);
    assert!(free(&fs, root) > before);
}

#[test]
fn the_rest_of_the_last_page_is_zero() {
    let memory = Memory::new(400);
    let (root, fs) = (planted(&memory), memory.fs());
    let slot = fs.open(at(root, "/file"), CREATE, 0o644, 1, &CALLER).unwrap().slot;
    fs.write(slot, &[7; 4096], Some(0), &CALLER).unwrap();
    let piece = fs.map(slot, 0, 4096).unwrap();
    fs.truncate(at(root, "/file"), 10, &CALLER).unwrap();
    assert_eq!([9, 10, 4095].map(|at| load(&memory, piece, at)), [7, 0, 0]);
    store(&memory, piece, 10, b"late");
    fs.truncate(at(root, "/file"), 4096, &CALLER).unwrap();
    assert_eq!([9, 10].map(|at| load(&memory, piece, at)), [7, 0]);
    store(&memory, piece, 0, b"all");
    let emptied = CREATE | libc::O_TRUNC as u32;
    fs.open(at(root, "/file"), emptied, 0, 2, &CALLER).unwrap();
    assert_eq!(load(&memory, piece, 0), 0);
}

#[test]
fn what_takes_many_steps_is_zero_in_the_end() {
    const BLOCKS: usize = 200;
    let memory = Memory::new(400);
    let (root, fs) = (planted(&memory), memory.fs());
    let slot = fs.open(at(root, "/file"), CREATE, 0o644, 1, &CALLER).unwrap().slot;
    fs.write(slot, &vec![7; BLOCKS * 4096], Some(0), &CALLER).unwrap();
    let last = fs.map(slot, (BLOCKS as u64 - 1) * 4096, 4096).unwrap();
    let is_zero = |fs: &Fs<'_>, from: u64| {
        let mut all = vec![1; BLOCKS * 4096];
        let length = fs.read(slot, &mut all, from, None).unwrap();
        all[..length].iter().all(|&byte| byte == 0)
    };
    fs.truncate(at(root, "/file"), 100, &CALLER).unwrap();
    assert_eq!(load(&memory, last, 0), 0);
    store(&memory, last, 0, b"late");
    fs.write(slot, b"end", Some(BLOCKS as u64 * 4096), &CALLER).unwrap();
    fs.truncate(at(root, "/file"), BLOCKS as u64 * 4096, &CALLER).unwrap();
    assert!(is_zero(&fs, 100));
    fs.write(slot, &vec![7; BLOCKS * 4096], Some(0), &CALLER).unwrap();
    let punch = (libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE) as u32;
    fs.allocate(slot, punch, 0, BLOCKS as u64 * 4096, &CALLER).unwrap();
    assert!(is_zero(&fs, 0));
    fs.check(&[slot]);
}
