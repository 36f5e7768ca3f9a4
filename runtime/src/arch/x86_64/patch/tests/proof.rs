//! What is not proven is not touched, and is listed with the reason.

use super::{at, snippet};
use crate::patch::tests::eh_frame;
use crate::patch::tests::file::{File, Section};
use crate::patch::{Plan, Refusal, Shape, ShapeSet, analyze};

fn plan(file: &[u8]) -> Plan<'_> {
    analyze(file, &ShapeSet::default(), &|_| false).expect("an ELF file")
}

/// The only refusal of a file without sites.
fn refusal(file: &File) -> Refusal {
    let bytes = file.bytes();
    let plan = plan(&bytes);
    assert!(plan.is_empty(), "{:?}", plan.sites());
    assert_eq!(plan.refused().len(), 1);
    plan.refused()[0].reason
}

snippet!(prefixed, "mov $39, %eax", ".byte 0x48, 0x0f, 0x05", "ret");

/// The processor makes the call whatever the prefixes, so it is said that vload does not see it.
#[test]
fn a_site_behind_a_prefix_is_a_hole() {
    assert_eq!(refusal(&File::new(prefixed())), Refusal::Prefixed);
    assert!(Refusal::Prefixed.is_hole());
}

snippet!(inside, "mov $0x050f, %eax", "ret");

#[test]
fn bytes_inside_an_immediate_are_no_site() {
    assert_eq!(refusal(&File::new(inside())), Refusal::Inside);
    assert!(!Refusal::Inside.is_hole());
}

snippet!(data_behind, "ret", ".byte 0x06, 0x06, 0x0f, 0x05, 0x06");

#[test]
fn data_that_nothing_leads_to_is_never_executed() {
    let mut file = File::new(data_behind());
    assert_eq!(refusal(&file), Refusal::Unreached);
    assert!(!Refusal::Unreached.is_hole());
    file.has_sections = false;
    assert_eq!(refusal(&file), Refusal::Unreached);
}

snippet!(
    data_named,
    "lea 1f(%rip), %rax",
    "ret",
    ".byte 0x06",
    "1: xor %eax, %eax",
    "syscall",
    ".byte 6"
);

/// The address may be called: it is no start, but nobody can say that it is not executed.
#[test]
fn data_that_an_operand_names_stays_in_doubt() {
    assert_eq!(refusal(&File::new(data_named())), Refusal::NoStart);
    assert!(Refusal::NoStart.is_hole());
}

snippet!(overlapping, "test %edi, %edi", "jz 1f + 1", "1: mov $0x90909090, %eax", "syscall", "ret");

/// What the branch reaches decodes as something else, so neither reading is believed.
#[test]
fn a_branch_into_an_instruction_disproves_the_run() {
    assert_eq!(refusal(&File::new(overlapping())), Refusal::Misaligned);
}

snippet!(plain, "mov $39, %eax", "syscall", "ret");

#[test]
fn writable_text_is_left_alone() {
    let mut file = File::new(plain());
    file.flags = 7;
    assert_eq!(refusal(&file), Refusal::Writable);
}

#[test]
fn a_skipped_site_is_listed() {
    let bytes = File::new(plain()).bytes();
    let skip = |vaddr| vaddr == at(5);
    let plan = analyze(&bytes, &ShapeSet::default(), &skip).expect("an ELF file");
    assert_eq!((plan.sites().len(), plan.refused()[0].reason), (0, Refusal::Skipped));
}

#[test]
fn constants_in_the_segment_but_not_in_the_section_are_no_code() {
    let mut file = File::new(&[0xc3, 0x0f, 0x05]);
    file.code = 1;
    assert_eq!(refusal(&file), Refusal::Unreached);
    // jmp to what is behind the section
    let mut file = File::new(&[0xeb, 0x00, 0x0f, 0x05]);
    file.code = 2;
    assert_eq!(refusal(&file), Refusal::NotCode);
}

#[test]
fn a_symbol_in_the_window_forbids_it() {
    let mut file = File::new(plain());
    assert_eq!(plan(&file.bytes()).sites()[0].shape, Shape::Mov);
    // Not a function: a label.
    file.symbols.push((at(5), 0));
    assert_eq!(plan(&file.bytes()).sites()[0].shape, Shape::Trap);
}

#[test]
fn a_pointer_in_a_fixed_program_forbids_its_target() {
    let mut file = File::new(plain());
    file.kind = 2;
    assert_eq!(plan(&file.bytes()).sites()[0].shape, Shape::Mov);
    file.data = at(5).to_le_bytes().into();
    assert_eq!(plan(&file.bytes()).sites()[0].shape, Shape::Trap);
}

snippet!(takes_address, "mov $39, %eax", "1: syscall", "ret", "lea 1b(%rip), %rax", "ret",);

#[test]
fn an_address_operand_forbids_its_target() {
    let file = File::new(takes_address()).bytes();
    assert_eq!(plan(&file).sites()[0].shape, Shape::Trap);
}

fn with_table(table: &[u8]) -> File {
    let mut file = File::new(plain());
    let data = file.data_vaddr();
    file.data = table.into();
    file.data.resize(64, 0);
    let frames = eh_frame(at(0), data + 64, plain().len() as u32, data);
    file.sections.push(Section {
        name: ".eh_frame",
        addr: data + 64,
        kind: 1,
        flags: 2,
        bytes: frames.clone(),
    });
    file.data.extend_from_slice(&frames);
    file.symbols.clear();
    file.entry = 0;
    file
}

#[test]
fn a_landing_pad_in_the_window_forbids_it() {
    // One call site of uleb128 fields: start 0, length 8, landing pad, action 0.
    let table = |pad| [0xff, 0xff, 0x01, 4, 0, 8, pad, 0];
    for (pad, shape) in [(0, Shape::Mov), (7, Shape::Mov), (5, Shape::Trap)] {
        let file = with_table(&table(pad)).bytes();
        assert_eq!(plan(&file).sites()[0].shape, shape, "landing pad {pad}");
    }
}

#[test]
fn an_unreadable_exception_table_forbids_all_windows() {
    let file = with_table(&[0xff, 0xff, 0x01, 4, 0, 8, 0x80, 0x80, 0x80]).bytes();
    assert_eq!(plan(&file).sites()[0].shape, Shape::Trap);
}

snippet!(reached_alone, "call 1f", "ret", ".byte 0x06, 0x06", "1: mov $39, %eax", "syscall", "ret");

/// A sweep fails at the bytes between, but a direct call of a named function reaches the site.
#[test]
fn what_direct_calls_reach_is_proven() {
    let file = File::new(reached_alone()).bytes();
    assert_eq!(plan(&file).sites().len(), 1);
}
