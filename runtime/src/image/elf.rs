//! ELF executables, by the rules of `load_elf_binary` (`fs/binfmt_elf.c`).

use super::source::read_exact;
use super::{
    Class, Head, Header, Limits, ProgramHeader, ProgramHeaders, Refusal, Segment, Source, What,
    native, property,
};
use crate::sys::{self, Errno};
use core::ffi::CStr;
use core::ops::Range;
use goblin::elf::header::{ELFMAG, ET_DYN, ET_EXEC};
use goblin::elf::program_header::{PF_X, PT_GNU_PROPERTY, PT_GNU_STACK, PT_INTERP, PT_LOAD};

/// The longest path of an interp, its NUL included (`PATH_MAX`).
pub const PATH_MAX: usize = linux_raw_sys::general::PATH_MAX as usize;

/// The largest size of all program headers together (`load_elf_phdrs`).
const MAX_HEADERS: usize = 65536;

/// Whether an image has addresses of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `ET_EXEC`: at the addresses it names.
    Exec,
    /// `ET_DYN`: at any load bias.
    Dyn,
}

/// What `PT_GNU_STACK` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stack {
    /// There is none: `EXSTACK_DEFAULT`.
    Default,
    /// With `PF_X`: `EXSTACK_ENABLE_X`.
    Executable,
    /// Without: `EXSTACK_DISABLE_X`.
    NotExecutable,
}

/// An executable file as the kernel sees it. It holds no memory and no descriptor: what it
/// describes is read from the same [`Source`] again.
#[derive(Clone, Debug)]
pub struct Elf {
    /// The ELF header.
    pub header: Header,
    /// Whether it has addresses of its own.
    pub kind: Kind,
    /// The layout of its structures.
    pub class: Class,
    /// Offset and size of the first `PT_INTERP`'s path, its final NUL included: at least 2, at
    /// most [`PATH_MAX`] bytes.
    pub interp: Option<Range<u64>>,
    /// The last `PT_GNU_STACK`.
    pub stack: Stack,
    /// How many `PT_LOAD` there are. A program without any is executed and dies at its entry
    /// point.
    pub loads: u16,
    /// From the lowest `p_vaddr` to the highest `p_vaddr + p_memsz` of all `PT_LOAD`, not
    /// rounded to pages; empty without any.
    pub span: Range<u64>,
    /// The largest `p_align` of all `PT_LOAD` that is a power of two, else 0
    /// (`maximum_alignment`).
    pub align: u64,
    /// Where the program headers are in memory, before the load bias: in the last `PT_LOAD`
    /// that contains `e_phoff`; 0 if none does. The kernel does not look at `PT_PHDR`.
    pub phdr_vaddr: u64,
    /// `mm->start_code` to `end_code`, before the load bias. Without an executable segment the
    /// start is the last address, as the kernel has it.
    pub code: Range<u64>,
    /// `mm->start_data` to `end_data`, before the load bias.
    pub data: Range<u64>,
    /// The last `PT_GNU_PROPERTY` before the first `PT_INTERP`: offset and size.
    pub property: Option<Range<u64>>,
}

impl Elf {
    /// Reads a program and makes the checks that come before the point of no return and do not
    /// need the interp. What follows are, in the kernel's order: [`interp_path`](Self::interp_path)
    /// and opening it, [`read_interp`](Self::read_interp) or else
    /// [`check_property`](Self::check_property), the point of no return, and
    /// [`check_load`](Self::check_load) of the program and of the interp.
    pub fn read<S: Source + ?Sized>(source: &S) -> Result<Self, Refusal> {
        Self::parse(source, &Head::read(source)?)
    }

    /// As [`read`](Self::read), with the file's beginning at hand.
    pub fn parse<S: Source + ?Sized>(source: &S, head: &Head) -> Result<Self, Refusal> {
        let class = native::CLASS;
        let header = match class.header(&head.bytes) {
            Some(header) if head.bytes.starts_with(ELFMAG) => header,
            _ => return Err(head.unknown()),
        };
        let noexec = |what| Refusal::new(Errno::NOEXEC, what);
        let Some(kind) = kind(&header) else {
            return Err(noexec(What::Type(header.kind)));
        };
        if !native::accepts(header.class, header.machine) {
            return Err(noexec(What::Machine(header.machine)));
        }
        let elf = Self::survey(source, class, header, kind).map_err(noexec)?;
        elf.check_interp(source)?;
        Ok(elf)
    }

