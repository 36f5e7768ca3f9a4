//! /erring: what is done with OPERATION-WAY there faults in that operation, in that way; all else is done well. The same in C:
//! `erring.c`. A way that begins with "locked-" has changed the area under a lock before.
#![no_std]

use core::ffi::{CStr, c_int};
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use vload_module::linux::general::{S_IFDIR, S_IFLNK, S_IFREG};
use vload_module::service::{
    CLAIM_CONFIRM, FILE_DIRECTORY, FILE_IN_AREA, File, Listed, Node, Opened, Piece, Service, Stat,
    StatFs, Time,
};
use vload_module::{Errno, Layer, Result};

/// The operations that are named, by their place.
const OPERATIONS: [&[u8]; 24] = [
    b"well",
    b"stat",
    b"open",
    b"read",
    b"write",
    b"poll",
    b"list",
    b"close",
    b"ioctl",
    b"fsync",
    b"lseek",
    b"unlink",
    b"rename",
    b"readlink",
    b"truncate",
    b"chmod",
    b"utimens",
    b"statfs",
    b"getxattr",
    b"link",
    b"symlink",
    b"access",
    b"confirm",
    b"map",
];
const WAYS: [&[u8]; 5] = [b"null", b"panic", b"deep", b"locks", b"claim"];
/// What a number says besides a way: it comes under a lock.
const LOCKED: usize = WAYS.len();
const ALL: usize = 2 * LOCKED;

fn deeper(depth: usize) -> usize {
    let much = black_box([depth; 64]);
    if black_box(true) { deeper(depth + 1) + much[depth % 64] } else { 0 }
}

/// Takes a lock and gives it back, or claims and lets go, ever deeper.
fn again(layer: Layer<'_>, claims: bool, depth: usize) -> usize {
    let much = black_box([depth; 8]);
    if claims {
        if let Ok(claim) = layer.claim(c"/erring-deep", 0, 0) {
            let _ = layer.unclaim(claim);
        }
    } else {
        drop(layer.lock(1));
    }
    if black_box(true) { again(layer, claims, depth + 1) + much[depth % 8] } else { 0 }
}

/// So that the stack ends elsewhere each time.
fn begin<const ROOM: usize>(layer: Layer<'_>, claims: bool) -> usize {
    let room = black_box([1; ROOM]);
    again(layer, claims, 0) + room[0]
}

fn fault(layer: Layer<'_>, way: usize) -> Result<()> {
    static TURNS: AtomicUsize = AtomicUsize::new(0);
    let area: &AtomicU64 = layer.area().ok_or(Errno::NOMEM)?;
    let locked = if way >= LOCKED { Some(layer.lock(0)?) } else { None };
    if let Some(locked) = &locked {
        locked.change(area, area.load(Ordering::Relaxed) + 1);
    }
    let is_claim = way % LOCKED == 4;
    match way % LOCKED {
        1 => panic!("it gave up"),
        2 => {
            black_box(deeper(0));
        }
        3 | 4 => {
            let turn = TURNS.fetch_add(1, Ordering::Relaxed) % 4;
            let ways = [begin::<1>, begin::<13>, begin::<26>, begin::<39>];
            black_box(ways[turn](layer, is_claim));
        }
        // SAFETY: none: it faults, on purpose.
        _ => unsafe {
            core::ptr::without_provenance::<usize>(black_box(8)).read_volatile();
        },
    }
    drop(locked);
    Ok(())
}

/// The operation and the way that a name means, as one number.
fn meant(path: &[u8]) -> Result<usize> {
    let name = path.strip_prefix(b"/").unwrap_or(path);
    if name.is_empty() || name == OPERATIONS[0] {
        return Ok(0);
    }
    let find = |(operation, prefix): (usize, &&[u8])| {
        let way = name.strip_prefix(*prefix)?.strip_prefix(b"-")?;
        let (locked, way) = match way.strip_prefix(b"locked-") {
            Some(way) => (LOCKED, way),
            None => (0, way),
        };
        Some(operation * ALL + locked + WAYS.iter().position(|known| *known == way)?)
    };
    OPERATIONS.iter().enumerate().find_map(find).ok_or(Errno::NOENT)
}

/// What an operation is about, as [`meant`] has it. It faults if that is the operation.
fn number(operation: &[u8], layer: Layer<'_>, number: usize) -> Result<usize> {
    if number >= ALL && OPERATIONS[number / ALL] == operation {
        fault(layer, number % ALL)?;
    }
    Ok(number)
}

fn at(operation: &[u8], node: &Node<'_>) -> Result<usize> {
    let known = match (node.path(), node.file()) {
        (Some(path), _) => meant(path)?,
        (None, Some(file)) => file.private() as usize,
        (None, None) => return Err(Errno::NOENT),
    };
    number(operation, node.layer(), known)
}

fn of(operation: &[u8], file: &File<'_>) -> Result<usize> {
    number(operation, file.layer(), file.private() as usize)
}

/// The fault that the arguments mean where `at` names the place: init, attach, fini, event.
fn place(layer: Layer<'_>, place: &[u8]) -> Result<()> {
    let (mut at, mut how) = ([0; 16], [0; 16]);
    if layer.argument(c"at", &mut at).is_none_or(|at| at != place) {
        return Ok(());
    }
    let how = layer.argument(c"how", &mut how).ok_or(Errno::INVAL)?;
    let (locked, how) = match how.strip_prefix(b"locked-") {
        Some(how) => (LOCKED, how),
        None => (0, how),
    };
    let way = WAYS.iter().position(|known| *known == how).ok_or(Errno::INVAL)?;
    fault(layer, locked + way)
}

