//! The trees, and a call on one of them.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::string::{String, ToString};
use std::vec::Vec;

use vload_module::abi::Call;

use super::mirror;
use crate::framework;

/// An argument of a call.
#[derive(Clone)]
pub enum A {
    /// A path below the tree.
    P(&'static str),
    /// A string.
    S(CString),
    /// A number.
    N(usize),
    /// Room to write to.
    Out(usize),
    /// Bytes to read.
    In(Vec<u8>),
}

pub use A::{In, N, Out, P};

pub fn s(text: &str) -> A {
    A::S(CString::new(text).unwrap())
}

pub const CWD: A = N(libc::AT_FDCWD as usize);
pub const NOFOLLOW: A = N(libc::AT_SYMLINK_NOFOLLOW as usize);

/// A tree, by its name in calls and where it is.
pub struct Tree {
    pub named: String,
    pub real: PathBuf,
}

impl Tree {
    pub fn fill(&self) {
        let at = |name: &str| self.real.join(name);
        for directory in ["d", "d/sub", "empty", "sticky"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        fs::set_permissions(at("sticky"), PermissionsExt::from_mode(0o1777)).unwrap();
        fs::write(at("f"), "content").unwrap();
        fs::write(at("d/f"), "").unwrap();
        fs::write(at("d/sub/x"), "x").unwrap();
        symlink("f", at("link")).unwrap();
        symlink("d", at("dlink")).unwrap();
        symlink("../f", at("d/up")).unwrap();
        symlink("missing", at("dangling")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink(std::format!("{}/d/f", self.named), at("absolute")).unwrap();
    }

    /// What is in it.
    pub fn state(&self) -> BTreeMap<String, String> {
        let mut state = BTreeMap::new();
        let mut left = std::vec![PathBuf::new()];
        while let Some(name) = left.pop() {
            let path = self.real.join(&name);
            let known = fs::symlink_metadata(&path).unwrap();
            let mut text = std::format!("{:o} {} {}", known.mode(), known.nlink(), known.uid());
            if known.is_dir() {
                left.extend(
                    fs::read_dir(&path).unwrap().map(|entry| name.join(entry.unwrap().file_name())),
                );
            } else if known.is_symlink() {
                let link =
                    fs::read_link(&path).unwrap().to_string_lossy().replace(&self.named, "TREE");
                text += &std::format!(" -> {link}");
            } else if known.is_file() {
                text += &std::format!(" {:?}", fs::read_to_string(&path));
            }
            state.insert(name.to_string_lossy().to_string(), text);
        }
        state
    }

    /// The result of a call, and what it wrote.
    pub fn call(
        &self,
        name: &str,
        arguments: &[A],
        make: impl Fn(&mut Call) -> i64,
    ) -> (i64, Vec<Vec<u8>>) {
        let number = abi::native_number(name).unwrap_or_else(|| panic!("{name}"));
        let mut kept = Vec::new();
        let mut out = Vec::new();
        let mut registers = [0; 6];
        for (register, argument) in registers.iter_mut().zip(arguments) {
            *register = match argument {
                P(path) => {
                    kept.push(CString::new(std::format!("{}/{path}", self.named)).unwrap());
                    kept.last().unwrap().as_ptr() as usize
                }
                A::S(text) => text.as_ptr() as usize,
                N(number) => *number,
                Out(size) => {
                    out.push(std::vec![0u8; *size]);
                    out.last().unwrap().as_ptr() as usize
                }
                In(bytes) => bytes.as_ptr() as usize,
            };
        }
        let mut call = Call::new(number, registers, 0);
        let result = make(&mut call);
        (result, out)
    }
}

pub fn native(call: &mut Call) -> i64 {
    let [a, b, c, d, e, f] = call.arguments;
    // SAFETY: the test's arguments.
    let result = unsafe { libc::syscall(call.number as i64, a, b, c, d, e, f) };
    if result == -1 {
        -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap())
    } else {
        result
    }
}

pub fn ours(call: &mut Call) -> i64 {
    framework::call(call, u64::MAX, u64::MAX) as i64
}

/// The trees: a real one, and one behind a claim.
pub fn trees() -> (Tree, Tree) {
    let top = mirror::behind();
    let real =
        Tree { named: top.join("native").to_string_lossy().into(), real: top.join("native") };
    let claimed = Tree { named: mirror::CLAIMED.to_string(), real: top.join("mirror") };
    (real, claimed)
}
