//! Words by hand and from libc, on any machine.

use super::{
    Distance, apply, candidates, decode, emit, is_filler, number_before, references, rewrite,
};
use crate::patch::{
    Around, Entry, Flow, KEEPS_NEXT, KEEPS_SITE, Kind, Link, Names, Naming, Reference, Room, Run,
    Shape, Site, Step, Stub,
};
use std::process::Command;
use std::string::String;
use std::vec::Vec;

const NOP: u32 = 0xd503_201f;
const SVC: u32 = 0xd400_0001;
const RET: u32 = 0xd65f_03c0;

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four"))).collect()
}

fn flow(word: u32, address: u64) -> Option<Flow> {
    decode(&word.to_le_bytes(), address).map(|insn| insn.flow)
}

#[test]
fn control_goes_where_the_manual_says() {
    // Words as GNU as writes them.
    for (word, expected) in [
        (0x1400_0001, Some(Flow::Jump(0x1004))),
        (0x17ff_ffff, Some(Flow::Jump(0xffc))),
        (0x9400_0010, Some(Flow::Call(0x1040))),
        (0x5400_0041, Some(Flow::Branch(0x1008))),
        (0x54ff_ffe0, Some(Flow::Branch(0xffc))),
        (0xb4ff_ffe0, Some(Flow::Branch(0xffc))),
        (0x3500_0050, Some(Flow::Branch(0x1008))),
        (0x3608_0040, Some(Flow::Branch(0x1008))),
        (0xb7f7_ffe0, Some(Flow::Branch(0xffc))),
        (0xd61f_0220, Some(Flow::JumpIndirect { computed: true })),
        (0xd71f_0a20, Some(Flow::JumpIndirect { computed: true })),
        (0xd63f_0100, Some(Flow::CallIndirect)),
        (RET, Some(Flow::Stop)),
        (0xd65f_0bff, Some(Flow::Stop)),
        (SVC, Some(Flow::Site(Entry::Syscall))),
        (0xd400_1001, Some(Flow::Site(Entry::Syscall))),
        (0xd420_0000, Some(Flow::Trap)),
        (0xd440_0000, Some(Flow::Trap)),
        (0, Some(Flow::Trap)),
        (NOP, Some(Flow::Next)),
        (0xd53b_d040, Some(Flow::Next)),
        // Groups without instructions: words of constants among code.
        (0x0200_0000, None),
        (0x0600_0000, None),
        (0x0001_0000, None),
    ] {
        assert_eq!(flow(word, 0x1000), expected, "{word:08x}");
    }
    assert_eq!(decode(&[0x1f, 0x20, 0x03], 0), None);
}

#[test]
fn what_depends_on_its_address_does_not_move() {
    // adrp x16, adr x0, ldr x0 (literal), ldr q0 (literal), prfm (literal).
    for word in [0x9000_0010u32, 0x1000_0000, 0x5800_0040, 0x9c00_0040, 0xd800_0040] {
        assert!(decode(&word.to_le_bytes(), 0).is_some_and(|insn| insn.fixed), "{word:08x}");
    }
    for word in [NOP, 0xf940_0000, 0x9100_0000, 0x1e60_4000, 0x4ea0_1c00] {
        assert!(decode(&word.to_le_bytes(), 0).is_some_and(|insn| !insn.fixed), "{word:08x}");
    }
}

#[test]
fn every_aligned_svc_is_a_candidate() {
    let mut text = bytes(&[NOP, SVC, RET, 0xd400_1001, 0xd400_0002]);
    text.extend([1, 0]);
    let mut found = Vec::new();
    candidates(&text, |at, entry| found.push((at, entry)));
    assert_eq!(found, [(4, Entry::Syscall), (12, Entry::Syscall)]);
}

#[test]
fn references_are_branches_and_addresses() {
    let text = bytes(&[0x9400_0004, 0x5400_0041, 0x1000_0040, 0x70ff_ffe0, NOP]);
    let mut found = Vec::new();
    references(&text, 0x1000, &mut |reference| found.push(reference));
    let reference = |kind, source, target| Reference { kind, source, target };
    assert_eq!(
        found,
        [
            reference(Naming::Call, 0x1000, 0x1010),
            reference(Naming::Jump, 0x1004, 0x100c),
            reference(Naming::Address, 0x1008, 0x1010),
            reference(Naming::Address, 0x100c, 0x100b),
        ]
    );
}

fn site(vaddr: u64, number: Option<u32>, shape: Shape) -> Site {
    Site {
        vaddr,
        entry: Entry::Syscall,
        shape,
        keeps: KEEPS_SITE | KEEPS_NEXT,
        number,
        head: vaddr,
        tail: vaddr + 4,
        jump: vaddr,
    }
}

const STUBS: u64 = 0x20_0000;
const LINK: u64 = 0x20_1000;

