//! The structures in which the kernel says what is known of a file and of a file system (`fs/stat.c`, `fs/statfs.c`).

use abi::Struct;
use linux_raw_sys::general as nr;
use vload_module::abi::service::{Stat, StatFs, Time};
use vload_module::{Errno, Result};

use crate::vload;

/// Minor numbers of the devices that claims are, where the module names none: those of major 0 that the kernel gives
/// to file systems without a device are counted from 0.
const FIRST_DEVICE: u64 = 0xf_0000;

/// The device of a claim.
pub fn device_of(claim: u32) -> u64 {
    device(0, FIRST_DEVICE + u64::from(claim))
}

/// A device number as `stat` has it (`new_encode_dev`, linux/kdev_t.h).
fn device(major: u64, minor: u64) -> u64 {
    (minor & 0xff) | major << 8 | (minor & !0xff) << 12
}

/// Its parts.
fn parts(device: u64) -> (u32, u32) {
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00);
    (major as u32, minor as u32)
}

/// A number in a field that may be too small for it.
fn fit<T: TryFrom<u64>>(value: u64) -> Result<T> {
    T::try_from(value).map_err(|_| Errno::OVERFLOW)
}

/// `EOVERFLOW` where a file is longer than the structure can say.
fn size<T: TryFrom<i64>>(size: u64) -> Result<T> {
    i64::try_from(size).ok().and_then(|size| T::try_from(size).ok()).ok_or(Errno::OVERFLOW)
}

/// All bytes zero.
fn zero<T: Copy>() -> T {
    // SAFETY: used for structures of integers alone.
    unsafe { core::mem::zeroed() }
}

/// Writes what is known of a file in one of the forms of `stat`.
pub fn put_stat(form: Struct, to: usize, known: &Stat) -> Result<()> {
    match form {
        Struct::Stat => vload::put(to, &stat(known)?),
        #[cfg(target_pointer_width = "32")]
        Struct::Stat64 => vload::put(to, &stat64(known)?),
        #[cfg(target_pointer_width = "32")]
        Struct::OldStat => vload::put(to, &old_stat(known)?),
        _ => Err(Errno::INVAL),
    }
}

/// The three times, in a structure of either form.
macro_rules! times {
    ($to:ident, $known:ident) => {
        $to.st_atime = $known.accessed.seconds as _;
        $to.st_atime_nsec = $known.accessed.nanoseconds as _;
        $to.st_mtime = $known.modified.seconds as _;
        $to.st_mtime_nsec = $known.modified.nanoseconds as _;
        $to.st_ctime = $known.changed.seconds as _;
        $to.st_ctime_nsec = $known.changed.nanoseconds as _;
    };
}

fn stat(known: &Stat) -> Result<nr::stat> {
    let mut to: nr::stat = zero();
    to.st_dev = known.device as _;
    to.st_ino = fit(known.inode)?;
    to.st_mode = known.mode as _;
    to.st_nlink = fit(known.links.into())?;
    to.st_uid = known.uid as _;
    to.st_gid = known.gid as _;
    to.st_rdev = known.special as _;
    // An `unsigned long` on i686, but no more than a file may be there: `MAX_NON_LFS`.
    to.st_size = size::<isize>(known.size)? as _;
    to.st_blksize = known.block_size as _;
    to.st_blocks = known.blocks as _;
    times!(to, known);
    Ok(to)
}

#[cfg(target_pointer_width = "32")]
fn stat64(known: &Stat) -> Result<nr::stat64> {
    let mut to: nr::stat64 = zero();
    to.st_dev = known.device;
    to.__st_ino = known.inode as _;
    to.st_ino = known.inode;
    to.st_mode = known.mode;
    to.st_nlink = known.links;
    to.st_uid = known.uid as _;
    to.st_gid = known.gid as _;
    to.st_rdev = known.special;
    to.st_size = size(known.size)?;
    to.st_blksize = known.block_size as _;
    to.st_blocks = known.blocks;
    times!(to, known);
    Ok(to)
}

