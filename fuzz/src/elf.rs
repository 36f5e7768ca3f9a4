//! ELF files that are right but for some fields.

use arbitrary::Arbitrary;
use runtime::image::{Class, Elf, Kind, Limits, PATH_MAX, Placement, Segment, native};

const PAGE: u64 = 0x1000;

/// The value of a field.
#[derive(Debug, Arbitrary)]
enum Field {
    /// What it should be.
    Right,
    /// Beside that.
    Near(i8),
    /// With one bit changed.
    Flipped(u8),
    /// Beside a power of two, or its negative.
    Edge(u8, i8),
    /// In pages, so that alignments still hold.
    Pages(u16),
    /// Anything.
    Any(u64),
}

impl Field {
    fn value(&self, right: u64) -> u64 {
        match *self {
            Self::Right => right,
            Self::Near(by) => right.wrapping_add_signed(by.into()),
            Self::Flipped(bit) => right ^ 1 << (bit % 64),
            Self::Edge(bit, by) => (1u64 << (bit % 64)).wrapping_add_signed(by.into()),
            Self::Pages(pages) => (u64::from(pages) * PAGE).wrapping_add(right % PAGE),
            Self::Any(any) => any,
        }
    }
}

/// The types of program headers that mean something to the kernel.
#[derive(Debug, Arbitrary)]
enum Type {
    Load,
    Interp,
    Stack,
    Property,
    Phdr,
    Other(u32),
}

#[derive(Debug, Arbitrary)]
struct Header {
    kind: Type,
    flags: u8,
    offset: Field,
    vaddr: Field,
    filesz: Field,
    memsz: Field,
    align: Field,
}

/// One ELF file.
#[derive(Debug, Arbitrary)]
pub struct Image {
    dynamic: bool,
    /// Bytes of the ELF header that are changed.
    spoiled: Option<(u8, u8)>,
    kind: Field,
    machine: Field,
    entry: Field,
    phoff: Field,
    phentsize: Field,
    phnum: Field,
    headers: Vec<Header>,
    /// What `PT_INTERP` and `PT_GNU_PROPERTY` point to.
    text: Vec<u8>,
    len: Field,
}

impl Image {
    /// A right file that is one executable segment: `code` at `offset`, mapped at `vaddr`.
    pub fn executable(entry: u64, offset: u64, vaddr: u64, code: &[u8]) -> Vec<u8> {
        let header = Header {
            kind: Type::Load,
            flags: 5,
            offset: Field::Any(offset),
            vaddr: Field::Any(vaddr),
            filesz: Field::Any(code.len() as u64),
            memsz: Field::Any(code.len() as u64),
            align: Field::Right,
        };
        let image = Self {
            dynamic: false,
            spoiled: None,
            kind: Field::Right,
            machine: Field::Right,
            entry: Field::Any(entry),
            phoff: Field::Right,
            phentsize: Field::Right,
            phnum: Field::Right,
            headers: vec![header],
            text: Vec::new(),
            len: Field::Right,
        };
        let mut file = image.build();
        file.resize(offset as usize, 0);
        file.extend(code);
        file
    }
}

fn machine() -> u16 {
    let accepted = |machine: &u16| native::accepts(1, *machine) || native::accepts(2, *machine);
    [62, 3, 183, 243].into_iter().find(accepted).unwrap_or(0)
}

impl Image {
    /// The file's bytes.
    pub fn build(&self) -> Vec<u8> {
        let class = native::CLASS;
        let text = class.header_size() + class.phentsize() * self.headers.len();
        let mut out = b"\x7fELF".to_vec();
        out.extend([if class == Class::Elf64 { 2 } else { 1 }, 1, 1]);
        out.resize(16, 0);
        half(&mut out, self.kind.value(if self.dynamic { 3 } else { 2 }));
        half(&mut out, self.machine.value(machine().into()));
        out.extend(1u32.to_ne_bytes());
        word(&mut out, self.entry.value(0x40_0000));
        word(&mut out, self.phoff.value(class.header_size() as u64));
        word(&mut out, 0);
        out.extend(0u32.to_ne_bytes());
        half(&mut out, class.header_size() as u64);
        half(&mut out, self.phentsize.value(class.phentsize() as u64));
        half(&mut out, self.phnum.value(self.headers.len() as u64));
        out.resize(class.header_size(), 0);
        if let Some((at, value)) = self.spoiled
            && let Some(byte) = out.get_mut(usize::from(at))
        {
            *byte = value;
        }
        for (index, header) in self.headers.iter().enumerate() {
            header.write(&mut out, index as u64, text as u64, self.text.len() as u64);
        }
        out.extend(&self.text);
        if !matches!(self.len, Field::Right) {
            let len = self.len.value(out.len() as u64).min(2 * out.len() as u64);
            out.resize(len as usize, 0);
        }
        out
    }
}

