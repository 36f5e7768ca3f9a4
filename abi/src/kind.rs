//! What an argument or a result of a call is.

use super::structs::Struct;

/// What one argument register of a call holds.
///
/// A number in a variant is the index of the argument that belongs to it: the directory
/// descriptor of a path, the length of a buffer, the count of an array. *In* is what the kernel
/// reads, *out* what it writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Arg {
    /// A C `int`.
    Int,
    /// A C `unsigned int`.
    Unsigned,
    /// A C `long`.
    Long,
    /// A `size_t` or `unsigned long` that counts: a length, a number of elements.
    Size,
    /// An `off_t`, signed, in one register.
    Offset,
    /// The low half of a 64-bit offset; on 64-bit machines, all of it (`pos_from_hilo` in
    /// `fs/read_write.c`).
    OffsetLow,
    /// The high half of a 64-bit offset; of no effect on 64-bit machines.
    OffsetHigh,
    /// An offset in pages (`mmap2(2)`).
    PageOffset,
    /// A register whose meaning hangs on another argument, or is opaque.
    Value,
    /// A set of bits.
    Flags,
    /// The flags of `open(2)`.
    OpenFlags,
    /// `AT_*` flags, read by the calls that take a directory descriptor.
    AtFlags,
    /// `PROT_*` bits.
    Prot,
    /// `MAP_*` bits.
    MapFlags,
    /// `CLONE_*` bits.
    CloneFlags,
    /// One of a list of choices: an operation, a family, a "which".
    Command,
    /// A request number of `ioctl(2)`.
    Request,
    /// A `clockid_t`.
    Clock,
    /// A signal number.
    Signal,
    /// A process, thread or process group.
    Pid,
    /// A user or group.
    Id,
    /// A `mode_t`.
    Mode,
    /// A `dev_t`.
    Dev,
    /// An open descriptor.
    Fd,
    /// A directory's descriptor, or `AT_FDCWD`.
    DirFd,
    /// Where two new descriptors are written (`pipe(2)`).
    FdsOut,
    /// An address that is itself the value: nothing is read or written through it.
    Addr,
    /// A pointer whose target hangs on another argument, or is kept by the kernel.
    Ptr,
    /// A path, resolved from the working directory.
    Path,
    /// A path, resolved from the directory that the given argument holds.
    PathAt(u8),
    /// A string that is no path.
    Str,
    /// A null-terminated array of strings (`execve(2)`).
    StrVec,
    /// Bytes to read, as many as the given argument says.
    BufIn(u8),
    /// Room for as many bytes as the given argument says.
    BufOut(u8),
    /// Bytes to read and write, as many as the given argument says.
    BufInOut(u8),
    /// An array of `iovec` that data is taken from; the given argument counts it.
    IovIn(u8),
    /// An array of `iovec` that data is put to; the given argument counts it.
    IovOut(u8),
    /// A structure to read.
    In(Struct),
    /// A structure to write.
    Out(Struct),
    /// A structure to read and write.
    InOut(Struct),
    /// Structures to read, counted by the given argument.
    ArrayIn(u8, Struct),
    /// Structures to write, counted by the given argument.
    ArrayOut(u8, Struct),
    /// Structures to read and write, counted by the given argument.
    ArrayInOut(u8, Struct),
    /// A socket address to read; its length is the given argument.
    SockAddrIn(u8),
    /// A socket address to write; the given argument points to its length.
    SockAddrOut(u8),
    /// A signal set to read; its size is the given argument.
    SigSetIn(u8),
    /// A signal set to write; its size is the given argument.
    SigSetOut(u8),
    /// The word of a futex.
    Futex,
}

impl Arg {
    /// The argument that this one needs to be understood: a directory, a length or a count.
    pub const fn partner(self) -> Option<u8> {
        match self {
            Arg::PathAt(index)
            | Arg::BufIn(index)
            | Arg::BufOut(index)
            | Arg::BufInOut(index)
            | Arg::IovIn(index)
            | Arg::IovOut(index)
            | Arg::ArrayIn(index, _)
            | Arg::ArrayOut(index, _)
            | Arg::ArrayInOut(index, _)
            | Arg::SockAddrIn(index)
            | Arg::SockAddrOut(index)
            | Arg::SigSetIn(index)
            | Arg::SigSetOut(index) => Some(index),
            _ => None,
        }
    }
}

/// What a call gives when it succeeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Returns {
    /// A number, most often 0.
    Int,
    /// A count of bytes or elements.
    Size,
    /// A file position.
    Offset,
    /// A new descriptor.
    Fd,
    /// A process, thread or process group.
    Pid,
    /// A user or group.
    Id,
    /// A `mode_t`.
    Mode,
    /// An address: a success even where its sign bit is set.
    Addr,
    /// The call does not return.
    Never,
}
