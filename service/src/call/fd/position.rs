//! `lseek(2)` (`fs/read_write.c`).

use core::sync::atomic::Ordering;

use linux_raw_sys::general as nr;
use vload_module::abi::service::ServiceOperations;
use vload_module::{Errno, Result};

use super::transfer;
use crate::descriptor::Held;

/// Where the position is afterwards.
pub fn seek(held: &Held, offset: i64, whence: u32) -> Result<i64> {
    held.usable()?;
    if whence > nr::SEEK_HOLE {
        return Err(Errno::INVAL);
    }
    if held.is_stream() {
        return Err(Errno::SPIPE);
    }
    let position = &held.record().position;
    match whence {
        nr::SEEK_SET => {
            let to = not_negative(offset)?;
            position.store(to, Ordering::Release);
            Ok(to)
        }
        nr::SEEK_CUR => {
            let mut from = position.load(Ordering::Acquire);
            loop {
                let to = moved(from, offset)?;
                // Nothing is stored where nothing changes: who only asks takes nobody's read back.
                if offset == 0 {
                    return Ok(to);
                }
                match position.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => return Ok(to),
                    Err(now) => from = now,
                }
            }
        }
        _ => {
            let to = from_the_end(held, offset, whence)?;
            position.store(to, Ordering::Release);
            Ok(to)
        }
    }
}

fn not_negative(offset: i64) -> Result<i64> {
    if offset < 0 { Err(Errno::INVAL) } else { Ok(offset) }
}

/// `from + offset`, if that can be a position: `EOVERFLOW` is not what `vfs_setpos` says.
fn moved(from: i64, offset: i64) -> Result<i64> {
    not_negative(from.wrapping_add(offset))
}

/// `SEEK_END`, `SEEK_DATA`, `SEEK_HOLE`.
fn from_the_end(held: &Held, offset: i64, whence: u32) -> Result<i64> {
    if whence != nr::SEEK_END {
        let asked = held.ask(Errno::NOSYS, |operations: &ServiceOperations, file| {
            // SAFETY: the file is the one that is asked about.
            Some(unsafe { (operations.lseek?)(file, offset, whence as i32) } as core::ffi::c_long)
        });
        match asked {
            Err(Errno::NOSYS) => {}
            other => return other,
        }
    }
    // The kernel has no end of a directory that lists itself (`dcache_dir_lseek`, fs/libfs.c).
    if held.is_directory() {
        return Err(Errno::INVAL);
    }
    within(transfer::end(held)?, offset, whence)
}

/// The same in a file of `size` bytes that has no holes (`generic_file_llseek_size`).
fn within(size: i64, offset: i64, whence: u32) -> Result<i64> {
    match whence {
        nr::SEEK_END => moved(size, offset),
        // A negative one is behind any end, as an unsigned one.
        _ if offset < 0 || offset >= size => Err(Errno::NXIO),
        nr::SEEK_DATA => Ok(offset),
        _ => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_file_without_holes() {
        assert_eq!(within(10, -3, nr::SEEK_END), Ok(7));
        assert_eq!(within(10, -11, nr::SEEK_END), Err(Errno::INVAL));
        assert_eq!(within(10, i64::MAX, nr::SEEK_END), Err(Errno::INVAL));
        assert_eq!(within(10, 3, nr::SEEK_DATA), Ok(3));
        assert_eq!(within(10, 3, nr::SEEK_HOLE), Ok(10));
        for whence in [nr::SEEK_DATA, nr::SEEK_HOLE] {
            assert_eq!(within(10, 10, whence), Err(Errno::NXIO));
            assert_eq!(within(10, -1, whence), Err(Errno::NXIO));
        }
    }
}
