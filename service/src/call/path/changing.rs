//! Names that are moved and taken away, with all that goes with them: open files, and processes that are in a directory.

use vload_module::Result;

use super::asked::Spot;
use crate::claim::target::is_directory;
use crate::descriptor;
use crate::path::{Text, moves};

/// Whether anything may have to go with a name.
fn is_any_concerned() -> bool {
    descriptor::is_any_open() || moves::is_watched()
}

/// Moves a name, or exchanges two.
#[inline(never)]
pub fn rename(
    (from, old): (&Spot, &Text),
    (to, new): (&Spot, &Text),
    exchanged: bool,
    act: impl FnOnce() -> Result<usize>,
) -> Result<usize> {
    if !is_any_concerned() {
        return act();
    }
    moves::alone(|changing| {
        let known = from.target.stat(old)?;
        let there = to.target.stat(new).ok();
        let done = act()?;
        let is_same =
            there.is_some_and(|there| (there.device, there.inode) == (known.device, known.inode));
        // Two names of one file are both left.
        if !is_same {
            let claim = &from.target.claim;
            descriptor::moved(claim.number, old.bytes(), new.bytes(), exchanged);
            if is_directory(known.mode) || there.is_some_and(|there| is_directory(there.mode)) {
                changing.moved(claim.epoch, old.bytes(), new.bytes(), exchanged);
            }
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
    if !is_any_concerned() {
        return act();
    }
    moves::alone(|changing| {
        let done = act()?;
        let claim = &spot.target.claim;
        descriptor::lost(claim.number, path.bytes());
        if is_directory {
            changing.removed(claim.epoch, path.bytes());
        }
        Ok(done)
    })
}
