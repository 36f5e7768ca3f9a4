//! Functions of real builds before and after: the text, and the stub that was made for it.
//! The link page is at 0x3000; a stub begins at 0x2000.

use crate::patch::tests::file::{File, TEXT};
use crate::patch::{Blob, ShapeSet, SiteDesc, analyze};
use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter};
use std::string::String;
use std::vec::Vec;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a digit") as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn disassemble(code: &[u8], address: u64, out: &mut String) {
    let mut formatter = GasFormatter::new();
    formatter.options_mut().set_uppercase_hex(false);
    formatter.options_mut().set_branch_leading_zeros(false);
    formatter.options_mut().set_rip_relative_addresses(false);
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    while decoder.can_decode() {
        let insn = decoder.decode();
        let mut text = String::new();
        formatter.format(&insn, &mut text);
        out.push_str(&std::format!("{:x} {text}\n", insn.ip()));
    }
}

/// The patched text and the stub of its only site, disassembled.
fn patched(hex: &str, shapes: &ShapeSet) -> String {
    let text = bytes(hex);
    let file = File::new(&text).bytes();
    let plan = analyze(&file, shapes, &|_| false).expect("an ELF file");
    let blob = plan.build(Some(0x2000), [0; 6]).expect("in reach");
    let view = Blob::parse(&blob).expect("sound");
    let mut out = String::new();
    let run = view.runs().next().expect("one run of text");
    disassemble(&view.text(&run)[..text.len()], TEXT, &mut out);
    for site in view.sites() {
        let from = site.stub as usize;
        let code = &view.stubs()[from..from + usize::from(site.stub_len) - size_of::<SiteDesc>()];
        out.push_str(&std::format!("{} {:?}\n", site.shape.name(), site.number));
        disassemble(code, view.stub_vaddr() + u64::from(site.stub), &mut out);
    }
    out
}

fn check(hex: &str, expected: &str) {
    compare(&patched(hex, &ShapeSet::default()), expected);
}

fn compare(found: &str, expected: &str) {
    let trim = |text: &str| text.lines().map(|line| String::from(line.trim())).collect::<Vec<_>>();
    assert_eq!(trim(found.trim()), trim(expected.trim()), "\n{found}");
}

/// getppid, glibc 2.36-9+deb12u14.
#[test]
fn glibc_getppid() {
    check(
        "b86e000000 0f05 c3",
        "
         1000 jmp 0x2000
         1005 jmp 0x1000
         1007 ret
         mov Some(110)
         2000 mov $0x6e,%eax
         2005 mov 0x3008,%rcx
         200c movzbl 0x6e(%rcx),%ecx
         2013 jrcxz 0x2022
         2015 lea 0x2040,%r11
         201c jmpq *0x3000
         2022 syscall
         2024 lea 0x1007,%rcx
         202b jmp 0x1007
         2030 int3
         2031 int3
         2032 int3
         2033 lea 0x2040,%r11
         203a jmpq *0x3018
        ",
    );
}

/// __read_nocancel without its error path, glibc 2.36-9+deb12u14.
#[test]
fn glibc_read_nocancel() {
    check(
        "31c0 0f05 483d00f0ffff 7701 c3 0f0b",
        "
         1000 xor %eax,%eax
         1002 jmp 0x2000
         1007 int3
         1008 int3
         1009 int3
         100a ja 0x100d
         100c ret
         100d ud2
         after Some(0)
         2000 mov 0x3008,%rcx
         2007 movzbl (%rcx),%ecx
         200e jrcxz 0x201d
         2010 lea 0x2040,%r11
         2017 jmpq *0x3000
         201d syscall
         201f lea 0x1004,%rcx
         2026 cmp $0xfffffffffffff000,%rax
         202c jmp 0x100a
         2031 int3
         2032 int3
         2033 lea 0x2040,%r11
         203a jmpq *0x3018
        ",
    );
}

