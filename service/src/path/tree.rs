//! The real tree with the claims in it, as one call sees it.

use core::cell::Cell;
use core::ffi::CStr;

use linux_raw_sys::general as nr;
use vload_module::abi::service::Stat;
use vload_module::abi::service::core_side::vload_is_placed;
use vload_module::{Errno, Result};

use super::fs::{self, Which};
use super::permission::EXECUTE;
use super::proc::{self, Link};
use super::{Below, Found, LONGEST, Text};
use crate::claim::target::{self, is_directory};
use crate::claim::{self, Claim, Limit, Target};
use crate::kernel;
use crate::layers;
use crate::vload::system;

/// `AT_FDCWD`.
pub const CWD: usize = nr::AT_FDCWD as usize;

/// What ends the text of a link of `/proc` to a file without a name (`d_path`, fs/d_path.c).
pub const DELETED: &[u8] = b" (deleted)";

/// The tree as one call sees it.
pub struct Tree<'a> {
    /// Claims that are older than this are there.
    pub limit: u64,
    /// A real directory that the kernel has already reached, and its canonical path: what lies in it is
    /// looked at from there, because what is above may not be searchable.
    pub anchor: Option<(usize, &'a [u8])>,
    /// What the kernel's root is in the session: `""`, or a canonical path.
    pub kernel_root: &'a [u8],
    /// What was found last of a virtual place, and how long its path is: the walk asks twice in a row.
    last: Cell<Option<(usize, Stat)>>,
    /// The claim that was found last, with the same use.
    claim: Cell<Option<Claim>>,
    /// The module of the claim that was found last has failed to say whether it is its layer's: nobody gets further there.
    failed: Cell<Option<Errno>>,
}

impl<'a> Tree<'a> {
    /// The tree, with claims that are older than `limit`.
    pub fn new(limit: u64, anchor: Option<(usize, &'a [u8])>, kernel_root: &'a [u8]) -> Self {
        let (last, claim, failed) = (Cell::new(None), Cell::new(None), Cell::new(None));
        Self { limit, anchor, kernel_root, last, claim, failed }
    }

    /// The claim of an owner that [`Below::owner`] has named.
    pub fn target(&self, owner: (u32, u64)) -> Result<Target> {
        self.failed.get().map_or(Ok(()), Err)?;
        let (number, epoch) = owner;
        let cached = self.claim.get().filter(|claim| (claim.number, claim.epoch) == owner);
        let found = cached.or_else(|| claim::table()?.get(number, epoch));
        // It has been taken away since.
        found.and_then(Target::of).ok_or(Errno::NOENT)
    }

    fn find(&self, path: &Text) -> Option<Claim> {
        let limit = Limit {
            epoch: self.limit,
            effective: &|layer| layers::find(layer).is_some(),
            sees: &claim::sees,
        };
        self.failed.set(None);
        let confirms = |claim: &Claim| {
            Target::of(*claim).is_some_and(|target| {
                let confirmed = target.confirms(path);
                self.failed.set(confirmed.err());
                confirmed.unwrap_or(true)
            })
        };
        claim::table()?.owner(path.bytes(), limit, &confirms)
    }

    /// How the kernel is told of a real place: a directory, and a path from there.
    pub fn real<'b>(&self, path: &'b Text) -> Result<(usize, &'b CStr)> {
        let whole = path.c_str();
        if let Some((directory, anchor)) = self.anchor
            && path.is_within(anchor)
        {
            let skipped = if anchor.len() <= 1 { 1 } else { anchor.len() + 1 };
            let below = whole.to_bytes_with_nul().get(skipped..).unwrap_or(b"\0");
            let below = CStr::from_bytes_with_nul(below).map_err(|_| Errno::NOENT)?;
            return Ok((directory, if below.is_empty() { c"." } else { below }));
        }
        Ok((CWD, self.kernels(path)?))
    }

