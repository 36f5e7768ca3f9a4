//! Which shape is chosen, and why not another.

use super::{at, set, shape, sites, sites_with, snippet};
use crate::patch::{KEEPS_NEXT, KEEPS_SITE, Shape, Site};

const BOTH: u8 = KEEPS_SITE | KEEPS_NEXT;

snippet!(mov_then_syscall, "mov $39, %eax", "syscall", "ret");

#[test]
fn the_load_of_the_number_makes_room() {
    let expected = Site {
        vaddr: at(5),
        entry: crate::patch::Entry::Syscall,
        shape: Shape::Mov,
        keeps: BOTH,
        number: Some(39),
        head: at(0),
        tail: at(7),
        jump: at(0),
    };
    assert_eq!(sites(mov_then_syscall()), [expected]);
}

snippet!(wide_mov, "mov $39, %rax", "syscall", "ret");
snippet!(group_mov, ".byte 0xc7, 0xc0, 39, 0, 0, 0", "syscall", "ret");
snippet!(rex_mov, ".byte 0x48, 0xb8, 39, 0, 0, 0, 0, 0, 0, 0", "syscall", "ret");

#[test]
fn every_encoding_of_the_load_will_do() {
    for (text, len) in [(wide_mov(), 7), (group_mov(), 6), (rex_mov(), 10)] {
        let site = sites(text)[0];
        assert_eq!((site.shape, site.vaddr, site.number), (Shape::Mov, at(len), Some(39)));
    }
}

snippet!(branch_to_site, "cmp $1, %edi", "je 1f", "mov $39, %eax", "1: syscall", "ret");

/// Somebody comes to the site with another number.
#[test]
fn a_branch_to_the_site_forbids_all_before_it() {
    let sites = sites(branch_to_site());
    assert_eq!(sites.len(), 1);
    assert_eq!((sites[0].shape, sites[0].number), (Shape::Trap, None));
}

snippet!(loop_to_mov, "1: mov $39, %eax", "syscall", "test %eax, %eax", "js 1b", "ret");

#[test]
fn a_branch_to_the_first_byte_of_the_window_is_fine() {
    assert_eq!(shape(loop_to_mov()), Shape::Mov);
}

snippet!(
    branch_behind,
    "cmp $1, %edi",
    "je 1f",
    "2: syscall",
    "1: mov %rdi, %rsi",
    "jmp 2b",
    "mov $1, %eax",
    "ret",
);

/// The following instructions could move, but for the branch to the first of them.
#[test]
fn a_branch_into_the_window_behind_forbids_it() {
    assert_eq!(sites_with(branch_behind(), &set("after"))[0].shape, Shape::Trap);
}

snippet!(then_cmp, "mov %edi, %eax", "syscall", "cmp $-4096, %rax", "ja 1f", "ret", "1: ud2");

#[test]
fn the_following_instruction_moves() {
    let site = sites(then_cmp())[0];
    assert_eq!(site.shape, Shape::After);
    assert_eq!((site.head, site.tail, site.jump), (at(2), at(10), at(2)));
    assert_eq!(site.keeps, KEEPS_SITE);
}

snippet!(three_before, "mov $39, %eax", "mov %rdi, %rsi", "syscall", "ret");

#[test]
fn instructions_before_move_and_can_be_made_twice() {
    let site = sites(three_before())[0];
    assert_eq!((site.shape, site.head, site.keeps), (Shape::Before, at(0), BOTH));
    assert_eq!(site.number, Some(39));
}

snippet!(
    swap_before,
    "push %rbx",
    "mov %rax, %rbx",
    "mov %rdi, %rax",
    "syscall",
    "pop %rbx",
    "ret"
);

/// `mov %rax,%rbx; mov %rdi,%rax` a second time would lose what the first saved.
#[test]
fn what_cannot_be_made_twice_gives_the_site_up() {
    let site = sites_with(swap_before(), &set("before"))[0];
    assert_eq!((site.shape, site.head, site.keeps), (Shape::Before, at(4), KEEPS_NEXT));
}

snippet!(padded, "mov %edi, %eax", "syscall", "cmp $-4096, %rax", "ret", ".skip 16, 0x90",);

#[test]
fn padding_comes_before_giving_an_address_up() {
    let site = sites(padded())[0];
    assert_eq!((site.shape, site.keeps, site.jump), (Shape::Pad, BOTH, at(11)));
}

snippet!(
    padding_entered,
    "mov %edi, %eax",
    "1: syscall",
    "test %eax, %eax",
    "jz 2f",
    "jmp 1b",
    "2: nopw 0x0(%rax,%rax,1)",
    "nopw 0x0(%rax,%rax,1)",
    "ret",
);

/// Filler that a branch leads to is executed.
#[test]
fn padding_that_is_executed_is_none() {
    assert_eq!(sites_with(padding_entered(), &set("pad"))[0].shape, Shape::Trap);
}