/// readlink in _dl_get_origin, ld.so 2.36-9+deb12u14.
#[test]
fn ld_so_get_origin() {
    check(
        "b859000000 4154 55 53 4881ec08100000 4989e4 4c89e6 0f05 3d00f0ffff 7701 c3 0f0b",
        "
         1000 mov $0x59,%eax
         1005 push %r12
         1007 push %rbp
         1008 push %rbx
         1009 sub $0x1008,%rsp
         1010 jmp 0x2000
         1015 int3
         1016 jmp 0x1010
         1018 cmp $0xfffff000,%eax
         101d ja 0x1020
         101f ret
         1020 ud2
         before None
         2000 mov %rsp,%r12
         2003 mov %r12,%rsi
         2006 mov 0x3008,%rcx
         200d movzwl %ax,%r11d
         2011 movzbl (%rcx,%r11),%ecx
         2016 jrcxz 0x2025
         2018 lea 0x2040,%r11
         201f jmpq *0x3000
         2025 syscall
         2027 lea 0x1018,%rcx
         202e jmp 0x1018
         2033 lea 0x2040,%r11
         203a jmpq *0x3018
        ",
    );
}

/// lseek, musl 1.2.3-1.
#[test]
fn musl_lseek() {
    check(
        "4863ff 4863d2 b808000000 0f05 4889c7 c3",
        "
         1000 movslq %edi,%rdi
         1003 movslq %edx,%rdx
         1006 jmp 0x2000
         100b jmp 0x1006
         100d mov %rax,%rdi
         1010 ret
         mov Some(8)
         2000 mov $8,%eax
         2005 mov 0x3008,%rcx
         200c movzbl 8(%rcx),%ecx
         2013 jrcxz 0x2022
         2015 lea 0x2040,%r11
         201c jmpq *0x3000
         2022 syscall
         2024 lea 0x100d,%rcx
         202b jmp 0x100d
         2030 int3
         2031 int3
         2032 int3
         2033 lea 0x2040,%r11
         203a jmpq *0x3018
        ",
    );
}

/// runtime/internal/syscall.Syscall6, Go 1.19.8.
#[test]
fn go_syscall6() {
    check(
        "4989f2 4889fa 4889ce 4889df 0f05 483d01f0ffff 7615 48f7d8 4889c1 48c7c0ffffffff \
         48c7c300000000 c3 4889d3 48c7c100000000 c3",
        "
         1000 mov %rsi,%r10
         1003 mov %rdi,%rdx
         1006 mov %rcx,%rsi
         1009 jmp 0x2000
         100e cmp $0xfffffffffffff001,%rax
         1014 jbe 0x102b
         1016 neg %rax
         1019 mov %rax,%rcx
         101c mov $0xffffffffffffffff,%rax
         1023 mov $0,%rbx
         102a ret
         102b mov %rdx,%rbx
         102e mov $0,%rcx
         1035 ret
         before None
         2000 mov %rbx,%rdi
         2003 mov 0x3008,%rcx
         200a movzwl %ax,%r11d
         200e movzbl (%rcx,%r11),%ecx
         2013 jrcxz 0x2022
         2015 lea 0x2040,%r11
         201c jmpq *0x3000
         2022 syscall
         2024 lea 0x100e,%rcx
         202b jmp 0x100e
         2030 int3
         2031 int3
         2032 int3
         2033 lea 0x2040,%r11
         203a jmpq *0x3018
        ",
    );
}

/// _exit, a static program of glibc 2.36-9+deb12u14: both sites are in a loop, one right behind
/// a branch target.
#[test]
fn static_exit() {
    check(
        "49c7c0b8ffffff bee7000000 ba3c000000 eb12 0f1f440000 89d0 0f05 483d00f0ffff 771c f4 89f0 \
         0f05 483d00f0ffff 76e7 f7d8 64418900 ebdf 0f1f8000000000 f7d8 64418900 ebdc",
        "
         1000 mov $0xffffffffffffffb8,%r8
         1007 mov $0xe7,%esi
         100c mov $0x3c,%edx
         1011 jmp 0x1025
         1013 jmp 0x2000
         1018 mov %edx,%eax
         101a jmp 0x1013
         101c cmp $0xfffffffffffff000,%rax
         1022 ja 0x1040
         1024 hlt
         1025 mov %esi,%eax
         1027 jmp 0x1039
         1029 cmp $0xfffffffffffff000,%rax
         102f jbe 0x1018
         1031 neg %eax
         1033 mov %eax,%fs:(%r8)
         1037 jmp 0x1018
         1039 jmp 0x2048
         103e add %al,(%rax)
         1040 neg %eax
         1042 mov %eax,%fs:(%r8)
         1046 jmp 0x1024
         pad None
         2000 mov 0x3008,%rcx
         2007 movzwl %ax,%r11d
         200b movzbl (%rcx,%r11),%ecx
         2010 jrcxz 0x201f
         2012 lea 0x203c,%r11
         2019 jmpq *0x3000
         201f syscall
         2021 lea 0x101c,%rcx
         2028 jmp 0x101c
         202d int3
         202e int3
         202f lea 0x203c,%r11
         2036 jmpq *0x3018
         pad None
         2048 mov 0x3008,%rcx
         204f movzwl %ax,%r11d
         2053 movzbl (%rcx,%r11),%ecx
         2058 jrcxz 0x2067
         205a lea 0x2084,%r11
         2061 jmpq *0x3000
         2067 syscall
         2069 lea 0x1029,%rcx
         2070 jmp 0x1029
         2075 int3
         2076 int3
         2077 lea 0x2084,%r11
         207e jmpq *0x3018
        ",
    );
}

