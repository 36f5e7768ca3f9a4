//! The walk through a tree of our own, and through the machine's, where the kernel says what is right.

use super::*;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

/// A tree: directories, files (`"f"`) and links (`"->TARGET"`); claims are numbered by their order.
struct Tree {
    nodes: BTreeMap<&'static str, &'static str>,
    claims: Vec<&'static str>,
    closed: Vec<&'static str>,
}

impl Tree {
    fn new(nodes: &[(&'static str, &'static str)], claims: &[&'static str]) -> Self {
        Self { nodes: nodes.iter().copied().collect(), claims: claims.to_vec(), closed: Vec::new() }
    }

    fn kind(&self, path: &Text) -> Option<&'static str> {
        let path = std::str::from_utf8(path.bytes()).unwrap();
        if path == "/" { Some("d") } else { self.nodes.get(path).copied() }
    }
}

impl Below for Tree {
    fn owner(&self, path: &Text) -> Option<(u32, u64)> {
        let newest = self.claims.iter().rposition(|claim| path.is_within(claim.as_bytes()))?;
        Some((newest as u32, newest as u64 + 1))
    }

    fn look(&self, path: &Text, _: Option<(u32, u64)>, to: &mut [u8; LONGEST]) -> Result<Found> {
        let mut parent = Text::of(path.bytes())?;
        parent.pop();
        self.search(&mut parent, None)?;
        let kind = self.kind(path).ok_or(Errno::NOENT)?;
        let mut text = |text: &str| {
            to[..text.len()].copy_from_slice(text.as_bytes());
            text.len()
        };
        Ok(match kind.split_once("->") {
            Some(("", target)) => Found::Link(text(target)),
            Some(("virtual", target)) => Found::Place(text(target)),
            Some(("real", target)) => Found::RealPlace(text(target)),
            Some(_) => Found::Opaque,
            None => Found::Other,
        })
    }

    fn search(&self, path: &mut Text, _: Option<(u32, u64)>) -> Result<()> {
        match self.kind(path) {
            _ if self.closed.iter().any(|closed| closed.as_bytes() == path.bytes()) => {
                Err(Errno::ACCES)
            }
            Some("d") => Ok(()),
            Some(_) => Err(Errno::NOTDIR),
            None => Err(Errno::NOENT),
        }
    }
}

const BASE: Start<'static> =
    Start { base: b"/home", root: b"", is_virtual: false, root_is_virtual: false };

fn sample() -> Tree {
    let nodes = [
        ("/home", "d"),
        ("/home/f", "f"),
        ("/home/out", "->/v/d"),
        ("/home/up", "->../v"),
        ("/v", "d"),
        ("/v/d", "d"),
        ("/v/f", "f"),
        ("/v/back", "->/home/f"),
        ("/v/rel", "->../home"),
        ("/v/here", "->d"),
        ("/v/gone", "->missing"),
        ("/v/loop", "->loop"),
        ("/v/fd3", "virtual->/v/d"),
        ("/home/fd4", "real->/v/d"),
        ("/home/pipe", "opaque->"),
    ];
    Tree::new(&nodes, &["/v"])
}

fn walked(
    below: &impl Below,
    start: Start<'_>,
    path: &str,
    how: How,
    done: &mut Text,
) -> core::result::Result<Place, Stop> {
    let mut rest = Rest::none();
    rest.set(path.as_bytes()).unwrap();
    resolve(below, start, &mut rest, how, done)
}

/// Where a path leads: the canonical path, with `!` before it in a claim and `=` when the kernel finds it too.
fn walk(tree: &Tree, start: Start<'_>, path: &str, how: How) -> String {
    let mut done = Text::root();
    match walked(tree, start, path, how, &mut done) {
        Err(Stop::Kernel) => "kernel".to_string(),
        Err(Stop::Error(Errno(number))) => std::format!("error {number}"),
        Ok(place) => {
            let mark = match place {
                Place { owner: Some(_), .. } => "!",
                Place { touched: true, .. } => "",
                _ => "=",
            };
            let slash = if place.slash { "/" } else { "" };
            std::format!("{mark}{}{slash}", String::from_utf8_lossy(done.bytes()))
        }
    }
}

fn followed(path: &str) -> String {
    walk(&sample(), BASE, path, How::to(Final::Follow))
}

fn left(path: &str) -> String {
    walk(&sample(), BASE, path, How::to(Final::Leave))
}

#[test]
fn real_and_virtual_places_link_to_one_another() {
    for (path, place) in [
        ("f", "=/home/f"),
        ("/home/f", "=/home/f"),
        ("/v", "!/v"),
        ("../v/f", "!/v/f"),
        ("out", "!/v/d"),
        ("up/f", "!/v/f"),
        ("/v/back", "/home/f"),
        ("/v/rel/f", "/home/f"),
        ("/v/rel/out/../f", "!/v/f"),
        ("/v/here/../here/.", "!/v/d"),
        ("/v/..", "/"),
        ("/v/../home/f", "/home/f"),
        ("//v//f", "!/v/f"),
        ("/v/d/", "!/v/d/"),
        ("/v/gone", "!/v/missing"),
        ("/../../v/f", "!/v/f"),
    ] {
        assert_eq!(followed(path), place, "{path}");
    }
}

