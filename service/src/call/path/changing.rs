//! Names that are moved and taken away, with all that goes with them: open files, and processes that are in a directory.

use core::sync::atomic::{Ordering, fence};

use vload_module::Result;
use vload_module::abi::service::Stat;

use super::asked::Spot;
use crate::claim::target::is_directory;
use crate::descriptor;
use crate::path::Text;
use crate::path::moves::{self, Changing};

/// Whether anything may have to go with a name.
fn is_any_concerned() -> bool {
    // Who comes after this look finds what the name leads to now.
    fence(Ordering::SeqCst);
    descriptor::is_any_open() || moves::is_watched()
}

/// What is at two names, if they are of one file.
fn is_same(from: &Result<Stat>, to: &Result<Stat>) -> bool {
    match (from, to) {
        // Where a module has no inode numbers nothing is known.
        (Ok(from), Ok(to)) if from.inode != 0 => (from.device, from.inode) == (to.device, to.inode),
        _ => false,
    }
}

/// Moves a name, or exchanges two.
#[inline(never)]
pub fn rename(
    (from, old): (&Spot, &Text),
    (to, new): (&Spot, &Text),
    exchanged: bool,
    act: impl FnOnce() -> Result<usize>,
) -> Result<usize> {
    let note = |changing: &Changing, is_folder: bool| {
        let target = &from.target;
        let is_any_new = descriptor::moved(target, old.bytes(), new.bytes(), exchanged);
        if is_folder || is_any_new {
            changing.moved(target.claim.epoch, old.bytes(), new.bytes(), exchanged);
        }
    };
    let both = || [(from, old), (to, new)].map(|(spot, path)| spot.target.stat(path));
    if !is_any_concerned() {
        let done = act()?;
        // Whoever has come meanwhile may have found what was there before. Two names of one file are both left.
        if is_any_concerned() {
            moves::alone(|changing| {
                let [from, to] = both();
                if !is_same(&from, &to) {
                    note(changing, true);
                }
                Ok(())
            })?;
        }
        return Ok(done);
    }
    moves::alone(|changing| {
        let [known, there] = both();
        let done = act()?;
        // Two names of one file are both left.
        if !is_same(&known, &there) {
            let is_folder =
                |known: &Result<Stat>| known.as_ref().is_ok_and(|known| is_directory(known.mode));
            note(changing, is_folder(&known) || is_folder(&there));
        }
        Ok(done)
    })
}

/// Takes a name away.
#[inline(never)]
pub fn remove(
    spot: &Spot,
    path: &Text,
    is_directory: bool,
    act: impl FnOnce() -> Result<usize>,
) -> Result<usize> {
    let note = |changing: &Changing| {
        let is_any_new = descriptor::lost(&spot.target, path.bytes());
        if is_directory || is_any_new {
            changing.removed(spot.target.claim.epoch, path.bytes());
        }
    };
    if !is_any_concerned() {
        let done = act()?;
        if is_any_concerned() {
            moves::alone(|changing| {
                note(changing);
                Ok(())
            })?;
        }
        return Ok(done);
    }
    moves::alone(|changing| {
        let done = act()?;
        note(changing);
        Ok(done)
    })
}
