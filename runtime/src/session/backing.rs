//! Files without a name.

use core::ffi::CStr;

use crate::sys::{self, Errno, Result};
use linux_raw_sys::general::{MAP_PRIVATE, O_CLOEXEC, O_RDWR, O_TMPFILE, PROT_EXEC, PROT_READ};

/// `MFD_EXEC` (linux/memfd.h, since 6.3).
const MFD_EXEC: u32 = 0x10;

/// `MFD_NOEXEC_SEAL` (since 6.3): never executable, and seals may be set.
const MFD_NOEXEC_SEAL: u32 = 0x8;
/// `MFD_ALLOW_SEALING`.
const MFD_ALLOW_SEALING: u32 = 0x2;

/// `F_ADD_SEALS` and its seals (linux/fcntl.h).
const F_ADD_SEALS: u32 = 1033;
const F_SEAL_SEAL: usize = 1;
const F_SEAL_SHRINK: usize = 2;
const F_SEAL_GROW: usize = 4;
const F_SEAL_WRITE: usize = 8;

/// Where files are made when `memfd_create` is forbidden.
const PLACES: [&CStr; 4] = [c"/dev/shm", c"/tmp", c"/var/tmp", c"."];

/// A new empty file without a name, from which text can be mapped if `executable`.
fn unnamed(executable: bool) -> Result<i32> {
    let memfd = sys::memfd_create(c"vload", MFD_EXEC).or_else(|error| match error {
        Errno::INVAL => sys::memfd_create(c"vload", 0),
        other => Err(other),
    });
    if let Ok(fd) = memfd {
        return Ok(fd);
    }
    for place in PLACES {
        let Ok(fd) = sys::openat(sys::CWD, place, O_TMPFILE | O_RDWR | O_CLOEXEC, 0o600) else {
            continue;
        };
        if !executable || maps_executable(fd) {
            return Ok(fd);
        }
        sys::close(fd);
    }
    memfd
}

/// Whether text can be mapped from the file (not on a file system mounted noexec).
fn maps_executable(fd: i32) -> bool {
    // SAFETY: without MAP_FIXED the kernel takes unused addresses.
    match unsafe { sys::mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) } {
        Ok(start) => {
            // SAFETY: mapped just now, and not used.
            unsafe { sys::munmap(start, 4096) };
            true
        }
        Err(_) => false,
    }
}

/// A file for data that crosses an exec; its descriptor is inherited.
pub fn scratch_file() -> Result<i32> {
    let fd = unnamed(false)?;
    sys::set_close_on_exec(fd, false)?;
    Ok(fd)
}

/// The file that descriptors of virtual files are opened from: empty, and sealed where it can be, so that a
/// program which vload does not run finds it empty and cannot change it.
pub fn placeholders() -> Result<i32> {
    let sealable = sys::memfd_create(c"vload", MFD_NOEXEC_SEAL).or_else(|error| match error {
        Errno::INVAL => sys::memfd_create(c"vload", MFD_ALLOW_SEALING),
        other => Err(other),
    });
    let Ok(fd) = sealable else { return scratch_file() };
    sys::set_close_on_exec(fd, false)?;
    sys::fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)?;
    Ok(fd)
}

/// A file that holds `bytes`, from which text can be mapped. It is filled through a mapping, because
/// a write may be a signal under `RLIMIT_FSIZE`.
pub fn text_file(bytes: &[u8]) -> Result<i32> {
    let fd = session_file(bytes.len() as u64)?;
    let mapped = sys::map_shared(fd, 0, bytes.len(), true);
    match mapped {
        Ok(start) => {
            // SAFETY: mapped just now, as long as `bytes`.
            unsafe {
                core::ptr::copy_nonoverlapping(bytes.as_ptr(), start as *mut u8, bytes.len());
                sys::munmap(start, bytes.len());
            }
            Ok(fd)
        }
        Err(error) => {
            sys::close(fd);
            Err(error)
        }
    }
}

/// The session's file; `size` is at most what `RLIMIT_FSIZE` lets it have.
pub fn session_file(size: u64) -> Result<i32> {
    let limit = sys::limit(linux_raw_sys::general::RLIMIT_FSIZE)?;
    if limit.soft < size {
        return Err(Errno::NOSPC);
    }
    let fd = unnamed(true)?;
    match sys::truncate(fd, size) {
        Ok(()) => Ok(fd),
        Err(error) => {
            sys::close(fd);
            Err(error)
        }
    }
}
