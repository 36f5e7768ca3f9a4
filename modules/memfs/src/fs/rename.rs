//! Giving a name instead of another.

use super::directory::Found;
use super::inode::Field;
use super::names::Named;
use super::{Caller, Fs, Place, Slot};
use vload_module::linux::general::{RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT, S_IFCHR};
use vload_module::{Errno, Result};

impl Fs<'_> {
    /// `renameat2(2)`, within one tree.
    pub fn rename(
        &self,
        from: Place<'_>,
        to: Place<'_>,
        flags: u32,
        caller: &Caller,
    ) -> Result<()> {
        let exchange = flags & RENAME_EXCHANGE != 0;
        let no_replace = flags & RENAME_NOREPLACE != 0;
        let whiteout = flags & RENAME_WHITEOUT != 0;
        let known = RENAME_EXCHANGE | RENAME_NOREPLACE | RENAME_WHITEOUT;
        if flags & !known != 0 || exchange && (no_replace || whiteout) {
            return Err(Errno::INVAL);
        }
        self.step(|| {
            let old = self.named(from, Errno::BUSY)?;
            let new = self.named(to, Errno::BUSY)?;
            let roots = [old, new].map(|named| self.get(named.directory, Field::Root));
            if roots[0] != roots[1] {
                return Err(Errno::XDEV);
            }
            self.check_writable(old.directory)?;
            let source = self.look_up(old.directory, old.name).ok_or(Errno::NOENT)?;
            let target = self.look_up(new.directory, new.name);
            match target {
                Some(_) if no_replace => return Err(Errno::EXIST),
                None if exchange => return Err(Errno::NOENT),
                _ => {}
            }
            if self.is_within(new.directory, source.slot) {
                return Err(Errno::INVAL);
            }
            if target.is_some_and(|target| self.is_within(old.directory, target.slot)) {
                return Err(if exchange { Errno::INVAL } else { Errno::NOTEMPTY });
            }
            match target {
                Some(target) if target.slot == source.slot => return Ok(()),
                Some(target) if exchange => {
                    self.exchange(&old, source, &new, target, caller);
                    return Ok(());
                }
                _ if whiteout => self.can_take_inode(roots[0])?,
                _ => {}
            }
            match target {
                Some(target) => self.replace((&old, whiteout), source, &new, target, caller),
                None => self.give_name((&old, whiteout), source, &new, caller),
            }
        })
    }

    /// A name is not that of `source` any more: it goes, or is a device's that says that nothing is there (`shmem_whiteout`,
    /// mm/shmem.c), for which there is an inode. That is taken before any is given back in the same step: what is written to
    /// it is not taken back with the step.
    fn vacate(&self, (old, whiteout): (&Named<'_>, bool), source: Found, caller: &Caller) {
        if !whiteout {
            return self.remove(old.directory, source.position);
        }
        let slot = self.take_inode(old.directory, S_IFCHR, caller);
        self.plain(slot, Field::Links, 1);
        self.plain(slot, Field::Special, 0);
        self.redirect(old.directory, source.position, slot);
    }

    /// Whether a directory is another, or lies in it.
    fn is_within(&self, directory: Slot, other: Slot) -> bool {
        let mut at = directory;
        loop {
            let parent = self.get(at, Field::Parent);
            if at == other {
                return true;
            }
            if parent == at {
                return false;
            }
            at = parent;
        }
    }

    /// An inode that has been in one directory is in another now.
    fn move_to(&self, slot: Slot, from: Slot, to: Slot) {
        if self.is_directory(slot) && from != to {
            self.add(from, Field::Links, -1);
            self.add(to, Field::Links, 1);
            self.put(slot, Field::Parent, to);
        }
    }

    fn exchange(
        &self,
        old: &Named<'_>,
        source: Found,
        new: &Named<'_>,
        target: Found,
        caller: &Caller,
    ) {
        self.redirect(old.directory, source.position, target.slot);
        self.redirect(new.directory, target.position, source.slot);
        self.move_to(source.slot, old.directory, new.directory);
        self.move_to(target.slot, new.directory, old.directory);
        self.note(&[source.slot, target.slot], old, new, caller);
    }

    fn replace(
        &self,
        (old, whiteout): (&Named<'_>, bool),
        source: Found,
        new: &Named<'_>,
        target: Found,
        caller: &Caller,
    ) -> Result<()> {
        match (self.is_directory(source.slot), self.is_directory(target.slot)) {
            (true, false) => return Err(Errno::NOTDIR),
            (false, true) => return Err(Errno::ISDIR),
            (true, true) if self.get(target.slot, Field::Names) != 0 => {
                return Err(Errno::NOTEMPTY);
            }
            _ => {}
        }
        self.redirect(new.directory, target.position, source.slot);
        self.vacate((old, whiteout), source, caller);
        self.move_to(source.slot, old.directory, new.directory);
        self.note(&[source.slot], old, new, caller);
        if self.is_directory(target.slot) {
            self.lose_directory(new.directory, target.slot, caller);
        } else {
            self.lose_name(target.slot, caller);
        }
        Ok(())
    }

    fn give_name(
        &self,
        (old, whiteout): (&Named<'_>, bool),
        source: Found,
        new: &Named<'_>,
        caller: &Caller,
    ) -> Result<()> {
        if self.get(new.directory, Field::Links) == 0 {
            return Err(Errno::NOENT);
        }
        let gap = self.gap(new.directory, new.name);
        self.can_take(self.get(new.directory, Field::Root), gap.cost)?;
        self.insert(new.directory, &gap, new.name, source.slot);
        self.vacate((old, whiteout), source, caller);
        self.move_to(source.slot, old.directory, new.directory);
        self.note(&[source.slot], old, new, caller);
        Ok(())
    }

    fn note(&self, moved: &[Slot], old: &Named<'_>, new: &Named<'_>, caller: &Caller) {
        for &slot in moved {
            self.set_time(slot, Field::Changed, caller.now);
        }
        self.touch(old.directory, caller.now);
        self.touch(new.directory, caller.now);
    }
}
