//! Open files go with their names: what becomes of their paths when names are moved and taken away.
//!
//! Who changes names holds the lock of names ([`crate::path::moves`]). A file may be opened by a name right after its module has
//! given that to another file, and before it is noted here what has happened to the first one. So a file whose name
//! leads to it is left alone. One that is being opened meanwhile is looked at by who opens it ([`settle`]).

use core::sync::atomic::Ordering;

use vload_module::Result;
use vload_module::abi::service::Stat;

use super::open::Named;
use super::path::{Name, Seen};
use super::record::{OPEN, Record, Records};
use crate::claim;
use crate::claim::target::Target;
use crate::path::moves::{self, Followed, Moment};
use crate::path::{Text, is_within};

/// Whether any file of the session is open.
pub fn is_any_open() -> bool {
    super::records().is_some_and(|records| records.in_use().next().is_some())
}

/// What is at `from` in a claim, and below it, is at `to` now; and the other way round when they were exchanged. Else
/// what was there before has no name any more. Whether a file is being opened that this may concern.
pub fn moved(target: &Target, from: &[u8], to: &[u8], exchanged: bool) -> bool {
    each_within(target, &[from, to], |records, number, record, seen| {
        let mut now = Text::root();
        let Some(name) = record.path.read_seen(&records.paths, seen, &mut now) else { return };
        if record.is_at(target, &now) {
            return;
        }
        let new = match is_within(now.bytes(), from) {
            true => now.moved(from, to),
            false if exchanged => now.moved(to, from),
            false => None,
        };
        match new {
            Some(new) => records.rename((number, seen), &new, name),
            // Replaced, or too long a path to be told.
            None => record.path.lose(seen),
        }
    })
}

/// Nothing is at a path in a claim any more. Whether a file is being opened that this may concern.
pub fn lost(target: &Target, path: &[u8]) -> bool {
    each_within(target, &[path], |records, _, record, seen| {
        let mut now = Text::root();
        if record.path.read_seen(&records.paths, seen, &mut now).is_some()
            && !record.is_at(target, &now)
        {
            record.path.lose(seen);
        }
    })
}

/// Does something with each open file that is at one of the paths in a claim, or below it. Whether one that is being opened
/// is.
fn each_within(
    target: &Target,
    paths: &[&[u8]],
    mut act: impl FnMut(&Records, u32, &Record, Seen),
) -> bool {
    let Some(records) = super::records() else { return false };
    let mut is_any_new = false;
    for number in records.in_use() {
        let Some(record) = records.get(number) else { continue };
        // Before all else that is known of it: if this is the same afterwards, it is known of one file.
        let seen = record.path.seen();
        if record.claim.load(Ordering::Relaxed) != target.claim.number
            || !paths.iter().any(|path| record.path.is_within(&records.paths, seen, path))
        {
            continue;
        }
        match record.state.load(Ordering::SeqCst) {
            OPEN => act(records, number, record, seen),
            _ => is_any_new = true,
        }
    }
    is_any_new
}

impl Records {
    fn rename(&self, (number, seen): (u32, Seen), new: &Text, name: Name) {
        if let Some(record) = self.get(number) {
            let names = |other, place| self.names(other, place);
            record.path.change(&self.paths, (number, seen), (new.bytes(), name), names);
        }
    }
}

impl Record {
    /// Keeps what file it is.
    pub fn identify(&self, known: &Stat) {
        self.identity[0].store(known.device, Ordering::Relaxed);
        self.identity[1].store(known.inode, Ordering::Relaxed);
    }

    fn identity(&self) -> Option<(u64, u64)> {
        let [device, inode] = [0, 1].map(|at| self.identity[at].load(Ordering::Relaxed));
        (inode != 0).then_some((device, inode))
    }

    /// Whether a path leads to the file now. Nobody else has its inode as long as it is open.
    #[inline(never)]
    fn is_at(&self, target: &Target, path: &Text) -> bool {
        self.identity().is_some_and(|identity| {
            target.stat(path).is_ok_and(|known| (known.device, known.inode) == identity)
        })
    }
}

/// What a file was opened by may have been given to another one since a moment before that: finds out which name is its own.
/// The caller has just opened it.
#[inline(never)]
pub fn settle(records: &Records, number: u32, named: Named<'_>, since: Moment) -> Result<()> {
    let Some(record) = records.get(number).filter(|_| !named.name.gone) else { return Ok(()) };
    moves::still(|_| {
        let mut room = [0; claim::LONGEST];
        let number_of_claim = record.claim.load(Ordering::Relaxed);
        let claim = claim::table().and_then(|table| table.now(number_of_claim, &mut room));
        let Some(target) = claim.and_then(|(claim, _)| Target::of(claim)) else { return Ok(()) };
        let seen = record.path.seen();
        let mut path = Text::root();
        let now = record.path.read_seen(&records.paths, seen, &mut path);
        if now.is_none_or(|name| !name.gone && record.is_at(&target, &path)) {
            return Ok(());
        }
        // It was opened before all that has happened since, or after some of it: one of these ways leads to it.
        let (mut after, now) = (Some(since), moves::now());
        while let Some(moment) = after {
            path.set(named.whole)?;
            let followed = moves::follow(&mut path, target.claim.epoch, moment, now);
            if followed != Followed::Gone
                && (record.identity().is_none() || record.is_at(&target, &path))
            {
                records.rename((number, seen), &path, named.name);
                return Ok(());
            }
            after = moves::next(moment, now);
        }
        record.path.lose(seen);
        Ok(())
    })
}