/// __restore_rt, a static program of glibc 2.36-9+deb12u14.
#[test]
fn static_restore_rt() {
    check(
        "48c7c00f000000 0f05 0f1f8000000000",
        "
         1000 jmp 0x2000
         1005 int3
         1006 int3
         1007 jmp 0x1000
         1009 nopl (%rax)
         mov Some(15)
         2000 mov $0xf,%rax
         2007 mov 0x3008,%rcx
         200e movzbl 0xf(%rcx),%ecx
         2015 jrcxz 0x2024
         2017 lea 0x2040,%r11
         201e jmpq *0x3000
         2024 syscall
         2026 lea 0x1009,%rcx
         202d jmp 0x1009
         2032 int3
         2033 lea 0x2040,%r11
         203a jmpq *0x3018
        ",
    );
}

/// An `int $0x80` as hand-written code has it.
#[test]
fn int80() {
    check(
        "b814000000 cd80 c3",
        "
         1000 jmp 0x2000
         1005 jmp 0x1000
         1007 ret
         mov Some(20)
         2000 mov $0x14,%eax
         2005 mov %rcx,-0x88(%rsp)
         200d lea 0x2024,%rcx
         2014 jmpq *0x3010
         201a int $0x80
         201c jmp 0x1007
         2021 int3
         2022 int3
         2023 int3
        ",
    );
}

/// getppid as before, forced to trap: the stub begins at the test, and the load stays.
#[test]
fn trap() {
    compare(
        &patched("b86e000000 0f05 c3", &super::set("trap")),
        "         1000 mov $0x6e,%eax
         1005 int3
         1006 nop
         1007 ret
         trap Some(110)
         2000 mov 0x3008,%rcx
         2007 movzbl 0x6e(%rcx),%ecx
         200e jrcxz 0x201d
         2010 lea 0x2038,%r11
         2017 jmpq *0x3000
         201d syscall
         201f lea 0x1007,%rcx
         2026 jmp 0x1007
         202b lea 0x2038,%r11
         2032 jmpq *0x3018
        ",
    );
}

/// getppid again, in a process that came to be watched while other threads ran: no call is made in the
/// stub, and who returns from one goes to the resident.
#[test]
fn diverted() {
    let text = bytes("b86e000000 0f05 c3");
    let file = File::new(&text).bytes();
    let plan = analyze(&file, &ShapeSet::default(), &|_| false).expect("an ELF file");
    let blob = plan.build(Some(0x2000), [0; 6]).expect("in reach");
    let view = Blob::parse(&blob).expect("sound");
    let site = view.site(0).expect("one site");
    let mut stubs = view.stubs().to_vec();
    let desc = usize::from(site.stub_len) - size_of::<SiteDesc>();
    super::super::divert(&mut stubs, desc).expect("a stub");
    let mut out = String::new();
    disassemble(&stubs[..desc], 0x2000, &mut out);
    compare(
        &out,
        "
         2000 mov $0x6e,%eax
         2005 mov 0x3008,%rcx
         200c movzbl 0x6e(%rcx),%ecx
         2013 jrcxz 0x2022
         2015 lea 0x2040,%r11
         201c jmpq *0x3000
         2022 jmp 0x2015
         2024 jmp 0x2033
         2026 or $0xffffefdc,%eax
         202b jmp 0x1007
         2030 int3
         2031 int3
         2032 int3
         2033 lea 0x2040,%r11
         203a jmpq *0x3018
        ",
    );
}