#[test]
fn the_stub_of_a_known_number() {
    let mut stub = Stub::new(STUBS, LINK);
    let site = site(0x10_0000, Some(64), Shape::Direct);
    emit(&mut stub, &site, &SVC.to_le_bytes()).expect("in reach");
    let (code, points, emitted) = stub.finish();
    #[rustfmt::skip]
    assert_eq!(words(&code[..14 * 4]), [
        0xa9bf_47f0,                    // stp x16, x17, [sp, #-16]!
        0xb000_0010,                    // adrp x16, 0x201000
        0xf940_0610,                    // ldr x16, [x16, #8]
        0x3941_0210,                    // ldrb w16, [x16, #64]
        0x3500_0090,                    // cbnz w16, slow
        0xa8c1_47f0,                    // ldp x16, x17, [sp], #16
        SVC,
        0x17fb_fffa,                    // b 0x100004
        0xb000_0010,                    // slow: adrp x16, 0x201000
        0xf940_0211,                    // ldr x17, [x16]
        0x1000_0090,                    // adr x16, desc
        0xd61f_0220,                    // br x17
        0xa8c1_47f0,                    // ldp x16, x17, [sp], #16
        0x17fb_fff4,                    // b 0x100004
    ]);
    let desc = &code[14 * 4..];
    assert_eq!(desc.len(), 12);
    let back = -0x10_0038i32;
    assert_eq!(desc[..4], back.to_le_bytes());
    // resume, gate, entry, keeps; start; shape, test.
    assert_eq!(desc[4..], [8, 32, 0, 3, 56, 0, Shape::Direct as u8, 52]);
    let shown: Vec<(u32, u64)> = points.iter().map(|point| (point.offset, point.shown)).collect();
    assert_eq!(shown, [(0, 0x10_0000), (28, 0x10_0004), (32, 0x10_0000), (48, 0x10_0004)]);
    assert_eq!((emitted[0].start, emitted[0].end), (0, 68));
}

#[test]
fn the_stub_of_any_number_reads_the_table() {
    for number in [None, Some(u32::from(Link::CONSTANTS)), Some(70_000)] {
        let mut stub = Stub::new(STUBS, LINK);
        let site = site(0x10_0000, number, Shape::Trap);
        emit(&mut stub, &site, &0xd400_1001u32.to_le_bytes()).expect("in reach");
        let code = words(&stub.finish().0);
        #[rustfmt::skip]
        assert_eq!(code[2..8], [
            0xf940_0610,                // ldr x16, [x16, #8]
            0x1200_3d11,                // and w17, w8, #0xffff
            0x3871_6a10,                // ldrb w16, [x16, x17]
            0x3500_0090,                // cbnz w16, slow
            0xa8c1_47f0,                // ldp x16, x17, [sp], #16
            0xd400_1001,                // the site's own svc
        ]);
    }
}

#[test]
fn the_site_becomes_one_branch() {
    let change = |shape, stub| {
        let mut changes = Vec::new();
        rewrite(&site(0x10_0000, None, shape), stub, &mut |at, bytes| {
            changes.push((at, bytes.to_vec()));
        })
        .map(|()| changes)
    };
    let one = |word: u32| Some([(0x10_0000, word.to_le_bytes().to_vec())].to_vec());
    assert_eq!(change(Shape::Direct, STUBS), one(0x1404_0000));
    assert_eq!(change(Shape::Direct, 0x10_0000 + (1 << 27) - 4), one(0x15ff_ffff));
    assert_eq!(change(Shape::Direct, 0x10_0000 + (1 << 27)), None);
    assert_eq!(change(Shape::Direct, 0x10_0000u64.wrapping_sub(1 << 27)), one(0x1600_0000));
    assert_eq!(change(Shape::Trap, u64::MAX / 8), one(0xd420_0000));
}

#[test]
fn what_is_out_of_reach_has_no_stub() {
    let far = site(0x10_0000, None, Shape::Trap);
    let mut stub = Stub::new(1 << 30, (1 << 30) + 4096);
    assert_eq!(emit(&mut stub, &far, &SVC.to_le_bytes()), None);
    let mut stub = Stub::new(STUBS, 1 << 40);
    assert_eq!(emit(&mut stub, &far, &SVC.to_le_bytes()), None);
    let mut stub = Stub::new(STUBS, LINK);
    assert_eq!(emit(&mut stub, &far, &NOP.to_le_bytes()), None);
}

