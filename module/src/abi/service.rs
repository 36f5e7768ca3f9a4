//! Service modules: what is claimed, and the calls on it; and the framework that they rest on.
//!
//! The framework makes one operation of all variants of a call: paths are resolved, directory
//! descriptors and flags are gone, structures have one layout. An operation that a module leaves
//! out fails as it does on a file system without it.

use super::{Call, Layer};
use core::ffi::{c_char, c_int, c_long, c_void};

/// A flag of [`vload_claim_path`]: the name alone, and nothing below it.
pub const CLAIM_EXACT: u32 = 1;
/// A flag of [`vload_claim_path`]: the name may be followed by digits, as in `/dev/tty12`.
pub const CLAIM_NUMBERS: u32 = 2;
/// A flag of [`vload_claim_path`]: what is there is what it is without this layer and all older ones.
pub const CLAIM_NEGATIVE: u32 = 4;
/// A flag of [`vload_claim_path`]: [`ServiceOperations::confirm`] is asked about each path.
pub const CLAIM_CONFIRM: u32 = 8;

/// What [`ServiceOperations::open`] gives when it has opened a real file, [`File::real`]: the program
/// gets that descriptor, and the layer is not asked about it again.
pub const OPENED_REAL: c_int = 1;

/// [`File::is`]: a sequence of bytes without positions: its operations get the offset -1.
pub const FILE_STREAM: u32 = 1;
/// [`File::is`]: a directory.
pub const FILE_DIRECTORY: u32 = 2;
/// [`File::is`]: no memory can be made of it; `mmap` fails with `ENODEV`.
pub const FILE_UNMAPPED: u32 = 4;
/// [`File::is`]: its bytes lie in the layer's area, and [`ServiceOperations::map`] says where.
pub const FILE_IN_AREA: u32 = 8;

/// What an operation is about: a place in a claimed tree, or an open file, or both.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Node {
    /// Whose claim it is.
    pub layer: *mut Layer,
    /// The number of the claim.
    pub claim: u32,
    /// The length of `path`.
    pub length: u32,
    /// The word that the claim was made with.
    pub private: u64,
    /// The canonical path behind the claimed one: `""` or `"/…"`, for [`CLAIM_NUMBERS`] the digits; null
    /// when only `file` is known, because its name is gone.
    pub path: *const c_char,
    /// The whole canonical path; null with `path`.
    pub whole: *const c_char,
    /// The open file, when the call had a descriptor; else null.
    pub file: *mut File,
}

/// An open file: what POSIX calls an open file description.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct File {
    /// Whose it is.
    pub layer: *mut Layer,
    /// The number of the claim that it was opened in.
    pub claim: u32,
    /// A set of `FILE_*`: what the module says that it is, when it opens it.
    pub is: u32,
    /// What the module wants to be remembered, for all processes that have it open: no address.
    pub private: u64,
    /// The `O_*` flags as they are now.
    pub flags: c_int,
    /// The descriptor of an [`OPENED_REAL`].
    pub real: c_int,
}

/// A time of a file's. In [`ServiceOperations::utimens`] the nanoseconds may be `UTIME_NOW` or `UTIME_OMIT`.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// And nanoseconds.
    pub nanoseconds: u32,
    _reserved: u32,
}

impl Time {
    /// A time.
    pub const fn new(seconds: i64, nanoseconds: u32) -> Self {
        Self { seconds, nanoseconds, _reserved: 0 }
    }
}

/// What is known of a file, on all machines in one layout.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Stat {
    /// The device; 0 for the one that the framework gives to the claim.
    pub device: u64,
    /// The inode.
    pub inode: u64,
    /// Type and permissions.
    pub mode: u32,
    /// How many names it has; a directory with none has been removed.
    pub links: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The device that it stands for.
    pub special: u64,
    /// Bytes.
    pub size: u64,
    /// Blocks of 512 bytes.
    pub blocks: u64,
    /// What is best read or written at once; 0 for 4096.
    pub block_size: u32,
    /// 0.
    pub reserved: u32,
    /// When it was last read.
    pub accessed: Time,
    /// When its content was last changed.
    pub modified: Time,
    /// When anything of it was last changed.
    pub changed: Time,
    /// When it was made; zero when that is not known.
    pub born: Time,
}

