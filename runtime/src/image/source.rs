//! Where the bytes of an executable come from.

use crate::sys::{self, Errno};

/// A file that can be read at any offset, with the results of `pread(2)`.
pub trait Source {
    /// Reads at `offset` into `buf` and gives how many bytes there were: fewer than asked for
    /// only at the end of the file, none beyond it. A position beyond what `loff_t` can say is
    /// `EINVAL`, as `rw_verify_area` has it.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> sys::Result<usize>;
}

/// An open descriptor as a [`Source`]. It is borrowed as a number: whoever opened it closes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fd(pub i32);

impl Source for Fd {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> sys::Result<usize> {
        verify_area(offset, buf.len())?;
        let mut filled = 0;
        // File systems in user space may give less than was asked for before the end.
        while let Some(rest) = buf.get_mut(filled..)
            && !rest.is_empty()
        {
            match sys::pread(self.0, rest, offset + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }
}

impl Source for [u8] {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> sys::Result<usize> {
        verify_area(offset, buf.len())?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let there = self.get(start..).unwrap_or(&[]);
        let len = there.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..len), there.get(..len)) {
            to.copy_from_slice(from);
        }
        Ok(len)
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> sys::Result<usize> {
        (**self).read_at(offset, buf)
    }
}

/// `rw_verify_area` (`fs/read_write.c`): neither the position nor the end may be negative.
fn verify_area(offset: u64, len: usize) -> sys::Result<()> {
    match offset.checked_add(len as u64) {
        Some(end) if end <= i64::MAX as u64 => Ok(()),
        _ => Err(Errno::INVAL),
    }
}

/// Reads exactly `buf.len()` bytes: `elf_read` of `fs/binfmt_elf.c`, where a short read is
/// `EIO`.
pub(super) fn read_exact<S: Source + ?Sized>(
    source: &S,
    offset: u64,
    buf: &mut [u8],
) -> sys::Result<()> {
    if source.read_at(offset, buf)? == buf.len() { Ok(()) } else { Err(Errno::IO) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_read_like_files() {
        let file: &[u8] = b"0123456789";
        let mut buf = [0; 4];
        assert_eq!(file.read_at(0, &mut buf), Ok(4));
        assert_eq!(file.read_at(8, &mut buf), Ok(2));
        assert_eq!(&buf[..2], b"89");
        assert_eq!(file.read_at(10, &mut buf), Ok(0));
        assert_eq!(file.read_at(1 << 40, &mut buf), Ok(0));
        assert_eq!(file.read_at(i64::MAX as u64 - 4, &mut buf), Ok(0));
        assert_eq!(file.read_at(i64::MAX as u64 - 3, &mut buf), Err(Errno::INVAL));
        assert_eq!(file.read_at(u64::MAX, &mut buf), Err(Errno::INVAL));
    }

    #[test]
    fn descriptors_read_like_slices() {
        use std::io::Write;
        use std::os::fd::AsRawFd;
        let path = std::env::temp_dir().join(std::format!("vload-source-{}", std::process::id()));
        let mut file = std::fs::File::create_new(&path).unwrap();
        file.write_all(b"0123456789").unwrap();
        let file = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let (fd, slice) = (Fd(file.as_raw_fd()), b"0123456789".as_slice());
        for offset in [0, 8, 10, 1 << 40, i64::MAX as u64 - 3, u64::MAX] {
            let (mut a, mut b) = ([0; 4], [0; 4]);
            assert_eq!(fd.read_at(offset, &mut a), slice.read_at(offset, &mut b), "at {offset}");
            assert_eq!(a, b, "at {offset}");
        }
    }
}
