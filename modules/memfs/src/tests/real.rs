//! Random operations on a real file system and on this one: both give the same results and leave the same.

use super::{CALLER, Memory, Random, at, planted, shown};
use crate::fs::{Fs, Slot};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{fs, io};
use vload_module::Errno;

const NAMES: [&str; 6] = ["/a", "/b", "/a/c", "/b/c", "/a/c/d", "/e"];

/// One operation on names out of a few, so that they meet.
#[derive(Clone, Debug)]
enum Act {
    Create(&'static str, bool),
    Write(&'static str, u64, usize),
    Truncate(&'static str, u64),
    MakeDirectory(&'static str),
    MakeLink(&'static str, usize),
    Link(&'static str, &'static str),
    Unlink(&'static str),
    RemoveDirectory(&'static str),
    Rename(&'static str, &'static str, u32),
    Mode(&'static str, u32),
    Punch(&'static str, u64, u64),
    Holes(&'static str, u64),
}

fn act(random: &mut Random) -> Act {
    let mut name = || NAMES[random.below(NAMES.len() as u64) as usize];
    let (a, b) = (name(), name());
    let offset = random.below(30_000);
    match random.below(16) {
        0 | 1 => Act::Create(a, random.below(2) == 0),
        2 => Act::Write(a, offset, random.below(9000) as usize),
        3 => Act::Truncate(a, offset),
        4..=6 => Act::MakeDirectory(a),
        7 => Act::MakeLink(a, 1 + random.below(300) as usize),
        8 => Act::Link(a, b),
        9 => Act::Unlink(a),
        10 => Act::RemoveDirectory(a),
        11 => Act::Rename(a, b, random.below(3) as u32),
        12 | 13 => Act::Rename(a, b, 0),
        14 => Act::Mode(a, random.below(0o1000) as u32),
        _ if random.below(2) == 0 => Act::Punch(a, offset, 1 + random.below(10_000)),
        _ => Act::Holes(a, offset),
    }
}

fn number(error: io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(0))
}

fn checked(result: i64) -> Result<u64, Errno> {
    if result < 0 { Err(number(io::Error::last_os_error())) } else { Ok(result as u64) }
}

fn c(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn open(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

impl Act {
    /// Whether a name lies behind another.
    fn goes_through(&self, name: &str) -> bool {
        let text = format!("{self:?}");
        text.contains(&format!("{name}/"))
    }
}

/// What the kernel makes of it.
fn natively(top: &Path, act: &Act) -> Result<u64, Errno> {
    let path = |name: &str| PathBuf::from(format!("{}{name}", top.display()));
    let done = |result: io::Result<()>| result.map(|()| 0).map_err(number);
    match *act {
        Act::Create(name, exclusive) => {
            let mut options = fs::OpenOptions::new();
            options.write(true).mode(0o640).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
            if exclusive {
                options.create_new(true)
            } else {
                options.create(true)
            };
            done(options.open(path(name)).map(drop))
        }
        Act::Write(name, offset, length) => {
            let file = open(&path(name)).map_err(number)?;
            done(file.write_all_at(&vec![7; length], offset))
        }
        Act::Truncate(name, size) => {
            let file = open(&path(name)).map_err(number)?;
            done(file.set_len(size))
        }
        Act::MakeDirectory(name) => done(fs::create_dir(path(name))),
        Act::MakeLink(name, length) => {
            done(std::os::unix::fs::symlink("x".repeat(length), path(name)))
        }
        Act::Link(from, to) => done(fs::hard_link(path(from), path(to))),
        Act::Unlink(name) => done(fs::remove_file(path(name))),
        Act::RemoveDirectory(name) => done(fs::remove_dir(path(name))),
        Act::Rename(from, to, flags) => {
            let (from, to) = (c(&path(from)), c(&path(to)));
            // SAFETY: both are strings that end with a zero.
            let result = unsafe {
                libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags)
            };
            checked(result.into())
        }
        Act::Mode(name, mode) => {
            // A link has no permissions to set.
            let kind = fs::symlink_metadata(path(name)).map_err(number)?;
            if kind.is_symlink() {
                return Err(Errno::OPNOTSUPP);
            }
            done(fs::set_permissions(path(name), fs::Permissions::from_mode(mode)))
        }
        Act::Punch(name, offset, length) => {
            let file = open(&path(name)).map_err(number)?;
            let (fd, mode) = (std::os::fd::AsRawFd::as_raw_fd(&file), libc::FALLOC_FL_PUNCH_HOLE);
            // SAFETY: the descriptor is open.
            let result = unsafe {
                libc::fallocate(fd, mode | libc::FALLOC_FL_KEEP_SIZE, offset as i64, length as i64)
            };
            checked(result.into())
        }
        Act::Holes(name, offset) => {
            let file = open(&path(name)).map_err(number)?;
            let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
            // SAFETY: the descriptor is open.
            let data = checked(unsafe { libc::lseek(fd, offset as i64, libc::SEEK_DATA) })?;
            // SAFETY: the same.
            let hole = checked(unsafe { libc::lseek(fd, offset as i64, libc::SEEK_HOLE) })?;
            Ok(data + hole * 1_000_000)
        }
    }
}

/// What this file system makes of it.
fn virtually(fs: &Fs<'_>, root: Slot, act: &Act) -> Result<u64, Errno> {
    let open = |name: &'static str| {
        fs.open(at(root, name), (libc::O_RDWR | libc::O_NOFOLLOW) as u32, 0, 1, &CALLER)
    };
    let with = |name: &'static str, act: &dyn Fn(Slot) -> Result<u64, Errno>| {
        let slot = open(name)?.slot;
        let result = act(slot);
        fs.close(1)?;
        result
    };
    match *act {
        Act::Create(name, exclusive) => {
            let exclusive = if exclusive { libc::O_EXCL } else { 0 };
            let flags = (libc::O_WRONLY | libc::O_CREAT | exclusive) as u32;
            fs.open(at(root, name), flags, 0o640, 1, &CALLER)?;
            fs.close(1)?;
            Ok(0)
        }
        Act::Write(name, offset, length) => with(name, &|slot| {
            let end = fs.write(slot, &vec![7; length], Some(offset), &CALLER)?;
            assert_eq!(end, (length, offset + length as u64));
            Ok(0)
        }),
        Act::Truncate(name, size) => {
            with(name, &|_| fs.truncate(at(root, name), size, &CALLER).map(|()| 0))
        }
        Act::MakeDirectory(name) => fs.make_directory(at(root, name), 0o755, &CALLER).map(|()| 0),
        Act::MakeLink(name, length) => {
            fs.make_link(at(root, name), "x".repeat(length).as_bytes(), &CALLER).map(|()| 0)
        }
        Act::Link(from, to) => fs.link(at(root, from), at(root, to), &CALLER).map(|()| 0),
        Act::Unlink(name) => fs.unlink(at(root, name), &CALLER).map(|()| 0),
        Act::RemoveDirectory(name) => fs.remove_directory(at(root, name), &CALLER).map(|()| 0),
        Act::Rename(from, to, flags) => {
            fs.rename(at(root, from), at(root, to), flags, &CALLER).map(|()| 0)
        }
        Act::Mode(name, mode) => fs.chmod(at(root, name), mode, &CALLER).map(|()| 0),
        Act::Punch(name, offset, length) => {
            with(name, &|slot| fs.allocate(slot, 3, offset, length, &CALLER).map(|()| 0))
        }
        Act::Holes(name, offset) => with(name, &|slot| {
            let data = fs.seek(slot, offset, libc::SEEK_DATA as u32)?;
            let hole = fs.seek(slot, offset, libc::SEEK_HOLE as u32)?;
            Ok(data + hole * 1_000_000)
        }),
    }
}

/// What a real tree shows, as [`shown`] says it.
fn really_shown(top: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(path) = waiting.pop() {
        let full = top.join(&path);
        let known = fs::symlink_metadata(&full).unwrap();
        let content = match known.mode() & libc::S_IFMT {
            libc::S_IFDIR => {
                let names = fs::read_dir(&full).unwrap();
                waiting.extend(names.map(|name| path.join(name.unwrap().file_name())));
                vec![0; known.size() as usize]
            }
            libc::S_IFLNK => fs::read_link(&full).unwrap().as_os_str().as_bytes().to_vec(),
            _ => fs::read(&full).unwrap(),
        };
        let content = &content[..content.len().min(10_000)];
        let sum = content.iter().fold(0u64, |sum, &byte| sum.wrapping_mul(31) + u64::from(byte));
        let shown = path.display().to_string();
        let slash = if shown.is_empty() { "" } else { "/" };
        let (mode, links, size) = (known.mode(), known.nlink(), known.size());
        all.push(format!("{slash}{shown} {mode:o} {links} {size} {sum}"));
    }
    all.sort();
    all
}

/// Removed with all in it, also when the test fails.
struct Top(PathBuf);

impl Drop for Top {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn compare(seed: u64, count: usize) {
    // A tmpfs: this file system counts what it shows of a directory as a tmpfs does.
    let top = Top(format!("/dev/shm/vload-memfs-{}-{seed}", std::process::id()).into());
    fs::create_dir(&top.0).unwrap();
    fs::set_permissions(&top.0, fs::Permissions::from_mode(0o777)).unwrap();
    let memory = Memory::new(2000);
    let root = planted(&memory);
    let mut random = Random(seed);
    let mut worked = 0;
    for round in 0..count {
        let act = act(&mut random);
        // Paths are resolved before they come here.
        if NAMES.iter().any(|name| {
            fs::symlink_metadata(top.0.join(&name[1..]))
                .is_ok_and(|known| known.is_symlink() && act.goes_through(name))
        }) {
            continue;
        }
        let (native, ours) = (natively(&top.0, &act), virtually(&memory.fs(), root, &act));
        assert_eq!(native, ours, "seed {seed}, round {round}: {act:?}");
        worked += usize::from(native.is_ok());
        if round % 16 == 0 {
            assert_eq!(
                really_shown(&top.0),
                shown(&memory.fs(), root),
                "seed {seed}, round {round}"
            );
            memory.fs().check(&[]);
        }
    }
    assert!(worked * 10 > count, "{worked} of {count} operations did anything");
}

#[test]
fn same_as_a_tmpfs() {
    for seed in 1..=8u64 {
        compare(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), 1000);
    }
}