    /// A real place as the kernel knows it from its root.
    pub fn kernels<'b>(&self, path: &'b Text) -> Result<&'b CStr> {
        let root = if self.kernel_root == b"/" { b"" } else { self.kernel_root };
        if !path.is_within(root) {
            return Err(Errno::NOENT);
        }
        let below = path.c_str().to_bytes_with_nul().get(root.len()..).unwrap_or(b"\0");
        let below = CStr::from_bytes_with_nul(below).map_err(|_| Errno::NOENT)?;
        Ok(if below.is_empty() { c"/" } else { below })
    }

    fn stat(&self, path: &Text, owner: (u32, u64)) -> Result<Stat> {
        match self.last.take() {
            Some((length, known)) if length == path.bytes().len() => Ok(known),
            _ => self.target(owner)?.stat(path),
        }
    }

    fn look_real(&self, path: &Text, to: &mut [u8; LONGEST]) -> Result<Found> {
        if let Some(link) = proc::link(path.bytes()) {
            return self.look_proc(path, link, to);
        }
        match readlink_of_kernel(self.real(path)?, &mut to[..LONGEST - 1]) {
            Ok(length) => Ok(Found::Link(length)),
            Err(Errno::INVAL) => Ok(Found::Other),
            Err(error) => Err(error),
        }
    }

    #[inline(never)]
    fn look_proc(&self, path: &Text, link: Link, to: &mut [u8; LONGEST]) -> Result<Found> {
        let mut text = Text::root();
        if let Some(gone) = known_place(link, &mut text)? {
            return match link {
                // Nothing has its name, so it is found by itself.
                Link::Descriptor(fd) if gone => {
                    let held = crate::descriptor::find(fd).transpose()?;
                    Ok(Found::Nameless(fd, held.is_some_and(|held| held.is_directory())))
                }
                _ if gone => Err(Errno::NOENT),
                _ => {
                    let path = text.bytes();
                    to[..path.len()].copy_from_slice(path);
                    Ok(Found::Place(path.len()))
                }
            };
        }
        let length = match readlink(self.real(path)?, to) {
            // It was no link at all.
            Err(Errno::INVAL) => return Ok(Found::Other),
            other => other?,
        };
        if to[0] != b'/' || to[..length].ends_with(DELETED) {
            return Ok(Found::Opaque);
        }
        let mut place = Text::of(self.kernel_root)?;
        append(&mut place, &to[..length])?;
        let place = place.bytes();
        to[..place.len()].copy_from_slice(place);
        Ok(Found::RealPlace(place.len()))
    }
}

/// The canonical path of what a link of `/proc` jumps to, where the kernel does not know it: whether nothing has that name
/// any more. None where the kernel knows it.
pub fn known_place(link: Link, to: &mut Text) -> Result<Option<bool>> {
    let fs = fs::mine();
    match link {
        Link::Cwd => Ok(fs.read(Which::Cwd, to).then(|| fs.is_gone())),
        Link::Root => Ok(fs.read(Which::Root, to).then_some(false)),
        Link::Descriptor(fd) => {
            let held = crate::descriptor::find(fd).transpose()?;
            Ok(held.map(|held| held.path(to).gone))
        }
        // SAFETY: it takes no memory.
        Link::Program if unsafe { vload_is_placed() } != 0 => {
            to.fill(|bytes| readlink((CWD, c"/proc/self/exe"), bytes))?;
            Ok(Some(false))
        }
        Link::Program | Link::Other => Ok(None),
    }
}

/// Appends a canonical path to another.
pub fn append(text: &mut Text, path: &[u8]) -> Result<()> {
    match path.strip_prefix(b"/").unwrap_or(path) {
        b"" => Ok(()),
        names => text.push(names),
    }
}

/// `readlinkat(2)` of a link of `/proc`, some of which vload shows as they are natively.
pub fn readlink((directory, path): (usize, &CStr), to: &mut [u8; LONGEST]) -> Result<usize> {
    let arguments =
        [directory, path.as_ptr() as usize, to.as_mut_ptr() as usize, LONGEST - 1, 0, 0];
    // SAFETY: the path ends with a zero, and the room is as long as it says.
    unsafe { system(nr::__NR_readlinkat, arguments) }
}

/// `readlinkat(2)` of any other link: the kernel alone is asked.
fn readlink_of_kernel((directory, path): (usize, &CStr), to: &mut [u8]) -> Result<usize> {
    let arguments = [directory, path.as_ptr() as usize, to.as_mut_ptr() as usize, to.len()];
    // SAFETY: the path ends with a zero, and the room is as long as it says.
    unsafe { kernel::call(nr::__NR_readlinkat, arguments) }
}

/// Whether there is a link at a path: `EINVAL` when there is something else.
pub fn is_link(place: (usize, &CStr)) -> Result<()> {
    readlink_of_kernel(place, &mut [0]).map(drop)
}

impl Below for Tree<'_> {
    fn owner(&self, path: &Text) -> Option<(u32, u64)> {
        let found = self.find(path)?;
        self.claim.set(Some(found));
        Some((found.number, found.epoch))
    }

    fn look(
        &self,
        path: &Text,
        owner: Option<(u32, u64)>,
        to: &mut [u8; LONGEST],
    ) -> Result<Found> {
        self.last.set(None);
        let Some(owner) = owner else { return self.look_real(path, to) };
        let target = self.target(owner)?;
        let known = target.stat(path)?;
        if target::is_link(known.mode) {
            return target.readlink(path, to).map(Found::Link);
        }
        self.last.set(Some((path.bytes().len(), known)));
        Ok(Found::Other)
    }

    fn search(&self, path: &mut Text, owner: Option<(u32, u64)>) -> Result<()> {
        let Some(owner) = owner else {
            // `.` is looked up in it, so it must be a directory that may be searched.
            path.push(b".")?;
            let is_link = self.real(path).and_then(is_link);
            path.pop();
            return match is_link {
                Err(Errno::INVAL) | Ok(()) => Ok(()),
                Err(error) => Err(error),
            };
        };
        let known = self.stat(path, owner)?;
        if !is_directory(known.mode) {
            return Err(Errno::NOTDIR);
        }
        self.target(owner)?.permit(path, &known, EXECUTE)
    }
}
