//! A call with paths: what its arguments are, by the one table of calls.

use core::ffi::CStr;

use abi::Arg;
use linux_raw_sys::general as nr;
use vload_module::abi::Call;
use vload_module::abi::service::Node;
use vload_module::{Errno, Result};

use crate::claim;
use crate::claim::Target;
use crate::descriptor::{self, Held};
use crate::path::fs::{self, Which};
use crate::path::known::{Key, Moment};
use crate::path::tree::{CWD, Tree, append, readlink};
use crate::path::{Final, How, LONGEST, Last, Place, Start, Stop, Text, resolve};
use crate::vload;

/// A call with paths.
pub struct Asked<'a> {
    /// The call.
    pub call: &'a mut Call,
    /// What its arguments are.
    pub described: &'static abi::Call,
    /// Claims that are older than this are there.
    pub limit: u64,
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
    pub fn locate(&self, number: usize, how: How, to: &mut Text) -> Result<Where> {
        let Some(index) = self.path(number) else { return Ok(Where::Kernel(false)) };
        let directory = match self.described.args()[index] {
            Arg::PathAt(directory) => self.call.arguments[usize::from(directory)] as i32,
            _ => nr::AT_FDCWD,
        };
        let address = self.call.arguments[index];
        let mut bytes = [0; LONGEST];
        let path = match address {
            // `utimensat` and, with `AT_EMPTY_PATH`, `statx` mean the descriptor.
            0 => &[][..],
            _ => match vload::get_string(&mut bytes, address) {
                Ok(length) => &bytes[..length],
                // It is the kernel that says so.
                Err(_) => return Ok(Where::Kernel(false)),
            },
        };
        locate(self.limit, directory, path, self.may_be_empty(address == 0), how, to)
    }

    fn may_be_empty(&self, null: bool) -> bool {
        self.at_flags() & nr::AT_EMPTY_PATH != 0
            || null && self.described.name().starts_with("utimensat")
            || !null && self.described.name() == "readlinkat"
    }
}

/// Whether anything is there that the kernel does not know of.
pub fn is_any_virtual() -> bool {
    claim::table().is_some_and(|table| table.used().next().is_some())
        || fs::mine().has(Which::Cwd)
        || fs::mine().has(Which::Root)
}

/// Finds out where a path from a directory leads; `to` is its canonical form then.
pub fn locate(
    limit: u64,
    directory: i32,
    path: &[u8],
    may_be_empty: bool,
    how: How,
    to: &mut Text,
) -> Result<Where> {
    let absolute = path.first() == Some(&b'/');
    let at_cwd = directory == nr::AT_FDCWD;
    let held = if absolute || at_cwd { None } else { descriptor::find(directory).transpose()? };
    if path.is_empty() && !may_be_empty {
        return Ok(Where::Kernel(false));
    }
    if let Some(held) = held.filter(|_| path.is_empty()) {
        return Ok(Where::Open(held));
    }
    let fs = fs::mine();
    let (mut root, mut kernel_root, mut base) = (Text::root(), Text::root(), Text::root());
    let root_is_virtual = fs.read(Which::Root, &mut root);
    fs.read(Which::KernelRoot, &mut kernel_root);
    let root_is_virtual = root_is_virtual && root.bytes() != kernel_root.bytes();
    let mut anchor = None;
    let mut is_virtual = true;
    if absolute {
        is_virtual = root_is_virtual;
    } else if let Some(held) = held {
        base.set(held.path().to_bytes())?;
    } else if !(at_cwd && fs.read(Which::Cwd, &mut base)) {
        is_virtual = false;
        let Some(()) = real_base(at_cwd, directory, kernel_root.bytes(), &mut base) else {
            return Ok(Where::Kernel(false));
        };
        anchor = Some(if at_cwd { CWD } else { directory as usize });
    }
    let tree = Tree::new(limit, anchor.map(|at| (at, base.bytes())), kernel_root.bytes());
    let start = Start { base: base.bytes(), root: root.bytes(), is_virtual, root_is_virtual };
    // The process's own root is the session's, and it sees every claim.
    let usual = limit == u64::MAX && how.is_plain() && root.is_root() && kernel_root.is_root();
    if usual
        && !is_virtual
        && is_in_real_directory(&tree, start, path, how.end, anchor.unwrap_or(CWD), to)
    {
        return Ok(Where::Kernel(false));
    }
    // An empty path that may be one is the directory itself.
    let path = if path.is_empty() { b"." } else { path };
    let place = match resolve(&tree, start, path, how, to) {
        Ok(place) => place,
        Err(Stop::Kernel) => return Ok(Where::Kernel(false)),
        Err(Stop::Error(error)) => return Err(error),
    };
    match place.owner {
        Some(owner) => Ok(Where::Claimed(Spot { target: tree.target(owner)?, place })),
        None if place.touched => {
            finish_real(to, place, kernel_root.bytes())?;
            Ok(Where::Real)
        }
        None => Ok(Where::Kernel(true)),
    }
}

