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

/// The candidates of a file.
struct Sites {
    patched: Vec<Site>,
    refused: Vec<Refused>,
    /// What names a function at an address of the kernel's.
    fixed: Vec<FixedCall>,
    /// No place for the stubs is within the reach of all sites: nothing is patched.
    out_of_reach: bool,
}

impl Sites {
    /// How many proven sites a run patches.
    fn patched(&self) -> usize {
        let fixed = self.fixed.iter().filter(|call| call.load.is_some()).count();
        if self.out_of_reach { 0 } else { self.patched.len() + fixed }
    }

    /// The candidates at which a call could be made that a run does not see.
    fn uncovered(&self) -> usize {
        let holes = self.refused.iter().filter(|refused| refused.reason.is_hole()).count();
        holes + self.patched.len() + self.fixed.len() - self.patched()
    }

    /// The bytes that look like a site and are none.
    fn no_calls(&self) -> usize {
        self.refused.iter().filter(|refused| !refused.reason.is_hole()).count()
    }

    /// The loads of fixed addresses that are redirected.
    fn loads(&self) -> impl Iterator<Item = &FixedCall> {
        self.fixed.iter().filter(|call| !self.out_of_reach && call.load.is_some())
    }

    fn of_shape(&self, shape: Shape) -> impl Iterator<Item = &Site> {
        self.patched.iter().filter(move |site| !self.out_of_reach && site.shape == shape)
    }
}

/// All that was found.
struct Findings {
    files: Vec<Judged>,
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
