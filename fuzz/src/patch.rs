//! Texts with system-call sites in awkward company, patched.

use crate::elf::Image;
use arbitrary::Arbitrary;
use runtime::patch::{Blob, BlobView, ShapeSet, SiteRecord, analyze};

/// Where the text is in the file and in memory.
const TEXT: u64 = 0x1000;
const BASE: u64 = 0x40_0000;

/// The names that `--shapes` takes.
const SHAPES: [&str; 7] = ["direct", "mov", "pad", "before", "after", "pun", "trap"];

/// A few instructions of x86-64. On other machines they are as good as any bytes.
#[derive(Debug, Arbitrary)]
enum Piece {
    Syscall,
    Int80,
    /// `mov $N,%eax; syscall`
    Numbered(u32),
    /// `xor %eax,%eax`
    Zero,
    /// `cmp $-4096,%rax`
    Compare,
    /// `mov (%rsp),%rdi`
    Load,
    /// `lea N(%rip),%rax`
    Lea(i32),
    /// A short jump or branch
    Short(bool, i8),
    /// A long jump, call or branch
    Long(u8, i16),
    /// `jmp *%rax`
    Indirect,
    /// `jmp *table(,%rax,8)` and what precedes it
    Switch(u8, i32),
    Ret,
    Nops(u8),
    Int3s(u8),
    Endbr,
    Raw(Vec<u8>),
}

impl Piece {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Syscall => out.extend(b"\x0f\x05"),
            Self::Int80 => out.extend(b"\xcd\x80"),
            Self::Numbered(number) => {
                out.push(0xb8);
                out.extend(number.to_le_bytes());
                out.extend(b"\x0f\x05");
            }
            Self::Zero => out.extend(b"\x31\xc0"),
            Self::Compare => out.extend(b"\x48\x3d\x00\xf0\xff\xff"),
            Self::Load => out.extend(b"\x48\x8b\x3c\x24"),
            Self::Lea(to) => {
                out.extend(b"\x48\x8d\x05");
                out.extend(to.to_le_bytes());
            }
            Self::Short(always, to) => out.extend([if *always { 0xeb } else { 0x75 }, *to as u8]),
            Self::Long(kind, to) => {
                out.extend([b"\xe9".as_slice(), b"\xe8", b"\x0f\x84"][usize::from(kind % 3)]);
                out.extend(i32::from(*to).to_le_bytes());
            }
            Self::Indirect => out.extend(b"\xff\xe0"),
            Self::Switch(most, table) => {
                // cmp $N,%eax; ja +2; lea table(%rip),%rdx; movslq (%rdx,%rax,4),%rax;
                // add %rdx,%rax; jmp *%rax
                out.extend([0x83, 0xf8, *most, 0x77, 0x10, 0x48, 0x8d, 0x15]);
                out.extend(table.to_le_bytes());
                out.extend(b"\x48\x63\x04\x82\x48\x01\xd0\xff\xe0");
            }
            Self::Ret => out.push(0xc3),
            Self::Nops(count) => out.resize(out.len() + usize::from(count % 32), 0x90),
            Self::Int3s(count) => out.resize(out.len() + usize::from(count % 32), 0xcc),
            Self::Endbr => out.extend(b"\xf3\x0f\x1e\xfa"),
            Self::Raw(bytes) => out.extend(bytes),
        }
    }
}

/// A program to be patched.
#[derive(Debug, Arbitrary)]
pub struct Program {
    code: Vec<Piece>,
    /// So many bytes before the first piece: sites reach page ends.
    skip: u16,
    entry: u16,
    /// Which shapes may be used; all in their own order for none.
    shapes: Vec<u8>,
    skipped: Option<u16>,
    spoiled: Vec<(u16, u8)>,
    blob_spoiled: Vec<(u32, u8)>,
}

impl Program {
    fn build(&self) -> Vec<u8> {
        let mut code = vec![0xcc; usize::from(self.skip % 0x1100)];
        let entry = code.len() as u64 + u64::from(self.entry % 64);
        for piece in &self.code {
            piece.write(&mut code);
        }
        let mut file = Image::executable(BASE + TEXT + entry, TEXT, BASE + TEXT, &code);
        for &(at, value) in &self.spoiled {
            if let Some(byte) = file.get_mut(usize::from(at)) {
                *byte = value;
            }
        }
        file
    }