snippet!(padding_near, "syscall", ".rept 42", "mov %rdi, %rsi", ".endr", "ret", ".skip 5, 0xcc");
snippet!(
    padding_far,
    "syscall",
    ".rept 42",
    "mov %rdi, %rsi",
    ".endr",
    "1: jmp 1b",
    ".skip 5, 0xcc"
);

#[test]
fn padding_is_reached_up_to_the_last_byte() {
    assert_eq!(sites_with(padding_near(), &set("pad"))[0].jump, at(2 + 127));
    assert_eq!(sites_with(padding_far(), &set("pad"))[0].shape, Shape::Trap);
}

snippet!(padding_zeros, "mov %edi, %eax", "syscall", "ret", ".skip 11, 0",);

/// The last function of a text, behind which there are zeros up to the end.
#[test]
fn zeros_at_the_end_are_padding() {
    let site = sites_with(padding_zeros(), &set("pad"))[0];
    assert_eq!((site.shape, site.jump), (Shape::Pad, at(5)));
}

snippet!(padding_short, "mov %edi, %eax", "syscall", "ret", ".skip 4, 0xcc",);

#[test]
fn padding_too_short_for_a_jump_is_none() {
    assert_eq!(sites_with(padding_short(), &set("pad"))[0].shape, Shape::Trap);
}

snippet!(
    padding_shared,
    "test %edi, %edi",
    "jz 1f",
    "jmp 2f",
    "1: syscall",
    "2: syscall",
    "jmp 1b",
    ".skip 9, 0xcc",
    "mov $1, %eax",
    "syscall",
    "ret",
);

/// Both sites are branch targets with nothing movable around. The padding has room for one.
#[test]
fn padding_is_used_once() {
    let sites = sites(padding_shared());
    assert_eq!(sites.iter().filter(|site| site.shape == Shape::Pad).count(), 1);
    assert_eq!(sites.iter().filter(|site| site.shape == Shape::Trap).count(), 1);
    assert_eq!(sites.iter().filter(|site| site.shape == Shape::Mov).count(), 1);
}

snippet!(
    computed_jump,
    "lea 1f(%rip), %rdx",
    "imul %rdi, %rdi",
    "add %rdi, %rdx",
    "jmp *%rdx",
    "1: mov $39, %eax",
    "syscall",
    "cmp $-4096, %rax",
    "ret",
);

/// The jump may lead anywhere in its function.
#[test]
fn an_unresolved_jump_leaves_the_site_its_own_bytes() {
    let site = sites(computed_jump())[0];
    assert_eq!((site.shape, site.keeps, site.number), (Shape::Pun, BOTH, None));
    assert_eq!(sites_with(computed_jump(), &set("mov,before,after"))[0].shape, Shape::Trap);
}

snippet!(
    tail_call,
    "push %rbx",
    "mov $39, %eax",
    "syscall",
    "mov %rdi, %rax",
    "pop %rbx",
    "jmp *%rax",
);

#[test]
fn a_tail_call_is_no_unresolved_jump() {
    assert_eq!(shape(tail_call()), Shape::Mov);
}

snippet!(endbr_before, "endbr64", "syscall", "ret");

/// An indirect call must find the `endbr64` where it is.
#[test]
fn landing_instructions_stay() {
    assert_eq!(shape(endbr_before()), Shape::Trap);
}

snippet!(two_sites, "mov $39, %eax", "syscall", "syscall", "cmp $-4096, %rax", "ret");

#[test]
fn windows_of_neighbours_do_not_overlap() {
    let sites = sites(two_sites());
    assert_eq!(sites[0].shape, Shape::Mov);
    assert_eq!((sites[1].shape, sites[1].number), (Shape::After, None));
}

snippet!(int80, "mov $20, %eax", "int $0x80", "ret");

#[test]
fn int80_takes_the_same_shapes() {
    let site = sites(int80())[0];
    assert_eq!((site.shape, site.entry), (Shape::Mov, crate::patch::Entry::Int80));
}

snippet!(
    number_far,
    "mov $39, %eax",
    "mov %rdi, %rsi",
    "test %rsi, %rsi",
    "js 1f",
    "syscall",
    "1: ret",
    ".skip 8, 0x90"
);

/// The number is known wherever the load dominates the site.
#[test]
fn the_number_is_found_across_what_does_not_change_it() {
    let site = sites(number_far())[0];
    assert_eq!((site.shape, site.number), (Shape::Pad, Some(39)));
}

snippet!(number_lost, "mov $39, %eax", "add $1, %eax", "mov %rdi, %rsi", "syscall", "ret");

#[test]
fn the_number_is_not_known_where_it_changes() {
    assert_eq!(sites(number_lost())[0].number, None);
}

