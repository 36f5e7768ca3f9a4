//! Service modules in Rust: a trait, and what makes an image of it.
//!
//! ```text
//! struct Hello;
//! impl Service for Hello {
//!     fn init(&self, layer: Layer<'_>) -> Result<()> {
//!         layer.claim(c"/hello", 0, 0).map(drop)
//!     }
//!     fn stat(&self, _: &Node<'_>) -> Result<Stat> { … }
//! }
//! vload_module::service_module!(Hello, Hello, "hello", "a greeting");
//! ```
//!
//! The methods are as [`ServiceOperations`](crate::abi::service::ServiceOperations) says. One that is left out fails as it does on a
//! file system without it.

mod exported;

#[doc(hidden)]
pub use exported::{Value, module, operations};

use crate::abi::service as abi;
use crate::{Errno, Layer, Result};
use core::ffi::{CStr, c_int, c_long};
use core::marker::PhantomData;

pub use crate::raw::{Call, Next};
pub use abi::{
    CLAIM_CONFIRM, CLAIM_EXACT, CLAIM_NEGATIVE, CLAIM_NUMBERS, FILE_DIRECTORY, FILE_IN_AREA,
    FILE_STREAM, FILE_UNMAPPED, Piece, Stat, StatFs, Time,
};

/// What an operation is about.
#[repr(transparent)]
pub struct Node<'a> {
    raw: abi::Node,
    called: PhantomData<&'a ()>,
}

/// An open file.
#[repr(transparent)]
pub struct File<'a> {
    raw: abi::File,
    called: PhantomData<&'a ()>,
}

/// What was mounted where.
#[repr(transparent)]
pub struct Mount<'a> {
    raw: abi::Mount,
    called: PhantomData<&'a ()>,
}

/// What has been opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opened {
    /// A file of the module's, with what it wants to be remembered and a set of `FILE_*`.
    Virtual {
        /// Given back in [`File::private`].
        private: u64,
        /// What it is.
        is: u32,
    },
    /// A real file: the program gets this descriptor.
    Real(c_int),
}

/// A name in a directory.
pub struct Listed<'a>(&'a mut abi::Entry);

fn string<'a>(at: *const core::ffi::c_char) -> Option<&'a CStr> {
    // SAFETY: the framework's strings end with a zero and last as long as the call.
    (!at.is_null()).then(|| unsafe { CStr::from_ptr(at) })
}

impl<'a> Node<'a> {
    /// Whose it is.
    pub fn layer(&self) -> Layer<'a> {
        // SAFETY: the framework's, for this call.
        unsafe { Layer::new(self.raw.layer) }
    }

    /// The number of the claim.
    pub fn claim(&self) -> u32 {
        self.raw.claim
    }

    /// The word that the claim was made with.
    pub fn private(&self) -> u64 {
        self.raw.private
    }

    /// The canonical path behind the claimed one: `""` or `"/…"`; none when the name of the open file is gone.
    pub fn path(&self) -> Option<&'a [u8]> {
        string(self.raw.path).map(CStr::to_bytes)
    }

    /// The whole canonical path.
    pub fn whole(&self) -> Option<&'a CStr> {
        string(self.raw.whole)
    }

    /// The open file, when the call had a descriptor.
    pub fn file(&self) -> Option<&File<'a>> {
        // SAFETY: null, or the framework's for this call.
        unsafe { self.raw.file.cast::<File<'a>>().as_ref() }
    }
}

impl<'a> File<'a> {
    /// Whose it is.
    pub fn layer(&self) -> Layer<'a> {
        // SAFETY: the framework's, for this call.
        unsafe { Layer::new(self.raw.layer) }
    }

    /// The number of the claim that it was opened in.
    pub fn claim(&self) -> u32 {
        self.raw.claim
    }

    /// What the module wanted to be remembered.
    pub fn private(&self) -> u64 {
        self.raw.private
    }

    /// The `O_*` flags as they are now.
    pub fn flags(&self) -> c_int {
        self.raw.flags
    }
}

impl<'a> Mount<'a> {
    /// The layer that has the type.
    pub fn layer(&self) -> Layer<'a> {
        // SAFETY: the framework's, for this call.
        unsafe { Layer::new(self.raw.layer) }
    }

    /// The source, as it was given.
    pub fn source(&self) -> &'a CStr {
        string(self.raw.source).unwrap_or(c"")
    }

    /// The canonical path of the target.
    pub fn target(&self) -> &'a CStr {
        string(self.raw.target).unwrap_or(c"/")
    }

    /// The type.
    pub fn kind(&self) -> &'a CStr {
        string(self.raw.kind).unwrap_or(c"")
    }

    /// The options.
    pub fn data(&self) -> Option<&'a CStr> {
        string(self.raw.data)
    }

    /// `MS_*`.
    pub fn flags(&self) -> u64 {
        self.raw.flags
    }
}

