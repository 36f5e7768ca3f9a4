//! Why a file is not executed.

use crate::sys::Errno;
use core::fmt;

/// Why a file is not executed, and what the kernel does about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The kernel's error number. When [`fatal`](Self::fatal) is set nobody sees it natively.
    pub errno: Errno,
    /// The kernel finds out after `begin_new_exec`, its point of no return: the caller's image
    /// is gone, and `bprm_execve` ends the process by SIGSEGV instead of returning `errno`.
    pub fatal: bool,
    /// What is wrong with the file.
    pub what: What,
}

impl Refusal {
    /// A refusal that `execve` returns to its caller.
    pub const fn new(errno: Errno, what: What) -> Self {
        Self { errno, fatal: false, what }
    }

    /// A refusal past the point of no return.
    pub const fn fatal(errno: Errno, what: What) -> Self {
        Self { errno, fatal: true, what }
    }

    /// The exit status that shells and `env(1)` give a program they cannot execute: 127 when
    /// something was not found, else 126.
    pub fn exit_status(&self) -> u8 {
        if self.errno == Errno::NOENT { 127 } else { 126 }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.errno.text(), self.what)
    }
}

/// What is wrong with an executable file. "Program header N" counts from 0, as `readelf` does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// The file could not be read.
    Unreadable,
    /// There is nothing in the file.
    Empty,
    /// Neither an ELF file nor a `#!` script.
    UnknownFormat,
    /// No ELF magic where one must be (the interp).
    NotElf,
    /// The file ends inside the ELF header (the interp).
    TruncatedHeader,
    /// `e_type` is neither `ET_EXEC` nor `ET_DYN`.
    Type(u16),
    /// `e_machine`, or the class with it, is not this machine's.
    Machine(u16),
    /// `e_phentsize` is not the size of a program header.
    HeaderSize(u16),
    /// `e_phnum` is none, or more than 64 KiB of headers.
    HeaderCount(u16),
    /// The program headers at this offset are not all in the file.
    TruncatedHeaders(u64),
    /// `PT_INTERP` has a size that no path has.
    InterpSize(u64),
    /// The path of `PT_INTERP` at this offset is not in the file.
    InterpTruncated(u64),
    /// The path of `PT_INTERP` does not end in NUL.
    InterpUnterminated,
    /// The path of `PT_INTERP` is empty: it names the working directory, which cannot be
    /// executed.
    InterpEmpty,
    /// `PT_GNU_PROPERTY` holds no valid note.
    Property,
    /// All segments together are of no size.
    NothingToLoad,
    /// The segment's file part is larger than its memory.
    FileLargerThanMemory(u16),
    /// The segment reaches beyond the address space.
    AddressSpace(u16),
    /// The segment's file offset and address differ within a page.
    Unaligned(u16),
    /// The writable segment's last file page is beyond the end of the file, so that its rest
    /// cannot be zeroed.
    TailBeyondEnd(u16),
    /// The entry point is beyond the address space.
    Entry(u64),
    /// The `#!` line names no interpreter.
    NoInterpreter,
    /// The interpreter's path does not end within the first 256 bytes.
    InterpreterTruncated,
    /// The script was given by a descriptor that its interpreter will not have.
    Inaccessible,
    /// More than five interpreters of interpreters.
    TooManyInterpreters,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unreadable => f.write_str("cannot be read"),
            Self::Empty => f.write_str("the file is empty"),
            Self::UnknownFormat => f.write_str("neither an ELF file nor a script"),
            Self::NotElf => f.write_str("not an ELF file"),
            Self::TruncatedHeader => f.write_str("the file ends inside the ELF header"),
            Self::Type(kind) => write!(f, "ELF type {kind} is neither EXEC (2) nor DYN (3)"),
            Self::Machine(machine) => write!(f, "made for another machine (ELF machine {machine})"),
            Self::HeaderSize(size) => write!(f, "program headers of {size} bytes"),
            Self::HeaderCount(count) => write!(f, "{count} program headers"),
            Self::TruncatedHeaders(offset) => {
                write!(f, "the program headers at {offset:#x} are not in the file")
            }
            Self::InterpSize(size) => write!(f, "PT_INTERP is {size} bytes long"),
            Self::InterpTruncated(offset) => {
                write!(f, "the path of PT_INTERP at {offset:#x} is not in the file")
            }
            Self::InterpUnterminated => f.write_str("the path of PT_INTERP does not end in NUL"),
            Self::InterpEmpty => f.write_str("the path of PT_INTERP is empty"),
            Self::Property => f.write_str("PT_GNU_PROPERTY holds no valid note"),
            Self::NothingToLoad => f.write_str("the segments have no size"),
            Self::FileLargerThanMemory(index) => {
                write!(f, "program header {index}: file size above memory size")
            }
            Self::AddressSpace(index) => {
                write!(f, "program header {index}: reaches beyond the address space")
            }
            Self::Unaligned(index) => {
                write!(f, "program header {index}: offset and address differ within a page")
            }
            Self::TailBeyondEnd(index) => {
                write!(f, "program header {index}: its last page is beyond the end of the file")
            }
            Self::Entry(entry) => write!(f, "entry point {entry:#x} is beyond the address space"),
            Self::NoInterpreter => f.write_str("the #! line names no interpreter"),
            Self::InterpreterTruncated => {
                f.write_str("the #! line's interpreter does not end within 256 bytes")
            }
            Self::Inaccessible => {
                f.write_str("a script given by a descriptor that is closed on exec")
            }
            Self::TooManyInterpreters => f.write_str("more than five interpreters in a row"),
        }
    }
}