    /// Reads the interp and makes the checks that come before the point of no return. An
    /// `e_type` that cannot be loaded is found later by the kernel, and fatal.
    pub fn read_interp<S: Source + ?Sized>(source: &S) -> Result<Self, Refusal> {
        let class = native::CLASS;
        let mut bytes = [0; 64];
        let bytes = bytes.get_mut(..class.header_size()).unwrap_or_default();
        read_exact(source, 0, bytes).map_err(|errno| {
            let what = if errno == Errno::IO { What::TruncatedHeader } else { What::Unreadable };
            Refusal::new(errno, what)
        })?;
        let libbad = |what| Refusal::new(Errno::LIBBAD, what);
        let header = match class.header(bytes) {
            Some(header) if bytes.starts_with(ELFMAG) => header,
            _ => return Err(libbad(What::NotElf)),
        };
        if !native::accepts(header.class, header.machine) {
            return Err(libbad(What::Machine(header.machine)));
        }
        let kind_or_any = kind(&header).unwrap_or(Kind::Dyn);
        let mut elf = Self::survey(source, class, header, kind_or_any).map_err(libbad)?;
        elf.interp = None;
        elf.check_property(source)?;
        if kind(&header).is_none() {
            // load_elf_interp gives ~0, which is -EPERM.
            return Err(Refusal::fatal(Errno::PERM, What::Type(header.kind)));
        }
        Ok(elf)
    }

    /// Reads all program headers (`load_elf_phdrs`) and notes what they say.
    fn survey<S: Source + ?Sized>(
        source: &S,
        class: Class,
        header: Header,
        kind: Kind,
    ) -> Result<Self, What> {
        if usize::from(header.phentsize) != class.phentsize() {
            return Err(What::HeaderSize(header.phentsize));
        }
        let size = class.phentsize() * usize::from(header.phnum);
        if size == 0 || size > MAX_HEADERS {
            return Err(What::HeaderCount(header.phnum));
        }
        let mut elf = Self {
            header,
            kind,
            class,
            interp: None,
            stack: Stack::Default,
            loads: 0,
            span: 0..0,
            align: 0,
            phdr_vaddr: 0,
            code: Range { start: u64::MAX, end: 0 },
            data: 0..0,
            property: None,
        };
        for each in elf.program_headers(source) {
            let (_, segment) = each.map_err(|_| What::TruncatedHeaders(header.phoff))?;
            elf.note(&segment);
        }
        Ok(elf)
    }

    fn note(&mut self, segment: &ProgramHeader) {
        let range = segment.offset..segment.offset.wrapping_add(segment.filesz);
        match segment.kind {
            PT_INTERP if self.interp.is_none() => self.interp = Some(range),
            PT_GNU_PROPERTY if self.interp.is_none() => self.property = Some(range),
            PT_GNU_STACK if segment.flags & PF_X != 0 => self.stack = Stack::Executable,
            PT_GNU_STACK => self.stack = Stack::NotExecutable,
            PT_LOAD => self.note_load(segment, &range),
            _ => {}
        }
    }

    fn note_load(&mut self, segment: &ProgramHeader, file: &Range<u64>) {
        // The sums wrap only in segments that `check_load` refuses.
        let start = segment.vaddr;
        let file_end = start.wrapping_add(segment.filesz);
        let end = start.wrapping_add(segment.memsz);
        self.span = match self.loads {
            0 => start..end,
            _ => self.span.start.min(start)..self.span.end.max(end),
        };
        self.loads += 1;
        if segment.align.is_power_of_two() {
            self.align = self.align.max(segment.align);
        }
        if file.contains(&self.header.phoff) {
            self.phdr_vaddr = (self.header.phoff - file.start).wrapping_add(start);
        }
        if segment.flags & PF_X != 0 {
            self.code = self.code.start.min(start)..self.code.end.max(file_end);
        }
        self.data = self.data.start.max(start)..self.data.end.max(file_end);
    }

    /// The checks of `PT_INTERP` that come before the interp is opened.
    fn check_interp<S: Source + ?Sized>(&self, source: &S) -> Result<(), Refusal> {
        let Some(path) = &self.interp else {
            return Ok(());
        };
        let size = path.end.wrapping_sub(path.start);
        if !(2..=PATH_MAX as u64).contains(&size) {
            return Err(Refusal::new(Errno::NOEXEC, What::InterpSize(size)));
        }
        let truncated = |errno| Refusal::new(errno, What::InterpTruncated(path.start));
        if path.end < path.start || path.end > i64::MAX as u64 {
            return Err(truncated(Errno::INVAL));
        }
        let mut last = [0];
        read_exact(source, path.end - 1, &mut last).map_err(truncated)?;
        if last != [0] {
            return Err(Refusal::new(Errno::NOEXEC, What::InterpUnterminated));
        }
        Ok(())
    }

