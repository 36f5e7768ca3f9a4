//! Instructions by hand and from libc, on any machine.

use super::{DESC, candidates, decode, emit, is_filler, rewrite};
use crate::patch::{Entry, Flow, KEEPS_NEXT, KEEPS_SITE, Shape, Site, Stub};
use std::process::Command;
use std::string::String;
use std::vec::Vec;

const INDIRECT: Flow = Flow::JumpIndirect { computed: true };

fn long(word: u32) -> Option<(u8, Flow)> {
    decode(&word.to_le_bytes(), 0x1000).map(|insn| (insn.len, insn.flow))
}

fn short(half: u16) -> Option<(u8, Flow)> {
    // What follows does not matter.
    let [low, high] = half.to_le_bytes();
    decode(&[low, high, 0xff, 0xff], 0x1000).map(|insn| (insn.len, insn.flow))
}

#[test]
fn control_goes_where_the_manual_says() {
    // Words as GNU as writes them.
    for (word, flow) in [
        (0x0080_006f, Flow::Jump(0x1008)),
        (0xffdf_f06f, Flow::Jump(0xffc)),
        (0x0080_00ef, Flow::Call(0x1008)),
        (0x0000_8067, Flow::Stop),
        (0x0002_8067, Flow::Stop),
        (0x0007_8067, INDIRECT),
        (0x0007_80e7, Flow::CallIndirect),
        (0x00b5_0463, Flow::Branch(0x1008)),
        (0xfeb5_1ee3, Flow::Branch(0xffc)),
        (0x0000_0073, Flow::Site(Entry::Syscall)),
        (0x0010_0073, Flow::Trap),
        (0xc000_1073, Flow::Trap),
        (0x0000_0013, Flow::Next),
        (0x0000_0517, Flow::Next),
        (0xc010_2573, Flow::Next),
    ] {
        assert_eq!(long(word), Some((4, flow)), "{word:08x}");
    }
    for (half, flow) in [
        (0xa021, Flow::Jump(0x1008)),
        (0xbff5, Flow::Jump(0xffc)),
        (0xc501, Flow::Branch(0x1008)),
        (0xfd75, Flow::Branch(0xffc)),
        (0x8082, Flow::Stop),
        (0x8782, INDIRECT),
        (0x9782, Flow::CallIndirect),
        (0x9002, Flow::Trap),
        (0x0000, Flow::Trap),
        (0x0001, Flow::Next),
        (0x852e, Flow::Next),
        (0x952e, Flow::Next),
    ] {
        assert_eq!(short(half), Some((2, flow)), "{half:04x}");
    }
    // Encodings of six bytes and more, and an instruction that is cut.
    assert_eq!(long(0x0000_001f), None);
    assert_eq!(decode(&[0x73, 0, 0], 0x1000), None);
    assert_eq!(decode(&[0x73], 0x1000), None);
}

#[test]
fn what_depends_on_its_address_does_not_move() {
    assert!(decode(&0x0000_0517u32.to_le_bytes(), 0).is_some_and(|insn| insn.fixed));
    assert!(decode(&0x0000_0537u32.to_le_bytes(), 0).is_some_and(|insn| !insn.fixed));
}

#[test]
fn padding_is_zeros_and_both_nops() {
    for bytes in [[0x13, 0, 0, 0], [1, 0, 0x73, 0], [0, 0, 0x73, 0]] {
        assert!(is_filler(&bytes), "{bytes:x?}");
    }
    for bytes in [[0x13, 5, 0, 0], [0x73, 0, 0, 0], [0x82, 0x80, 0, 0]] {
        assert!(!is_filler(&bytes), "{bytes:x?}");
    }
}

#[test]
fn an_ecall_is_a_candidate_at_every_second_byte() {
    let mut text = Vec::new();
    for bytes in [&[0x73, 0, 0, 0][..], &[1, 0], &[0x73, 0, 0, 0], &[0x73, 0, 0x10, 0]] {
        text.extend_from_slice(bytes);
    }
    text.extend([0x73, 0, 0]);
    let mut found = Vec::new();
    candidates(&text, |at, entry| found.push((at, entry)));
    assert_eq!(found, [(0, Entry::Syscall), (6, Entry::Syscall)]);
}

