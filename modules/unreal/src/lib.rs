//! `unreal`: the tree under `/` once more, at `/unreal`.
//!
//! ```sh
//! $ vload -m unreal bash
//! $ ls /unreal
//! $ echo unreal > /unreal/tmp/file
//! $ cat /tmp/file
//! ```
//!
//! The example for a module that leads to something real. Each operation is a system call that the layer itself
//! makes, on the path without the prefix; it is asked of the layers that are older than this one, so `/unreal/unreal` is
//! not there. What is opened is a real file, and vload does not ask the layer about it again.
#![no_std]
#![deny(missing_docs)]

mod statistics;
mod system;

use core::ffi::{CStr, c_int};
use system::{ask, at, numbers};
use vload_module::linux::general::{AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_LARGEFILE, S_IFLNK, S_IFMT};
use vload_module::service::{Node, Opened, Service, Stat, StatFs, Time};
use vload_module::{Errno, Layer, Result};

/// Where the tree is.
const PREFIX: &CStr = c"/unreal";

/// The path of the real file.
fn real<'a>(node: &Node<'a>) -> Result<&'a CStr> {
    let (whole, path) = node.whole().zip(node.path()).ok_or(Errno::NOENT)?;
    let whole = whole.to_bytes_with_nul();
    let start = whole.len() - 1 - path.len();
    match path {
        [] => Ok(c"/"),
        _ => CStr::from_bytes_with_nul(&whole[start..]).map_err(|_| Errno::INVAL),
    }
}

struct Unreal;

impl Service for Unreal {
    fn init(&self, layer: Layer<'_>) -> Result<()> {
        layer.claim(PREFIX, 0, 0).map(drop)
    }

    fn stat(&self, node: &Node<'_>) -> Result<Stat> {
        statistics::stat(node.layer(), real(node)?)
    }

    fn open(&self, node: &Node<'_>, flags: c_int, mode: u32) -> Result<Opened> {
        let flags = flags as u32 | O_CLOEXEC | O_LARGEFILE;
        let arguments = [at(), real(node)?.as_ptr() as usize, flags as usize, mode as usize];
        ask(node.layer(), numbers::OPENAT, &arguments).map(|fd| Opened::Real(fd as c_int))
    }

    fn readlink(&self, node: &Node<'_>, to: &mut [u8]) -> Result<usize> {
        let path = real(node)?.as_ptr() as usize;
        ask(node.layer(), numbers::READLINKAT, &[at(), path, to.as_mut_ptr() as usize, to.len()])
    }

    fn utimens(&self, node: &Node<'_>, times: &[Time; 2]) -> Result<()> {
        // struct __kernel_timespec: two words of 64 bits, on every machine.
        let times = [times[0], times[1]].map(|time| [time.seconds, i64::from(time.nanoseconds)]);
        let path = real(node)?.as_ptr() as usize;
        let arguments = [at(), path, times.as_ptr() as usize, AT_SYMLINK_NOFOLLOW as usize];
        ask(node.layer(), numbers::UTIMENSAT, &arguments).map(drop)
    }

    fn symlink(&self, node: &Node<'_>, target: &CStr) -> Result<()> {
        let (target, path) = (target.as_ptr() as usize, real(node)?.as_ptr() as usize);
        ask(node.layer(), numbers::SYMLINKAT, &[target, at(), path]).map(drop)
    }

    fn link(&self, from: &Node<'_>, to: &Node<'_>) -> Result<()> {
        let (from_path, to_path) = (real(from)?.as_ptr() as usize, real(to)?.as_ptr() as usize);
        ask(from.layer(), numbers::LINKAT, &[at(), from_path, at(), to_path, 0]).map(drop)
    }

    fn unlink(&self, node: &Node<'_>) -> Result<()> {
        ask(node.layer(), numbers::UNLINKAT, &[at(), real(node)?.as_ptr() as usize, 0]).map(drop)
    }

    fn mkdir(&self, node: &Node<'_>, mode: u32) -> Result<()> {
        let path = real(node)?.as_ptr() as usize;
        ask(node.layer(), numbers::MKDIRAT, &[at(), path, mode as usize]).map(drop)
    }

    fn rmdir(&self, node: &Node<'_>) -> Result<()> {
        let path = real(node)?.as_ptr() as usize;
        let flags = vload_module::linux::general::AT_REMOVEDIR as usize;
        ask(node.layer(), numbers::UNLINKAT, &[at(), path, flags]).map(drop)
    }

    fn mknod(&self, node: &Node<'_>, mode: u32, device: u64) -> Result<()> {
        let path = real(node)?.as_ptr() as usize;
        ask(node.layer(), numbers::MKNODAT, &[at(), path, mode as usize, device as usize]).map(drop)
    }

    fn chmod(&self, node: &Node<'_>, mode: u32) -> Result<()> {
        // fchmodat2, which takes flags, is of Linux 6.6.
        if self.stat(node)?.mode & S_IFMT == S_IFLNK {
            return Err(Errno::OPNOTSUPP);
        }
        let path = real(node)?.as_ptr() as usize;
        ask(node.layer(), numbers::FCHMODAT, &[at(), path, mode as usize]).map(drop)
    }

    fn chown(&self, node: &Node<'_>, uid: u32, gid: u32) -> Result<()> {
        let path = real(node)?.as_ptr() as usize;
        let flags = AT_SYMLINK_NOFOLLOW as usize;
        let arguments = [at(), path, uid as usize, gid as usize, flags];
        ask(node.layer(), numbers::FCHOWNAT, &arguments).map(drop)
    }

    fn rename(&self, from: &Node<'_>, to: &Node<'_>, flags: u32) -> Result<()> {
        let (from_path, to_path) = (real(from)?.as_ptr() as usize, real(to)?.as_ptr() as usize);
        let arguments = [at(), from_path, at(), to_path, flags as usize];
        ask(from.layer(), numbers::RENAMEAT2, &arguments).map(drop)
    }

    fn truncate(&self, node: &Node<'_>, size: i64) -> Result<()> {
        system::truncate(node.layer(), real(node)?, size)
    }

    fn statfs(&self, node: &Node<'_>) -> Result<StatFs> {
        statistics::statfs(node.layer(), real(node)?)
    }

    fn getxattr(&self, node: &Node<'_>, name: &CStr, to: &mut [u8]) -> Result<usize> {
        let (path, name) = (real(node)?.as_ptr() as usize, name.as_ptr() as usize);
        let arguments = [path, name, to.as_mut_ptr() as usize, to.len()];
        ask(node.layer(), numbers::LGETXATTR, &arguments)
    }

    fn setxattr(&self, node: &Node<'_>, name: &CStr, value: &[u8], flags: c_int) -> Result<()> {
        let (path, name) = (real(node)?.as_ptr() as usize, name.as_ptr() as usize);
        let arguments = [path, name, value.as_ptr() as usize, value.len(), flags as usize];
        ask(node.layer(), numbers::LSETXATTR, &arguments).map(drop)
    }

    fn listxattr(&self, node: &Node<'_>, to: &mut [u8]) -> Result<usize> {
        let path = real(node)?.as_ptr() as usize;
        ask(node.layer(), numbers::LLISTXATTR, &[path, to.as_mut_ptr() as usize, to.len()])
    }

    fn removexattr(&self, node: &Node<'_>, name: &CStr) -> Result<()> {
        let (path, name) = (real(node)?.as_ptr() as usize, name.as_ptr() as usize);
        ask(node.layer(), numbers::LREMOVEXATTR, &[path, name]).map(drop)
    }
}

vload_module::service_module!(Unreal, Unreal, "unreal", "the tree under / once more, at /unreal");
