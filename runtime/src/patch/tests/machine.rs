//! The machine's own libraries and what its own compilers make: every candidate has an answer,
//! none of the answers is a hole, and with the default shapes none is a trap.

use crate::arch::patch::decode;
use crate::patch::{Blob, Flow, Plan, Refusal, Shape, ShapeSet, analyze};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::string::String;
use std::vec::Vec;
use std::{env, eprintln, format, fs, process};

/// The file, if the machine has it.
pub fn read(path: &str) -> Option<Vec<u8>> {
    fs::read(path).inspect_err(|error| eprintln!("not tested: {path}: {error}")).ok()
}

/// How often each shape is used.
fn distribution(plan: &Plan<'_>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for site in plan.sites() {
        *counts.entry(site.shape.name()).or_default() += 1;
    }
    counts
}

/// Everything of `file` is patched, and without a trap.
fn check(path: &str, file: &[u8]) -> BTreeSet<u64> {
    let plan = analyze(file, &ShapeSet::default(), &|_| false).expect("an ELF file");
    eprintln!("{path}: {} sites, {:?}", plan.sites().len(), distribution(&plan));
    assert!(!plan.is_empty(), "{path}");
    let left: Vec<_> =
        plan.refused().iter().filter(|refused| refused.reason != Refusal::Inside).collect();
    assert!(left.is_empty(), "{path}: {left:x?}");
    let traps: Vec<_> = plan.sites().iter().filter(|site| site.shape == Shape::Trap).collect();
    assert!(traps.is_empty(), "{path}: {traps:x?}");
    // Nor does any process pay for islands.
    assert!(plan.sites().iter().all(|site| site.shape != Shape::Pun), "{path}");
    let blob = plan.build(None, [7; 6]).expect("in reach");
    let view = Blob::parse(&blob).expect("sound");
    assert_eq!(view.key(), [7; 6]);
    assert!(!view.has_traps());
    for (site, stored) in plan.sites().iter().zip(view.sites()) {
        assert_eq!((site.vaddr, site.shape), (stored.vaddr, stored.shape));
        assert_eq!((site.keeps, site.number), (stored.keeps, stored.number));
        assert_eq!((site.head, site.tail, site.entry), (stored.head, stored.tail, stored.entry));
        assert_eq!(view.site_by_stub_offset(stored.stub), Some(stored));
        assert_eq!(view.site_by_vaddr(site.vaddr), Some(stored));
    }
    assert_eq!(view.site_count(), plan.sites().len());
    plan.sites().iter().map(|site| site.vaddr).collect()
}

/// The addresses of the sites as objdump sees them, if there is an objdump.
fn objdump(path: &str) -> Option<BTreeSet<u64>> {
    let mut command = Command::new("objdump");
    command.args(["-d", "--no-show-raw-insn", path]);
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let sites = text.lines().filter_map(|line| {
        let (address, insn) = line.split_once(":\t")?;
        matches!(insn.trim(), "syscall" | "int    $0x80").then_some(())?;
        u64::from_str_radix(address.trim(), 16).ok()
    });
    Some(sites.collect())
}

#[test]
fn every_site_of_the_system_libraries_is_patched() {
    for path in [
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/ld-linux-x86-64.so.2",
        "/lib/x86_64-linux-musl/libc.so",
    ] {
        let Some(file) = read(path) else { continue };
        let sites = check(path, &file);
        if let Some(expected) = objdump(path) {
            assert_eq!(sites, expected, "{path}");
        }
    }
}

/// Every byte but two of a site that shares a jump with what follows is the file's own, and the jump
/// leads by an island to the stub.
#[test]
fn islands_lead_to_the_stubs_of_the_system_libraries() {
    let set = ShapeSet::parse("pun,trap").expect("names");
    for (path, least) in
        [("/lib/x86_64-linux-gnu/libc.so.6", 200), ("/lib/x86_64-linux-musl/libc.so", 1)]
    {
        let Some(file) = read(path) else { continue };
        let plan = analyze(&file, &set, &|_| false).expect("an ELF file");
        eprintln!("{path}: {:?}", distribution(&plan));
        let blob = plan.build(None, [0; 6]).expect("in reach");
        let view = Blob::parse(&blob).expect("sound");
        let text = |vaddr: u64| {
            let run = view.runs().find(|run| (run.vaddr..run.vaddr + run.len).contains(&vaddr))?;
            let at = (vaddr - run.vaddr) as usize;
            let original = file.get(run.file_offset as usize + at..)?;
            Some((view.text(&run).get(at..)?, original))
        };
        let mut puns = 0;
        for site in view.sites().filter(|site| site.shape == Shape::Pun) {
            let (bytes, original) = text(site.vaddr).expect("in a run");
            assert_eq!(bytes[2..5], original[2..5], "{path}: {:x}", site.vaddr);
            let jump = decode(bytes, site.vaddr).expect("a jump").flow;
            let Flow::Jump(island) = jump else { panic!("{path}: {:x}: {jump:x?}", site.vaddr) };
            assert_eq!(view.original_pc_at_jump(island), Some(site.vaddr), "{path}");
            puns += 1;
        }
        assert!(puns >= least, "{path}: {puns}");
        let end = plan.default_stub_vaddr() + (17 << 20);
        assert!(view.end() < end, "{path}: {:x}", view.end());
    }
}

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("vload-{name}-{}", process::id()));
        fs::create_dir_all(&path).expect("a folder for what the compilers make");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a compiler makes, if the machine has it.