/// What is known of a file system.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct StatFs {
    /// Its magic number.
    pub kind: u64,
    /// The size of a block in bytes.
    pub block_size: u64,
    /// All blocks.
    pub blocks: u64,
    /// Those that are free.
    pub free: u64,
    /// Those that anybody may take.
    pub available: u64,
    /// All files that there can be.
    pub files: u64,
    /// How many more there can be.
    pub files_free: u64,
    /// Its identity; 0 for the claim's.
    pub id: u64,
    /// The longest name; 0 for 255.
    pub name_length: u64,
    /// `ST_*` flags.
    pub flags: u64,
}

/// A name in a directory.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Entry {
    /// The inode; not 0.
    pub inode: u64,
    /// `DT_*`.
    pub kind: u8,
    /// Ends with a zero.
    pub name: [u8; 263],
}

/// Where a part of a file lies in its layer's area.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Where in the area it begins: a multiple of 4096.
    pub start: u64,
    /// How many bytes of the file lie there together, the last page whole: a multiple of 4096; 0 at the end.
    pub length: u64,
}

/// What `mount` was asked for.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Mount {
    /// The layer that has the type.
    pub layer: *mut Layer,
    /// The source, as it was given.
    pub source: *const c_char,
    /// The canonical path of the target.
    pub target: *const c_char,
    /// The type.
    pub kind: *const c_char,
    /// The options; null for none.
    pub data: *const c_char,
    /// `MS_*`.
    pub flags: u64,
}

type OnNode<A = ()> = Option<unsafe extern "C" fn(*const Node, A) -> c_int>;

