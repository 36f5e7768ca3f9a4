//! The decoder against iced-x86, over every function of the machine's own programs: they must
//! agree on lengths, on where control goes, and on which operand is relative.

use super::machine::read;
use crate::arch::patch::{MACHINE, decode};
use crate::patch::Flow;
use crate::patch::elf::Elf;
use crate::patch::starts::Landmarks;
use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, OpKind};
use std::string::String;
use std::vec::Vec;
use std::{eprintln, format};

/// Enough of each file to meet what its compiler knows.
const MAX_INSTRUCTIONS: usize = 400_000;

fn flow_agrees(insn: &Instruction, flow: Flow) -> bool {
    let near = matches!(insn.op0_kind(), OpKind::NearBranch64);
    match flow {
        Flow::Next => matches!(insn.flow_control(), FlowControl::Next | FlowControl::Interrupt),
        Flow::Site(_) => matches!(insn.code(), Code::Syscall | Code::Int_imm8),
        Flow::Branch(target) => {
            let kind = insn.flow_control();
            matches!(kind, FlowControl::ConditionalBranch | FlowControl::XbeginXabortXend)
                && target == insn.near_branch_target()
        }
        Flow::Jump(target) => {
            insn.flow_control() == FlowControl::UnconditionalBranch
                && target == insn.near_branch_target()
        }
        Flow::Call(target) => {
            insn.flow_control() == FlowControl::Call && near && target == insn.near_branch_target()
        }
        Flow::CallIndirect => insn.flow_control() == FlowControl::IndirectCall,
        Flow::JumpIndirect { computed } => {
            insn.flow_control() == FlowControl::IndirectBranch
                && computed == (insn.op0_kind() == OpKind::Register)
        }
        Flow::Stop => matches!(insn.flow_control(), FlowControl::Return),
        Flow::Trap => {
            matches!(insn.flow_control(), FlowControl::Exception | FlowControl::Interrupt)
                || insn.code() == Code::Hlt
        }
    }
}

/// What is wrong with one instruction.
fn disagreement(bytes: &[u8], address: u64, insn: &Instruction) -> Option<String> {
    let Some(ours) = decode(bytes, address) else { return Some("not decoded".into()) };
    if usize::from(ours.len) != insn.len() {
        return Some(format!("length {}", ours.len));
    }
    if !flow_agrees(insn, ours.flow) {
        return Some(format!("{:x?}", ours.flow));
    }
    if (ours.relative != 0) != insn.is_ip_rel_memory_operand() {
        return Some(format!("relative operand at {}", ours.relative));
    }
    None
}

fn compare(path: &str, file: &[u8]) -> usize {
    let elf = Elf::parse(file, MACHINE).expect("an ELF file");
    let marks = Landmarks::collect(&elf);
    let mut count = 0;
    let mut wrong = Vec::new();
    for extent in &marks.extents {
        let Some(code) = elf.slice(extent.start, extent.end - extent.start) else { continue };
        let mut decoder = Decoder::with_ip(64, code, extent.start, DecoderOptions::NONE);
        while decoder.can_decode() && count < MAX_INSTRUCTIONS {
            let at = decoder.position();
            let insn = decoder.decode();
            if insn.is_invalid() {
                break;
            }
            count += 1;
            if let Some(what) = disagreement(&code[at..], insn.ip(), &insn) {
                let bytes = &code[at..at + insn.len()];
                wrong.push(format!("{:x}: {insn} {bytes:02x?}: {what}", insn.ip()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{path}: {} of {count}: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
    count
}

#[test]
fn every_function_of_the_machine_decodes_as_iced_says() {
    let mut total = 0;
    for path in [
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib/x86_64-linux-gnu/libm.so.6",
        "/lib64/ld-linux-x86-64.so.2",
        "/usr/bin/python3",
        // Debian's is a small program in front of its library, others are the whole of it.
        "/usr/bin/node",
        "/usr/lib/x86_64-linux-gnu/libnode.so.108",
        "/usr/lib/gcc/x86_64-linux-gnu/12/cc1",
        "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
        "/usr/lib/x86_64-linux-gnu/libx265.so.199",
    ] {
        let Some(file) = read(path) else { continue };
        let count = compare(path, &file);
        eprintln!("{path}: {count} instructions");
        assert!(count > 0, "{path} has functions");
        total += count;
    }
    assert!(total > 100_000, "few functions on this machine");
}

/// Bytes that no compiler wrote: what both take for an instruction has one length.
#[test]
fn random_bytes_have_the_length_that_iced_says() {
    let mut random = super::Random(1);
    let (mut both, mut ours_alone, mut iced_alone) = (0, 0, 0);
    for _ in 0..1_000_000 {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&random.next().to_le_bytes());
        bytes[8..].copy_from_slice(&random.next().to_le_bytes());
        let insn = Decoder::with_ip(64, &bytes, 0x1000, DecoderOptions::NONE).decode();
        match (decode(&bytes, 0x1000), insn.is_invalid()) {
            (Some(ours), false) => {
                assert_eq!(usize::from(ours.len), insn.len(), "{insn} {bytes:02x?}");
                both += 1;
            }
            (Some(_), true) => ours_alone += 1,
            (None, false) => iced_alone += 1,
            (None, true) => {}
        }
    }
    eprintln!("both {both}, ours alone {ours_alone}, iced alone {iced_alone}");
    assert!(both > 700_000 && iced_alone < 5_000);
}
