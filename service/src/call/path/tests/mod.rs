//! Each call on a claimed tree, whose module has a real one behind it, and on a real one: they say the same.

mod host;
mod mirror;
mod rows;
mod tree;

use std::ffi::CString;
use std::fs;
use std::path::Path;
use std::vec::Vec;

use vload_module::abi::Call;

use crate::framework;
use crate::path::fs as own_fs;
use rows::{PATHS, check, each};
use tree::{A, CWD, In, N, NOFOLLOW, Out, P, ours, s, trees};

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
    own_fs::reserve().unwrap();
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
