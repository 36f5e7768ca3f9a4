//! Error numbers as values.

/// An error number of the kernel (`errno(3)`), 1 to 4095.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

use crate::abi::errno;
use core::fmt;
use linux_raw_sys::errno as e;

impl Errno {
    /// Its name, `ENOENT`, if it has one.
    pub fn name(self) -> Option<&'static str> {
        errno::name(self.0)
    }

    /// What `strerror(3)` would say.
    pub fn text(self) -> &'static str {
        errno::text(self.0).unwrap_or("Unknown error")
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

macro_rules! errnos {
    ($($name:ident = $raw:ident, $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Errno = Errno(e::$raw as i32);)*
        }
    };
}

errnos! {
    PERM = EPERM, "Operation not permitted";
    NOENT = ENOENT, "No such file or directory";
    SRCH = ESRCH, "No such process";
    NOTTY = ENOTTY, "Inappropriate ioctl for device";
    INTR = EINTR, "Interrupted system call";
    IO = EIO, "Input/output error";
    TOOBIG = E2BIG, "Argument list too long";
    NOEXEC = ENOEXEC, "Exec format error";
    BADF = EBADF, "Bad file descriptor";
    AGAIN = EAGAIN, "Resource temporarily unavailable";
    NOMEM = ENOMEM, "Cannot allocate memory";
    ACCES = EACCES, "Permission denied";
    FAULT = EFAULT, "Bad address";
    BUSY = EBUSY, "Device or resource busy";
    EXIST = EEXIST, "File exists";
    NODEV = ENODEV, "No such device";
    NOTDIR = ENOTDIR, "Not a directory";
    ISDIR = EISDIR, "Is a directory";
    INVAL = EINVAL, "Invalid argument";
    NFILE = ENFILE, "Too many open files in system";
    MFILE = EMFILE, "Too many open files";
    FBIG = EFBIG, "File too large";
    ALREADY = EALREADY, "Operation already in progress";
    TXTBSY = ETXTBSY, "Text file busy";
    OPNOTSUPP = EOPNOTSUPP, "Operation not supported";
    DEADLK = EDEADLK, "Resource deadlock avoided";
    NOSPC = ENOSPC, "No space left on device";
    PIPE = EPIPE, "Broken pipe";
    ROFS = EROFS, "Read-only file system";
    NXIO = ENXIO, "No such device or address";
    NOPKG = ENOPKG, "Package not installed";
    NAMETOOLONG = ENAMETOOLONG, "File name too long";
    NOSYS = ENOSYS, "Function not implemented";
    LOOP = ELOOP, "Too many levels of symbolic links";
    BADFD = EBADFD, "File descriptor in bad state";
    OWNERDEAD = EOWNERDEAD, "Owner died";
    LIBBAD = ELIBBAD, "Accessing a corrupted shared library";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts() {
        assert_eq!(std::format!("{:?}", Errno::NOENT), "ENOENT");
        assert_eq!(std::format!("{:?}", Errno(4000)), "errno 4000");
        assert_eq!(Errno::LIBBAD.text(), "Accessing a corrupted shared library");
        assert_eq!(Errno(4000).text(), "Unknown error");
        assert_eq!(Errno(4000).name(), None);
    }
}
