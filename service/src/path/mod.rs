//! Which place a path of a call leads to: the walk that the kernel makes (path_resolution(7), `fs/namei.c`), through
//! real and virtual places alike.
//!
//! It is a pure function of a path and what is [`Below`]: the tests have a tree of their own.

pub mod fs;
pub mod handover;
pub mod known;
pub mod moves;
pub mod permission;
pub mod proc;
pub mod status;
pub mod text;
pub mod tree;
pub mod umask;
mod walk;

#[cfg(test)]
mod tests;

use vload_module::{Errno, Result};

pub use text::{LONGEST, NAME, Rest, Text, is_within};
pub use walk::resolve;

/// Links that may be followed (`MAXSYMLINKS`).
const MOST_LINKS: u32 = 40;

/// What a name is, as far as a walk must know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// A symbolic link, whose text is so long.
    Link(usize),
    /// A link of `/proc` to a place that the kernel does not know, with this canonical path, so long.
    Place(usize),
    /// A link of `/proc` to a place that the kernel knows by this path, so long.
    RealPlace(usize),
    /// A link of `/proc` to an open file of a layer's, which has no name any more: its descriptor, and whether it is a
    /// directory.
    Nameless(i32, bool),
    /// A link of `/proc` to something that has no path: the kernel alone can follow it.
    Opaque,
    /// Anything else.
    Other,
}

/// The tree that is walked through.
pub trait Below {
    /// The number of the claim that owns a canonical path, and when it was made. It is asked of every name on
    /// the way.
    fn owner(&self, path: &Text) -> Option<(u32, u64)>;

    /// What is at a canonical path, in a claim or not; a link's text or a place's path goes to `to`. The directories on
    /// the way must be searchable.
    fn look(&self, path: &Text, owner: Option<(u32, u64)>, to: &mut [u8; LONGEST])
    -> Result<Found>;

    /// Whether a directory is at a canonical path, and may be searched: `ENOTDIR`, `EACCES`.
    /// The path is left as it was.
    fn search(&self, path: &mut Text, owner: Option<(u32, u64)>) -> Result<()>;
}

/// What to do with a symbolic link at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Final {
    /// Follow it.
    Follow,
    /// Leave it, unless a slash follows.
    Leave,
    /// Leave it in any case: the name is made, removed or moved.
    Name,
}

/// How a path is to be walked: the flags of `openat2(2)`, and the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct How {
    /// What to do with a link at the end.
    pub end: Final,
    /// `RESOLVE_NO_XDEV`.
    pub one_device: bool,
    /// `RESOLVE_NO_MAGICLINKS`.
    pub no_magic: bool,
    /// `RESOLVE_NO_SYMLINKS`.
    pub no_links: bool,
    /// `RESOLVE_BENEATH`.
    pub beneath: bool,
    /// `RESOLVE_IN_ROOT`.
    pub in_root: bool,
    /// Whether the canonical path is wanted even where the kernel finds the place by itself.
    pub canonical: bool,
}

impl How {
    /// As all calls but `openat2` do.
    pub const fn to(end: Final) -> Self {
        Self {
            end,
            one_device: false,
            no_magic: false,
            no_links: false,
            beneath: false,
            in_root: false,
            canonical: false,
        }
    }

    /// As [`to`](Self::to), with the canonical path.
    pub const fn canonically(end: Final) -> Self {
        Self { canonical: true, ..Self::to(end) }
    }

    /// Whether the path is walked as most are.
    pub fn is_plain(&self) -> bool {
        *self == Self::to(self.end)
    }
}

/// What the last name of a path was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Last {
    /// A name.
    Name,
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// There was none but slashes.
    Root,
}

/// Where a path leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The claim that owns it, and when that was made.
    pub owner: Option<(u32, u64)>,
    /// Whether anything on the way was not as the kernel has it. If not, the kernel finds the same place by itself.
    pub touched: bool,
    /// Whether a slash followed the last name.
    pub slash: bool,
    /// What the last name was.
    pub last: Last,
    /// The descriptor that it ended at, of an open file that has no name.
    pub nameless: Option<i32>,
}

/// Where a walk begins, and what it cannot leave.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// The canonical path of the directory that a relative path begins at.
    pub base: &'a [u8],
    /// The process's root: `""`, or a canonical path.
    pub root: &'a [u8],
    /// Whether the kernel has another idea of the base.
    pub is_virtual: bool,
    /// Whether the kernel has another idea of the root.
    pub root_is_virtual: bool,
}

/// Why there is no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// It is an error that the kernel would not find by itself.
    Error(Errno),
    /// The kernel's own walk is the one that counts: nothing on the way was not as it has it.
    Kernel,
}