/// The bytes behind the site that a pun shares, and the site's distance from the text's start.
fn punned(text: &[u8]) -> Option<(u64, u64)> {
    let site = sites_with(text, &set("pun"))[0];
    if site.shape == Shape::Trap {
        return None;
    }
    assert_eq!((site.shape, site.keeps), (Shape::Pun, BOTH));
    assert_eq!((site.head, site.tail), (site.vaddr, site.vaddr + 2));
    Some((site.vaddr - at(0), site.jump - (site.vaddr + 5)))
}

#[test]
fn the_following_bytes_choose_the_island() {
    assert_eq!(punned(then_cmp()), Some((2, 0x3d_4800)));
}

snippet!(pun_negative, "mov %edi, %eax", "syscall", "mov %rdi, %rsi", "ret");
snippet!(pun_far, "mov %edi, %eax", "syscall", "mov 0(%rip), %rax", "ret");
snippet!(pun_farther, "mov %edi, %eax", "syscall", "cmp $0x3d, %eax", "ret");
snippet!(pun_close, "mov %edi, %eax", "syscall", ".byte 0x05, 2, 0, 0, 0", "ret");
snippet!(pun_at_end, "mov %edi, %eax", "syscall", "ret");

#[test]
fn an_island_is_neither_before_the_stubs_nor_far_behind_them() {
    // e9 .. 48 89 fe: before the site.
    assert_eq!(punned(pun_negative()), None);
    // e9 .. 48 8b 05: 88 MiB ahead.
    assert_eq!(punned(pun_far()), None);
    // e9 .. 83 f8 3d: 991 MiB ahead.
    assert_eq!(punned(pun_farther()), None);
    // e9 .. 05 02 00, of an add to eax: 129 KiB ahead, behind the stubs.
    assert_eq!(punned(pun_close()), Some((2, 0x2_0500)));
    // The function ends before the jump would.
    assert_eq!(punned(pun_at_end()), None);
}

snippet!(pun_inside, "mov %edi, %eax", "syscall", ".byte 0x05, 0, 0, 0, 0", "ret");

/// `e9 .. 05 00 00`: into the file itself, or where its stubs are.
#[test]
fn an_island_is_not_in_the_file() {
    assert_eq!(punned(pun_inside()), None);
}

snippet!(pun_straddles, ".skip 0x7f7, 0x90", "syscall", "cmp $-4096, %rax", "ret");
snippet!(pun_fits_page, ".skip 0x7f6, 0x90", "syscall", "cmp $-4096, %rax", "ret");

/// The first of the 256 places is cut by the border of a page.
#[test]
fn a_jump_on_an_island_straddles_no_page() {
    assert_eq!(punned(pun_straddles()), Some((0x7f7, 0x3d_4804)));
    assert_eq!(punned(pun_fits_page()), Some((0x7f6, 0x3d_4800)));
}

snippet!(
    pun_twice,
    "mov %edi, %eax",
    "syscall",
    "cmp $-4096, %rax",
    "syscall",
    "cmp $-4096, %rax",
    "ret"
);

#[test]
fn jumps_on_an_island_do_not_overlap() {
    let sites = sites_with(pun_twice(), &set("pun"));
    assert_eq!(sites.len(), 2);
    assert!(sites.iter().all(|site| site.shape == Shape::Pun));
    let distance = sites[1].jump.abs_diff(sites[0].jump);
    assert!(distance >= 5, "{distance}");
}

snippet!(pun_of_site, "mov %edi, %eax", "syscall", "xchg %eax, %ebx", "syscall", "ret");

/// The bytes that would choose the island are another site's.
#[test]
fn a_pun_shares_no_byte_that_changes() {
    assert!(sites_with(pun_of_site(), &set("pun")).iter().all(|site| site.shape == Shape::Trap));
}

snippet!(
    pun_or_pad,
    "mov %edi, %eax",
    "1: syscall",
    "cmp $-4096, %rax",
    "ja 1b",
    "ret",
    ".skip 16, 0x90"
);

/// Islands cost a process address space, padding costs nothing.
#[test]
fn padding_comes_before_islands() {
    assert_eq!(shape(pun_or_pad()), Shape::Pad);
    assert_eq!(sites_with(pun_or_pad(), &set("pun,pad"))[0].shape, Shape::Pun);
}

#[test]
fn the_order_of_the_set_decides() {
    assert_eq!(sites_with(padded(), &set("after,pad"))[0].shape, Shape::After);
    assert_eq!(sites_with(mov_then_syscall(), &set("trap"))[0].shape, Shape::Trap);
    assert_eq!(sites_with(mov_then_syscall(), &set("trap"))[0].number, Some(39));
    assert_eq!(sites_with(mov_then_syscall(), &set("before"))[0].shape, Shape::Before);
}
