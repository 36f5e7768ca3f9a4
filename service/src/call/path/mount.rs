//! File systems that modules have the types of.

use core::ffi::{CStr, c_char, c_long};

use abi::Arg;
use linux_raw_sys::general as nr;
use vload_module::abi::service::core_side::vload_new_epoch;
use vload_module::abi::service::{CLAIM_EXACT, Mount};
use vload_module::{Errno, Result};

use super::asked::{Asked, Where};
use super::{Answer, only, real};
use crate::claim::offered::{alone, mounting};
use crate::claim::target::{is_directory, raw};
use crate::descriptor;
use crate::layers::{self, Service};
use crate::path::permission::{Credentials, SYS_ADMIN};
use crate::path::tree::Tree;
use crate::path::{Below, Final, How, LONGEST, Text};
use crate::vload;

/// Operations of `mount` for which the type does not count (mount(2)).
const NO_TYPE: u32 = nr::MS_REMOUNT
    | nr::MS_BIND
    | nr::MS_MOVE
    | nr::MS_SHARED
    | nr::MS_PRIVATE
    | nr::MS_SLAVE
    | nr::MS_UNBINDABLE;

/// The newest layer with a type of file systems.
pub fn of_type(kind: &[u8], limit: u64) -> Option<Service> {
    let has_it = |service: &Service| {
        let types = (!service.operations.types.is_null())
            // SAFETY: a string of the image's, which stays.
            .then(|| unsafe { CStr::from_ptr(service.operations.types) });
        types.is_some_and(|types| {
            types.to_bytes().split(|&byte| byte == b',').any(|name| name == kind)
        })
    };
    let all = layers::all().filter(|service| service.epoch < limit && has_it(service));
    all.max_by_key(|service| service.epoch)
}

/// A string that may be left out.
fn string(from: usize, to: &mut [u8]) -> Result<Option<&CStr>> {
    if from == 0 {
        return Ok(None);
    }
    vload::get_string(to, from)?;
    CStr::from_bytes_until_nul(to).map(Some).map_err(|_| Errno::NAMETOOLONG)
}

/// `mount`.
#[inline(never)]
pub fn mount(asked: &mut Asked<'_>) -> Result<Answer> {
    let [source, _, kind, flags, data, _] = asked.call.arguments;
    // A magic number of old (mount(2)).
    let flags = if flags as u32 & 0xffff_0000 == 0xc0ed_0000 { flags & 0xffff } else { flags };
    let mut bytes = [0; 256];
    // What cannot be read is no type of ours; the kernel says so.
    let kind = string(kind, &mut bytes).ok().flatten();
    let service = kind.and_then(|kind| of_type(kind.to_bytes(), asked.limit));
    let service = service.filter(|_| flags as u32 & NO_TYPE == 0);
    let mut path = Text::root();
    // The second path is the target.
    let found = asked.locate(1, How::canonically(Final::Follow), &mut path)?;
    let (Some(service), Some(kind)) = (service, kind) else {
        return by_kernel(asked, found, &path, flags as u32 & (nr::MS_BIND | nr::MS_MOVE) != 0);
    };
    let on_file = match found {
        Where::Kernel(false) | Where::Open(_) => return Err(Errno::NOENT),
        Where::Kernel(true) | Where::Real => {
            let tree = Tree::new(0, None, b"");
            tree.look(&path, None, &mut [0; LONGEST])?;
            // A directory that may not be searched is one, too.
            tree.search(&mut path, None) == Err(Errno::NOTDIR)
        }
        Where::Claimed(spot) => !is_directory(spot.stat(&path)?.mode),
    };
    let (mut from, mut options) = ([0; LONGEST], [0; LONGEST]);
    let source = string(source, &mut from)?.unwrap_or(c"none");
    let data = string(data, &mut options)?;
    let mount = Mount {
        layer: service.layer,
        source: source.as_ptr(),
        target: path.c_str().as_ptr(),
        kind: kind.as_ptr(),
        data: data.map_or(core::ptr::null::<c_char>(), CStr::as_ptr),
        flags: flags as u64,
    };
    let operation = service.operations.mount.ok_or(Errno::NODEV)?;
    // What it asks for, its source, is what the process sees now.
    // SAFETY: it counts on.
    let service = Service { epoch: unsafe { vload_new_epoch() }, ..service };
    // SAFETY: the structure is valid for the call.
    let asking = || service.ask(|| c_long::from(unsafe { operation(&mount) }));
    asked.let_go();
    match Errno::check(mounting(on_file, asking)) {
        Err(Errno::NOSYS) => Err(Errno::NODEV),
        other => other.map(|_| Answer::Here(0)),
    }
}

