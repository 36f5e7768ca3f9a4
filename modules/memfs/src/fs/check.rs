//! What holds between any two steps, for the tests.

use super::inode::Field;
use super::names::NAME_MOST;
use super::{Fs, Head, Slot};
use std::collections::{BTreeMap, BTreeSet};

impl Fs<'_> {
    /// Panics where something does not hold. `opens` are the open files that there are.
    pub fn check(&self, opens: &[Slot]) {
        let free_inodes = self.free_inodes();
        let used: Vec<Slot> =
            (1..self.head(Head::FreshInode)).filter(|slot| !free_inodes.contains(slot)).collect();
        let left = self.inodes() - self.head(Head::FreshInode) + free_inodes.len() as u64;
        assert_eq!(self.head(Head::FreeInodes), left, "free inodes");
        let mut owner = BTreeMap::new();
        let mut names: BTreeMap<Slot, u64> = BTreeMap::new();
        for &slot in &used {
            self.check_blocks(slot, &mut owner);
            if self.is_directory(slot) {
                self.check_directory(slot, &used, &mut names);
            }
        }
        self.check_links(&used, &names, opens);
        self.check_free(&mut owner);
        self.check_trees(&used);
    }

    /// The inode at a place, which the caller knows to stay.
    pub fn slot(&self, place: super::Place<'_>) -> vload_module::Result<Slot> {
        self.inode(place)
    }

    fn free_inodes(&self) -> BTreeSet<Slot> {
        let mut all = BTreeSet::new();
        let mut slot = self.head(Head::FreeInode);
        while slot != 0 {
            assert!(all.insert(slot), "inode {slot} is free twice");
            slot = self.get(slot, Field::Next);
        }
        all
    }

    fn claim_tree(&self, top: u64, levels: u64, who: u64, owner: &mut BTreeMap<u64, u64>) -> u64 {
        if top == 0 {
            return 0;
        }
        assert!((self.first_data()..self.head(Head::FreshBlock)).contains(&top), "block {top}");
        assert_eq!(owner.insert(top, who), None, "block {top} is had twice");
        let children = if levels == 0 { &[] } else { self.area.block(top) };
        1 + children
            .iter()
            .map(|child| self.claim_tree(child.get(), levels - 1, who, owner))
            .sum::<u64>()
    }

    fn check_blocks(&self, slot: Slot, owner: &mut BTreeMap<u64, u64>) {
        let map = self.get(slot, Field::Map);
        let mut blocks = self.claim_tree(map & super::blocks::TOP, map >> 48, slot, owner);
        for field in [Field::Xattrs, Field::Buckets] {
            blocks += self.claim_tree(self.get(slot, field), 0, slot, owner);
        }
        assert_eq!(self.get(slot, Field::Blocks), blocks, "blocks of inode {slot}");
    }

    fn check_directory(&self, slot: Slot, used: &[Slot], names: &mut BTreeMap<Slot, u64>) {
        let (mut count, mut below, mut position, mut name) = (0, 0, 0, [0; NAME_MOST + 1]);
        while let Some((found, length)) = self.name_from(slot, position, &mut name) {
            let seen = self.look_up(slot, &name[..length]).expect("a name that is listed");
            assert_eq!((seen.position, seen.slot), (found.position, found.slot));
            assert!(used.contains(&found.slot), "a name of inode {}, which is free", found.slot);
            *names.entry(found.slot).or_default() += 1;
            if self.is_directory(found.slot) {
                assert_eq!(self.get(found.slot, Field::Parent), slot);
                below += 1;
            }
            count += 1;
            position = found.position + 1;
        }
        assert_eq!(self.get(slot, Field::Names), count, "names in directory {slot}");
        if self.get(slot, Field::Links) != 0 {
            assert_eq!(self.get(slot, Field::Links), 2 + below, "links of directory {slot}");
        }
    }

    fn check_links(&self, used: &[Slot], names: &BTreeMap<Slot, u64>, opens: &[Slot]) {
        for &slot in used {
            let open = opens.iter().filter(|&&open| open == slot).count() as u64;
            assert_eq!(self.get(slot, Field::Opens), open, "opens of inode {slot}");
            let is_root = self.get(slot, Field::Root) == slot;
            let named = names.get(&slot).copied().unwrap_or(0);
            if !self.is_directory(slot) {
                assert_eq!(self.get(slot, Field::Links), named, "names of inode {slot}");
            }
            assert!(is_root || open != 0 || named != 0, "inode {slot} is lost");
        }
    }

    fn check_free(&self, owner: &mut BTreeMap<u64, u64>) {
        let mut free = 0;
        for (top, levels) in self.free_list(true) {
            assert_eq!(levels, 0, "block {top} is ready and leads to others");
            free += self.claim_tree(top, levels, 0, owner);
        }
        assert_eq!(self.head(Head::ReadyBlocks), free, "ready blocks");
        for (top, levels) in self.free_list(false) {
            free += self.claim_tree(top, levels, 0, owner);
        }
        let fresh = self.area.blocks() - self.head(Head::FreshBlock);
        assert_eq!(self.head(Head::FreeBlocks), free + fresh, "free blocks");
        let all = self.head(Head::FreshBlock) - self.first_data();
        assert_eq!(owner.len() as u64, all, "blocks that nobody has");
    }

    fn check_trees(&self, used: &[Slot]) {
        for &root in used.iter().filter(|&&slot| self.get(slot, Field::Root) == slot) {
            let tree = used.iter().filter(|&&slot| self.get(slot, Field::Root) == root);
            let sums = tree.fold((0, 0, 0), |(inodes, blocks, opens), &slot| {
                let of = |field| self.get(slot, field);
                (inodes + 1, blocks + of(Field::Blocks), opens + of(Field::Opens))
            });
            let of = |field| self.get(root, field);
            let counts = (of(Field::InodesUsed), of(Field::BlocksUsed), of(Field::OpensBelow));
            assert_eq!(counts, sums, "counts of tree {root}");
        }
    }
}
