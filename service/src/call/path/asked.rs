//! A call with paths: what its arguments are, by the one table of calls.

use core::ffi::CStr;

use abi::{Arg, Service};
use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::abi::service::Node;
use vload_module::{Errno, Result};

use crate::claim;
use crate::claim::Target;
use crate::descriptor::{self, Held};
use crate::kernel;
use crate::path::fs::{self, Which};
use crate::path::known::{Key, Moment};
use crate::path::moves;
use crate::path::text::decimal;
use crate::path::tree::{CWD, Tree, append, is_link, readlink};
use crate::path::{Final, How, Last, Place, Rest, Start, Stop, Text, resolve};
use crate::vload;

/// A call with paths.
pub struct Asked<'a> {
    /// The call.
    pub call: &'a mut Call,
    /// What its arguments are.
    pub described: &'static abi::Call,
    /// Claims that are older than this are there.
    pub limit: u64,
    /// Whether nobody can change names: the lock of names is held for this call.
    pub still: bool,
}

/// Where a path of a call leads.
pub enum Where {
    /// Where the kernel finds it by itself; whether its canonical path is known.
    Kernel(bool),
    /// To a real place that the kernel does not find by itself.
    Real,
    /// To a place in a claim.
    Claimed(Spot),
    /// There is no path: an open file of a layer's is meant.
    Open(Held),
}

/// A place in a claim.
#[derive(Clone, Copy)]
pub struct Spot {
    /// Whom to ask.
    pub target: Target,
    /// How the path ended.
    pub place: Place,
}

impl Asked<'_> {
    /// What comes may wait for others, who must be able to change names: a FIFO for who opens its other end.
    pub fn let_go(&mut self) {
        if core::mem::take(&mut self.still) {
            moves::let_go();
        }
    }

    /// The argument that is of a kind.
    pub fn index_of(&self, kind: impl Fn(Arg) -> bool) -> Option<usize> {
        self.described.args().iter().position(|arg| kind(*arg))
    }

    /// The index of a path.
    pub fn path(&self, number: usize) -> Option<usize> {
        let is_path = |arg: &Arg| matches!(arg, Arg::Path | Arg::PathAt(_));
        let mut paths = self.described.args().iter().enumerate().filter(|(_, arg)| is_path(arg));
        paths.nth(number).map(|(index, _)| index)
    }

    /// The `AT_*` flags; 0 where the call has none.
    pub fn at_flags(&self) -> u32 {
        self.index_of(|arg| arg == Arg::AtFlags)
            .map_or(0, |index| self.call.arguments[index] as u32)
    }

    /// Whether the path of the call ends with `..`.
    #[inline(never)]
    pub fn ends_above(&self) -> bool {
        let mut path = Rest::none();
        let given = self.path(0).map_or(0, |index| self.call.arguments[index]);
        path.fill(|bytes| vload::get_string(bytes, given)).is_ok()
            && path.bytes().rsplit(|&byte| byte == b'/').find(|name| !name.is_empty())
                == Some(b"..")
    }

    /// Has the call name a real place instead of its path of that number.
    pub fn point(&mut self, number: usize, path: &Text) {
        if let Some(index) = self.path(number) {
            self.call.arguments[index] = path.c_str().as_ptr() as usize;
        }
    }

    /// What to do with a link at the end, for calls that follow it unless they are told not to: by a flag, or by
    /// their name.
    pub fn end(&self) -> Final {
        let left = self.described.name().starts_with('l')
            || self.at_flags() & nr::AT_SYMLINK_NOFOLLOW != 0;
        if left { Final::Leave } else { Final::Follow }
    }

    /// Finds out where a path leads; `to` is its canonical form then.
    #[inline(never)]
    pub fn locate(&self, number: usize, how: How, to: &mut Text) -> Result<Where> {
        let Some(index) = self.path(number) else { return Ok(Where::Kernel(false)) };
        let directory = match self.described.args()[index] {
            Arg::PathAt(directory) => self.call.arguments[usize::from(directory)] as i32,
            _ => nr::AT_FDCWD,
        };
        let address = self.call.arguments[index];
        let mut path = Rest::none();
        // `utimensat` and, with `AT_EMPTY_PATH`, `statx` mean the descriptor when there is no path. What cannot be read
        // the kernel refuses.
        if address != 0 && path.fill(|bytes| vload::get_string(bytes, address)).is_err() {
            return Ok(Where::Kernel(false));
        }
        let may_be_empty = self.may_be_empty(address == 0, directory);
        From { limit: self.limit, directory, may_be_empty, how }.locate(&mut path, to)
    }

    /// Whether the call may be about the descriptor alone.
    fn may_be_empty(&self, null: bool, directory: i32) -> bool {
        use Service::{Getxattr, Listxattr, Removexattr, Setxattr, Stat, Utimens};
        let empty = self.at_flags() & nr::AT_EMPTY_PATH != 0;
        match self.described.service() {
            // `do_utimes` (fs/utimes.c).
            Some(Utimens) if null => directory != nr::AT_FDCWD,
            // `getname_maybe_null` (fs/namei.c).
            Some(Stat | Getxattr | Listxattr | Removexattr | Setxattr) => empty,
            _ => !null && (empty || self.described.name() == "readlinkat"),
        }
    }
}

