use super::*;
use std::collections::HashSet;
use std::string::{String, ToString};
use std::vec::Vec;

const TABLES: [Table; 4] = [Table::X86_64, Table::I386, Table::Aarch64, Table::Riscv64];

#[test]
fn no_name_twice_in_a_table() {
    for table in TABLES {
        let mut seen = HashSet::new();
        for (number, call) in calls(table) {
            assert!(seen.insert(call.name()), "{table:?} {number} {}", call.name());
            assert_eq!(by_name(table, call.name()).map(|(number, _)| number), Some(number));
        }
    }
}

#[test]
fn every_row_is_reached() {
    let reached: HashSet<_> =
        TABLES.into_iter().flat_map(calls).map(|(_, call)| core::ptr::from_ref(call)).collect();
    assert_eq!(reached.len(), CALLS.len());
}

/// A directory is followed by its path, a buffer's length is a number, an address's length a
/// pointer to one.
#[test]
fn arguments_name_the_arguments_they_need() {
    for call in &CALLS {
        let args = call.args();
        for (index, arg) in args.iter().enumerate() {
            let Some(partner) = arg.partner() else {
                continue;
            };
            let partner = usize::from(partner);
            assert_ne!(partner, index, "{call:?}");
            let partner = args.get(partner);
            let fits = match arg {
                Arg::PathAt(_) => matches!(partner, Some(Arg::DirFd)),
                Arg::SockAddrOut(_) => matches!(partner, Some(Arg::InOut(Struct::CInt))),
                _ => matches!(partner, Some(Arg::Size | Arg::Unsigned | Arg::Int | Arg::Long)),
            };
            assert!(fits, "{call:?} argument {index}: {arg:?} with {partner:?}");
        }
        let dirs = args.iter().filter(|arg| **arg == Arg::DirFd).count();
        let paths = args.iter().filter(|arg| matches!(arg, Arg::PathAt(_))).count();
        assert_eq!(dirs, paths, "{call:?}");
    }
}

#[test]
fn halves_of_an_offset_come_in_pairs() {
    for call in &CALLS {
        let count = |kind| call.args().iter().filter(|arg| **arg == kind).count();
        assert_eq!(count(Arg::OffsetLow), count(Arg::OffsetHigh), "{call:?}");
    }
}

#[test]
fn variants_are_one_service() {
    for (service, names) in [
        (Service::Stat, &["stat", "lstat", "fstat", "newfstatat", "statx"][..]),
        (Service::Open, &["open", "creat", "openat", "openat2", "open_tree"]),
        (Service::Utimens, &["utime", "utimes", "futimesat", "utimensat"]),
        (Service::Dup, &["dup", "dup2", "dup3"]),
    ] {
        for name in names {
            let call = by_name(Table::X86_64, name).and_then(|(_, call)| call.service());
            assert_eq!(call, Some(service), "{name}");
        }
    }
}

#[test]
fn what_architectures_disagree_on() {
    let args = |table, name| by_name(table, name).map(|(_, call)| call.args());
    assert_eq!(args(Table::I386, "mmap").map(<[Arg]>::len), Some(1));
    assert_eq!(args(Table::X86_64, "mmap").map(<[Arg]>::len), Some(6));
    assert_eq!(
        args(Table::X86_64, "clone").and_then(|args| args.get(3)),
        Some(&Arg::Out(Struct::CInt))
    );
    assert_eq!(args(Table::Aarch64, "clone").and_then(|args| args.get(3)), Some(&Arg::Value));
    assert!(by_name(Table::Aarch64, "riscv_hwprobe").is_none());
    assert!(by_name(Table::Riscv64, "renameat").is_none());
}

#[test]
fn numbers_that_are_nobodys() {
    for table in TABLES {
        for number in [NUMBERS as u32, 0x1c8_0000, X32_BIT, u32::MAX] {
            assert!(lookup(table, number).is_none());
        }
    }
    assert!(lookup(Table::X86_64, 400).is_none());
    assert!(lookup(Table::I386, 222).is_none());
}

/// `#define __NR_name number` lines of a header of this machine, or none where it is absent.
fn header(path: &str) -> Vec<(String, u32)> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut numbers = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("#define") {
            continue;
        }
        let name = words
            .next()
            .and_then(|word| word.strip_prefix("__NR_").or_else(|| word.strip_prefix("__NR3264_")));
        if let (Some(name), Some(Ok(number))) = (name, words.next().map(str::parse)) {
            numbers.push((name.to_string(), number));
        }
    }
    assert!(text.is_empty() || numbers.len() > 300, "{path} is not read as it is written");
    numbers
}

/// Whatever the machine's own headers define, the table has under the same number.
#[test]
fn numbers_are_those_of_the_system_headers() {
    for (path, table) in [
        ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", Table::X86_64),
        ("/usr/include/asm/unistd_64.h", Table::X86_64),
        ("/usr/include/x86_64-linux-gnu/asm/unistd_32.h", Table::I386),
        ("/usr/include/asm/unistd_32.h", Table::I386),
        ("/usr/include/asm-generic/unistd.h", Table::Aarch64),
        ("/usr/include/asm-generic/unistd.h", Table::Riscv64),
    ] {
        let generic = path.contains("generic");
        for (name, number) in header(path) {
            // The generic header also has marks that are no calls, calls that architectures opt
            // into, and those of 32-bit machines (403 to 423).
            let absent = ["arch_specific_syscall", "syscalls", "sync_file_range2", "renameat"];
            if generic && (absent.contains(&name.as_str()) || (403..424).contains(&number)) {
                continue;
            }
            let ours = lookup(table, number).map(Call::name);
            // There fcntl and its like are named by a number shared with 32-bit machines.
            let same = ours == Some(name.as_str())
                || (generic && name == "fstatat" && ours == Some("newfstatat"));
            assert!(same, "{path}: {name} is {number}, the table has {ours:?}");
        }
    }
}
