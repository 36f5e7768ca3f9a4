//! The file system on the host: against a real one, and killed at each step.

mod bounds;
mod killed;
mod mapped;
mod real;

use crate::fs::{Caller, Fs, Ground, Options, Place, Slot, Time, Word};
use std::cell::{Cell, RefCell};
use vload_module::Result;

/// Memory with a lock and a journal, and a death that comes after a number of steps.
pub struct Memory {
    words: Box<[Word]>,
    journal: RefCell<Vec<(usize, u64)>>,
    is_held: Cell<bool>,
    /// Steps until the owner dies.
    left: Cell<Option<usize>>,
    /// The most words that one hold of the lock has changed.
    most: Cell<usize>,
    /// What another process does in a tree before the lock is taken for the so manyth time.
    other: Cell<Option<(usize, Slot, Act)>>,
}

/// What a process does in a tree.
type Act = fn(&Fs<'_>, Slot);

/// What the owner of the lock dies of.
struct Killed;

impl Memory {
    pub fn new(blocks: usize) -> Self {
        Memory {
            words: (0..blocks * 512).map(|_| Word(0.into())).collect(),
            journal: RefCell::default(),
            is_held: Cell::new(false),
            left: Cell::new(None),
            most: Cell::new(0),
            other: Cell::new(None),
        }
    }

    pub fn fs(&self) -> Fs<'_> {
        Fs::new(self, &self.words)
    }

    fn step(&self) {
        match self.left.get() {
            Some(0) => std::panic::resume_unwind(Box::new(Killed)),
            left => self.left.set(left.map(|left| left - 1)),
        }
    }

    fn image(&self) -> Vec<u64> {
        self.words.iter().map(Word::get).collect()
    }

    fn restore(&self, image: &[u64]) {
        self.words.iter().zip(image).for_each(|(word, &value)| word.set(value));
    }
}

impl Ground for Memory {
    fn lock(&self) -> Result<()> {
        match self.other.take() {
            Some((0, root, act)) => act(&self.fs(), root),
            other => self.other.set(other.map(|(left, root, act)| (left - 1, root, act))),
        }
        assert!(!self.is_held.replace(true), "the lock is taken twice");
        for (index, old) in self.journal.borrow_mut().drain(..).rev() {
            self.words[index].set(old);
        }
        Ok(())
    }

    fn change(&self, at: &Word, value: u64) {
        assert!(self.is_held.get(), "changed without the lock");
        let index = self.words.element_offset(at).expect("a word of the area");
        self.step();
        self.journal.borrow_mut().push((index, at.get()));
        self.step();
        at.set(value);
    }

    fn unlock(&self) {
        self.step();
        let changed = self.journal.borrow().len();
        self.most.set(self.most.get().max(changed));
        self.journal.borrow_mut().clear();
        self.is_held.set(false);
    }
}

/// A file system with one tree.
pub fn planted(memory: &Memory) -> Slot {
    memory.fs().format().unwrap();
    memory.fs().plant(&OPTIONS, &CALLER).unwrap()
}

pub const OPTIONS: Options =
    Options { mode: 0o777, uid: 0, gid: 0, blocks: 0, inodes: 0, is_read_only: false };
pub const CALLER: Caller =
    Caller { uid: 0, gid: 0, is_root: true, now: Time { seconds: 1000, nanoseconds: 7 } };

pub fn at(root: Slot, path: &str) -> Place<'_> {
    Place::Path { root, path: path.as_bytes() }
}

/// All that a tree shows: each path with what it is.
pub fn shown(fs: &Fs<'_>, root: Slot) -> Vec<String> {
    let mut all = Vec::new();
    let mut waiting = vec![String::new()];
    while let Some(path) = waiting.pop() {
        let place = at(root, &path);
        let known = fs.stat(place).unwrap();
        let mut content = vec![0; known.size.min(10_000) as usize];
        match known.mode & libc::S_IFMT {
            libc::S_IFDIR => {
                waiting.extend(listed(fs, root, &path).map(|name| format!("{path}/{name}")))
            }
            libc::S_IFLNK => drop(fs.read_link(place, &mut content).unwrap()),
            libc::S_IFREG => {
                let open = fs.open(place, 0, 0, 1, &CALLER).unwrap();
                fs.read(open.slot, &mut content, 0, None).unwrap();
                fs.close(1).unwrap();
            }
            _ => {}
        }
        let sum = content.iter().fold(0u64, |sum, &byte| sum.wrapping_mul(31) + u64::from(byte));
        all.push(format!("{path} {:o} {} {} {sum}", known.mode, known.links, known.size));
    }
    all.sort();
    all
}

pub fn listed(fs: &Fs<'_>, root: Slot, path: &str) -> impl Iterator<Item = String> {
    let open = fs.open(at(root, path), libc::O_DIRECTORY as u32, 0, 1, &CALLER).unwrap();
    let (mut cookie, mut names, mut name) = (0, Vec::new(), [0; 256]);
    while let Some(listed) = fs.list(open.slot, cookie, &mut name, None).unwrap() {
        names.push(String::from_utf8(name[..listed.length].to_vec()).unwrap());
        cookie = listed.next;
    }
    fs.close(1).unwrap();
    names.into_iter()
}

/// Random numbers that are the same in each run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}