/// What a service module does. Results are 0 or more, or a negative error number.
///
/// Strings and buffers are the framework's, not the program's: a module uses them as they are. No
/// operation follows a symbolic link. Modes have been through the umask. `-ENOSYS` is the same as no operation.
#[repr(C)]
pub struct ServiceOperations {
    /// Whether a path of a claim with [`CLAIM_CONFIRM`] is the layer's: 1, or 0.
    pub confirm: Option<unsafe extern "C" fn(*const Node) -> c_int>,
    /// [`File::private`] is a number then that no other open file of the session has, from 1 to 4096; `close` gets it so if the
    /// process dies before `open` has filled it in. Fills in [`File::private`] and [`File::is`] and gives 0; or [`OPENED_REAL`]. `O_CREAT`, `O_EXCL`, `O_TRUNC`
    /// and `O_DIRECTORY` are the module's to mind. Without it, nothing can be opened but directories with `list`.
    pub open:
        Option<unsafe extern "C" fn(*const Node, flags: c_int, mode: u32, *mut File) -> c_int>,
    /// Nobody has it open any more. It may be called in another process than the one that opened it.
    pub close: Option<unsafe extern "C" fn(*mut File) -> c_int>,
    /// The bytes from an offset on; 0 at the end.
    pub read: Option<unsafe extern "C" fn(*mut File, *mut c_void, usize, offset: i64) -> c_long>,
    /// Writes at an offset; with `O_APPEND` in [`File::flags`] at the end, wherever that is.
    pub write: Option<unsafe extern "C" fn(*mut File, *const c_void, usize, offset: i64) -> c_long>,
    /// Where data or a hole begins: `SEEK_DATA`, `SEEK_HOLE`. Without it, a file has no holes. All else the framework
    /// finds, `SEEK_END` from the size that `stat` says.
    pub lseek: Option<unsafe extern "C" fn(*mut File, offset: i64, whence: c_int) -> i64>,
    /// The argument is the program's: a value, or an address for `vload_get` and `vload_put`.
    pub ioctl: Option<unsafe extern "C" fn(*mut File, request: u32, argument: usize) -> c_long>,
    /// Which of `POLLIN`, `POLLOUT`, `POLLERR`, `POLLHUP` hold now. Without it, reading and writing are possible. It is asked
    /// again after each `read`, `write`, `ioctl` and `close` of a layer that has it, and after [`vload_wake`]. Of a [`FILE_STREAM`] whose `read` or `write`
    /// gives `-EAGAIN` the framework waits for it, unless `O_NONBLOCK` is set.
    pub poll: Option<unsafe extern "C" fn(*mut File) -> c_int>,
    /// Everything is stored; `data_only` as in `fdatasync`.
    pub fsync: Option<unsafe extern "C" fn(*mut File, data_only: c_int) -> c_int>,
    /// Room is made, or taken away: `fallocate(2)`.
    pub allocate:
        Option<unsafe extern "C" fn(*mut File, mode: c_int, offset: i64, length: i64) -> c_int>,
    /// The name in a directory that a cookie stands for, 0 for the first, and the next one's cookie: 1; or 0 at
    /// the end. `.` and `..` are the framework's. A name that is removed moves no other.
    pub list: Option<unsafe extern "C" fn(*mut File, cookie: *mut u64, *mut Entry) -> c_int>,
    /// What is known of a file. Without it what is claimed is one file of no known length, as those in `/proc`, that anybody may
    /// read and write as far as `read` and `write` are there.
    pub stat: OnNode<*mut Stat>,
    /// May the process do that: `R_OK`, `W_OK`, `X_OK`. Without it, what `stat` says decides.
    pub access: OnNode<c_int>,
    /// Where a symbolic link leads: the length, without a zero.
    pub readlink: Option<unsafe extern "C" fn(*const Node, *mut c_char, usize) -> c_long>,
    /// Sets the time of the last reading and that of the last change.
    pub utimens: OnNode<*const [Time; 2]>,
    /// Makes a symbolic link at the node.
    pub symlink: OnNode<*const c_char>,
    /// Gives the first node the second's name too. Both are the same claim's.
    pub link: OnNode<*const Node>,
    /// Removes a name that is no directory's.
    pub unlink: Option<unsafe extern "C" fn(*const Node) -> c_int>,
    /// Makes a directory.
    pub mkdir: OnNode<u32>,
    /// Removes an empty directory.
    pub rmdir: Option<unsafe extern "C" fn(*const Node) -> c_int>,
    /// Makes a file, pipe, socket or device.
    pub mknod: Option<unsafe extern "C" fn(*const Node, mode: u32, device: u64) -> c_int>,
    /// Sets the permissions.
    pub chmod: OnNode<u32>,
    /// Sets owner and group; `u32::MAX` leaves one as it is.
    pub chown: Option<unsafe extern "C" fn(*const Node, uid: u32, gid: u32) -> c_int>,
    /// Gives the first node the second's name instead. Both are the same claim's. Flags as in `renameat2(2)`.
    /// Two names of one file are both left; the two nodes are never the same name.
    pub rename: Option<unsafe extern "C" fn(*const Node, *const Node, flags: u32) -> c_int>,
    /// Sets the size.
    pub truncate: OnNode<i64>,
    /// What is known of the file system.
    pub statfs: OnNode<*mut StatFs>,
    /// The value of an extended attribute; its length alone when there is no room.
    pub getxattr:
        Option<unsafe extern "C" fn(*const Node, *const c_char, *mut c_void, usize) -> c_long>,
    /// Sets an extended attribute.
    pub setxattr: Option<
        unsafe extern "C" fn(
            *const Node,
            *const c_char,
            *const c_void,
            usize,
            flags: c_int,
        ) -> c_int,
    >,
    /// The names of the extended attributes, each with its zero; their length alone when there is no room.
    pub listxattr: Option<unsafe extern "C" fn(*const Node, *mut c_char, usize) -> c_long>,
    /// Removes an extended attribute.
    pub removexattr: OnNode<*const c_char>,
    /// A file system of one of [`types`](Self::types) is mounted: claims the target, and what else it wants.
    pub mount: Option<unsafe extern "C" fn(*const Mount) -> c_int>,
    /// A claim that `mount` made is taken away. The flags are those of `umount2`; nobody has a file of it open, or
    /// `MNT_DETACH` is among them.
    pub umount: OnNode<c_int>,
    /// A call with one of [`numbers`](Self::numbers), before its paths are looked at; the newest layer that has claimed a
    /// number comes first. `vload_next` gives it to the next older one, then to what its paths and descriptors stand
    /// for, and the system.
    pub call: Option<unsafe extern "C" fn(*mut Layer, *mut Call) -> c_long>,
    /// The numbers of the calls that `call` is for, by the processor's own instruction.
    pub numbers: *const usize,
    /// How many.
    pub count: usize,
    /// The types of file systems that it mounts, with commas between them; null for none.
    pub types: *const c_char,
    /// Of a [`FILE_IN_AREA`]: where what it has from an offset on, a multiple of 4096, lies in the layer's area, at most
    /// `length` bytes of it. A program gets these pages as its memory (`MAP_SHARED`). So they are this file's as long as
    /// it is open, whatever becomes of its size and its names: `close` is not called while a process has them mapped.
    pub map: Option<unsafe extern "C" fn(*mut File, offset: i64, length: u64, *mut Piece) -> c_int>,
}