#[test]
fn a_link_at_the_end_is_left_when_the_call_says_so() {
    for (path, place) in [
        ("out", "=/home/out"),
        ("out/", "!/v/d/"),
        ("/v/here", "!/v/here"),
        ("/v/back", "!/v/back"),
        ("/v/loop", "!/v/loop"),
    ] {
        assert_eq!(left(path), place, "{path}");
    }
    assert_eq!(walk(&sample(), BASE, "out/", How::to(Final::Name)), "=/home/out/");
}

#[test]
fn errors_on_the_way_are_the_kernels_where_it_sees_the_same() {
    let long = "x".repeat(256);
    for (path, what) in [
        ("missing/f", "kernel".to_string()),
        ("f/x", "kernel".to_string()),
        ("", "kernel".to_string()),
        (&long, "kernel".to_string()),
        ("/v/missing/f", "error 2".to_string()),
        ("/v/f/x", "error 20".to_string()),
        ("/v/f/.", "error 20".to_string()),
        ("/v/f/..", "error 20".to_string()),
        ("/v/loop", "error 40".to_string()),
        ("/v/gone/x", "error 2".to_string()),
        (&std::format!("/v/{long}"), "error 36".to_string()),
    ] {
        assert_eq!(followed(path), what, "{path}");
    }
}

#[test]
fn a_directory_that_may_not_be_searched_ends_a_walk() {
    let tree = Tree { closed: std::vec!["/v/d"], ..sample() };
    assert_eq!(walk(&tree, BASE, "/v/d/x", How::to(Final::Follow)), "error 13");
    let tree = Tree { closed: std::vec!["/"], ..sample() };
    assert_eq!(walk(&tree, BASE, "/v", How::to(Final::Follow)), "error 13");
}

#[test]
fn as_many_links_as_the_kernel_follows() {
    let names: Vec<(&str, &str)> = (0..42)
        .map(|number| {
            let name = std::format!("/v/l{number}").leak() as &str;
            (name, std::format!("->l{}", number + 1).leak() as &str)
        })
        .chain([("/v", "d"), ("/v/l42", "f")])
        .collect();
    let tree = Tree::new(&names, &["/v"]);
    assert_eq!(walk(&tree, BASE, "/v/l2", How::to(Final::Follow)), "!/v/l42");
    assert_eq!(walk(&tree, BASE, "/v/l1", How::to(Final::Follow)), "error 40");
}

#[test]
fn links_of_proc() {
    for (path, place) in [
        ("/v/fd3", "!/v/d"),
        ("/v/fd3/../f", "!/v/f"),
        ("fd4", "kernel"),
        ("fd4/../f", "!/v/f"),
        ("pipe", "kernel"),
        ("/v/rel/pipe", "/home/pipe"),
        ("/v/rel/fd4", "/home/fd4"),
        ("/v/rel/pipe/x", "/home/pipe/x"),
    ] {
        assert_eq!(followed(path), place, "{path}");
    }
}

#[test]
fn openat2_says_what_is_not_walked() {
    let how = How::to(Final::Follow);
    let virtual_base = Start { base: b"/v/d", is_virtual: true, ..BASE };
    let walk = |path: &str, how: How| walk(&sample(), virtual_base, path, how);
    assert_eq!(walk("../f", how), "!/v/f");
    assert_eq!(walk("../f", How { beneath: true, ..how }), "error 18");
    assert_eq!(walk("/f", How { beneath: true, ..how }), "error 18");
    assert_eq!(walk("../../f", How { in_root: true, ..how }), "!/v/d/f");
    assert_eq!(walk("/f", How { in_root: true, ..how }), "!/v/d/f");
    assert_eq!(walk("../here", How { no_links: true, ..how }), "error 40");
    assert_eq!(walk("../fd3", How { no_magic: true, ..how }), "error 40");
    assert_eq!(walk("../../home", How { one_device: true, ..how }), "error 18");
    assert_eq!(walk("/home", How { one_device: true, ..how }), "=/home");
}

#[test]
fn a_root_is_not_left() {
    let jail = Start { base: b"/v/d", root: b"/v", is_virtual: true, root_is_virtual: true };
    let walk = |path: &str| walk(&sample(), jail, path, How::to(Final::Follow));
    assert_eq!(walk("/f"), "!/v/f");
    assert_eq!(walk("../../../f"), "!/v/f");
    assert_eq!(walk("/home"), "!/v/home");
    assert_eq!(walk("/back"), "error 2");
}

