//! Each call on a claimed tree, whose module has a real one behind it, and on a real one: they say the same.

mod host;
mod mirror;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

use abi::{Struct, Table};
use vload_module::abi::Call;

use crate::framework;
use crate::path::fs as own_fs;

/// An argument of a call.
#[derive(Clone)]
enum A {
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

use A::{In, N, Out, P};

fn s(text: &str) -> A {
    A::S(CString::new(text).unwrap())
}

const CWD: A = N(libc::AT_FDCWD as usize);
const NOFOLLOW: A = N(libc::AT_SYMLINK_NOFOLLOW as usize);

/// A tree, by its name in calls and where it is.
struct Tree {
    named: String,
    real: PathBuf,
}

impl Tree {
    fn fill(&self) {
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
    fn state(&self) -> BTreeMap<String, String> {
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
    fn call(
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

fn native(call: &mut Call) -> i64 {
    let [a, b, c, d, e, f] = call.arguments;
    // SAFETY: the test's arguments.
    let result = unsafe { libc::syscall(call.number as i64, a, b, c, d, e, f) };
    if result == -1 {
        -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap())
    } else {
        result
    }
}

fn ours(call: &mut Call) -> i64 {
    framework::call(call, u64::MAX, u64::MAX) as i64
}

/// The trees: a real one, and one behind a claim.
fn trees() -> (Tree, Tree) {
    let top = mirror::behind();
    let real =
        Tree { named: top.join("native").to_string_lossy().into(), real: top.join("native") };
    let claimed = Tree { named: mirror::CLAIMED.to_string(), real: top.join("mirror") };
    (real, claimed)
}

/// Which bytes of what a call writes are no tree's own: devices, inodes and times are.
fn comparable(name: &str, number: usize, mut out: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
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
type Row = (&'static str, Vec<A>);

fn check(rows: Vec<Row>) {
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
const PATHS: &[&str] = &[
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

fn each(name: &'static str, arguments: impl Fn(&'static str) -> Vec<A>) -> Vec<Row> {
    PATHS.iter().map(|path| (name, arguments(path))).collect()
}

#[test]
fn what_is_known_of_files() {
    let size = size_of::<libc::stat>();
    let mut rows = Vec::new();
    if abi::native_number("stat").is_some() {
        rows.extend(each("stat", |path| std::vec![P(path), Out(size)]));
        rows.extend(each("lstat", |path| std::vec![P(path), Out(size)]));
        rows.extend(each("access", |path| std::vec![P(path), N(6)]));
        rows.extend(each("readlink", |path| std::vec![P(path), Out(100), N(100)]));
    }
    rows.extend(each("newfstatat", |path| std::vec![CWD, P(path), Out(size), N(0)]));
    rows.extend(each("newfstatat", |path| std::vec![CWD, P(path), Out(size), NOFOLLOW]));
    rows.extend(each("statx", |path| std::vec![CWD, P(path), N(0), N(0x7ff), Out(256)]));
    rows.extend(each("statx", |path| std::vec![CWD, P(path), NOFOLLOW, N(0x7ff), Out(256)]));
    rows.extend(each("faccessat", |path| std::vec![CWD, P(path), N(1)]));
    rows.extend(each("faccessat2", |path| std::vec![CWD, P(path), N(7), NOFOLLOW]));
    rows.extend(each("faccessat2", |path| std::vec![CWD, P(path), N(4), N(0x200)]));
    rows.extend(each("readlinkat", |path| std::vec![CWD, P(path), Out(200), N(200)]));
    rows.extend(each("statfs", |path| std::vec![P(path), Out(120)]));
    rows.push(("faccessat2", std::vec![CWD, P("f"), N(8), N(0)]));
    rows.push(("faccessat2", std::vec![CWD, P("f"), N(0), N(0x4000)]));
    rows.push(("newfstatat", std::vec![CWD, P("f"), Out(size), N(0x4000)]));
    rows.push(("readlinkat", std::vec![CWD, P("link"), Out(3), N(0)]));
    check(rows);
}

#[test]
fn names_that_are_made() {
    let mut rows = Vec::new();
    for path in [
        "n",
        "n/",
        "d/n",
        "dlink/n2",
        "f",
        "f/x",
        "d",
        "dangling",
        "dangling/",
        "missing/x",
        ".",
        "d/..",
        "link/",
    ] {
        rows.push(("mkdirat", std::vec![CWD, P(path), N(0o777)]));
        rows.push(("symlinkat", std::vec![s("target"), CWD, P(path)]));
    }
    for path in ["s1", "s1/", "d/s1", "f/x", "link"] {
        rows.push(("symlinkat", std::vec![s("anywhere"), CWD, P(path)]));
        rows.push(("mknodat", std::vec![CWD, P(path), N(0o100666), N(0)]));
    }
    rows.push(("mknodat", std::vec![CWD, P("pipe"), N(0o10644), N(0)]));
    rows.push(("mknodat", std::vec![CWD, P("plain"), N(0o600), N(0)]));
    rows.push(("mknodat", std::vec![CWD, P("directory"), N(0o40700), N(0)]));
    rows.push(("mknodat", std::vec![CWD, P("odd"), N(0o120700), N(0)]));
    rows.push(("symlinkat", std::vec![s(""), CWD, P("nothing")]));
    for (old, new) in [
        ("f", "hard"),
        ("f", "hard"),
        ("link", "hardlink"),
        ("d", "x"),
        ("missing", "x"),
        ("f", "missing/x"),
        ("f", "x/"),
        ("dangling", "x2"),
        ("f/", "x"),
        ("d/f", "d"),
    ] {
        rows.push(("linkat", std::vec![CWD, P(old), CWD, P(new), N(0)]));
    }
    rows.push(("linkat", std::vec![CWD, P("link"), CWD, P("followed"), N(0x400)]));
    rows.push(("linkat", std::vec![CWD, P("dangling"), CWD, P("x3"), N(0x400)]));
    check(rows);
}

#[test]
fn names_that_are_taken_away() {
    let rows = [
        ("d", 0),
        ("d/", 0),
        ("d", 0x200),
        ("f/", 0),
        ("f/", 0x200),
        ("f", 0x200),
        (".", 0),
        (".", 0x200),
        ("d/..", 0),
        ("d/sub/..", 0x200),
        ("dlink/", 0),
        ("dlink/", 0x200),
        ("link", 0x200),
        ("missing", 0),
        ("missing/", 0x200),
        ("link", 0),
        ("dangling", 0),
        ("loop", 0),
        ("dlink/f", 0),
        ("d/sub/x", 0),
        ("d/sub", 0x200),
        ("empty/", 0x200),
        ("f", 0),
        ("f", 0),
        ("f/x", 0),
        ("d", 1),
    ];
    check(rows.map(|(path, flags)| ("unlinkat", std::vec![CWD, P(path), N(flags)])).to_vec());
}

#[test]
fn names_that_are_moved() {
    let rows = [
        ("f", "g", 0),
        ("missing", "g", 0),
        ("g", "d", 0),
        ("d", "g", 0),
        ("g", "g", 0),
        ("g/", "h", 0),
        ("g", "h/", 0),
        ("d", "d/sub/inside", 0),
        ("d/sub", "d", 0),
        ("d/sub/", "moved/", 0),
        ("link", "link2", 0),
        ("empty", "moved", 0),
        ("moved", "empty", 0),
        (".", "x", 0),
        ("d/.", "x", 0),
        ("empty", "empty/..", 0),
        ("g", "d/f", 1),
        ("g", "new", 1),
        ("new", "missing", 2),
        ("new", "d", 2),
        ("d", "new", 2),
        ("new", "d/f", 2),
        ("new", "d/f", 3),
        ("dangling", "g", 0),
        ("absolute", "dangling2", 0),
        ("new", "d/f", 8),
        ("g/x", "y", 0),
        ("d/f", "d/f/", 0),
    ];
    check(
        rows.map(|(from, to, flags)| ("renameat2", std::vec![CWD, P(from), CWD, P(to), N(flags)]))
            .to_vec(),
    );
}

#[test]
fn what_is_changed_of_files() {
    let mut rows = Vec::new();
    for path in PATHS {
        rows.push(("fchmodat", std::vec![CWD, P(path), N(0o640)]));
        rows.push(("fchmodat2", std::vec![CWD, P(path), N(0o4755), NOFOLLOW]));
        rows.push(("fchownat", std::vec![CWD, P(path), N(12), N(u32::MAX as usize), NOFOLLOW]));
        rows.push(("fchownat", std::vec![CWD, P(path), N(0), N(0), N(0)]));
        rows.push(("truncate", std::vec![P(path), N(3)]));
        rows.push(("utimensat", std::vec![CWD, P(path), N(0), NOFOLLOW]));
        rows.push((
            "utimensat",
            std::vec![CWD, P(path), In([5i64, 6, 7, 8].map(i64::to_ne_bytes).concat()), N(0)],
        ));
    }
    rows.push(("truncate", std::vec![P("f"), N(usize::MAX)]));
    rows.push((
        "utimensat",
        std::vec![CWD, P("f"), In([5i64, -1, 7, 8].map(i64::to_ne_bytes).concat()), N(0)],
    ));
    check(rows);
}

#[test]
fn extended_attributes() {
    let mut rows = Vec::new();
    for path in PATHS {
        rows.push((
            "setxattr",
            std::vec![P(path), s("user.test"), In(b"value".to_vec()), N(5), N(0)],
        ));
        rows.push(("getxattr", std::vec![P(path), s("user.test"), Out(16), N(16)]));
        rows.push(("getxattr", std::vec![P(path), s("user.test"), Out(16), N(0)]));
        rows.push(("getxattr", std::vec![P(path), s("user.test"), Out(16), N(2)]));
        rows.push(("lgetxattr", std::vec![P(path), s("user.other"), Out(16), N(16)]));
        rows.push(("removexattr", std::vec![P(path), s("user.test")]));
    }
    rows.push(("setxattr", std::vec![P("f"), s("user.test"), In(b"value".to_vec()), N(5), N(2)]));
    rows.push(("setxattr", std::vec![P("f"), s("user.test"), In(b"value".to_vec()), N(5), N(9)]));
    rows.push(("getxattr", std::vec![P("f"), s(""), Out(16), N(16)]));
    check(rows);
}

/// The working directory is the claimed tree's, and paths begin there.
#[test]
fn a_working_directory_in_a_claim() {
    let _alone = mirror::alone();
    let (_, claimed) = trees();
    let _ = fs::remove_dir_all(&claimed.real);
    fs::create_dir_all(&claimed.real).unwrap();
    claimed.fill();
    let call = |name: &str, arguments: &[A]| claimed.call(name, arguments, ours);
    // This thread's own: the others of the test program go on where they are.
    own_fs::starting(true).unwrap();
    own_fs::begun();
    assert_eq!(call("chdir", &[P("f")]).0, -i64::from(libc::ENOTDIR));
    assert_eq!(call("chdir", &[P("dlink/sub")]).0, 0);
    let cwd = std::format!("{}/d/sub\0", mirror::CLAIMED);
    let (length, out) = call("getcwd", &[Out(100), N(100)]);
    assert_eq!((length, &out[0][..cwd.len()]), (cwd.len() as i64, cwd.as_bytes()));
    assert_eq!(call("getcwd", &[Out(100), N(5)]).0, -i64::from(libc::ERANGE));
    assert_eq!(call("faccessat", &[CWD, s("x"), N(4)]).0, 0);
    assert_eq!(call("faccessat", &[CWD, s("../up"), N(4)]).0, 0);
    assert_eq!(call("faccessat", &[CWD, s("../../../etc/passwd"), N(4)]).0, 0);
    assert_eq!(call("faccessat", &[CWD, s("/proc/self/cwd/x"), N(4)]).0, 0);
    let (length, out) = call("readlinkat", &[CWD, s("/proc/self/cwd"), Out(100), N(100)]);
    assert_eq!(
        (length, &out[0][..cwd.len() - 1]),
        (cwd.len() as i64 - 1, &cwd.as_bytes()[..cwd.len() - 1])
    );
    assert_eq!(call("chdir", &[s("..")]).0, 0);
    assert_eq!(call("faccessat", &[CWD, s("sub/x"), N(4)]).0, 0);
    assert_eq!(call("chroot", &[s("/")]).0.min(0), call("chroot", &[s(".")]).0.min(0));
    assert_eq!(call("faccessat", &[CWD, s("/sub/x"), N(4)]).0, 0);
    assert_eq!(call("faccessat", &[CWD, s("/../../../sub/x"), N(4)]).0, 0);
    assert_eq!(
        call("getcwd", &[Out(100), N(100)]),
        (2, std::vec![[b"/\0".to_vec(), std::vec![0; 98]].concat()])
    );
    // What a layer asks begins where the session does.
    let asked = |path: &str| {
        claimed
            .call("faccessat", &[CWD, s(path), N(4)], |call| {
                framework::call(call, 5000, u64::MAX) as i64
            })
            .0
    };
    assert_eq!([asked("/sub/x"), asked("/etc/passwd"), asked("sub/x")], [-2, 0, -2]);
    own_fs::mine().write(&[(own_fs::Which::Cwd, b""), (own_fs::Which::Root, b"")]);
    fs::remove_dir_all(mirror::behind()).unwrap();
}

#[test]
fn a_path_that_leads_nowhere_else_is_not_touched() {
    let _alone = mirror::alone();
    let number = abi::native_number("newfstatat").unwrap();
    let mut known = std::vec![0u8; size_of::<libc::stat>()];
    for path in ["/etc/passwd", "/proc/self/fd/0", "/etc/../etc/passwd", "/missing/x", ""] {
        let text = CString::new(path).unwrap();
        let arguments =
            [libc::AT_FDCWD as usize, text.as_ptr() as usize, known.as_mut_ptr() as usize, 0, 0, 0];
        let mut call = Call::new(number, arguments, 0);
        framework::call(&mut call, u64::MAX, u64::MAX);
        assert_eq!(call.arguments, arguments, "{path}");
    }
    assert!(Path::new(mirror::CLAIMED).symlink_metadata().is_err());
}

/// What is known of a real directory is forgotten when a link takes its place.
#[test]
fn a_link_into_a_claim_takes_the_place_of_a_directory() {
    let _alone = mirror::alone();
    let (real, claimed) = trees();
    for tree in [&real, &claimed] {
        fs::create_dir_all(&tree.real).unwrap();
    }
    claimed.fill();
    fs::create_dir(real.real.join("place")).unwrap();
    fs::write(real.real.join("place/f"), "a real one").unwrap();
    let size = || {
        let out = real.call("statx", &[CWD, P("place/f"), N(0), N(0x7ff), Out(256)], ours).1;
        // SAFETY: the room was made for it.
        unsafe { &*out[0].as_ptr().cast::<libc::statx>() }.stx_size
    };
    assert_eq!([size(), size()], [10, 10]);
    assert_eq!(real.call("renameat", &[CWD, P("place"), CWD, P("away")], ours).0, 0);
    assert_eq!(real.call("symlinkat", &[s(mirror::CLAIMED), CWD, P("place")], ours).0, 0);
    assert_eq!(size(), 7);
    fs::remove_dir_all(mirror::behind()).unwrap();
}