// SAFETY: the pointers lead to what never changes.
unsafe impl Sync for ServiceOperations {}

/// What the framework is to vload: the last layer before the system, with all service layers in it.
#[repr(C)]
pub struct FrameworkOperations {
    /// A call that no raw layer has answered. Claims with an epoch below `limit` count; of service layers that have
    /// claimed its number those that are older than `below` too. While it runs, `vload_get`
    /// and `vload_put` reach the memory of who made the call: the program, or a layer that asks.
    pub call: unsafe extern "C" fn(*mut Layer, *mut Call, limit: u64, below: u64) -> c_long,
    /// A service layer is effective in this process from now on. Called before the layer's own `init` and `attach`.
    pub add: unsafe extern "C" fn(
        *mut Layer,
        *mut Layer,
        *const ServiceOperations,
        identity: u32,
    ) -> c_int,
    /// A service layer is to be removed from the session: `EBUSY` while it has open files or a mounted file system.
    pub remove: unsafe extern "C" fn(*mut Layer, identity: u32) -> c_int,
    /// A service layer is no longer effective in this process, which has seen that it was removed. What is left of it in
    /// the session goes.
    pub forget: unsafe extern "C" fn(*mut Layer, identity: u32),
    /// How many open files and mounted file systems a service layer has.
    pub users: unsafe extern "C" fn(*mut Layer, identity: u32) -> c_int,
    /// Writes one of a service layer's claims in words, for `lsmod`: its length, or `-ENOENT` behind the last.
    pub claims:
        unsafe extern "C" fn(*mut Layer, identity: u32, index: u32, *mut c_char, usize) -> c_long,
    /// The process has just been forked, and has one thread; no layer has been told yet. `copied`: the number of the table of
    /// descriptors that it has a copy of, plus one, as `vload_alone` gives it; 0 if it has that table itself.
    pub forked: unsafe extern "C" fn(*mut Layer, copied: c_int),
    /// The calls that it wants where there is any service layer.
    pub numbers: *const usize,
    /// How many.
    pub count: usize,
    /// The calls that it wants besides while `vload_hold` says so.
    pub held: *const usize,
    /// How many.
    pub held_count: usize,
}

// SAFETY: the pointers lead to what never changes.
unsafe impl Sync for FrameworkOperations {}

/// What vload offers the framework alone.
pub mod core_side {
    use super::{Layer, c_char, c_int, c_long, c_void};

