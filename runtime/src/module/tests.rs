//! Images as a compiler makes them, and broken ones.

use std::path::PathBuf;
use std::process::Command;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;
use std::{format, fs};

use super::*;

/// A module as small as can be.
const SMALL: &str = r#"
#include <vload/module.h>
static long call(struct vload_layer *layer, struct vload_call *call) { return vload_next(layer, call); }
static const uintptr_t numbers[] = { 39, 63 };
static const struct vload_raw operations = { call, numbers, 2 };
VLOAD_MODULE = {
    VLOAD_MAGIC, VLOAD_VERSION, VLOAD_RAW, "small", "as small as can be", "a,b", 0, 4096, 0, 0, 0, 0, &operations,
};
"#;

struct Table;

impl Offers for Table {
    fn find(&self, name: &[u8]) -> Option<(Base, u64)> {
        (name == b"vload_next").then_some((Base::Offered(7), 0))
    }
}

/// What the C compiler makes of `source`, by options behind those that every module has.
fn compile(name: &str, source: &str, options: &[&str]) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../module/include");
    let scratch = std::env::temp_dir().join(std::format!("vload-{}-{name}", std::process::id()));
    fs::create_dir_all(&scratch).expect("a folder");
    let (text, image) = (scratch.join("module.c"), scratch.join("module.so"));
    fs::write(&text, source).expect("the source");
    let mut compiler = Command::new("cc");
    compiler.args([
        "-O2",
        "-fPIC",
        "-shared",
        "-nostdlib",
        "-Wl,-Bsymbolic",
        "-fno-stack-protector",
    ]);
    compiler.arg("-I").arg(folder).arg("-o").args([&image, &text]).args(options);
    assert!(compiler.status().expect("a C compiler").success(), "{source}");
    let bytes = fs::read(&image).expect("the image");
    fs::remove_dir_all(&scratch).expect("the folder is removed");
    bytes
}

/// Why the image of `source` is refused.
fn refusal(name: &str, source: &str, options: &[&str]) -> String {
    judge(&compile(name, source, options), &Table).err().expect("refused").to_string()
}

#[test]
fn what_an_image_says_of_itself_is_read() {
    let file = compile("read", SMALL, &[]);
    let plan = judge(&file, &Table).expect("a module");
    let prepared = plan.prepared;
    assert!(prepared.name.starts_with(b"small\0") && plan.keys == b"a,b");
    assert!(prepared.description.starts_with(b"as small as can be\0"));
    assert_eq!((prepared.area, prepared.kind, prepared.flags), (4096, 1, 0));
    assert_eq!(plan.wants.as_deref(), Some(&[39, 63][..]));
}

/// The image as a process has it that maps it at `base` and calls what is offered at `0x7000_0000 + place`.
fn mapped(file: &[u8], base: usize) -> (Prepared, Vec<u8>) {
    let plan = judge(file, &Table).expect("a module");
    // In words, because what is stored begins on a page.
    let mut stored = vec![0u64; plan.length().div_ceil(8)];
    let room =
        // SAFETY: as many bytes as the words have.
        unsafe { core::slice::from_raw_parts_mut(stored.as_mut_ptr().cast::<u8>(), plan.length()) };
    let key = plan.write(room, 5);
    let prepared = Prepared::of(room).expect("whole");
    assert_eq!((prepared.key, prepared.framework), (key, 5));
    // SAFETY: written just now.
    assert_eq!(unsafe { prepared.numbers() }, Some(&[39, 63][..]));
    // SAFETY: as above.
    let relocations = unsafe { prepared.relocations() };
    let mut image = room[prepared.start as usize..].to_vec();
    for relocation in relocations {
        let (at, value) = relocation.value(|from| match from {
            Base::Nothing => 0,
            Base::Own => base,
            Base::Framework => 0x6000_0000,
            Base::Offered(index) => 0x7000_0000 + index as usize,
        });
        image[at..at + size_of::<usize>()].copy_from_slice(&value.to_ne_bytes());
    }
    (*prepared, image)
}

#[test]
fn an_image_is_laid_out_and_relocated() {
    for options in [&[][..], &["-Wl,-z,pack-relative-relocs"], &["-Wl,--hash-style=sysv"]] {
        let file = compile("layout", SMALL, options);
        let base = 0x5555_0000usize;
        let (prepared, image) = mapped(&file, base);
        let word = |at: usize| {
            usize::from_ne_bytes(image[at..at + size_of::<usize>()].try_into().expect("a word"))
        };
        let module = prepared.module as usize;
        assert_eq!(image[module..module + 8], *b"vloadmod");
        let operations =
            word(module + core::mem::offset_of!(vload_module::abi::Module, operations)) - base;
        let [call, numbers, count] =
            [0, 1, 2].map(|index| word(operations + index * size_of::<usize>()));
        assert_eq!((word(numbers - base), word(numbers - base + size_of::<usize>())), (39, 63));
        assert_eq!(count, 2);
        let text = prepared.pieces.iter().find(|piece| piece.flags & 1 != 0).expect("text");
        assert!((text.start..text.end).contains(&((call - base) as u64)), "{prepared:?}");
        // Only what can be executed is, and nothing of it can be written.
        assert!(prepared.pieces.iter().all(|piece| piece.flags & 3 != 3));
        // `vload_next` is somewhere among the words that were relocated.
        let linked = image.chunks_exact(size_of::<usize>());
        let place = (0x7000_0000usize + 7).to_ne_bytes();
        assert!(linked.into_iter().any(|word| word == place));
    }
}

