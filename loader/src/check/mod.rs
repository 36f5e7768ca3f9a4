//! `vload check`: which sites the files have, and what a run makes of each. Nothing is executed.
//!
//! `file` opens and judges one file, `follow` finds those that a run maps with it, `libraries`
//! knows where a dynamic linker looks, `text` and `json` print.

mod file;
mod follow;
mod json;
mod libraries;
mod text;

use core::ffi::CStr;

use alloc::ffi::CString;
use alloc::vec::Vec;
use runtime::patch::{FixedCall, Refused, Shape, Site};
use runtime::sys::Errno;
use runtime::watch::Unwatched;

use crate::message::{NOT_EXECUTABLE, NOT_FOUND};
use crate::report::Out;
use crate::vectors::Vectors;

/// What `vload check` is asked.
#[derive(Clone, Copy)]
pub struct Check {
    /// The index of the first file in vload's own vector.
    pub first: usize,
    /// What is printed.
    pub form: Form,
    /// `--needed`.
    pub needed: bool,
}

/// What is printed.
#[derive(Clone, Copy, Default)]
pub struct Form {
    /// `--json`.
    pub json: bool,
    /// `--count`: no addresses.
    pub count: bool,
}

/// Why a file is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It was named.
    Named,
    /// A `#!` line or a binfmt_misc entry names it.
    Interpreter,
    /// `PT_INTERP`.
    Interp,
    /// `DT_NEEDED`.
    Library,
}

/// One file, judged.
struct Judged {
    path: CString,
    role: Role,
    /// The file that leads to this one.
    by: Option<usize>,
    verdict: Verdict,
}

/// What a run makes of a file.
enum Verdict {
    /// It maps it, and patches what is proven.
    Mapped(Sites),
    /// It runs its interpreter, which is judged too.
    Handed,
    /// It cannot be judged.
    Not(Fault),
}

/// Why a file cannot be judged.
struct Fault {
    errno: Errno,
    why: Why,
}

enum Why {
    /// The kernel's reason.
    Kernel(runtime::image::What),
    /// It cannot be opened.
    Open,
    /// A directory, a pipe, a device.
    NoFile,
    /// A library that is in none of the folders in which it is looked for.
    NoLibrary,
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match &self.why {
            Why::Kernel(what) => write!(f, "{}: {what}", self.errno.text()),
            Why::Open => f.write_str(self.errno.text()),
            Why::NoFile => f.write_str("no regular file"),
            Why::NoLibrary => f.write_str("in none of the folders where libraries are looked for"),
        }
    }
}

/// What a run makes of a place at which a call could be made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The call arrives by a stub.
    Patched,
    /// It arrives by the kernel's user dispatch.
    Watched,
    /// It is not seen.
    Uncovered,
    /// No call is made there.
    NoCall,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Patched => "patched",
            Self::Watched => "watched",
            Self::Uncovered => "uncovered",
            Self::NoCall => "no-call",
        }
    }
}

/// The candidates of a file.
struct Sites {
    patched: Vec<Site>,
    refused: Vec<Refused>,
    /// What names a function at an address of the kernel's.
    fixed: Vec<FixedCall>,
    /// No place for the stubs is within the reach of all sites: nothing is patched.
    out_of_reach: bool,
    /// A segment can be written to and executed.
    writable_text: bool,
    /// It asks for a stack that is executable.
    executable_stack: bool,
    /// Whether a run here is watched when it must be.
    is_watch_offered: bool,
}

impl Sites {
    /// What becomes of calls from code that nobody can prove.
    fn unproven(&self) -> Way {
        if self.is_watch_offered { Way::Watched } else { Way::Uncovered }
    }

    fn of_site(&self) -> Way {
        if self.out_of_reach { self.unproven() } else { Way::Patched }
    }

    fn of_refused(&self, refused: &Refused) -> Way {
        match (refused.reason.is_hole(), refused.reason.is_watched()) {
            (false, _) => Way::NoCall,
            (true, true) => self.unproven(),
            (true, false) => Way::Uncovered,
        }
    }

    /// The page of the kernel's is not watched either.
    fn of_fixed(&self, call: &FixedCall) -> Way {
        if self.out_of_reach || call.load.is_none() { Way::Uncovered } else { Way::Patched }
    }

    fn count(&self, way: Way) -> usize {
        let sites = if self.of_site() == way { self.patched.len() } else { 0 };
        let refused = self.refused.iter().filter(|refused| self.of_refused(refused) == way).count();
        sites + refused + self.fixed.iter().filter(|call| self.of_fixed(call) == way).count()
    }

    /// How many sites a run patches.
    fn patched(&self) -> usize {
        self.count(Way::Patched)
    }

    /// The candidates whose calls arrive by the watch.
    fn watched(&self) -> usize {
        self.count(Way::Watched)
    }

    /// The candidates at which a call could be made that a run does not see.
    fn uncovered(&self) -> usize {
        self.count(Way::Uncovered)
    }

    /// Memory from which what is written later can be executed: its name in JSON, and what it is.
    fn open(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [
            (self.writable_text, "writable-text", "a segment that can be written to is executable"),
            (self.executable_stack, "executable-stack", "the stack is executable"),
        ]
        .into_iter()
        .filter_map(|(is, name, what)| is.then_some((name, what)))
    }

    /// The bytes that look like a site and are none.
    fn no_calls(&self) -> usize {
        self.count(Way::NoCall)
    }

    /// The loads of fixed addresses that are redirected.
    fn loads(&self) -> impl Iterator<Item = &FixedCall> {
        self.fixed.iter().filter(|call| self.of_fixed(call) == Way::Patched)
    }

    fn of_shape(&self, shape: Shape) -> impl Iterator<Item = &Site> {
        self.patched.iter().filter(move |site| !self.out_of_reach && site.shape == shape)
    }
}

/// All that was found.
struct Findings {
    files: Vec<Judged>,
    /// Whether a run here is watched when it must be.
    watch: Result<(), Unwatched>,
}

impl Findings {
    fn sum(&self, of: impl Fn(&Sites) -> usize) -> usize {
        let sites = self.files.iter().filter_map(|file| match &file.verdict {
            Verdict::Mapped(sites) => Some(of(sites)),
            _ => None,
        });
        sites.sum()
    }

    fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.files.iter().filter_map(|file| match &file.verdict {
            Verdict::Not(fault) => Some(fault),
            _ => None,
        })
    }

    /// 127 when a file is missing, 126 when one cannot be judged, 1 when a call could be missed.
    fn status(&self) -> i32 {
        let worst = self.faults().map(|fault| match fault.errno {
            Errno::NOENT | Errno::NOTDIR => NOT_FOUND,
            _ => NOT_EXECUTABLE,
        });
        worst.max().unwrap_or(i32::from(self.sum(Sites::uncovered) != 0))
    }
}

/// Judges the files, prints what was found, ends.
pub fn run(vectors: &Vectors, check: Check) -> ! {
    let named: Vec<&CStr> = (check.first..).map_while(|index| vectors.arg(index)).collect();
    let findings = follow::all(vectors, &named, check.needed);
    let mut out = Out::new(vectors);
    if check.form.json {
        json::write(&findings, check.form, out.text());
    } else {
        text::write(&findings, check.form, &mut out);
    }
    out.end(findings.status())
}