    unsafe extern "C" {
        /// Calls `function(argument)`, which is code of `layer`'s, or calls some. A fault in it ends the call with `-EIO`, and
        /// its locks are released. What is asked in it goes to layers and claims with an epoch below `epoch`. With `passes`
        /// it may give the call that the framework is asked about on, by `vload_next`. `-ENOENT`, and nothing is called: that
        /// is no longer the layer of the number `identity`.
        pub fn vload_guard(
            layer: *mut Layer,
            identity: u32,
            epoch: u64,
            passes: c_int,
            function: unsafe extern "C" fn(*mut c_void) -> c_long,
            argument: *mut c_void,
        ) -> c_long;
        /// The next number of the session's one counter.
        pub fn vload_new_epoch() -> u64;
        /// When a layer was loaded.
        pub fn vload_epoch(layer: *mut Layer) -> u64;
        /// What names the view of the calling process, now and for good; less than 1 << 31. That of the session's first
        /// view is 0.
        pub fn vload_view() -> u32;
        /// Whether the calling process sees what was added to a view: 1, or 0.
        pub fn vload_sees(view: u32) -> c_int;
        /// Whether the session has the service layer of that number, in whatever view, and any process is in that
        /// view: 1, or 0.
        pub fn vload_lives(identity: u32, view: u32) -> c_int;
        /// A descriptor, in the calling thread's table, of the session's file that descriptors of
        /// virtual files are opened from; or `-EBADF`.
        pub fn vload_placeholders() -> c_int;
        /// The session's own descriptor, in the calling thread's table, for locks on ranges that it does not have, and for
        /// mappings of what layers have; or `-EBADF`.
        pub fn vload_locks() -> c_int;
        /// Where in the session's file a layer's area begins.
        pub fn vload_area_offset(layer: *mut Layer) -> u64;
        /// Memory that the framework has mapped is vload's own from now on: the program cannot reach it by the calls on mappings. With
        /// 0 it is unmapped.
        pub fn vload_own(start: usize, length: usize, on: c_int);
        /// What the thread executes next is shown by the path `execfn` (`AT_EXECFN`) and, if that is not null, as the file that lies
        /// at `path`. `memory` of that length has the strings and is the framework's: where another process has
        /// mapped it in this one's memory (`vfork`), it is unmapped when that is over. Null and 0 take all that back.
        pub fn vload_execute_as(
            execfn: *const c_char,
            path: *const c_char,
            memory: usize,
            length: usize,
        );
        /// Whether the program was executed so with a `path`: 1, or 0.
        pub fn vload_is_placed() -> c_int;
        /// A system call of the framework's own, which does not wait: no layer sees it, and it may name vload's descriptors.
        pub fn vload_kernel(number: c_long, arguments: *const [usize; 6]) -> c_long;
        /// The same of a call that waits: a signal ends it as it would end the program's.
        pub fn vload_wait(number: c_long, arguments: *const [usize; 6]) -> c_long;
        /// Whether the calling process wants [`FrameworkOperations::held`](super::FrameworkOperations::held) from now on.
        pub fn vload_hold(framework: *mut Layer, on: c_int);
        /// Waits until no other thread has the process for itself or copies it, and keeps them from it; with 0 lets them
        /// again. No call that waits, and no code of a module, in between. It gives what numbers the calling thread's table of
        /// descriptors among those of the process.
        pub fn vload_alone(on: c_int) -> c_int;
    }
}

// What the framework offers service modules.
unsafe extern "C" {
    /// Claims a canonical absolute path for a layer, with a set of `CLAIM_*`: the claim's number. It holds in the whole
    /// session from now on, where the layer is effective; made by `mount`, in the view of who mounts. `private` is given to every
    /// operation. The newest claim of a path wins.
    pub fn vload_claim_path(
        layer: *mut Layer,
        path: *const c_char,
        flags: u32,
        private: u64,
    ) -> c_int;
    /// A file of the layer's may have become ready otherwise than by a call on one: who waits asks `poll` again.
    pub fn vload_wake(layer: *mut Layer) -> c_int;
    /// Takes a claim away.
    pub fn vload_unclaim(layer: *mut Layer, claim: u32) -> c_int;
}