/// Whether anything is there that the kernel does not know of.
pub fn is_any_virtual() -> bool {
    claim::table().is_some_and(|table| table.used().next().is_some())
        || fs::mine().has(Which::Cwd)
        || fs::mine().has(Which::Root)
}

/// Where a path begins, and how it is walked.
pub struct From {
    /// Claims that are older than this are there.
    pub limit: u64,
    /// The directory, or `AT_FDCWD`.
    pub directory: i32,
    /// Whether an empty path means the directory itself.
    pub may_be_empty: bool,
    /// How it is walked.
    pub how: How,
}

/// The roots of a process: its own, and what the kernel has for it. `""` is the session's.
#[derive(Clone, Copy)]
struct Roots<'a> {
    own: &'a [u8],
    kernel: &'a [u8],
}

// Each of these has the paths on its stack that it needs, and no other: a layer may ask from within a layer.
impl From {
    /// Finds out where a path leads; `to` is its canonical form then.
    pub fn locate(&self, path: &mut Rest, to: &mut Text) -> Result<Where> {
        let fs = fs::mine();
        if self.is_programs() && (fs.has(Which::Root) || fs.has(Which::KernelRoot)) {
            return self.rooted(path, to);
        }
        self.based(Roots { own: b"", kernel: b"" }, path, to)
    }

    /// Whether the program makes the call. What a layer asks begins where the session does: the root and the working
    /// directory that the program has since come to are newer than the layer.
    fn is_programs(&self) -> bool {
        self.limit == u64::MAX
    }

    #[inline(never)]
    fn rooted(&self, path: &mut Rest, to: &mut Text) -> Result<Where> {
        let (mut own, mut kernel) = (Text::root(), Text::root());
        fs::mine().read(Which::Root, &mut own);
        fs::mine().read(Which::KernelRoot, &mut kernel);
        self.based(Roots { own: own.bytes(), kernel: kernel.bytes() }, path, to)
    }

    fn based(&self, roots: Roots<'_>, path: &mut Rest, to: &mut Text) -> Result<Where> {
        if path.bytes().is_empty() && !self.may_be_empty {
            return Ok(Where::Kernel(false));
        }
        // With `RESOLVE_IN_ROOT` an absolute path begins at the directory too.
        if path.bytes().first() == Some(&b'/') && !self.how.in_root {
            return self.walk(roots, b"", None, path, to);
        }
        self.relative(roots, path, to)
    }

    #[inline(never)]
    fn relative(&self, roots: Roots<'_>, path: &mut Rest, to: &mut Text) -> Result<Where> {
        let at_cwd = self.directory == nr::AT_FDCWD;
        let held = if at_cwd { None } else { descriptor::find(self.directory).transpose()? };
        let mut base = Text::root();
        let mut anchor = None;
        if let Some(held) = held {
            if path.bytes().is_empty() {
                return Ok(Where::Open(held));
            }
            if held.path(&mut base).gone {
                return Err(if held.is_directory() { Errno::NOENT } else { Errno::NOTDIR });
            }
        } else if !(at_cwd && self.is_programs() && fs::mine().read(Which::Cwd, &mut base)) {
            anchor = Some(if at_cwd { CWD } else { self.directory as usize });
            if real_base(self.directory, roots.kernel, &mut base).is_err() {
                return Ok(Where::Kernel(false));
            }
        }
        if anchor.is_none() && at_cwd && fs::mine().is_gone() {
            return Err(Errno::NOENT);
        }
        // An empty path that may be one is the directory itself.
        if path.bytes().is_empty() {
            path.set(b".")?;
        }
        self.walk(roots, base.bytes(), anchor, path, to)
    }

    #[inline(never)]
    fn walk(
        &self,
        roots: Roots<'_>,
        base: &[u8],
        anchor: Option<usize>,
        path: &mut Rest,
        to: &mut Text,
    ) -> Result<Where> {
        let absolute = path.bytes().first() == Some(&b'/') && !self.how.in_root;
        let root_is_virtual = roots.own.len() > 1 && roots.own != roots.kernel;
        let start = Start {
            base,
            root: roots.own,
            is_virtual: if absolute { root_is_virtual } else { anchor.is_none() },
            root_is_virtual,
        };
        let tree = Tree::new(self.limit, anchor.map(|at| (at, base)), roots.kernel);
        // The process's own root is the session's, and it sees every claim.
        let usual = self.is_programs()
            && self.how.is_plain()
            && roots.own.len() <= 1
            && roots.kernel.len() <= 1;
        if usual && !start.is_virtual && is_in_real_directory(&tree, start, path, self.how.end, to)
        {
            return Ok(Where::Kernel(false));
        }
        let place = match resolve(&tree, start, path, self.how, to) {
            Ok(place) => place,
            Err(Stop::Kernel) => return Ok(Where::Kernel(false)),
            Err(Stop::Error(error)) => return Err(error),
        };
        if let Some(fd) = place.nameless {
            return descriptor::find(fd).ok_or(Errno::NOENT)?.map(Where::Open);
        }
        match place.owner {
            Some(owner) => Ok(Where::Claimed(Spot { target: tree.target(owner)?, place })),
            None if place.touched => {
                finish_real(to, place, roots.kernel)?;
                Ok(Where::Real)
            }
            None => Ok(Where::Kernel(true)),
        }
    }
}

