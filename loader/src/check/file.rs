//! One file: opened, read, judged.

use core::ffi::CStr;

use alloc::ffi::CString;
use runtime::image::{Elf, Fd, Format, Head, PATH_MAX, Refusal, Script, What};
use runtime::patch::{Blob, Linkage};
use runtime::sys::{self, Errno, Stat};
use runtime::{process, text, watch};

use super::libraries::Wanted;
use super::{Fault, Sites, Verdict, Why};
use crate::executable_stack;
use linux_raw_sys::general::{O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDONLY, PROT_EXEC, PROT_WRITE};

/// An opened file, closed with its owner.
pub struct Opened {
    fd: i32,
    /// Which file it is.
    pub stat: Stat,
}

impl Drop for Opened {
    fn drop(&mut self) {
        sys::close(self.fd);
    }
}

/// What a file leads to.
pub enum Next {
    /// An interpreter of a script or of what binfmt_misc knows.
    Interpreter(CString),
    /// An interp and libraries.
    Linked {
        /// `PT_INTERP`.
        interp: Option<CString>,
        /// The libraries, and where they are looked for.
        wanted: Wanted,
    },
    /// Nothing.
    Nothing,
}

impl Opened {
    /// Opens a file to look at it. Nothing but a regular file is read.
    pub fn open(path: &CStr) -> Result<Self, Fault> {
        let fail = |errno| Fault { errno, why: Why::Open };
        // Neither a pipe nor a terminal may hold us up.
        let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
        let fd = sys::openat(sys::CWD, path, flags, 0).map_err(fail)?;
        let stat = sys::fstat(fd).inspect_err(|_| sys::close(fd)).map_err(fail)?;
        let opened = Self { fd, stat };
        if !stat.is_file() {
            let errno = if stat.is_directory() { Errno::ISDIR } else { Errno::ACCES };
            return Err(Fault { errno, why: Why::NoFile });
        }
        Ok(opened)
    }

    /// Whether the dynamic linker would take it for a library of this process.
    pub fn is_library(&self) -> bool {
        Elf::read(&Fd(self.fd)).is_ok()
    }

    /// Judges it, by the kernel's order of asking.
    pub fn judge(&self, path: &CStr) -> (Verdict, Next) {
        let not = |refusal: Refusal| {
            let fault = Fault { errno: refusal.errno, why: Why::Kernel(refusal.what) };
            (Verdict::Not(fault), Next::Nothing)
        };
        let source = Fd(self.fd);
        let head = match Head::read(&source) {
            Ok(head) => head,
            Err(refusal) => return not(refusal),
        };
        let mut buffer = [0; PATH_MAX];
        if let Some(entry) = process::entry_for(&head, path, &mut buffer) {
            return (Verdict::Handed, Next::Interpreter(entry.interpreter.into()));
        }
        match head.format() {
            Format::Script => match Script::parse(&head) {
                Ok(script) => (Verdict::Handed, Next::Interpreter(script.interp().into())),
                Err(refusal) => not(refusal),
            },
            Format::Other => not(head.unknown()),
            Format::Elf => self.elf(&head).unwrap_or_else(not),
        }
    }

    fn elf(&self, head: &Head) -> Result<(Verdict, Next), Refusal> {
        const BOTH: u32 = PROT_WRITE | PROT_EXEC;
        let source = Fd(self.fd);
        let elf = Elf::parse(&source, head)?;
        let mut buffer = [0; PATH_MAX];
        let interp = elf.interp_path(&source, &mut buffer)?.map(CString::from);
        let bytes = Bytes::of(self)?;
        let unknown = Refusal::new(Errno::NOEXEC, What::UnknownFormat);
        let plan = text::plan_of(self.fd, bytes.get()).map_err(|_| unknown)?;
        let built = plan.is_empty()
            || plan.build(None, [0; 6]).is_some_and(|image| Blob::parse(&image).is_some());
        let sites = Sites {
            patched: plan.sites().into(),
            refused: plan.refused().into(),
            fixed: plan.fixed().into(),
            out_of_reach: !built,
            writable_text: elf
                .segments(&source)
                .any(|segment| segment.is_ok_and(|segment| segment.prot() & BOTH == BOTH)),
            executable_stack: executable_stack::is_wanted(&elf),
            is_watch_offered: watch::offered().is_ok(),
        };
        let linkage = Linkage::read(bytes.get()).unwrap_or_default();
        let wanted = Wanted::of(&linkage);
        Ok((Verdict::Mapped(sites), Next::Linked { interp, wanted }))
    }
}

/// A file's bytes, mapped.
struct Bytes {
    start: usize,
    length: usize,
}

impl Bytes {
    fn of(file: &Opened) -> Result<Self, Refusal> {
        let unreadable = |errno| Refusal::new(errno, What::Unreadable);
        let length = usize::try_from(file.stat.size).map_err(|_| unreadable(Errno::NOMEM))?;
        let start = sys::map_private(file.fd, 0, length).map_err(unreadable)?;
        Ok(Self { start, length })
    }

    fn get(&self) -> &[u8] {
        // SAFETY: mapped for as long as `self`, for reading. A file that is cut while it is read
        // raises SIGBUS, as executing it would.
        unsafe { core::slice::from_raw_parts(self.start as *const u8, self.length) }
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        // SAFETY: mapped by `of`; what `get` gave has ended.
        unsafe { sys::munmap(self.start, self.length) };
    }
}