#[test]
fn what_cannot_be_a_module_is_refused_with_the_reason() {
    let with = |text: &str| SMALL.replace("static long call", text);
    assert!(
        refusal("libc", SMALL, &["-Wl,--no-as-needed", "-lc"])
            .contains("needs the library libc.so.6")
    );
    let symbol = with(
        "int printf(const char *, ...); long other(void) { return printf(\"\"); }\nstatic long call",
    );
    assert!(refusal("symbol", &symbol, &[]).contains("'printf', which is not offered"));
    let version = SMALL.replace("VLOAD_VERSION,", "7,");
    assert!(
        refusal("version", &version, &[]).contains("version 7 of the interface; this vload has 1")
    );
    let framework = SMALL.replace("VLOAD_RAW", "3");
    assert!(refusal("framework", &framework, &[]).contains("made with another vload"));
    let none = SMALL.replace("VLOAD_MODULE =", "const struct vload_module other =");
    assert!(refusal("none", &none, &[]).contains("exports no 'vload_module'"));
    let magic = SMALL.replace("VLOAD_MAGIC", "1");
    assert!(refusal("magic", &magic, &[]).ends_with("magic"));
    let kind = SMALL.replace("VLOAD_RAW", "9");
    assert!(refusal("kind", &kind, &[]).ends_with("kind"));
    let name = SMALL.replace("\"small\"", "\"a/b\"");
    assert!(refusal("name", &name, &[]).ends_with("name"));
    let thread = with("__thread int own; int *other(void) { return &own; }\nstatic long call");
    assert!(refusal("thread", &thread, &["-ftls-model=initial-exec"]).contains("thread-local"));
    assert!(refusal("text", SMALL, &["-Wl,-N"]).contains("writable"));
    let instruction = crate::arch::ENTERS;
    let enters =
        format!("void other(void) {{ __asm__ volatile(\"{instruction}\"); }}\nstatic long call");
    assert!(refusal("enters", &with(&enters), &[]).contains("use vload_system"));
    let start = with("void _init(void) {}\nstatic long call");
    assert!(refusal("start", &start, &["-Wl,-init=_init"]).contains("-nostartfiles"));
    let large =
        with("static char much[80 << 20]; char *other(void) { return much; }\nstatic long call");
    assert!(refusal("large", &large, &[]).contains("64 MiB"));
    for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF"] {
        assert_eq!(judge(bytes, &Table).err(), Some(Refusal::NotShared));
    }
    let program = fs::read("/proc/self/exe").expect("the test's own file");
    assert!(judge(&program, &Table).is_err());
}

#[test]
fn weak_symbols_that_nobody_offers_are_null() {
    let source = SMALL.replace(
        "static long call",
        "extern int nobody __attribute__((weak)); int *const address = &nobody;\nstatic long call",
    );
    let (prepared, image) = mapped(&compile("weak", &source, &[]), 0x1000_0000);
    assert_ne!(prepared.relocations, 0);
    assert!(!image.is_empty());
}

#[test]
fn broken_images_are_refused_and_never_more() {
    let file = compile("broken", SMALL, &[]);
    let mut random = crate::patch::tests::Random(0x2025);
    let mut refused = 0;
    for round in 0..4000 {
        let mut broken = file.clone();
        if round % 8 == 0 {
            broken.truncate(random.next() as usize % file.len());
        }
        for _ in 0..1 + random.next() % 4 {
            // Headers and tables are at the beginning.
            let within = if random.next().is_multiple_of(2) { 1200 } else { broken.len().max(1) };
            let at = random.next() as usize % within;
            if let Some(byte) = broken.get_mut(at) {
                *byte = random.next() as u8;
            }
        }
        match judge(&broken, &Table) {
            Ok(plan) => {
                plan.write(&mut vec![0; plan.length()], 0);
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn what_was_changed_since_it_was_made_is_not_taken() {
    let file = compile("changed", SMALL, &[]);
    let plan = judge(&file, &Table).expect("a module");
    let mut stored = vec![0u64; plan.length().div_ceil(8)];
    let room =
        // SAFETY: as many bytes as the words have.
        unsafe { core::slice::from_raw_parts_mut(stored.as_mut_ptr().cast::<u8>(), plan.length()) };
    plan.write(room, 0);
    assert!(Prepared::of(room).is_some());
    assert!(Prepared::of(&room[..room.len() - 1]).is_none());
    assert!(Prepared::of(&room[..40]).is_none());
    let mut random = crate::patch::tests::Random(7);
    for _ in 0..200 {
        let at = random.next() as usize % room.len();
        room[at] ^= 1;
        assert!(Prepared::of(room).is_none(), "byte {at}");
        room[at] ^= 1;
    }
}