    /// Reads the interp's path into `buf`. `Ok(None)` if the program has no interp. Errors of
    /// opening the path pass through to the caller of `execve`; an empty one is the working
    /// directory to `open_exec`, which is `EACCES`.
    pub fn interp_path<'a, S: Source + ?Sized>(
        &self,
        source: &S,
        buf: &'a mut [u8; PATH_MAX],
    ) -> Result<Option<&'a CStr>, Refusal> {
        let Some(range) = &self.interp else {
            return Ok(None);
        };
        let size = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let Some(bytes) = buf.get_mut(..size) else {
            return Err(Refusal::new(Errno::NOEXEC, What::InterpSize(size as u64)));
        };
        read_exact(source, range.start, bytes)
            .map_err(|errno| Refusal::new(errno, What::InterpTruncated(range.start)))?;
        match CStr::from_bytes_until_nul(bytes) {
            Ok(path) if path.is_empty() => Err(Refusal::new(Errno::ACCES, What::InterpEmpty)),
            Ok(path) => Ok(Some(path)),
            Err(_) => Err(Refusal::new(Errno::NOEXEC, What::InterpUnterminated)),
        }
    }

    /// Checks `PT_GNU_PROPERTY` where the kernel does, the last check before the point of no
    /// return: the interp's, which [`read_interp`](Self::read_interp) has then done, or the
    /// program's when it has no interp.
    pub fn check_property<S: Source + ?Sized>(&self, source: &S) -> Result<(), Refusal> {
        match (native::GNU_PROPERTY, &self.property) {
            (Some(known), Some(range)) => property::check(source, range, self.class, known)
                .map_err(|errno| Refusal::new(errno, What::Property)),
            _ => Ok(()),
        }
    }

    /// What the kernel finds wrong while it maps the program's segments, past the point of no
    /// return. What depends on the memory there is (a huge bss, an address that is taken) shows
    /// when they are mapped: any error is then fatal too. [`check_entry`](Self::check_entry)
    /// follows.
    pub fn check_load<S: Source + ?Sized>(
        &self,
        source: &S,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        self.check_segments(source, limits, false)?;
        if self.interp.is_none() && self.kind == Kind::Exec {
            self.check_entry(0, limits)?;
        }
        Ok(())
    }

    /// The kernel's last check of an image: the entry point, which is the interp's when there is
    /// one, and else the program's, must be in the address space. `bias` is 0 for
    /// [`Kind::Exec`]; it wraps around where an interp names high addresses.
    pub fn check_entry(&self, bias: u64, limits: &Limits) -> Result<(), Refusal> {
        let entry = self.header.entry;
        if entry.wrapping_add(bias) >= limits.task_size {
            return Err(Refusal::fatal(Errno::INVAL, What::Entry(entry)));
        }
        Ok(())
    }

    /// As [`check_load`](Self::check_load), for an image that is loaded as interp
    /// (`load_elf_interp`): its own addresses do not count when it is `ET_DYN`.
    pub fn check_load_interp<S: Source + ?Sized>(
        &self,
        source: &S,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        if self.map_size(limits) == 0 {
            return Err(Refusal::fatal(Errno::INVAL, What::NothingToLoad));
        }
        self.check_segments(source, limits, self.kind == Kind::Dyn)
    }

    fn check_segments<S: Source + ?Sized>(
        &self,
        source: &S,
        limits: &Limits,
        interp: bool,
    ) -> Result<(), Refusal> {
        for segment in self.segments(source) {
            // The file was readable when it was surveyed.
            let segment = segment.map_err(|errno| Refusal::fatal(errno, What::Unreadable))?;
            if self.kind == Kind::Dyn && self.map_size(limits) == 0 {
                return Err(Refusal::fatal(Errno::INVAL, What::NothingToLoad));
            }
            segment.check(source, limits, interp)?;
        }
        Ok(())
    }

    /// The size of memory from the first segment's page to the end of the last
    /// (`total_mapping_size`), not rounded at the end; 0 without segments.
    pub fn map_size(&self, limits: &Limits) -> u64 {
        if self.loads == 0 {
            return 0;
        }
        self.span.end.wrapping_sub(limits.page_start(self.span.start))
    }

    /// The alignment of the load bias: at least a page (`maximum_alignment`).
    pub fn load_align(&self, limits: &Limits) -> u64 {
        limits.page_align(self.align).max(limits.page_size)
    }

    /// Whether the program's personality gets `READ_IMPLIES_EXEC` (`elf_read_implies_exec`).
    pub fn read_implies_exec(&self) -> bool {
        native::READ_IMPLIES_EXEC && self.stack == Stack::Default
    }

    /// All program headers with their place, in order, read from `source` sixteen at a time.
    pub fn program_headers<'a, S: Source + ?Sized>(&self, source: &'a S) -> ProgramHeaders<'a, S> {
        ProgramHeaders::new(source, self.class, self.header.phoff, self.header.phnum)
    }

    /// The `PT_LOAD` segments in order.
    pub fn segments<'a, S: Source + ?Sized>(
        &self,
        source: &'a S,
    ) -> impl Iterator<Item = sys::Result<Segment>> + use<'a, S> {
        self.program_headers(source).filter_map(|each| match each {
            Ok((index, header)) if header.kind == PT_LOAD => Some(Ok(Segment { index, header })),
            Ok(_) => None,
            Err(errno) => Some(Err(errno)),
        })
    }
}

fn kind(header: &Header) -> Option<Kind> {
    match header.kind {
        ET_EXEC => Some(Kind::Exec),
        ET_DYN => Some(Kind::Dyn),
        _ => None,
    }
}