const SITE: Site = Site {
    vaddr: 0x1_0002,
    entry: Entry::Syscall,
    shape: Shape::Trap,
    keeps: KEEPS_SITE | KEEPS_NEXT,
    number: None,
    head: 0x1_0002,
    tail: 0x1_0006,
    jump: 0x1_0002,
};

#[test]
fn the_site_becomes_a_trap() {
    let mut changes = Vec::new();
    let done = rewrite(&SITE, u64::MAX, &mut |at, bytes| changes.push((at, bytes.to_vec())));
    assert_eq!(done, Some(()));
    assert_eq!(changes, [(0x1_0002, [0x73, 0, 0x10, 0].to_vec())]);
}

#[test]
fn the_stub_has_an_address_for_the_site_and_one_for_what_follows() {
    let mut stub = Stub::new(0x2_0000, 0x2_1000);
    emit(&mut stub, &SITE, &[0x73, 0, 0, 0]).expect("in reach");
    let (code, points, emitted) = stub.finish();
    let shown: Vec<(u32, u64)> = points.iter().map(|point| (point.offset, point.shown)).collect();
    assert_eq!(shown, [(0, 0x1_0002), (4, 0x1_0006)]);
    assert_eq!((emitted[0].start, emitted[0].end), (0, 20));
    let desc = &code[DESC..];
    assert_eq!(desc[..4], (0x1_0002i32 - 0x2_0008).to_le_bytes());
    // resume, gate, entry, keeps; start; shape, test.
    assert_eq!(desc[4..], [4, 8, 0, 3, 8, 0, Shape::Trap as u8, 8]);
    let mut far = Stub::new(1 << 40, (1 << 40) + 4096);
    assert_eq!(emit(&mut far, &SITE, &[0x73, 0, 0, 0]), None);
}

/// What objdump says of one instruction, as far as it is about control.
fn expected(mnemonic: &str, operands: &str) -> Option<Flow> {
    let target = || {
        let last = operands.split(',').next_back()?.split(' ').next()?;
        u64::from_str_radix(last, 16).ok()
    };
    Some(match mnemonic {
        "j" => Flow::Jump(target()?),
        "jal" => Flow::Call(target()?),
        "ret" => Flow::Stop,
        "jr" if operands.starts_with("t0") => Flow::Stop,
        "jr" => INDIRECT,
        "jalr" => Flow::CallIndirect,
        "ecall" => Flow::Site(Entry::Syscall),
        "ebreak" | "unimp" | "c.unimp" => Flow::Trap,
        "beq" | "bne" | "blt" | "bge" | "bltu" | "bgeu" | "beqz" | "bnez" | "blez" | "bgez"
        | "bltz" | "bgtz" | "bgt" | "ble" | "bgtu" | "bleu" => Flow::Branch(target()?),
        _ => Flow::Next,
    })
}

/// The whole of a C library, as objdump disassembles it.
#[test]
fn libc_decodes_as_objdump_says() {
    let libc = "/usr/riscv64-linux-gnu/lib/libc.so.6";
    let mut objdump = Command::new("riscv64-linux-gnu-objdump");
    objdump.args(["-d", "--section=.text", libc]);
    let Ok(output) = objdump.output() else {
        std::eprintln!("not tested: no riscv64-linux-gnu-objdump");
        return;
    };
    let listing = String::from_utf8_lossy(&output.stdout);
    let mut count = 0;
    for line in listing.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let (Some(address), Some(digits), Some(mnemonic)) =
            (fields.first(), fields.get(1), fields.get(2))
        else {
            continue;
        };
        let address = u64::from_str_radix(address.trim().trim_end_matches(':'), 16);
        let (Ok(address), Ok(word)) = (address, u32::from_str_radix(digits.trim(), 16)) else {
            continue;
        };
        let Some(flow) = expected(mnemonic, fields.get(3).unwrap_or(&"")) else { continue };
        let insn = decode(&word.to_le_bytes(), address);
        let len = digits.trim().len() as u8 / 2;
        assert_eq!(insn.map(|insn| (insn.len, insn.flow)), Some((len, flow)), "{line}");
        count += 1;
    }
    std::eprintln!("{count} instructions of {libc}");
    assert!(count > 100_000 || !output.status.success());
}