/// The machine's own tree; what lies in `claimed` is held to be in a claim.
struct Machine {
    claimed: Vec<PathBuf>,
}

fn path_of(text: &Text) -> &Path {
    Path::new(OsStr::from_bytes(text.bytes()))
}

fn errno(error: &std::io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap())
}

impl Below for Machine {
    fn owner(&self, path: &Text) -> Option<(u32, u64)> {
        let mut claims = self.claimed.iter();
        claims.position(|claim| path_of(path).starts_with(claim)).map(|number| (number as u32, 1))
    }

    fn look(&self, path: &Text, _: Option<(u32, u64)>, to: &mut [u8; LONGEST]) -> Result<Found> {
        match fs::read_link(path_of(path)) {
            Ok(link) => {
                let link = link.as_os_str().as_bytes();
                to[..link.len()].copy_from_slice(link);
                Ok(Found::Link(link.len()))
            }
            Err(error) if errno(&error) == Errno::INVAL => Ok(Found::Other),
            Err(error) => Err(errno(&error)),
        }
    }

    fn search(&self, path: &mut Text, _: Option<(u32, u64)>) -> Result<()> {
        fs::symlink_metadata(path_of(path).join(".")).map(drop).map_err(|error| errno(&error))
    }
}

/// Numbers that look random, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % most
    }
}

/// A tree of directories, files and links of all kinds, half of it claimed: the walk finds what the kernel finds, and its
/// errors.
#[test]
fn the_kernel_goes_the_same_way() {
    let top = fs::canonicalize(std::env::temp_dir()).unwrap();
    let top = top.join(std::format!("vload-walk-{}", std::process::id()));
    fs::create_dir(&top).unwrap();
    let mut numbers = Numbers(7);
    let directories = ["a", "a/b", "a/b/c", "v", "v/a", "v/a/b"];
    for directory in directories {
        fs::create_dir(top.join(directory)).unwrap();
        fs::write(top.join(directory).join("f"), "").unwrap();
    }
    let names = ["a", "b", "c", "f", "v", "..", ".", "l0", "l1", "l2", "l3", "x", "f/", "l1/", ""];
    for directory in directories {
        for link in 0..4 {
            let length = 1 + numbers.below(4);
            let parts: Vec<&str> = (0..length).map(|_| names[numbers.below(names.len())]).collect();
            let target = match numbers.below(3) {
                0 => std::format!("{}/{}", top.display(), parts.join("/")),
                _ => std::format!("./{}", parts.join("/")),
            };
            symlink(target, top.join(directory).join(std::format!("l{link}"))).unwrap();
        }
    }
    let machine = Machine { claimed: std::vec![top.join("v"), top.join("a/b/c")] };
    let base = top.join("a");
    let start = Start {
        base: base.as_os_str().as_bytes(),
        root: b"",
        is_virtual: true,
        root_is_virtual: true,
    };
    let (mut found, mut refused) = (0, 0);
    for _ in 0..5000 {
        let length = 1 + numbers.below(6);
        let parts: Vec<&str> = (0..length).map(|_| names[numbers.below(names.len())]).collect();
        let path = match numbers.below(3) {
            0 => std::format!("{}/{}", top.display(), parts.join("/")),
            _ => std::format!("./{}", parts.join("/")),
        };
        let kernel = fs::canonicalize(base.join(&path)).map_err(|error| errno(&error));
        let mut done = Text::root();
        let outcome = walked(&machine, start, &path, How::to(Final::Follow), &mut done);
        // Whether the end is there, and a directory where a slash follows, is for the operation to find out.
        let walked = outcome.and_then(|place| {
            let slashed =
                if place.slash { path_of(&done).join(".") } else { path_of(&done).to_owned() };
            fs::symlink_metadata(slashed).map_err(|error| Stop::Error(errno(&error)))?;
            Ok(path_of(&done).to_owned())
        });
        match kernel {
            Ok(_) => found += 1,
            Err(_) => refused += 1,
        }
        assert_eq!(walked, kernel.map_err(Stop::Error), "{path}");
    }
    fs::set_permissions(&top, fs::Permissions::from_mode(0o700)).unwrap();
    fs::remove_dir_all(&top).unwrap();
    assert!(found > 300 && refused > 300, "{found} found, {refused} refused");
}

#[test]
fn paths_as_long_as_they_may_be() {
    let tree = Tree::new(&[("/v", "d")], &["/v"]);
    let at_limit = std::format!("/v/{}", "./".repeat(2045));
    assert_eq!(walk(&tree, BASE, &at_limit, How::to(Final::Follow)).len(), 4);
    let name = "n".repeat(255);
    assert_eq!(
        walk(&tree, BASE, &std::format!("/v/{name}"), How::to(Final::Follow)),
        std::format!("!/v/{name}")
    );
}
