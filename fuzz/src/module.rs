//! Images of modules: those that vload comes with, as they were built, with some of their bytes changed.

use crate::elf;
use arbitrary::Arbitrary;
use runtime::module::{Base, Offers, Plan, Prepared, judge};
use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

/// Where the built modules are: `cargo xtask fuzz --target module` says so.
const FOLDER: &str = "VLOAD_FUZZ_MODULES";

static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = PathBuf::from(env::var_os(FOLDER).expect("the folder of the built modules"));
    let files =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut modules: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "so")).collect();
    // A number in an input means the same file in every run.
    modules.sort();
    let seeds = modules.iter().map(|path| fs::read(path).expect("a file"));
    let seeds: Vec<Vec<u8>> = seeds.filter(|file| judge(file, &All).is_ok()).collect();
    assert!(seeds.len() > 2, "there are few modules in {FOLDER}");
    seeds
});

/// Everything is offered.
struct All;

impl Offers for All {
    fn find(&self, name: &[u8]) -> Option<(Base, u64)> {
        (!name.is_empty()).then_some((Base::Offered(1), 0))
    }
}

/// Nothing is.
struct Nothing;

impl Offers for Nothing {
    fn find(&self, _name: &[u8]) -> Option<(Base, u64)> {
        None
    }
}

/// Where in a file something is changed.
#[derive(Debug, Arbitrary)]
enum Place {
    /// In the headers of the file and its segments: a word of them.
    Headers(u8),
    /// In the words of a section, which this header of a section names.
    Section(u8, u16),
    /// In the headers of sections.
    Sections(u16),
    /// Anywhere.
    Any(u32),
}

/// What is put there.
#[derive(Debug, Arbitrary)]
enum Change {
    Byte(u8),
    Word(u64),
    Near(i8),
    Flipped(u8),
    /// What another place has.
    Copied(u16),
}

/// An image.
#[derive(Debug, Arbitrary)]
pub struct Image {
    seed: u8,
    changes: Vec<(Place, Change)>,
    cut: Option<u32>,
    offers_nothing: bool,
}

fn word(file: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*file.get(at..)?.first_chunk()?))
}

/// Where the headers of sections are, and where one of the sections is.
fn section(file: &[u8], index: usize) -> Option<usize> {
    let headers = usize::try_from(word(file, 40)?).ok()?;
    usize::try_from(word(file, headers.checked_add(index * 64 + 24)?)?).ok()
}

impl Place {
    fn at(&self, file: &[u8]) -> usize {
        match *self {
            Self::Headers(word) => usize::from(word) * 4,
            Self::Section(index, word) => {
                let start = section(file, usize::from(index % 32)).unwrap_or(0);
                start.saturating_add(usize::from(word) * 8)
            }
            Self::Sections(by) => {
                let headers = word(file, 40).and_then(|start| usize::try_from(start).ok());
                headers.unwrap_or(0).saturating_add(usize::from(by % 4096))
            }
            Self::Any(at) => at as usize % file.len().max(1),
        }
    }
}

impl Image {
    fn build(&self) -> Vec<u8> {
        let mut file = SEEDS[usize::from(self.seed) % SEEDS.len()].clone();
        for (place, change) in &self.changes {
            let at = place.at(&file);
            let Some(old) = word(&file, at) else { continue };
            let new = match *change {
                Change::Byte(byte) => old & !0xff | u64::from(byte),
                Change::Word(word) => word,
                Change::Near(by) => old.wrapping_add_signed(by.into()),
                Change::Flipped(bit) => old ^ 1 << (bit % 64),
                Change::Copied(from) => word(&file, usize::from(from) * 8).unwrap_or(0),
            };
            file[at..at + 8].copy_from_slice(&new.to_le_bytes());
        }
        if let Some(cut) = self.cut {
            file.truncate(cut as usize);
        }
        file
    }

    /// Judges it.
    pub fn check(&self) {
        let file = self.build();
        if self.offers_nothing { check(&file, &Nothing) } else { check(&file, &All) }
    }
}

/// One input.
#[derive(Debug, Arbitrary)]
pub enum Input {
    /// A module that was built, with changes.
    Module(Image),
    /// A broken ELF file.
    Elf(elf::Image),
    /// Any bytes, as a file and as what was made of one.
    Raw(Vec<u8>),
}

impl Input {
    /// Judges it.
    pub fn check(&self) {
        match self {
            Self::Module(image) => image.check(),
            Self::Elf(image) => check_bytes(&image.build()),
            Self::Raw(bytes) => check_bytes(bytes),
        }
    }
}

/// Judges any bytes.
fn check_bytes(file: &[u8]) {
    check(file, &All);
    check_prepared(file);
}

/// What was stored is taken only as it was made.
fn check_prepared(bytes: &[u8]) {
    assert!(Prepared::of(bytes).is_none(), "nobody finds a sum by chance");
}

fn check(file: &[u8], offers: &dyn Offers) {
    match judge(file, offers) {
        Ok(plan) => check_plan(&plan),
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
}

/// What a process does without looking: it maps the pieces, writes the words and reads the module.
fn check_plan(plan: &Plan<'_>) {
    let prepared = &plan.prepared;
    let mut end = 0;
    for piece in prepared.pieces.iter().filter(|piece| piece.start < piece.end) {
        assert!(piece.start >= end && (piece.start | piece.end).is_multiple_of(4096));
        assert!(piece.flags & 3 != 3, "writable and executable");
        end = piece.end;
    }
    assert!(end == prepared.span && prepared.span <= 64 << 20);
    let inside = |start: u64, length: u64, flags: u64| {
        prepared.pieces.iter().any(|piece| {
            piece.start <= start
                && start.checked_add(length).is_some_and(|end| end <= piece.end)
                && piece.flags & flags == flags
        })
    };
    for relocation in plan.relocations() {
        assert!(inside(relocation.at.into(), 8, 2) && relocation.at.is_multiple_of(8));
    }
    assert!(inside(prepared.module, 8, 0) && prepared.module.is_multiple_of(8));
    let [first, last] = prepared.constructors;
    assert!(first <= last && (first == last || inside(first, last - first, 0)));
    let [first, last] = prepared.relro;
    assert!(first >= last || inside(first, last - first, 2));
    assert!(prepared.name[31] == 0 && prepared.name[0] != 0);
    assert!(prepared.start.is_multiple_of(4096));
    let mut room = vec![0; plan.length()];
    let key = plan.write(&mut room, 7);
    // A vector begins at a multiple of 8, as the allocator has it.
    let found = Prepared::of(&room).expect("what was made is taken");
    assert!(found.key == key && found.framework == 7 && found.span == prepared.span);
}