    fn shapes(&self) -> ShapeSet {
        let mut names: Vec<&str> = Vec::new();
        for shape in &self.shapes {
            let name = SHAPES[usize::from(*shape) % SHAPES.len()];
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            return ShapeSet::default();
        }
        ShapeSet::parse(&names.join(",")).expect("each name is known and there once")
    }

    /// Patches the program, opens the result, and does so again with a damaged result.
    pub fn check(&self) {
        let file = self.build();
        let skipped = self.skipped.map(|skipped| BASE + TEXT + u64::from(skipped));
        let Ok(plan) = analyze(&file, &self.shapes(), &|site| Some(site) == skipped) else {
            return;
        };
        let key = [1, 2, 3, 4, 5, 6];
        let Some(mut blob) = plan.build(None, key) else { return };
        let view = Blob::parse(&blob).expect("what was built can be opened");
        assert_eq!(view.key(), key);
        look(&view);
        compare(&view, &file, skipped);
        for &(at, value) in &self.blob_spoiled {
            let at = at as usize % blob.len();
            blob[at] = value;
        }
        if let Some(view) = Blob::parse(&blob) {
            look(&view);
        }
    }
}

/// One input.
#[derive(Debug, Arbitrary)]
pub enum Input {
    /// A program with sites.
    Program(Program),
    /// A broken ELF file.
    Elf(Image),
    /// Any bytes, as a program and as a patched image.
    Raw(Vec<u8>),
}

impl Input {
    /// Patches it.
    pub fn check(&self) {
        match self {
            Self::Program(program) => program.check(),
            Self::Elf(image) => check_bytes(&image.build()),
            Self::Raw(bytes) => check_bytes(bytes),
        }
    }
}

/// Patches any file and opens any bytes as a patched image.
fn check_bytes(file: &[u8]) {
    if let Ok(plan) = analyze(file, &ShapeSet::default(), &|_| false)
        && let Some(blob) = plan.build(None, [0; 6])
    {
        look(&Blob::parse(&blob).expect("what was built can be opened"));
    }
    if let Some(view) = Blob::parse(file) {
        look(&view);
    }
}

/// Asks everything that the resident asks.
fn look(view: &BlobView<'_>) {
    let count = view.sites().map(|site| {
        for address in [site.vaddr, site.head, site.tail, site.vaddr.wrapping_add(2)] {
            let _ = view.resume_from(address);
        }
        let middle = site.stub + u32::from(site.stub_len / 2);
        for offset in [site.stub, middle, u32::MAX] {
            let _ = view.original_pc(offset);
        }
        assert!(view.site_by_vaddr(site.vaddr).is_some() || view.site_count() > 1);
    });
    assert_eq!(count.count(), view.site_count());
    assert!(view.runs().all(|run| view.text(&run).len() as u64 == run.len));
    let _ = (view.refused().count(), view.stubs().len(), view.shapes(), view.has_traps());
}

/// Nothing changes but near sites, and nothing at a candidate that was refused.
fn compare(view: &BlobView<'_>, file: &[u8], skipped: Option<u64>) {
    let sites: Vec<_> = view.sites().collect();
    // What overlaps the instructions around a proven site changes with them.
    let alone = |vaddr: u64| sites.iter().all(|site| vaddr + 2 <= site.head || site.tail <= vaddr);
    let refused: Vec<u64> =
        view.refused().map(|refused| refused.vaddr).filter(|vaddr| alone(*vaddr)).collect();
    if let Some(skipped) = skipped {
        assert!(sites.iter().all(|site| site.vaddr != skipped));
    }
    for run in view.runs() {
        for (at, byte) in view.text(&run).iter().enumerate() {
            let original = file.get(run.file_offset as usize + at).copied().unwrap_or(0);
            if *byte == original {
                continue;
            }
            let vaddr = run.vaddr + at as u64;
            // A short jump reaches padding that far away, and a long one is five bytes.
            let near = |site: &SiteRecord| vaddr.abs_diff(site.vaddr) < 128 + 8;
            assert!(sites.iter().any(near), "{vaddr:#x} changed, far from any site");
            let holds = |refused: &u64| (*refused..refused + 2).contains(&vaddr);
            assert!(!refused.iter().any(holds), "{vaddr:#x} changed, a site that is not proven");
        }
    }
}