struct Erring;

impl Service for Erring {
    fn init(&self, layer: Layer<'_>) -> Result<()> {
        layer.claim(c"/erring", CLAIM_CONFIRM, 0)?;
        place(layer, b"init")
    }

    fn attach(&self, layer: Layer<'_>) -> Result<()> {
        place(layer, b"attach")
    }

    fn fini(&self, layer: Layer<'_>) -> Result<()> {
        place(layer, b"fini")
    }

    fn confirm(&self, node: &Node<'_>) -> Result<bool> {
        // What there is no such file of is a matter of the other operations.
        if meant(node.path().unwrap_or(b"")).is_ok() {
            at(b"confirm", node)?;
        }
        Ok(true)
    }

    fn open(&self, node: &Node<'_>, _flags: c_int, _mode: u32) -> Result<Opened> {
        let private = at(b"open", node)?;
        let is = match OPERATIONS[private / ALL] {
            b"list" => FILE_DIRECTORY,
            b"map" => FILE_IN_AREA,
            _ if node.path() == Some(b"") => FILE_DIRECTORY,
            _ => 0,
        };
        Ok(Opened::Virtual { private: private as u64, is })
    }

    fn close(&self, file: &File<'_>) -> Result<()> {
        of(b"close", file).map(drop)
    }

    /// How often a change has been kept that a fault came after: never.
    fn read(&self, file: &File<'_>, to: &mut [u8], offset: i64) -> Result<usize> {
        of(b"read", file)?;
        let Some(to) = to.get_mut(..2).filter(|_| offset <= 0) else { return Ok(0) };
        let area: &AtomicU64 = file.layer().area().ok_or(Errno::NOMEM)?;
        let _locked = file.layer().lock(0)?;
        to.copy_from_slice(&[b'0' + area.load(Ordering::Relaxed) as u8, b'\n']);
        Ok(2)
    }

    fn write(&self, file: &File<'_>, from: &[u8], _offset: i64) -> Result<usize> {
        of(b"write", file).map(|_| from.len())
    }

    fn poll(&self, file: &File<'_>) -> Result<u16> {
        of(b"poll", file).map(|_| 5)
    }

    fn list(&self, file: &File<'_>, cookie: &mut u64, entry: &mut Listed<'_>) -> Result<bool> {
        of(b"list", file)?;
        *cookie += 1;
        entry.set(2, 8, b"well")?;
        Ok(*cookie == 1)
    }

    fn stat(&self, node: &Node<'_>) -> Result<Stat> {
        let number = at(b"stat", node)?;
        let (mode, size) = match OPERATIONS[number / ALL] {
            _ if node.path() == Some(b"") => (S_IFDIR, 0),
            b"list" => (S_IFDIR, 0),
            b"readlink" => (S_IFLNK, 4),
            // It is to be made.
            b"symlink" => return Err(Errno::NOENT),
            _ => (S_IFREG, 2),
        };
        let inode = if node.path() == Some(b"") { 1 } else { number as u64 + 2 };
        Ok(Stat { inode, mode: mode | 0o777, links: 1, size, ..Stat::default() })
    }

    fn ioctl(&self, file: &File<'_>, _request: u32, _argument: usize) -> Result<usize> {
        of(b"ioctl", file).map(|_| 0)
    }

    fn fsync(&self, file: &File<'_>, _data_only: bool) -> Result<()> {
        of(b"fsync", file).map(drop)
    }

    fn lseek(&self, file: &File<'_>, _offset: i64, _whence: c_int) -> Result<i64> {
        of(b"lseek", file).map(|_| 0)
    }

    fn unlink(&self, node: &Node<'_>) -> Result<()> {
        at(b"unlink", node).map(drop)
    }

    fn rename(&self, from: &Node<'_>, _to: &Node<'_>, _flags: u32) -> Result<()> {
        at(b"rename", from).map(drop)
    }

    fn readlink(&self, node: &Node<'_>, to: &mut [u8]) -> Result<usize> {
        at(b"readlink", node)?;
        to.get_mut(..4).ok_or(Errno::RANGE)?.copy_from_slice(b"well");
        Ok(4)
    }

    fn truncate(&self, node: &Node<'_>, _size: i64) -> Result<()> {
        at(b"truncate", node).map(drop)
    }

    fn chmod(&self, node: &Node<'_>, _mode: u32) -> Result<()> {
        at(b"chmod", node).map(drop)
    }

    fn utimens(&self, node: &Node<'_>, _times: &[Time; 2]) -> Result<()> {
        at(b"utimens", node).map(drop)
    }

    fn statfs(&self, node: &Node<'_>) -> Result<StatFs> {
        at(b"statfs", node).map(|_| StatFs::default())
    }

    fn getxattr(&self, node: &Node<'_>, _name: &CStr, _to: &mut [u8]) -> Result<usize> {
        at(b"getxattr", node).map(|_| 0)
    }

    fn link(&self, from: &Node<'_>, _to: &Node<'_>) -> Result<()> {
        at(b"link", from).map(drop)
    }

    fn symlink(&self, node: &Node<'_>, _target: &CStr) -> Result<()> {
        at(b"symlink", node).map(drop)
    }

    fn access(&self, node: &Node<'_>, _mode: c_int) -> Result<()> {
        at(b"access", node).map(drop)
    }

    fn map(&self, file: &File<'_>, _offset: i64, _length: u64) -> Result<Piece> {
        of(b"map", file).map(|_| Piece { start: 0, length: 0 })
    }
}

vload_module::service_module!(
    Erring,
    Erring,
    "erring",
    "faults in any operation",
    keys: "at,how",
    area: 4096,
);
