//! Error numbers.

use core::ffi::c_int;

/// An error number of the kernel's, positive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(pub c_int);

/// What an operation gives.
pub type Result<T> = core::result::Result<T, Errno>;

macro_rules! errors {
    ($($name:ident = $raw:ident: $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Self = Self(linux_raw_sys::errno::$raw as c_int);)*
        }
    };
}

errors! {
    ACCES = EACCES: "Permission denied.";
    AGAIN = EAGAIN: "Try again.";
    BADF = EBADF: "Bad file descriptor.";
    BUSY = EBUSY: "Device or resource busy.";
    EXIST = EEXIST: "File exists.";
    FAULT = EFAULT: "Bad address.";
    FBIG = EFBIG: "File too large.";
    INTR = EINTR: "Interrupted.";
    INVAL = EINVAL: "Invalid argument.";
    IO = EIO: "Input/output error.";
    ISDIR = EISDIR: "Is a directory.";
    LOOP = ELOOP: "Too many symbolic links.";
    MFILE = EMFILE: "Too many open files.";
    MLINK = EMLINK: "Too many links.";
    NAMETOOLONG = ENAMETOOLONG: "File name too long.";
    NFILE = ENFILE: "Too many open files in the system.";
    NODATA = ENODATA: "No data available.";
    NODEV = ENODEV: "No such device.";
    NOENT = ENOENT: "No such file or directory.";
    NOMEM = ENOMEM: "Out of memory.";
    NOSPC = ENOSPC: "No space left.";
    NOSYS = ENOSYS: "Not offered by the module: the framework answers as a file system without it does.";
    NOTBLK = ENOTBLK: "Block device required.";
    NOTDIR = ENOTDIR: "Not a directory.";
    NOTEMPTY = ENOTEMPTY: "Directory not empty.";
    NOTTY = ENOTTY: "Not a typewriter.";
    NXIO = ENXIO: "No such device or address.";
    OPNOTSUPP = EOPNOTSUPP: "Operation not supported.";
    OVERFLOW = EOVERFLOW: "Value too large.";
    PERM = EPERM: "Operation not permitted.";
    RANGE = ERANGE: "Result not representable.";
    ROFS = EROFS: "Read-only file system.";
    SPIPE = ESPIPE: "Illegal seek.";
    TXTBSY = ETXTBSY: "Text file busy.";
    XDEV = EXDEV: "Cross-device link.";
}

impl Errno {
    /// The result of a call as the kernel gives it.
    pub fn check(result: impl Into<i64>) -> Result<i64> {
        let result = result.into();
        if (-4095..0).contains(&result) { Err(Self(-(result as c_int))) } else { Ok(result) }
    }
}
