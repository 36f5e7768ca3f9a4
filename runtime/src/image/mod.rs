//! What an executable file says: ELF headers and `#!` lines, judged by the kernel's rules.
//!
//! The rules are those of Linux 6.18's `fs/exec.c`, `fs/binfmt_elf.c`, `fs/binfmt_script.c` and
//! `fs/binfmt_misc.c`: which file is refused, with which error number, and whether the caller
//! gets to see it ([`Refusal`]). Nothing here allocates, keeps a descriptor or panics, so that
//! it can be used between `vfork` and `execve`, in memory that is the parent's.
//!
//! The order in which the kernel asks: [`Head::read`], [`misc`], [`Script`], [`Elf`].

mod elf;
mod head;
mod headers;
mod layout;
pub mod misc;
#[cfg_attr(target_arch = "aarch64", path = "../arch/aarch64/elf.rs")]
#[cfg_attr(target_arch = "riscv64", path = "../arch/riscv64/elf.rs")]
#[cfg_attr(target_arch = "x86", path = "../arch/i686/elf.rs")]
#[cfg_attr(target_arch = "x86_64", path = "../arch/x86_64/elf.rs")]
pub mod native;
mod property;
mod refusal;
mod script;
mod segment;
mod source;
#[cfg(test)]
mod tests;

pub use elf::{Elf, Kind, PATH_MAX, Stack};
pub use head::{Format, HEAD_SIZE, Head, Nesting, classify};
pub use headers::ProgramHeaders;
pub use layout::{Class, Header, ProgramHeader};
pub use refusal::{Refusal, What};
pub use script::Script;
pub use segment::{Limits, Placement, Segment};
pub use source::{Fd, Source};