/// Whether a path is a name in a directory in which everything is real, and no link that would be followed.
fn is_in_real_directory(
    tree: &Tree<'_>,
    start: Start<'_>,
    path: &[u8],
    end: Final,
    anchor: usize,
    to: &mut Text,
) -> bool {
    let slash = path.iter().rposition(|&byte| byte == b'/');
    let (directory, name) = path.split_at(slash.map_or(0, |at| at + 1));
    if matches!(name, b"" | b"." | b"..") {
        return false;
    }
    let key = Key::of(if path[0] == b'/' { b"" } else { start.base }, directory);
    let moment = Moment::now();
    if !key.is_known(moment) {
        let found = resolve(
            tree,
            start,
            if directory.is_empty() { b"." } else { directory },
            How::to(Final::Follow),
            to,
        );
        let real = matches!(found, Ok(Place { owner: None, touched: false, .. }));
        // What is in `/proc` is not the same for all processes, and its links jump.
        let within = to.is_root() || to.is_within(b"/proc");
        if !real || within || claim::table().is_none_or(|table| table.is_any_in(to.bytes())) {
            return false;
        }
        key.note(moment);
    }
    if end != Final::Follow {
        return true;
    }
    // It can be asked as it was given: the way to it touches nothing.
    let mut text = [0; LONGEST];
    let Ok(given) = to_c_str(path, &mut text) else { return false };
    readlink((anchor, given), &mut [0; LONGEST]).is_err()
}

/// A copy of a path with a zero behind it.
fn to_c_str<'a>(path: &[u8], to: &'a mut [u8; LONGEST]) -> Result<&'a CStr> {
    let room = to.get_mut(..path.len()).ok_or(Errno::NAMETOOLONG)?;
    room.copy_from_slice(path);
    CStr::from_bytes_with_nul(&to[..=path.len()]).map_err(|_| Errno::NAMETOOLONG)
}

/// Makes a real place what the kernel is told: from its root, and ending as the path did.
fn finish_real(text: &mut Text, place: Place, kernel_root: &[u8]) -> Result<()> {
    let mut whole = Text::of(Tree::new(0, None, kernel_root).kernels(text)?.to_bytes())?;
    match (place.last, place.slash) {
        (Last::Dot | Last::DotDot, _) => whole.push(b".")?,
        (_, true) => whole.push(b"")?,
        _ => {}
    }
    text.set(whole.bytes())
}

/// The canonical path of a real directory, of which the kernel has the descriptor. None where it has none.
fn real_base(at_cwd: bool, directory: i32, kernel_root: &[u8], base: &mut Text) -> Option<()> {
    let mut bytes = [0; LONGEST];
    let length = if at_cwd {
        let arguments = [bytes.as_mut_ptr() as usize, bytes.len(), 0, 0, 0, 0];
        // SAFETY: the room is as long as it says.
        unsafe { vload::system(nr::__NR_getcwd, arguments) }.ok()? - 1
    } else {
        let mut name = Text::of(b"/proc/self/fd").ok()?;
        let mut digits = [0; 10];
        name.push(decimal(u32::try_from(directory).ok()?, &mut digits)).ok()?;
        readlink((CWD, name.c_str()), &mut bytes).ok()?
    };
    let path = bytes.get(..length).filter(|path| path.starts_with(b"/"))?;
    base.set(kernel_root).ok()?;
    append(base, path).ok()
}

/// A number in decimal.
pub fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 || at == 0 {
            return &digits[at..];
        }
    }
}

impl Spot {
    /// The place as its module is told of it.
    pub fn node(&self, path: &Text) -> Node {
        self.target.node(path)
    }
}