#[cfg(target_pointer_width = "32")]
fn old_stat(known: &Stat) -> Result<nr::__old_kernel_stat> {
    let mut to: nr::__old_kernel_stat = zero();
    to.st_dev = known.device as u16;
    to.st_ino = fit(known.inode)?;
    to.st_mode = known.mode as u16;
    to.st_nlink = fit(known.links.into())?;
    // Ids that do not fit are those of nobody (`high2lowuid`, linux/highuid.h).
    to.st_uid = u16::try_from(known.uid).unwrap_or(65534);
    to.st_gid = u16::try_from(known.gid).unwrap_or(65534);
    to.st_rdev = known.special as u16;
    to.st_size = size::<isize>(known.size)? as _;
    to.st_atime = known.accessed.seconds as _;
    to.st_mtime = known.modified.seconds as _;
    to.st_ctime = known.changed.seconds as _;
    Ok(to)
}

fn moment(time: Time) -> nr::statx_timestamp {
    nr::statx_timestamp { tv_sec: time.seconds, tv_nsec: time.nanoseconds, __reserved: 0 }
}

/// Writes what is known of a file as `statx(2)` does.
pub fn put_statx(to: usize, known: &Stat) -> Result<()> {
    let mut out: nr::statx = zero();
    (out.stx_dev_major, out.stx_dev_minor) = parts(known.device);
    (out.stx_rdev_major, out.stx_rdev_minor) = parts(known.special);
    out.stx_mask = nr::STATX_BASIC_STATS;
    out.stx_blksize = known.block_size;
    out.stx_nlink = known.links;
    out.stx_uid = known.uid;
    out.stx_gid = known.gid;
    out.stx_mode = known.mode as u16;
    out.stx_ino = known.inode;
    out.stx_size = known.size;
    out.stx_blocks = known.blocks;
    out.stx_atime = moment(known.accessed);
    out.stx_mtime = moment(known.modified);
    out.stx_ctime = moment(known.changed);
    if known.born != Time::default() {
        out.stx_mask |= nr::STATX_BTIME;
        out.stx_btime = moment(known.born);
    }
    vload::put(to, &out)
}

/// The fields that all forms of `statfs` have.
macro_rules! file_system {
    ($type:ident, $known:ident, $claim:ident) => {{
        let mut to: nr::$type = zero();
        let id = if $known.id == 0 { device_of($claim) } else { $known.id };
        to.f_type = $known.kind as _;
        to.f_bsize = $known.block_size as _;
        to.f_frsize = $known.block_size as _;
        to.f_blocks = fit($known.blocks)?;
        to.f_bfree = fit($known.free)?;
        to.f_bavail = fit($known.available)?;
        to.f_files = fit($known.files)?;
        to.f_ffree = fit($known.files_free)?;
        to.f_fsid.val = [id as _, (id >> 32) as _];
        to.f_namelen = if $known.name_length == 0 { 255 } else { $known.name_length as _ };
        // `ST_VALID`: the flags are there.
        to.f_flags = ($known.flags | 0x20) as _;
        to
    }};
}

/// Writes what is known of a file system in one of the forms of `statfs`.
pub fn put_statfs(form: Struct, to: usize, known: &StatFs, claim: u32) -> Result<()> {
    match form {
        Struct::Statfs => vload::put(to, &file_system!(statfs, known, claim)),
        #[cfg(target_pointer_width = "32")]
        Struct::Statfs64 => vload::put(to, &file_system!(statfs64, known, claim)),
        _ => Err(Errno::INVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_two_parts() {
        for (major, minor) in [(0, 0), (8, 1), (0, 0xf_0001), (0xfff, 0xf_ffff)] {
            let number = device(u64::from(major), u64::from(minor));
            assert_eq!(parts(number), (major, minor));
        }
        assert_eq!(device(8, 1), 0x801);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let known = Stat { size: u64::MAX, ..Stat::default() };
        assert_eq!(stat(&known).err(), Some(Errno::OVERFLOW));
        assert!(stat(&Stat::default()).is_ok());
    }
}