impl Header {
    fn write(&self, out: &mut Vec<u8>, index: u64, text: u64, text_size: u64) {
        let (kind, offset, size) = match self.kind {
            Type::Load => (1, 0, 2 * PAGE),
            Type::Interp => (3, text, text_size),
            Type::Stack => (0x6474_e551, 0, 0),
            Type::Property => (0x6474_e553, text, text_size),
            Type::Phdr => (6, native::CLASS.header_size() as u64, PAGE),
            Type::Other(kind) => (kind, 0, 0),
        };
        let flags = u32::from(self.flags);
        out.extend(kind.to_ne_bytes());
        if native::CLASS == Class::Elf64 {
            out.extend(flags.to_ne_bytes());
        }
        word(out, self.offset.value(offset));
        let vaddr = self.vaddr.value(index * 16 * PAGE);
        word(out, vaddr);
        word(out, vaddr);
        word(out, self.filesz.value(size));
        word(out, self.memsz.value(size + 100));
        if native::CLASS == Class::Elf32 {
            out.extend(flags.to_ne_bytes());
        }
        word(out, self.align.value(PAGE));
    }
}

fn half(out: &mut Vec<u8>, value: u64) {
    out.extend((value as u16).to_ne_bytes());
}

fn word(out: &mut Vec<u8>, value: u64) {
    match native::CLASS {
        Class::Elf64 => out.extend(value.to_ne_bytes()),
        Class::Elf32 => out.extend((value as u32).to_ne_bytes()),
    }
}

/// Reads a file as a program and as an interp, and checks what is said about it.
pub fn check(program: &[u8], interp: Option<&[u8]>) {
    for page_size in [PAGE, 16 * PAGE] {
        let limits = Limits::new(page_size);
        if let Ok(elf) = Elf::read(program) {
            check_elf(&elf, program, &limits, false);
            check_interp_path(&elf, program);
        }
        if let Some(interp) = interp
            && let Ok(elf) = Elf::read_interp(interp)
        {
            check_elf(&elf, interp, &limits, true);
        }
    }
    assert!(is_quiet(Elf::read(program)) && is_quiet(Elf::read_interp(program)));
}

/// A refusal can always be told.
fn is_quiet(read: Result<Elf, runtime::image::Refusal>) -> bool {
    match read {
        Ok(_) => true,
        Err(refusal) => {
            matches!(refusal.exit_status(), 126 | 127) && !refusal.to_string().is_empty()
        }
    }
}

fn check_interp_path(elf: &Elf, file: &[u8]) {
    let mut buf = [0; PATH_MAX];
    match elf.interp_path(file, &mut buf) {
        Ok(None) => assert_eq!(elf.interp, None),
        Ok(Some(path)) => {
            let range = elf.interp.clone().expect("there is a path");
            assert!(path.count_bytes() < (range.end - range.start) as usize);
            assert!(file[range.start as usize..].starts_with(path.to_bytes_with_nul()));
        }
        // Reading found the last byte to be a NUL, so only an empty path is left.
        Err(refusal) => assert_eq!(refusal.errno.0, 13),
    }
}

fn check_elf(elf: &Elf, file: &[u8], limits: &Limits, interp: bool) {
    let segments: Vec<Segment> =
        elf.segments(file).map(|segment| segment.expect("was read before")).collect();
    assert_eq!(segments.len(), usize::from(elf.loads));
    assert!(elf.load_align(limits).is_power_of_two() || elf.load_align(limits) == limits.page_size);
    let loadable =
        if interp { elf.check_load_interp(file, limits) } else { elf.check_load(file, limits) };
    match loadable {
        Err(refusal) => assert!(refusal.fatal && !refusal.to_string().is_empty()),
        Ok(()) => {
            for segment in &segments {
                check_segment(elf, segment, limits, interp);
            }
        }
    }
}

/// What passed the checks can be placed, inside the image's span and the address space.
fn check_segment(elf: &Elf, segment: &Segment, limits: &Limits, interp: bool) {
    let bias = if interp && elf.kind == Kind::Dyn {
        // The first segment goes to some address; here to the middle of the address space.
        limits.page_start(limits.task_size / 2).wrapping_sub(limits.page_start(elf.span.start))
    } else {
        0
    };
    let Some(Placement { file, offset, tail, bss }) = segment.place(bias, limits) else {
        assert!(interp, "a program's own addresses were checked: {segment:x?}");
        return;
    };
    assert!(file.start <= file.end && tail.start <= tail.end && bss.start <= bss.end);
    for address in [file.start, file.end, offset, bss.start, bss.end, tail.end] {
        assert_eq!(limits.page_offset(address), 0, "{segment:x?}");
    }
    assert!(tail.end - tail.start < limits.page_size);
    assert!(file.is_empty() || (bss.start == file.end && tail.end == file.end));
    if !interp {
        assert!(bss.end.max(file.end) <= limits.page_align(limits.task_size));
        let span = limits.page_start(elf.span.start)..limits.page_align(elf.span.end);
        assert!(file.is_empty() || (span.start <= file.start && file.end <= span.end));
        assert!(bss.is_empty() || (span.start <= bss.start && bss.end <= span.end));
    }
}