fn build(folder: &Path, source: &str, command: &[&str]) -> Option<Vec<u8>> {
    let output = folder.join("program");
    let result = Command::new(command[0])
        .args(&command[1..])
        .arg("-o")
        .arg(&output)
        .arg(source)
        .current_dir(folder)
        .env("GOCACHE", folder.join("cache"))
        .env("GOFLAGS", "-mod=mod")
        .env("GO111MODULE", "off")
        .env("HOME", folder)
        .output();
    match result {
        Ok(done) if done.status.success() => fs::read(output).ok(),
        Ok(done) => {
            eprintln!("not tested: {command:?}: {}", String::from_utf8_lossy(&done.stderr));
            None
        }
        Err(error) => {
            eprintln!("not tested: {command:?}: {error}");
            None
        }
    }
}

#[test]
fn every_site_of_static_programs_is_patched() {
    let folder = Folder::new("static");
    let program = "#include <stdio.h>\n#include <stdlib.h>\n\
                   int main(void) { printf(\"%p\\n\", malloc(3)); return 0; }\n";
    fs::write(folder.0.join("hello.c"), program).expect("the source");
    for command in [
        &["gcc", "-O2", "-static"][..],
        &["gcc", "-O2", "-static-pie", "-fPIE", "-s"],
        &["gcc", "-O2", "-static", "-s"],
        &["musl-gcc", "-O2", "-static"],
        &["musl-gcc", "-O2", "-static", "-s"],
    ] {
        if let Some(file) = build(&folder.0, "hello.c", command) {
            check(&command.join(" "), &file);
        }
    }
}

/// The calls of this program leave room for nothing but an island.
#[test]
fn the_program_that_tests_islands_has_some() {
    let folder = Folder::new("islands");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/programs/islands.c");
    for command in [&["gcc", "-O2"][..], &["gcc", "-O2", "-static"]] {
        let Some(file) = build(&folder.0, source, command) else { continue };
        let plan = analyze(&file, &ShapeSet::default(), &|_| false).expect("an ELF file");
        let puns = plan.sites().iter().filter(|site| site.shape == Shape::Pun).count();
        assert!(puns >= 4, "{command:?}: {:?}", distribution(&plan));
    }
}

#[test]
fn every_site_of_go_programs_is_patched() {
    let folder = Folder::new("go");
    let program = "package main\nimport \"fmt\"\nfunc main() { fmt.Println(\"hello\") }\n";
    fs::write(folder.0.join("hello.go"), program).expect("the source");
    for command in [
        &["go", "build"][..],
        &["go", "build", "-ldflags=-s -w"],
        &["go", "build", "-buildmode=pie"],
    ] {
        if let Some(file) = build(&folder.0, "hello.go", command) {
            check(&command.join(" "), &file);
        }
    }
}

/// A large text is not copied: only the pages that change are.
#[test]
fn of_a_large_text_only_changed_pages_are_stored() {
    let mut text = Vec::from([0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3]);
    text.resize(5 << 20, 0xcc);
    // A site across the border between two pages, and its function's start.
    let border = (1 << 20) - 6;
    text[border..border + 8].copy_from_slice(&[0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3]);
    let mut file = super::file::File::new(&text);
    file.symbols.push((super::file::TEXT + border as u64, 2));
    let bytes = file.bytes();
    let plan = analyze(&bytes, &ShapeSet::default(), &|_| false).expect("an ELF file");
    let blob = plan.build(None, [0; 6]).expect("in reach");
    let view = Blob::parse(&blob).expect("sound");
    let runs: Vec<_> = view.runs().map(|run| (run.vaddr, run.len)).collect();
    assert_eq!(runs, [(0x1000, 0x1000), (0x10_0000, 0x2000)]);
    for run in view.runs() {
        assert_eq!(run.file_offset, run.vaddr);
        assert_eq!(view.text(&run).len() as u64, run.len);
    }
}
