//! From the files that were named to those that a run maps with them.

use core::ffi::CStr;

use alloc::ffi::CString;
use alloc::vec::Vec;
use runtime::image::{Nesting, What};
use runtime::sys::Errno;
use runtime::watch;

use super::file::{Next, Opened};
use super::libraries::{Folders, Wanted};
use super::{Fault, Findings, Judged, Role, Verdict, Why};
use crate::vectors::Vectors;

/// A file to look at.
struct Open {
    path: CString,
    role: Role,
    by: Option<usize>,
    nesting: Nesting,
}

/// Judges the named files, and what they lead to: each file once.
pub fn all(vectors: &Vectors, named: &[&CStr], needed: bool) -> Findings {
    let mut walk =
        Walk { files: Vec::new(), known: Vec::new(), rest: Vec::new(), linked: Vec::new() };
    let folders = needed.then(|| Folders::of(vectors));
    for &path in named {
        let nesting = Nesting::default();
        walk.look(Open { path: path.into(), role: Role::Named, by: None, nesting });
        while let Some(next) = walk.rest.pop() {
            walk.look(next);
        }
        if let Some(folders) = &folders {
            walk.libraries(folders);
        }
        walk.linked.clear();
    }
    Findings { files: walk.files, watch: watch::offered() }
}

/// What is known of a file by which the libraries of others are found.
struct Linked {
    file: usize,
    wanted: Wanted,
}

struct Walk {
    files: Vec<Judged>,
    /// Device and inode of each file that was judged.
    known: Vec<(u64, u64)>,
    rest: Vec<Open>,
    /// The files of one program whose libraries are to be found, in the order of ld.so's search.
    linked: Vec<Linked>,
}

impl Walk {
    fn look(&mut self, open: Open) {
        let Open { path, role, by, mut nesting } = open;
        let opened = match Opened::open(&path) {
            Ok(opened) => opened,
            Err(fault) => return self.note(path, role, by, Verdict::Not(fault)),
        };
        let key = (opened.stat.dev, opened.stat.ino);
        if role != Role::Named && self.known.contains(&key) {
            return;
        }
        self.known.push(key);
        if let Err(refusal) = nesting.enter() {
            let fault = Fault { errno: refusal.errno, why: Why::Kernel(What::TooManyInterpreters) };
            return self.note(path, role, by, Verdict::Not(fault));
        }
        let (verdict, next) = opened.judge(&path);
        let here = self.files.len();
        self.note(path, role, by, verdict);
        match next {
            Next::Interpreter(path) => {
                self.rest.push(Open { path, role: Role::Interpreter, by: Some(here), nesting });
            }
            Next::Linked { interp, wanted } => {
                // An interp's own PT_INTERP means nothing to the kernel.
                if let Some(path) = interp
                    && role != Role::Interp
                {
                    self.rest.push(Open { path, role: Role::Interp, by: Some(here), nesting });
                }
                self.linked.push(Linked { file: here, wanted });
            }
            Next::Nothing => {}
        }
    }

    fn note(&mut self, path: CString, role: Role, by: Option<usize>, verdict: Verdict) {
        self.files.push(Judged { path, role, by, verdict });
    }

    /// Finds and judges the libraries of one program, breadth first as ld.so loads them.
    fn libraries(&mut self, folders: &Folders) {
        let mut done = 0;
        let mut names: Vec<Vec<u8>> = Vec::new();
        while let Some(linked) = self.linked.get(done) {
            let by = linked.file;
            done += 1;
            for name in linked.wanted.names.clone() {
                if names.contains(&name) {
                    continue;
                }
                names.push(name.clone());
                let loaders = self.loaders(by);
                let found = folders.find(&name, &loaders);
                let nesting = Nesting::default();
                match found {
                    Some(path) => {
                        self.look(Open { path, role: Role::Library, by: Some(by), nesting });
                    }
                    None if self.is_own_interp(&name) => {}
                    None => {
                        let fault = Fault { errno: Errno::NOENT, why: Why::NoLibrary };
                        let path = CString::new(name).unwrap_or_default();
                        self.note(path, Role::Library, Some(by), Verdict::Not(fault));
                    }
                }
            }
        }
        self.rest.clear();
    }

    /// The file and those that asked for it, nearest first, with what each says of folders.
    fn loaders(&self, file: usize) -> Vec<(&CStr, &Wanted)> {
        let mut chain = Vec::new();
        let mut next = Some(file);
        while let Some(file) = next {
            let Some(judged) = self.files.get(file) else { break };
            if let Some(linked) = self.linked.iter().find(|linked| linked.file == file) {
                chain.push((judged.path.as_c_str(), &linked.wanted));
            }
            next = judged.by.filter(|_| judged.role == Role::Library);
        }
        chain
    }

    /// musl's libraries are all one file: the interp (`ldso/dynlink.c`, `load_library`).
    fn is_own_interp(&self, name: &[u8]) -> bool {
        const RESERVED: [&[u8]; 8] = [
            b"libc.",
            b"libm.",
            b"libpthread.",
            b"librt.",
            b"libdl.",
            b"libutil.",
            b"libxnet.",
            b"libcrypt.",
        ];
        let musl = self.files.iter().any(|file| {
            let path = file.path.to_bytes();
            file.role == Role::Interp && path.windows(8).any(|part| part == b"/ld-musl")
        });
        musl && RESERVED.iter().any(|reserved| name.starts_with(reserved))
    }
}