impl Listed<'_> {
    /// Sets the entry. A name of more than 255 bytes is `ENAMETOOLONG`.
    pub fn set(&mut self, inode: u64, kind: u8, name: &[u8]) -> Result<()> {
        let room = self.0.name.get_mut(..name.len()).filter(|_| name.len() <= 255);
        room.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(name);
        self.0.name[name.len()] = 0;
        (self.0.inode, self.0.kind) = (inode, kind);
        Ok(())
    }
}

impl Layer<'_> {
    /// Claims a canonical absolute path, with a set of `CLAIM_*`: the claim's number.
    pub fn claim(self, path: &CStr, flags: u32, private: u64) -> Result<u32> {
        // SAFETY: the layer is one, and the path ends with a zero.
        let result = unsafe { abi::vload_claim_path(self.as_raw(), path.as_ptr(), flags, private) };
        Errno::check(result).map(|number| number as u32)
    }

    /// A file of the layer's may have become ready otherwise than by a call on one: who waits asks again.
    pub fn wake(self) -> Result<()> {
        // SAFETY: the layer is one.
        Errno::check(unsafe { abi::vload_wake(self.as_raw()) }).map(drop)
    }

    /// Takes a claim away.
    pub fn unclaim(self, claim: u32) -> Result<()> {
        // SAFETY: the layer is one.
        Errno::check(unsafe { abi::vload_unclaim(self.as_raw(), claim) }).map(drop)
    }
}

macro_rules! operations {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        /// What a service module does.
        ///
        /// It has no state of its own but what is atomic: a process begins with what the image has, and all that
        /// processes share is in [`Layer::area`].
        #[allow(unused_variables)]
        pub trait Service: Sync {
            /// Once for each layer in a session: claims what it is for.
            fn init(&self, layer: Layer<'_>) -> Result<()> {
                Ok(())
            }
            /// Once for each layer in each program.
            fn attach(&self, layer: Layer<'_>) -> Result<()> {
                Ok(())
            }
            /// Before a layer is removed.
            fn fini(&self, layer: Layer<'_>) -> Result<()> {
                Ok(())
            }
            /// A call of the image's `numbers`, before its paths are looked at. What it gives back is the call's result: 0 or
            /// more, or a negative error number. `next` are the older layers that have claimed the number, then what
            /// the call's paths and descriptors stand for, and the system.
            fn call(&self, layer: Layer<'_>, call: &mut Call, next: Next<'_>) -> c_long {
                next.call(call)
            }
            /// As `open`, with a number that no other open file of the session has, from 1 to 4096. `close` is given a
            /// file with this as [`File::private`] if the process dies before `open` has given one.
            fn open_as(&self, node: &Node<'_>, flags: c_int, mode: u32, number: u64) -> Result<Opened> {
                self.open(node, flags, mode)
            }
            /// Whether it has `read`, and whether it has `write`: what anybody may do with a file of which `stat` says nothing.
            const READS: bool = true;
            /// See [`READS`](Self::READS).
            const WRITES: bool = true;
            /// What is known of a file. Left out where what is claimed is one file of no known length, as those in `/proc`,
            /// that anybody may read and write, as far as the module does.
            fn stat(&self, node: &Node<'_>) -> Result<Stat> {
                Err(Errno::NOSYS)
            }
            $($(#[$doc])* fn $name(&self, $($argument: $kind),*) -> Result<$result> {
                Err(Errno::NOSYS)
            })*
        }
    };
}

