//! Functions that stand for calls, in the vDSO of the kernel that runs the test.

use crate::arch::patch::{FUNCTION_HEAD, FUNCTIONS, decode};
use crate::patch::{Blob, Flow, Shape, ShapeSet, analyze};
use std::string::String;
use std::vec::Vec;

/// `AT_SYSINFO_EHDR` of auxvec.h.
const SYSINFO_EHDR: usize = 33;

/// The vDSO's pages.
fn vdso() -> Vec<u8> {
    let auxv = std::fs::read("/proc/self/auxv").expect("/proc is mounted");
    let words: Vec<usize> = auxv
        .chunks_exact(8)
        .map(|word| usize::from_ne_bytes(word.try_into().expect("eight bytes")))
        .collect();
    let base = words.chunks_exact(2).find(|pair| pair[0] == SYSINFO_EHDR).expect("a vDSO")[1];
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    let line = maps.lines().find(|line| line.ends_with("[vdso]")).expect("a mapping");
    let (range, _) = line.split_once(' ').expect("a range");
    let (start, end) = range.split_once('-').expect("two ends");
    let parse = |text| usize::from_str_radix(text, 16).expect("an address");
    assert_eq!(parse(start), base);
    // SAFETY: the kernel maps the range, readable, and for good.
    unsafe { core::slice::from_raw_parts(base as *const u8, parse(end) - base) }.to_vec()
}

fn has(file: &[u8], name: &str) -> bool {
    let name: Vec<u8> = [name.as_bytes(), &[0]].concat();
    file.windows(name.len()).any(|bytes| bytes == name)
}

#[test]
fn every_function_of_the_kernel_is_owned() {
    let file = vdso();
    let mut plan = analyze(&file, &ShapeSet::default(), &|_| false).expect("an ELF file");
    let own = plan.sites().len();
    assert_eq!(plan.own_functions(FUNCTIONS), [] as [&str; 0]);
    let there = FUNCTIONS.iter().filter(|function| has(&file, function.name)).count();
    assert!(there >= 5, "only {there} functions");
    assert_eq!(plan.sites().len(), own + there);
    let blob = plan.build(None, [0; 6]).expect("in reach");
    let view = Blob::parse(&blob).expect("sound");
    let text: Vec<u8> = view.runs().flat_map(|run| view.text(&run).to_vec()).collect();
    for site in view.sites().filter(|site| site.shape == Shape::Function) {
        let stub = view.stub_vaddr() + u64::from(site.stub);
        let head = &text[site.vaddr as usize..];
        assert_eq!(decode(head, site.vaddr).expect("a jump").flow, Flow::Jump(stub));
        assert!(site.tail >= site.vaddr + FUNCTION_HEAD);
        // In the stub a thread is at the function's start, then at what moved, and at last at a
        // return of the function's own.
        assert_eq!(view.original_pc(site.stub), Some(site.vaddr));
        let mut shown =
            (0..u32::from(site.stub_len)).filter_map(|at| view.original_pc(site.stub + at));
        let last = shown.next_back().expect("points");
        assert_eq!(file[last as usize], 0xc3, "{last:#x} is no return");
        // Where it is resumed: in place at the start and at the return.
        assert_eq!(view.resume_from(site.vaddr), None);
        assert_eq!(view.resume_from(last), None);
    }
}

#[test]
fn a_function_that_is_entered_behind_its_start_stays() {
    let mut file = vdso();
    let mut names: Vec<String> = Vec::new();
    for function in FUNCTIONS {
        let plan = |file: &[u8]| {
            let mut plan = analyze(file, &ShapeSet::default(), &|_| false).expect("an ELF file");
            let left = plan.own_functions(FUNCTIONS);
            let sites = plan.sites().iter().filter(|site| site.shape == Shape::Function);
            let found = sites.map(|site| (site.number, site.vaddr, site.tail)).collect::<Vec<_>>();
            (left, found)
        };
        let (left, found) = plan(&file);
        let Some(site) = found.iter().find(|site| site.0 == Some(function.number)) else {
            continue;
        };
        let (start, tail) = (site.1, site.2);
        // A short branch of its own, near enough, is led to its second instruction.
        let first = decode(&file[start as usize..], start).expect("code").len;
        let target = start + u64::from(first);
        let mut at = start;
        while at < start + 100 {
            let insn = decode(&file[at as usize..], at).expect("code");
            if matches!(insn.flow, Flow::Branch(_)) && insn.len == 2 && at >= tail && target < tail
            {
                let distance = target.wrapping_sub(at + 2) as i8;
                let was = core::mem::replace(&mut file[at as usize + 1], distance as u8);
                let now = plan(&file).0;
                assert!(left.is_empty() && now == [function.name], "{now:?}");
                file[at as usize + 1] = was;
                names.push(function.name.into());
                break;
            }
            at += u64::from(insn.len);
        }
    }
    assert!(!names.is_empty(), "no function has a branch that could be changed");
}
