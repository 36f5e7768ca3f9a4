//! Loads of the addresses of the `[vsyscall]` page.

use crate::arch::patch::{decode, fixed_load, keeps_register, rewrite_load};
use crate::patch::tests::file::{File, TEXT};
use crate::patch::{Blob, Load, ShapeSet, analyze};
use std::vec::Vec;

/// `mov $0xffffffffff600400, %rax`, as gcc has it; and in its long form, to r9.
const TIME: [u8; 7] = [0x48, 0xc7, 0xc0, 0x00, 0x04, 0x60, 0xff];
const LONG: [u8; 10] = [0x49, 0xb9, 0x00, 0x04, 0x60, 0xff, 0xff, 0xff, 0xff, 0xff];
const RET: [u8; 1] = [0xc3];

/// The loads of a function of this code that are redirected, and those that are not.
fn found(code: &[&[u8]]) -> (Vec<u64>, Vec<u64>) {
    let file = File::new(&code.concat()).bytes();
    let plan = analyze(&file, &ShapeSet::default(), &|_| false).expect("an ELF file");
    let (proven, open): (Vec<_>, Vec<_>) =
        plan.fixed().iter().partition(|call| call.load.is_some());
    let addresses = |calls: Vec<&crate::patch::FixedCall>| {
        calls.into_iter().map(|call| call.vaddr - TEXT).collect::<Vec<u64>>()
    };
    assert_eq!(plan.is_empty(), proven.is_empty());
    if !plan.is_empty() {
        let blob = plan.build(None, [0; 6]).expect("in reach");
        assert!(Blob::parse(&blob).is_some());
    }
    (addresses(proven), addresses(open))
}

#[test]
fn a_load_is_redirected_when_straight_code_calls_it() {
    let none: [u64; 0] = [];
    let call: &[u8] = &[0xff, 0xd0];
    assert_eq!(found(&[&TIME, call, &RET]), ([0].into(), none.into()));
    // jmp *%rax
    assert_eq!(found(&[&TIME, &[0xff, 0xe0]]), ([0].into(), none.into()));
    // call *%r9
    assert_eq!(found(&[&LONG, &[0x41, 0xff, 0xd1], &RET]), ([0].into(), none.into()));
    // push %rbx; sub $40, %rsp; setne %bpl; xor %esi, %esi
    let between: &[u8] = &[0x53, 0x48, 0x83, 0xec, 40, 0x40, 0x0f, 0x95, 0xc5, 0x31, 0xf6];
    assert_eq!(found(&[&TIME, between, call, &RET]), ([0].into(), none.into()));
}

#[test]
fn a_load_that_may_be_for_something_else_stays() {
    let none: [u64; 0] = [];
    let stays = |code: &[&[u8]]| {
        let (proven, open) = found(code);
        assert!(proven == none && open.len() == 1, "{code:x?}: {proven:?}, {open:?}");
    };
    let call: &[u8] = &[0xff, 0xd0];
    // cmp %rax, %rdi; ret
    stays(&[&TIME, &[0x48, 0x39, 0xc7], &RET]);
    // call *%rcx
    stays(&[&TIME, &[0xff, 0xd1], &RET]);
    // add $16, %rax before the call
    stays(&[&TIME, &[0x48, 0x83, 0xc0, 16], call, &RET]);
    // sete %al before the call
    stays(&[&TIME, &[0x0f, 0x94, 0xc0], call, &RET]);
    // je +0 before the call: the value may go elsewhere
    stays(&[&TIME, &[0x74, 0], call, &RET]);
    // into rbx, which outlives the call: mov $…, %rbx; call *%rbx
    stays(&[&[0x48, 0xc7, 0xc3, 0x00, 0x04, 0x60, 0xff], &[0xff, 0xd3], &RET]);
    // into memory: movq $…, 8(%rsp)
    stays(&[&[0x48, 0xc7, 0x44, 0x24, 8, 0x00, 0x08, 0x60, 0xff], &RET]);
    // No function of the page: 0xffffffffff600c00.
    assert_eq!(
        found(&[&[0x48, 0xc7, 0xc0, 0x00, 0x0c, 0x60, 0xff], call, &RET]),
        ([].into(), [].into())
    );
}

#[test]
fn an_address_in_data_is_found() {
    let whole = 0xffff_ffff_ff60_0400u64.to_le_bytes();
    for (bytes, open) in [(&whole[..], 1), (&whole[..4], 0)] {
        let mut file = File::new(&RET);
        file.data = [&[0; 3], bytes].concat();
        let at = file.data_vaddr() + 3;
        let bytes = file.bytes();
        let plan = analyze(&bytes, &ShapeSet::default(), &|_| false).expect("an ELF file");
        let found: Vec<u64> = plan.fixed().iter().map(|call| call.vaddr).collect();
        assert_eq!(found, std::vec![at; open]);
        assert!(plan.is_empty());
    }
}

#[test]
fn the_new_load_is_as_long_and_sets_the_same_register() {
    for (bytes, register) in [(&TIME[..], 0), (&LONG, 9)] {
        let load = fixed_load(bytes).expect("a load");
        assert_eq!(load, Load { register, number: 201, len: bytes.len() as u8 });
        let (new, len) = rewrite_load(0x1000, &load, 0x9000).expect("in reach");
        assert_eq!(len, bytes.len());
        let lea = decode(&new, 0x1000).expect("code");
        assert_eq!((lea.len, lea.relative), (7, 3));
        assert_eq!(new[3..7], (0x9000i32 - 0x1007).to_le_bytes());
        assert_eq!(u64::from(new[0] & 4) << 1 | u64::from(new[2] >> 3 & 7), u64::from(register));
        assert!(len == 7 || decode(&new[7..], 0x1007).is_some_and(|nop| nop.len == 3));
    }
    assert!(!keeps_register(&[0x48, 0x89, 0xd8], 0, 0), "mov %rbx, %rax");
    assert!(keeps_register(&[0x48, 0x89, 0xc3], 0, 0), "mov %rax, %rbx");
}
