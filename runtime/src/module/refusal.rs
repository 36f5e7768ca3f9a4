//! Why a file is not loaded as a module.

use crate::shown::Escaped;
use core::fmt;

/// Why a file is not loaded as a module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal<'a> {
    /// It is no shared object for this processor.
    NotShared,
    /// Its tables contradict each other.
    Broken,
    /// It needs a library.
    Library(&'a [u8]),
    /// It has an interp.
    Program,
    /// It has variables of each thread.
    ThreadLocal,
    /// Some of its memory would be writable and executable.
    WritableText,
    /// It does not begin with its headers, or has too many segments.
    Layout,
    /// It is longer than a module can be.
    Large,
    /// It has start files, whose `_init` wants a C library.
    StartFiles,
    /// It exports no `vload_module`.
    NoModule,
    /// It is the framework of another build.
    OtherBuild,
    /// It was made for another version of the interface.
    Version(u32),
    /// What its `vload_module` says makes no sense: this field.
    Field(&'static str),
    /// It needs a symbol that nobody offers.
    Symbol(&'a [u8]),
    /// It has a relocation of a kind that is not known.
    Relocation(u32),
    /// It enters the kernel by itself at this address.
    Instruction(u64),
    /// It touches vector state at this address that nothing keeps.
    Vectors(u64),
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, name, behind) = match self {
            Self::NotShared => ("it is no shared object for this processor", &b""[..], ""),
            Self::Broken => ("its headers or tables are broken", &b""[..], ""),
            Self::Library(name) => ("it needs the library ", *name, "; link it with -nostdlib"),
            Self::Program => ("it is a program, and no module", &b""[..], ""),
            Self::ThreadLocal => ("it has thread-local variables", &b""[..], ""),
            Self::WritableText => (
                "it has text that is writable, or changed by relocations; compile it with -fPIC",
                &b""[..],
                "",
            ),
            Self::Layout => ("its segments are not as linkers lay them out", &b""[..], ""),
            Self::Large => ("it takes more than 64 MiB of memory", &b""[..], ""),
            Self::StartFiles => ("it has start files; link it with -nostartfiles", &b""[..], ""),
            Self::NoModule => ("it exports no 'vload_module'", &b""[..], ""),
            Self::Symbol(name) => ("it needs '", *name, "', which is not offered"),
            Self::Field(field) => ("'vload_module' makes no sense: ", field.as_bytes(), ""),
            Self::OtherBuild => {
                ("it was made with another vload; build or install them together", &b""[..], "")
            }
            Self::Version(version) => {
                return write!(
                    f,
                    "it was made for version {version} of the interface; this vload has {}",
                    vload_module::abi::VERSION
                );
            }
            Self::Relocation(kind) => {
                return write!(f, "it has a relocation of kind {kind}; link it with -Bsymbolic");
            }
            Self::Instruction(address) => {
                return write!(f, "it enters the kernel at {address:#x}; use vload_system");
            }
            Self::Vectors(address) => {
                return write!(
                    f,
                    "it uses registers at {address:#x} that vload does not keep for the program (AMX, SVE or SME); \
                     compile it without"
                );
            }
        };
        write!(f, "{before}{}{behind}", Escaped(name))
    }
}
