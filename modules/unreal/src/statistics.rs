//! What the kernel knows of a file and of a file system, in the layout that modules share.

use crate::system::{ask, at, numbers};
use core::ffi::CStr;
use core::mem::MaybeUninit;
use vload_module::linux::general::{
    AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, STATX_BTIME, statx, statx_timestamp,
};
use vload_module::service::{Stat, StatFs, Time};
use vload_module::{Layer, Result};

/// A device number of two halves (linux/kdev_t.h, `new_encode_dev`).
fn device(major: u32, minor: u32) -> u64 {
    u64::from(minor & 0xff | (major & 0xfff) << 8 | (minor & !0xff) << 12)
        | u64::from(major & !0xfff) << 32
}

fn time(time: statx_timestamp) -> Time {
    Time::new(time.tv_sec, time.tv_nsec)
}

/// What is known of a file.
#[expect(clippy::field_reassign_with_default, reason = "a field of it is not public")]
pub fn stat(layer: Layer<'_>, path: &CStr) -> Result<Stat> {
    let mut known = MaybeUninit::<statx>::zeroed();
    let flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    let wanted = STATX_BASIC_STATS | STATX_BTIME;
    let (path, to) = (path.as_ptr() as usize, known.as_mut_ptr() as usize);
    ask(layer, numbers::STATX, &[at(), path, flags as usize, wanted as usize, to])?;
    // SAFETY: integers, all zero at first, and then what the kernel has written.
    let known = unsafe { known.assume_init() };
    let mut stat = Stat::default();
    stat.device = device(known.stx_dev_major, known.stx_dev_minor);
    stat.inode = known.stx_ino;
    stat.mode = known.stx_mode.into();
    stat.links = known.stx_nlink;
    (stat.uid, stat.gid) = (known.stx_uid, known.stx_gid);
    stat.special = device(known.stx_rdev_major, known.stx_rdev_minor);
    (stat.size, stat.blocks) = (known.stx_size, known.stx_blocks);
    stat.block_size = known.stx_blksize;
    stat.accessed = time(known.stx_atime);
    stat.modified = time(known.stx_mtime);
    stat.changed = time(known.stx_ctime);
    stat.born = time(known.stx_btime);
    Ok(stat)
}

#[cfg(target_pointer_width = "64")]
type Kernel = vload_module::linux::general::statfs;
#[cfg(target_pointer_width = "32")]
type Kernel = vload_module::linux::general::statfs64;

/// What is known of a file system.
pub fn statfs(layer: Layer<'_>, path: &CStr) -> Result<StatFs> {
    let mut known = MaybeUninit::<Kernel>::zeroed();
    let (path, to) = (path.as_ptr() as usize, known.as_mut_ptr() as usize);
    #[cfg(target_pointer_width = "64")]
    ask(layer, vload_module::linux::general::__NR_statfs, &[path, to])?;
    #[cfg(target_pointer_width = "32")]
    ask(layer, vload_module::linux::general::__NR_statfs64, &[path, size_of::<Kernel>(), to])?;
    // SAFETY: integers, all zero at first, and then what the kernel has written.
    let known = unsafe { known.assume_init() };
    let [low, high] = known.f_fsid.val.map(|half| u64::from(half as u32));
    Ok(StatFs {
        kind: known.f_type as u64,
        block_size: known.f_bsize as u64,
        blocks: known.f_blocks as u64,
        free: known.f_bfree as u64,
        available: known.f_bavail as u64,
        files: known.f_files as u64,
        files_free: known.f_ffree as u64,
        id: low | high << 32,
        name_length: known.f_namelen as u64,
        flags: known.f_flags as u64,
    })
}