/// What the kernel mounts can come from no claim, and be on none; `moved` says whether the first path is looked up.
#[inline(never)]
fn by_kernel(asked: &mut Asked<'_>, found: Where, path: &Text, moved: bool) -> Result<Answer> {
    let mut source = Text::root();
    let from = match moved {
        true => asked.locate(0, How::to(Final::Follow), &mut source)?,
        false => Where::Kernel(false),
    };
    let sides = [(from, &source), (found, path)];
    pass(asked, &sides)
}

/// Gives a call with two paths to the kernel, unless one leads to a claim.
fn pass(asked: &mut Asked<'_>, sides: &[(Where, &Text); 2]) -> Result<Answer> {
    for (found, path) in sides {
        if let Where::Claimed(spot) = found {
            spot.stat(path)?;
        }
    }
    for (number, (found, path)) in sides.iter().enumerate() {
        match found {
            Where::Kernel(_) => {}
            Where::Real => asked.point(number, path),
            Where::Claimed(_) | Where::Open(_) => return Err(Errno::INVAL),
        }
    }
    Ok(real(asked))
}

/// `move_mount`, `pivot_root`.
#[inline(never)]
pub fn two(asked: &mut Asked<'_>) -> Result<Answer> {
    let is_move = asked.described.name() == "move_mount";
    let flags = if is_move { asked.call.arguments[4] as u32 } else { 0 };
    let end = |follows: u32| match is_move && flags & follows == 0 {
        true => How::to(Final::Leave),
        false => How::to(Final::Follow),
    };
    let (mut from, mut to) = (Text::root(), Text::root());
    let first = asked.locate(0, end(nr::MOVE_MOUNT_F_SYMLINKS), &mut from)?;
    let second = asked.locate(1, end(nr::MOVE_MOUNT_T_SYMLINKS), &mut to)?;
    if [&first, &second].iter().any(|found| matches!(found, Where::Claimed(_) | Where::Open(_))) {
        if !Credentials::effective().can(SYS_ADMIN) {
            return Err(Errno::PERM);
        }
        only(flags, nr::MOVE_MOUNT__MASK)?;
    }
    pass(asked, &[(first, &from), (second, &to)])
}

/// `umount`, `umount2`.
#[inline(never)]
pub fn umount(asked: &mut Asked<'_>) -> Result<Answer> {
    let flags = asked
        .index_of(|arg| arg == Arg::Flags)
        .map_or(0, |index| asked.call.arguments[index] as u32);
    let end = if flags & nr::UMOUNT_NOFOLLOW != 0 { Final::Leave } else { Final::Follow };
    let mut path = Text::root();
    let spot = match asked.locate(0, How::to(end), &mut path)? {
        Where::Kernel(_) => return Ok(Answer::System),
        Where::Real => {
            asked.point(0, &path);
            return Ok(real(asked));
        }
        Where::Claimed(spot) => spot,
        Where::Open(_) => return Err(Errno::INVAL),
    };
    only(flags, nr::MNT_FORCE | nr::MNT_DETACH | nr::MNT_EXPIRE | nr::UMOUNT_NOFOLLOW)?;
    let claim = spot.target.claim;
    if !claim.mounted
        || !spot.is_mounted_on(&path)
        || claim.flags & CLAIM_EXACT != 0 && spot.place.slash
    {
        return Err(Errno::INVAL);
    }
    if flags & nr::MNT_DETACH == 0 {
        descriptor::reclaim();
        if descriptor::users(claim.layer, Some(claim.number)) != 0 {
            return Err(Errno::BUSY);
        }
    }
    let answered = spot.target.ask(&path, |operations, node| {
        // SAFETY: the node is valid for the call.
        Some(c_long::from(unsafe { (operations.umount?)(node, flags as i32) }))
    });
    match answered {
        Err(Errno::NOSYS) => {}
        other => drop(other?),
    }
    // The module may have taken it away itself.
    match alone(|table| table.remove_made(claim.number, claim.epoch)) {
        Ok(()) | Err(Errno::INVAL) => Ok(Answer::Here(0)),
        Err(error) => Ok(Answer::Here(raw(Err(error)) as usize)),
    }
}

/// `fsopen` of such a type: there is `mount(2)` for it, which those who call this fall back to.
#[inline(never)]
pub fn open_type(asked: &mut Asked<'_>) -> Option<c_long> {
    let mut bytes = [0; 256];
    let kind = string(asked.call.arguments[0], &mut bytes).ok().flatten()?;
    of_type(kind.to_bytes(), asked.limit)?;
    Some(raw(Err(Errno::NOSYS)))
}