/// Calls `look` with a run of these words, of which the last is the site.
fn around<T>(code: &[u32], named: &[u64], look: impl FnOnce(&mut Around<'_>) -> T) -> T {
    let text = bytes(code);
    let steps = code.iter().enumerate().map(|(index, &word)| {
        let insn = decode(&word.to_le_bytes(), 0x1000 + index as u64 * 4).expect("an instruction");
        let kind = match insn.flow {
            Flow::Next if is_filler(&word.to_le_bytes()) => Kind::Filler,
            Flow::Next if insn.fixed => Kind::Fixed,
            Flow::Next => Kind::Movable,
            Flow::Branch(_) => Kind::Branch,
            Flow::Site(_) => Kind::Site,
            Flow::Call(_) | Flow::CallIndirect => Kind::Fixed,
            _ => Kind::End,
        };
        Step { offset: index as u32 * 4, len: 4, kind }
    });
    let run = Run {
        range: 0x1000..0x1000 + text.len() as u64,
        steps: steps.collect(),
        targets: Vec::new(),
        calls: Vec::new(),
        unresolved: Vec::new(),
        cases: Vec::new(),
        whole: true,
    };
    let index = code.len() - 1;
    look(&mut Around {
        text: &text,
        run: &run,
        index,
        vaddr: 0x1000 + index as u64 * 4,
        entry: Entry::Syscall,
        indirect: false,
        names: &Names::new(named.to_vec()),
        room: &mut Room::new(Vec::new(), 0..0),
    })
}

#[test]
fn the_number_is_the_last_that_was_moved_to_x8() {
    const MOV_64: u32 = 0xd280_0808; // mov x8, #64
    const MOV_W_93: u32 = 0x5280_0ba8; // mov w8, #93
    let number = |code: &[u32], named: &[u64]| around(code, named, |around| number_before(around));
    assert_eq!(number(&[MOV_64, SVC], &[]), Some(64));
    assert_eq!(number(&[MOV_64, MOV_W_93, NOP, SVC], &[]), Some(93));
    // A constant, a load and a branch between them.
    assert_eq!(number(&[MOV_64, 0xd280_0001, 0xf940_0022, 0xb400_0040, SVC], &[]), Some(64));
    // Something comes to the site, or to the instruction before it, from elsewhere.
    assert_eq!(number(&[MOV_64, NOP, SVC], &[0x1008]), None);
    assert_eq!(number(&[MOV_64, NOP, SVC], &[0x1004]), None);
    assert_eq!(number(&[MOV_64, NOP, SVC], &[0x1000]), Some(64));
    // ldr x8, ldp x0, x8, a call, an end, another site, movk x8, an address that is written back.
    for other in
        [0xf940_0008, 0xa940_2000, 0x9400_0000, 0xd63f_0020, RET, SVC, 0xf2a0_0028, 0xf840_8500]
    {
        assert_eq!(number(&[MOV_64, other, SVC], &[]), None, "{other:08x}");
    }
    assert_eq!(number(&[NOP, SVC], &[]), None);
    assert_eq!(number(&[SVC], &[]), None);
}

#[test]
fn two_shapes_fit_every_site() {
    for (shape, fits) in [
        (Shape::Direct, true),
        (Shape::Trap, true),
        (Shape::Mov, false),
        (Shape::Pad, false),
        (Shape::Before, false),
        (Shape::After, false),
        (Shape::Pun, false),
    ] {
        let site = around(&[NOP, SVC], &[], |around| apply(shape, Some(64), around));
        assert_eq!(site.is_some(), fits, "{shape:?}");
        if let Some(site) = site {
            assert_eq!((site.vaddr, site.head, site.jump), (0x1004, 0x1004, 0x1004));
        }
    }
    assert_eq!(size_of::<Distance>(), 4);
}

/// What objdump says of one instruction, as far as it is about control.
fn expected(mnemonic: &str, operands: &str) -> Option<Flow> {
    let target = || {
        let last = operands.split(", ").last()?.split(' ').next()?;
        u64::from_str_radix(last.trim_start_matches("0x"), 16).ok()
    };
    Some(match mnemonic {
        "b" => Flow::Jump(target()?),
        "bl" => Flow::Call(target()?),
        "br" => Flow::JumpIndirect { computed: true },
        "blr" => Flow::CallIndirect,
        "ret" => Flow::Stop,
        "svc" => Flow::Site(Entry::Syscall),
        "brk" | "udf" | "hlt" => Flow::Trap,
        "cbz" | "cbnz" | "tbz" | "tbnz" => Flow::Branch(target()?),
        _ if mnemonic.starts_with("b.") => Flow::Branch(target()?),
        _ => Flow::Next,
    })
}

/// The whole of a C library, as objdump disassembles it.
#[test]
fn libc_decodes_as_objdump_says() {
    let libc = "/usr/aarch64-linux-gnu/lib/libc.so.6";
    let mut objdump = Command::new("aarch64-linux-gnu-objdump");
    objdump.args(["-d", "--section=.text", libc]);
    let Ok(output) = objdump.output() else {
        std::eprintln!("not tested: no aarch64-linux-gnu-objdump");
        return;
    };
    let listing = String::from_utf8_lossy(&output.stdout);
    let mut count = 0;
    for line in listing.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let (Some(address), Some(word), Some(mnemonic)) =
            (fields.first(), fields.get(1), fields.get(2))
        else {
            continue;
        };
        let address = u64::from_str_radix(address.trim().trim_end_matches(':'), 16);
        let (Ok(address), Ok(word)) = (address, u32::from_str_radix(word.trim(), 16)) else {
            continue;
        };
        let Some(expected) = expected(mnemonic, fields.get(3).unwrap_or(&"")) else {
            continue;
        };
        assert_eq!(flow(word, address), Some(expected), "{line}");
        count += 1;
    }
    std::eprintln!("{count} instructions of {libc}");
    assert!(count > 100_000 || !output.status.success());
}
