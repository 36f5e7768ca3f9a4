//! A module with a real tree behind its claim.

use std::ffi::{CStr, CString};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock};

use core::ffi::{c_char, c_int, c_long, c_void};

use vload_module::abi::Layer;
use vload_module::abi::service::{Node, ServiceOperations, Stat, StatFs, Time, vload_claim_path};

use crate::claim::{self, Table};
use crate::layers::{self, Service};

/// Where it is in the tree of names: nowhere on the machine.
pub const CLAIMED: &str = "/vload-test-of-claims";

/// Its number in the session, and the address that stands for its layer.
const IDENTITY: u32 = 40;
static LAYER: u64 = 0;

/// The folder with the trees.
pub fn behind() -> PathBuf {
    static BEHIND: OnceLock<PathBuf> = OnceLock::new();
    BEHIND
        .get_or_init(|| {
            let top = std::fs::canonicalize(std::env::temp_dir()).unwrap();
            let top = top.join(std::format!("vload-mirror-{}", std::process::id()));
            std::fs::create_dir_all(&top).unwrap();
            top
        })
        .clone()
}

/// One test at a time has the trees, which are claimed with the first.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    static CLAIM: OnceLock<()> = OnceLock::new();
    let alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    CLAIM.get_or_init(|| {
        let layout = std::alloc::Layout::new::<Table>();
        // SAFETY: all bytes zero are an empty table, which stays.
        claim::attach(unsafe { &*std::alloc::alloc_zeroed(layout).cast::<Table>() });
        let layer = (&raw const LAYER).cast_mut().cast::<Layer>();
        assert!(layers::add(Service {
            identity: IDENTITY,
            layer,
            operations: operations(),
            epoch: 1
        }));
        let path = CString::new(CLAIMED).unwrap();
        // SAFETY: a layer of the list's, and a string.
        assert!(unsafe { vload_claim_path(layer, path.as_ptr(), 0, 0) } >= 0);
    });
    alone
}

/// The real path of a node.
fn real(node: *const Node) -> CString {
    // SAFETY: the framework's, for the call.
    let path = unsafe { CStr::from_ptr((*node).path) }.to_str().unwrap();
    CString::new(std::format!("{}/mirror{path}", behind().display())).unwrap()
}

fn result(result: impl Into<c_long>) -> c_long {
    match result.into() {
        -1 => -c_long::from(std::io::Error::last_os_error().raw_os_error().unwrap()),
        result => result,
    }
}

unsafe extern "C" fn stat(node: *const Node, to: *mut Stat) -> c_int {
    // SAFETY: a structure of integers.
    let mut known: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: a string and a structure.
    let done = result(unsafe { libc::lstat(real(node).as_ptr(), &mut known) });
    let stat = Stat {
        inode: known.st_ino,
        mode: known.st_mode,
        links: known.st_nlink as u32,
        uid: known.st_uid,
        gid: known.st_gid,
        size: known.st_size as u64,
        blocks: known.st_blocks as u64,
        ..Stat::default()
    };
    // SAFETY: the framework's.
    unsafe { *to = stat };
    done as c_int
}

unsafe extern "C" fn readlink(node: *const Node, to: *mut c_char, room: usize) -> c_long {
    // SAFETY: a string, and the framework's room.
    result(unsafe { libc::readlink(real(node).as_ptr(), to, room) } as c_long)
}

macro_rules! on_path {
    ($($name:ident($($argument:ident: $kind:ty),*) = $call:expr;)*) => {
        $(unsafe extern "C" fn $name(node: *const Node $(, $argument: $kind)*) -> c_int {
            let path = real(node);
            // SAFETY: strings and what the framework has given.
            result(unsafe { $call(path.as_ptr() $(, $argument)*) }) as c_int
        })*
    };
}

on_path! {
    symlink(target: *const c_char) = |path, target| libc::symlink(target, path);
    link(new: *const Node) = |path, new| libc::link(path, real(new).as_ptr());
    unlink() = |path| libc::unlink(path);
    rmdir() = |path| libc::rmdir(path);
    mkdir(mode: u32) = |path, mode| libc::mkdir(path, mode);
    mknod(mode: u32, device: u64) = |path, mode, device| libc::mknod(path, mode, device);
    chmod(mode: u32) = |path, mode| libc::chmod(path, mode);
    chown(uid: u32, gid: u32) = |path, uid, gid| libc::lchown(path, uid, gid);
    truncate(size: i64) = |path, size| libc::truncate(path, size);
    rename(new: *const Node, flags: u32) =
        |path, new, flags| libc::renameat2(libc::AT_FDCWD, path, libc::AT_FDCWD, real(new).as_ptr(), flags);
    utimens(times: *const [Time; 2]) = |path, times: *const [Time; 2]| {
        let times = (*times).map(|time| libc::timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() });
        libc::utimensat(libc::AT_FDCWD, path, times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW)
    };
    removexattr(name: *const c_char) = |path, name| libc::lremovexattr(path, name);
    setxattr(name: *const c_char, value: *const c_void, size: usize, flags: c_int) =
        |path, name, value, size, flags| libc::lsetxattr(path, name, value, size, flags);
}

unsafe extern "C" fn getxattr(
    node: *const Node,
    name: *const c_char,
    to: *mut c_void,
    room: usize,
) -> c_long {
    // SAFETY: strings, and the framework's room.
    result(unsafe { libc::lgetxattr(real(node).as_ptr(), name, to, room) } as c_long)
}

unsafe extern "C" fn statfs(_: *const Node, to: *mut StatFs) -> c_int {
    // SAFETY: the framework's.
    unsafe { *to = StatFs::default() };
    0
}

fn operations() -> &'static ServiceOperations {
    // SAFETY: all bytes zero are operations that are not there.
    let none: ServiceOperations = unsafe { core::mem::zeroed() };
    std::boxed::Box::leak(std::boxed::Box::new(ServiceOperations {
        stat: Some(stat),
        readlink: Some(readlink),
        symlink: Some(symlink),
        link: Some(link),
        unlink: Some(unlink),
        rmdir: Some(rmdir),
        mkdir: Some(mkdir),
        mknod: Some(mknod),
        chmod: Some(chmod),
        chown: Some(chown),
        truncate: Some(truncate),
        rename: Some(rename),
        utimens: Some(utimens),
        statfs: Some(statfs),
        getxattr: Some(getxattr),
        setxattr: Some(setxattr),
        removexattr: Some(removexattr),
        ..none
    }))
}
