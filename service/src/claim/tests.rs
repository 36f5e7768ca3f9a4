use super::*;
use std::alloc::{Layout, alloc_zeroed};
use std::boxed::Box;

fn table() -> Box<Table> {
    // SAFETY: all bytes zero are an empty table.
    unsafe { Box::from_raw(alloc_zeroed(Layout::new::<Table>()).cast()) }
}

fn add(table: &Table, path: &str, flags: u32, epoch: u64, layer: u32) -> u32 {
    let claim = Claim { number: 0, epoch, layer, flags, private: 0, length: 0, mounted: false };
    table.add(path.as_bytes(), claim, 0).unwrap()
}

fn owner(table: &Table, path: &str, epoch: u64) -> Option<(u64, usize)> {
    let limit = Limit { epoch, effective: &|layer| layer < 10, sees: &|view| view == 0 };
    table.owner(path.as_bytes(), limit, &|_| false).map(|claim| (claim.epoch, claim.length))
}

#[test]
fn a_prefix_ends_with_a_name() {
    let table = table();
    add(&table, "/a/b", 0, 1, 0);
    assert_eq!(owner(&table, "/a/b", 9), Some((1, 4)));
    assert_eq!(owner(&table, "/a/b/c", 9), Some((1, 4)));
    for other in ["/a", "/a/bc", "/", "/a/c/b"] {
        assert_eq!(owner(&table, other, 9), None, "{other}");
    }
}

#[test]
fn exact_names_and_numbers() {
    let table = table();
    add(&table, "/dev/one", CLAIM_EXACT, 1, 0);
    add(&table, "/dev/tty", CLAIM_NUMBERS | CLAIM_EXACT, 2, 0);
    add(&table, "/dev/disk", CLAIM_NUMBERS, 3, 0);
    assert_eq!(owner(&table, "/dev/one", 9), Some((1, 8)));
    assert_eq!(owner(&table, "/dev/one/x", 9), None);
    assert_eq!(owner(&table, "/dev/tty12", 9), Some((2, 8)));
    assert_eq!(owner(&table, "/dev/tty", 9), Some((2, 8)));
    assert_eq!(owner(&table, "/dev/tty1a", 9), None);
    assert_eq!(owner(&table, "/dev/tty1/a", 9), None);
    assert_eq!(owner(&table, "/dev/disk1/a", 9), Some((3, 9)));
}

#[test]
fn the_newest_wins_and_a_limit_hides_it() {
    let table = table();
    add(&table, "/m", 0, 5, 0);
    add(&table, "/m", 0, 7, 1);
    assert_eq!(owner(&table, "/m/x", 9), Some((7, 2)));
    assert_eq!(owner(&table, "/m/x", 7), Some((5, 2)));
    assert_eq!(owner(&table, "/m/x", 5), None);
}

#[test]
fn a_negative_claim_is_a_hole_with_older_layers_in_it_hidden() {
    let table = table();
    add(&table, "/", 0, 1, 0);
    add(&table, "/hole", CLAIM_NEGATIVE, 2, 1);
    add(&table, "/hole/island", 0, 3, 2);
    assert_eq!(owner(&table, "/", 9), Some((1, 0)));
    assert_eq!(owner(&table, "/x", 9), Some((1, 0)));
    assert_eq!(owner(&table, "/hole/x", 9), None);
    assert_eq!(owner(&table, "/hole/island/x", 9), Some((3, 12)));
}

#[test]
fn an_unconfirmed_claim_leaves_the_path_to_older_ones() {
    let table = table();
    add(&table, "/m", 0, 1, 0);
    add(&table, "/m", CLAIM_CONFIRM, 2, 1);
    assert_eq!(owner(&table, "/m", 9), Some((1, 2)));
    let limit = Limit { epoch: 9, effective: &|_| true, sees: &|_| true };
    let confirmed = table.owner(b"/m", limit, &|claim| claim.layer == 1);
    assert_eq!(confirmed.map(|claim| claim.epoch), Some(2));
}

#[test]
fn layers_that_are_not_effective_and_other_views_are_not_seen() {
    let table = table();
    add(&table, "/m", 0, 1, 10);
    let claim =
        Claim { number: 0, epoch: 2, layer: 0, flags: 0, private: 0, length: 0, mounted: true };
    table.add(b"/n", claim, 3).unwrap();
    assert_eq!(owner(&table, "/m", 9), None);
    assert_eq!(owner(&table, "/n", 9), None);
}

#[test]
fn a_removed_claim_makes_room() {
    let table = table();
    let number = add(&table, "/m", 0, 1, 0);
    assert_eq!(table.remove(number, 1), Err(Errno::INVAL));
    table.remove(number, 0).unwrap();
    assert_eq!(owner(&table, "/m", 9), None);
    assert_eq!(add(&table, "/n", 0, 2, 0), number);
    assert_eq!(table.get(number, 1), None);
    for epoch in 3..258 {
        add(&table, "/o", 0, epoch, 0);
    }
    let claim =
        Claim { number: 0, epoch: 999, layer: 0, flags: 0, private: 0, length: 0, mounted: false };
    assert_eq!(table.add(b"/p", claim, 0), Err(Errno::NOSPC));
}

#[test]
fn only_canonical_paths_can_be_claimed() {
    for wrong in ["", "a", "/a/", "/a//b", "/./a", "/a/..", "//"] {
        assert_eq!(check(wrong.as_bytes(), 0), Err(Errno::INVAL), "{wrong}");
    }
    assert_eq!(check(&[b'/'; 1], 0), Ok(()));
    assert_eq!(check(b"/a", 1 << 9), Err(Errno::INVAL));
    assert_eq!(check(&[b'a'; LONGEST], 0), Err(Errno::NAMETOOLONG));
}

#[test]
fn what_is_left_of_others_makes_room() {
    let table = table();
    let mut mounted =
        Claim { number: 0, epoch: 1, layer: 0, flags: 0, private: 0, length: 0, mounted: true };
    // In a view that is gone, and by layers that are (`vload_lives`, in `call/path/tests/host.rs`).
    table.add(b"/view", mounted, 5).unwrap();
    for epoch in 2..256 {
        add(&table, "/layer", 0, epoch, 100);
    }
    mounted.epoch = 256;
    table.add(b"/m", mounted, 0).unwrap();
    assert_eq!((table.mounts_of(0), table.of_layer(100).count()), (1, 0));
    add(&table, "/n", 0, 257, 1);
    assert_eq!(
        (owner(&table, "/m", 999), owner(&table, "/n", 999)),
        (Some((256, 2)), Some((257, 2)))
    );
    assert!(!table.is_any_in(b"/view") && !table.is_any_in(b"/layer"));
}
