//! Rows: each is made on both trees, and comes to the same.

use std::fs;
use std::string::{String, ToString};
use std::vec::Vec;

use abi::{Struct, Table};

use super::mirror;
use super::tree::{A, In, N, Out, P, native, ours, trees};

/// Which bytes of what a call writes are no tree's own: devices, inodes and times are.
pub fn comparable(name: &str, number: usize, mut out: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let described = abi::lookup(Table::NATIVE, number as u32).unwrap();
    for arg in described.args() {
        match arg {
            abi::Arg::Out(Struct::Stat) => {
                // SAFETY: the structure is integers alone, and the room was made for it.
                let known = unsafe { &mut *out[0].as_mut_ptr().cast::<libc::stat>() };
                (known.st_dev, known.st_ino, known.st_blocks) = (0, 0, 0);
                (known.st_atime, known.st_mtime, known.st_ctime) = (0, 0, 0);
                (known.st_atime_nsec, known.st_mtime_nsec, known.st_ctime_nsec) = (0, 0, 0);
                if known.st_mode & libc::S_IFMT != libc::S_IFREG {
                    known.st_size = 0;
                }
            }
            abi::Arg::Out(Struct::Statx) => {
                // SAFETY: as above.
                let known = unsafe { &*out[0].as_ptr().cast::<libc::statx>() };
                let is_file = u32::from(known.stx_mode) & libc::S_IFMT == libc::S_IFREG;
                let size = if is_file { known.stx_size } else { 0 };
                let text = std::format!(
                    "{:o} {} {} {size}",
                    known.stx_mode,
                    known.stx_nlink,
                    known.stx_uid
                );
                out[0] = text.into_bytes();
            }
            abi::Arg::Out(Struct::Statfs) => out[0].clear(),
            _ => {}
        }
    }
    if name.starts_with("readlink") {
        let text = String::from_utf8_lossy(&out[0]).replace(mirror::CLAIMED, "TREE");
        let native = trees().0.named;
        out[0] = text.replace(&native, "TREE").trim_end_matches('\0').as_bytes().to_vec();
    }
    out
}

/// A row: a call and its arguments.
pub type Row = (&'static str, Vec<A>);

pub fn check(rows: Vec<Row>) {
    let _alone = mirror::alone();
    let (real, claimed) = trees();
    for tree in [&real, &claimed] {
        let _ = fs::remove_dir_all(&tree.real);
        fs::create_dir_all(&tree.real).unwrap();
        tree.fill();
    }
    for (name, arguments) in rows {
        let shown: Vec<String> = arguments
            .iter()
            .map(|argument| match argument {
                P(path) => std::format!("T/{path}"),
                A::S(text) => std::format!("{text:?}"),
                N(number) => std::format!("{:#x}", *number as u32),
                Out(_) | In(_) => "…".to_string(),
            })
            .collect();
        let shown = std::format!("{name}({})", shown.join(", "));
        let number = abi::native_number(name).unwrap();
        let (wanted, wrote) = real.call(name, &arguments, native);
        let (result, written) = claimed.call(name, &arguments, ours);
        // The length of a link's text that names the tree is its own.
        let same = result == wanted || name.starts_with("readlink") && result > 0 && wanted > 0;
        assert!(same, "{shown}: {result} and not {wanted}");
        if result >= 0 {
            assert_eq!(
                comparable(name, number, written),
                comparable(name, number, wrote),
                "{shown}"
            );
        }
        assert_eq!(claimed.state(), real.state(), "after {shown}");
    }
    fs::remove_dir_all(mirror::behind()).unwrap();
}

/// Paths that a call is tried with, from what is there to what is nowhere.
pub const PATHS: &[&str] = &[
    "f",
    "f/",
    "f/.",
    "f/x",
    "d",
    "d/",
    "d/.",
    "d/sub/..",
    "link",
    "link/",
    "dlink",
    "dlink/",
    "dlink/f",
    "d/up",
    "dangling",
    "dangling/",
    "loop",
    "loop/x",
    "absolute",
    "missing",
    "missing/",
    "missing/x",
    "empty",
    ".",
    "d/../f",
    "",
];

pub fn each(name: &'static str, arguments: impl Fn(&'static str) -> Vec<A>) -> Vec<Row> {
    PATHS.iter().map(|path| (name, arguments(path))).collect()
}