operations! {
    /// Whether a path of a claim with [`CLAIM_CONFIRM`] is the layer's.
    fn confirm(node: &Node<'_>) -> bool;
    /// Opens: `O_CREAT`, `O_EXCL`, `O_TRUNC` and `O_DIRECTORY` are to be minded here.
    fn open(node: &Node<'_>, flags: c_int, mode: u32) -> Opened;
    /// Nobody has it open any more.
    fn close(file: &File<'_>) -> ();
    /// The bytes from an offset on; 0 at the end.
    fn read(file: &File<'_>, to: &mut [u8], offset: i64) -> usize;
    /// Writes at an offset; with `O_APPEND` in [`File::flags`] at the end.
    fn write(file: &File<'_>, from: &[u8], offset: i64) -> usize;
    /// A position that the framework cannot find.
    fn lseek(file: &File<'_>, offset: i64, whence: c_int) -> i64;
    /// The argument is the program's: a value, or an address for [`crate::get`] and [`crate::put`].
    fn ioctl(file: &File<'_>, request: u32, argument: usize) -> usize;
    /// Which of `POLLIN`, `POLLOUT`, `POLLERR`, `POLLHUP` hold now.
    fn poll(file: &File<'_>) -> u16;
    /// Everything is stored.
    fn fsync(file: &File<'_>, data_only: bool) -> ();
    /// `fallocate(2)`.
    fn allocate(file: &File<'_>, mode: c_int, offset: i64, length: i64) -> ();
    /// Where what a [`FILE_IN_AREA`] has from an offset on lies in [`Layer::area`], at most `length` bytes of it; nothing at
    /// the end. Programs have these pages as their memory: they are the file's until it is closed.
    fn map(file: &File<'_>, offset: i64, length: u64) -> Piece;
    /// The name that a cookie stands for, 0 for the first, and the next one's cookie; false at the end.
    fn list(file: &File<'_>, cookie: &mut u64, entry: &mut Listed<'_>) -> bool;
    /// May the process do that: `R_OK`, `W_OK`, `X_OK`.
    fn access(node: &Node<'_>, mode: c_int) -> ();
    /// Where a symbolic link leads: how many bytes of `to`.
    fn readlink(node: &Node<'_>, to: &mut [u8]) -> usize;
    /// Sets the time of the last reading and that of the last change.
    fn utimens(node: &Node<'_>, times: &[Time; 2]) -> ();
    /// Makes a symbolic link at the node.
    fn symlink(node: &Node<'_>, target: &CStr) -> ();
    /// Gives the first node the second's name too.
    fn link(from: &Node<'_>, to: &Node<'_>) -> ();
    /// Removes a name that is no directory's.
    fn unlink(node: &Node<'_>) -> ();
    /// Makes a directory.
    fn mkdir(node: &Node<'_>, mode: u32) -> ();
    /// Removes an empty directory.
    fn rmdir(node: &Node<'_>) -> ();
    /// Makes a file, pipe, socket or device.
    fn mknod(node: &Node<'_>, mode: u32, device: u64) -> ();
    /// Sets the permissions.
    fn chmod(node: &Node<'_>, mode: u32) -> ();
    /// Sets owner and group; `u32::MAX` leaves one as it is.
    fn chown(node: &Node<'_>, uid: u32, gid: u32) -> ();
    /// Gives the first node the second's name instead.
    fn rename(from: &Node<'_>, to: &Node<'_>, flags: u32) -> ();
    /// Sets the size.
    fn truncate(node: &Node<'_>, size: i64) -> ();
    /// What is known of the file system.
    fn statfs(node: &Node<'_>) -> StatFs;
    /// The value of an extended attribute; its length alone when `to` is empty.
    fn getxattr(node: &Node<'_>, name: &CStr, to: &mut [u8]) -> usize;
    /// Sets an extended attribute.
    fn setxattr(node: &Node<'_>, name: &CStr, value: &[u8], flags: c_int) -> ();
    /// The names of the extended attributes, each with its zero; their length alone when `to` is empty.
    fn listxattr(node: &Node<'_>, to: &mut [u8]) -> usize;
    /// Removes an extended attribute.
    fn removexattr(node: &Node<'_>, name: &CStr) -> ();
    /// A file system of one of the module's types is mounted: claims the target.
    fn mount(mount: &Mount<'_>) -> ();
    /// A claim that `mount` made is taken away.
    fn umount(node: &Node<'_>, flags: c_int) -> ();
}

/// Makes an image of a [`Service`]: its constant value, name and description; then, as they are wanted, `keys: "a,b"`
/// for the arguments that it takes, `types: "fs"` for the file systems that it mounts, `area: BYTES` of session memory,
/// `numbers: [39, 110]` for the calls that it claims by the processor's own instruction.
#[macro_export]
macro_rules! service_module {
    ($type:ty, $value:expr, $name:literal, $description:literal
        $(, keys: $keys:literal)? $(, types: $types:literal)? $(, area: $area:expr)?
        $(, numbers: [$($number:expr),* $(,)?])? $(,)?) => {
        static VLOAD_SERVICE: $type = $value;
        static VLOAD_OPERATIONS: $crate::abi::service::ServiceOperations =
            $crate::service::operations::<VloadService>(
                $crate::zero_terminated!($($types)?),
                $crate::numbers!($([$($number),*])?),
            );
        struct VloadService;
        impl $crate::service::Value for VloadService {
            type Service = $type;
            fn value() -> &'static $type {
                &VLOAD_SERVICE
            }
        }
        #[doc = $description]
        #[unsafe(no_mangle)]
        pub static vload_module: $crate::abi::Module = $crate::service::module::<VloadService>(
            concat!($name, "\0").as_ptr().cast(),
            concat!($description, "\0").as_ptr().cast(),
            $crate::zero_terminated!($($keys)?),
            0 $(+ $area as u64)?,
            &VLOAD_OPERATIONS,
        );
        $crate::without_unwinding!();
    };
}

/// A string of C's, or null.
#[doc(hidden)]
#[macro_export]
macro_rules! zero_terminated {
    () => {
        core::ptr::null()
    };
    ($text:literal) => {
        concat!($text, "\0").as_ptr().cast()
    };
}