/// Whether a path is a name in a directory in which everything is real, and no link that would be followed.
fn is_in_real_directory(
    tree: &Tree<'_>,
    start: Start<'_>,
    path: &Rest,
    end: Final,
    to: &mut Text,
) -> bool {
    let given = path.bytes();
    let slash = given.iter().rposition(|&byte| byte == b'/');
    let (directory, name) = given.split_at(slash.map_or(0, |at| at + 1));
    if matches!(name, b"" | b"." | b"..") {
        return false;
    }
    let key = Key::of(if given[0] == b'/' { b"" } else { start.base }, directory);
    let moment = Moment::now();
    if !key.is_known(moment) {
        if !is_real_directory(tree, start, directory, to) {
            return false;
        }
        key.note(moment);
    }
    // It can be asked as it was given: the way to it touches nothing.
    let anchor = tree.anchor.map_or(CWD, |(directory, _)| directory);
    end != Final::Follow || is_link((anchor, path.c_str())).is_err()
}

/// Whether no way to a directory touches a claim, and none lies in it.
#[inline(never)]
fn is_real_directory(tree: &Tree<'_>, start: Start<'_>, directory: &[u8], to: &mut Text) -> bool {
    let mut path = Rest::none();
    if path.set(if directory.is_empty() { b"." } else { directory }).is_err() {
        return false;
    }
    let found = resolve(tree, start, &mut path, How::to(Final::Follow), to);
    // What is in `/proc` is not the same for all processes, and its links jump.
    matches!(found, Ok(Place { owner: None, touched: false, .. }))
        && !to.is_root()
        && !to.is_within(b"/proc")
        && claim::table().is_some_and(|table| !table.is_any_in(to.bytes()))
}

/// Makes a real place what the kernel is told: from its root, and ending as the path did.
fn finish_real(text: &mut Text, place: Place, kernel_root: &[u8]) -> Result<()> {
    match (place.last, place.slash) {
        (Last::Dot | Last::DotDot, _) => text.push(b".")?,
        (_, true) => text.push(b"")?,
        _ => {}
    }
    if kernel_root.len() > 1 { strip(text, kernel_root) } else { Ok(()) }
}

#[inline(never)]
fn strip(text: &mut Text, kernel_root: &[u8]) -> Result<()> {
    let mut whole = Text::root();
    whole.set(Tree::new(0, None, kernel_root).kernels(text)?.to_bytes())?;
    text.set(whole.bytes())
}

/// The canonical path of a real directory, of which the kernel has the descriptor.
fn real_base(directory: i32, kernel_root: &[u8], base: &mut Text) -> Result<()> {
    base.fill(|bytes| {
        if directory == nr::AT_FDCWD {
            let arguments = [bytes.as_mut_ptr() as usize, bytes.len()];
            // SAFETY: the room is as long as it says.
            return unsafe { kernel::call(nr::__NR_getcwd, arguments) }.map(|length| length - 1);
        }
        const FOLDER: &[u8] = b"/proc/thread-self/fd/";
        let mut name = [0; FOLDER.len() + 11];
        let number = u32::try_from(directory).map_err(|_| Errno::BADF)?;
        name[..FOLDER.len()].copy_from_slice(FOLDER);
        let mut digits = [0; 10];
        let digits = decimal(number, &mut digits);
        name[FOLDER.len()..FOLDER.len() + digits.len()].copy_from_slice(digits);
        let name = CStr::from_bytes_until_nul(&name).map_err(|_| Errno::BADF)?;
        readlink((CWD, name), bytes)
    })?;
    if kernel_root.len() > 1 { prefix(base, kernel_root) } else { Ok(()) }
}

#[inline(never)]
fn prefix(base: &mut Text, kernel_root: &[u8]) -> Result<()> {
    let mut whole = Text::root();
    whole.set(kernel_root)?;
    append(&mut whole, base.bytes())?;
    base.set(whole.bytes())
}

impl Spot {
    /// The place as its module is told of it.
    pub fn node(&self, path: &Text) -> Node {
        self.target.node(path)
    }
}
