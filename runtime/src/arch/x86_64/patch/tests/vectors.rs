//! What of the vector state an instruction touches, against the registers that iced-x86 says it uses.

use iced_x86::{
    Decoder, DecoderOptions, EncodingKind, Instruction, InstructionInfoFactory, Mnemonic, Register,
};

use std::collections::BTreeMap;
use std::format;
use std::string::String;

use crate::arch::KEPT;
use crate::arch::patch::{decode, vectors};
use crate::patch::tests::Random;

const X87: u64 = 1;
const MXCSR: u64 = 2;
const AVX: u64 = 4 | 1 << 6;

/// What iced-x86 says: `None` where it has no word to say.
fn expected(insn: &Instruction, factory: &mut InstructionInfoFactory) -> Option<u64> {
    let whole = |name: &str| name.contains("xrstor");
    let name = format!("{:?}", insn.mnemonic()).to_lowercase();
    if whole(&name) {
        // Kernels alone execute xrstors.
        return (!name.ends_with("rstors") && !name.ends_with("rstors64"))
            .then_some(if name.starts_with('f') { X87 } else { KEPT & !MXCSR | 0b11 << 17 });
    }
    let mut touched = 0;
    for used in factory.info(insn).used_registers() {
        touched |= match used.register() {
            register if register.is_st() || register.is_mm() => X87,
            register if register.is_tmm() => 0b11 << 17,
            register if register.is_k() => 1 << 5,
            _ => 0,
        };
    }
    touched |= match insn.encoding() {
        EncodingKind::EVEX => AVX | 0b111 << 5,
        EncodingKind::XOP => AVX,
        EncodingKind::VEX if touched == 0 && !general(insn, factory) => AVX,
        EncodingKind::D3NOW => X87,
        EncodingKind::Legacy if of_the_x87(insn) => X87,
        _ => 0,
    };
    if matches!(insn.mnemonic(), Mnemonic::Emms | Mnemonic::Femms) {
        touched |= X87;
    }
    if insn.mnemonic() == Mnemonic::Tilerelease || name.ends_with("tilecfg") {
        touched = 0b11 << 17;
    }
    Some(touched)
}

fn of_the_x87(insn: &Instruction) -> bool {
    insn.cpuid_features().iter().any(|feature| format!("{feature:?}").starts_with("FPU"))
}

/// Whether an instruction has a register operand, and only general ones.
fn general(insn: &Instruction, factory: &mut InstructionInfoFactory) -> bool {
    let vector = |register: Register| register.is_vector_register();
    let info = factory.info(insn);
    !info.used_registers().is_empty()
        && !info.used_registers().iter().any(|used| vector(used.register()))
        && !matches!(insn.mnemonic(), Mnemonic::Vldmxcsr | Mnemonic::Vstmxcsr)
}

fn compare(
    bytes: &[u8],
    factory: &mut InstructionInfoFactory,
    wrong: &mut BTreeMap<String, String>,
) -> Option<u64> {
    let insn = Decoder::with_ip(64, bytes, 0x1000, DecoderOptions::NONE).decode();
    let ours = decode(bytes, 0x1000)?;
    if insn.is_invalid() || insn.len() != usize::from(ours.len) {
        return None;
    }
    let touched = vectors(&bytes[..insn.len()]);
    if let Some(expected) = expected(&insn, factory) {
        let more = matches!(
            insn.mnemonic(),
            Mnemonic::Cvtpi2ps
                | Mnemonic::Cvtpi2pd
                | Mnemonic::Vcvtsd2si
                | Mnemonic::Vcvtss2si
                | Mnemonic::Vcvttsd2si
                | Mnemonic::Vcvttss2si
                | Mnemonic::Wait
        );
        // With an operand in memory these change nothing: all the more is kept.
        let same = if more { touched & expected == expected } else { touched & !MXCSR == expected };
        if !same {
            let said = format!("{insn} {:02x?}: {touched:x}, {expected:x}", &bytes[..insn.len()]);
            wrong.insert(format!("{:?}", insn.mnemonic()), said);
        }
    }
    Some(touched)
}

#[test]
fn vector_state_is_what_iced_says() {
    let mut random = Random(5);
    let mut factory = InstructionInfoFactory::new();
    let (mut seen, mut wrong) = ([0; 4], BTreeMap::new());
    for round in 0..2_000_000 {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&random.next().to_le_bytes());
        bytes[8..].copy_from_slice(&random.next().to_le_bytes());
        // Most bytes are of few instructions.
        match round % 8 {
            0 => bytes[0] = 0x0f,
            1 => bytes[..2].copy_from_slice(&[0x66, 0x0f]),
            2 => bytes[..2].copy_from_slice(&[0xf2 + (round / 8 % 2) as u8, 0x0f]),
            3 => bytes[0] = 0xc4 + (round / 8 % 2) as u8,
            4 => bytes[0] = 0x62,
            5 => bytes[..2].copy_from_slice(&[0x0f, 0x38 + 2 * (round / 8 % 2) as u8]),
            _ => {}
        }
        let Some(touched) = compare(&bytes, &mut factory, &mut wrong) else { continue };
        for (count, bit) in seen.iter_mut().zip([X87, AVX, 1 << 5, 1 << 17]) {
            *count += usize::from(touched & bit != 0);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let enough = [10_000, 10_000, 500, 10];
    assert!(seen.iter().zip(enough).all(|(&count, least)| count > least), "{seen:?}");
}

#[test]
fn arithmetic_depends_on_mxcsr_and_moves_do_not() {
    let depend: [&[u8]; 5] = [
        &[0xf2, 0x0f, 0x58, 0xc1],             // addsd %xmm1, %xmm0
        &[0xf2, 0x0f, 0x2a, 0xc0],             // cvtsi2sd %eax, %xmm0
        &[0x66, 0x0f, 0x2e, 0xc1],             // ucomisd %xmm1, %xmm0
        &[0x66, 0x0f, 0x3a, 0x0b, 0xc1, 0x01], // roundsd $1, %xmm1, %xmm0
        &[0x0f, 0xae, 0x14, 0x24],             // ldmxcsr (%rsp)
    ];
    assert!(depend.iter().all(|bytes| vectors(bytes) == MXCSR));
    let plain: [&[u8]; 4] = [
        &[0x0f, 0x11, 0x07],       // movups %xmm0, (%rdi)
        &[0x66, 0x0f, 0xef, 0xc0], // pxor %xmm0, %xmm0
        &[0x66, 0x0f, 0x54, 0xc1], // andpd %xmm1, %xmm0
        &[0x66, 0x0f, 0xd4, 0xc1], // paddq %xmm1, %xmm0
    ];
    assert!(plain.iter().all(|bytes| vectors(bytes) == 0));
}
