//! What the documents say of options and folders is what there is; what tests need, `cargo xtask setup` brings.

use regex_lite::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use vload_tests::cases;
use vload_tests::confinement::Confinement;
use vload_tests::needs::Need;

const HELP: &str = include_str!("../../loader/src/help.rs");
const README: &str = include_str!("../../README.md");
const MANUAL: &str = include_str!("../../docs/man/vload.1");
const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");
const SETUP: &str = include_str!("../../xtask/src/setup.rs");
const EXTRA: &str = include_str!("../../xtask/src/extra.rs");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn found(pattern: &str, text: &str) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).expect("a pattern");
    pattern.captures_iter(text).map(|captures| captures[1].to_string()).collect()
}

/// The options that the help text explains: the words its indented lines begin with.
fn options() -> BTreeSet<String> {
    let line = Regex::new(r"^ +(-[a-zA-Z-]+)(?:, (--[a-z-]+))?").expect("a pattern");
    let words = HELP.lines().filter_map(|text| line.captures(text)).flat_map(|captures| {
        [captures.get(1), captures.get(2)]
            .into_iter()
            .flatten()
            .map(|word| word.as_str().to_string())
            .collect::<Vec<_>>()
    });
    words.collect()
}

#[test]
fn readme_has_every_option_and_no_other() {
    let cells = found(r"(?m)^\| (`-[^|]*) \|", README);
    let listed = cells.iter().flat_map(|cell| found(r"`(-[a-zA-Z-]+)", cell)).collect();
    let options = options();
    assert!(options.contains("--log"), "the help text is not understood: {options:?}");
    assert_eq!(options, listed);
}

#[test]
fn manual_has_every_option_and_no_other() {
    let mut listed = BTreeSet::new();
    for item in MANUAL.lines().filter_map(|line| line.strip_prefix(".It Fl ")) {
        // `.It Fl h , \&-help`: a word ends the option unless another follows the comma.
        let item = item.replace(r"\&", "");
        let mut words = item.split(' ');
        listed.extend(words.next().map(|word| format!("-{word}")));
        while words.next() == Some(",") {
            listed.extend(words.next().map(|word| format!("-{word}")));
        }
    }
    assert_eq!(options(), listed);
}

#[test]
fn manual_and_readme_name_every_shape() {
    let shapes = ["direct", "mov", "pad", "before", "after", "pun", "trap"];
    for shape in shapes {
        let set = runtime::patch::ShapeSet::parse(shape);
        assert!(set.is_ok(), "{shape} is no shape");
        assert!(found(r"\b([a-z]+)\b", MANUAL).contains(shape), "the manual lacks {shape}");
        assert!(found(r"`([a-z]+)`", README).contains(shape), "the README lacks {shape}");
    }
}

/// The folders of `path` that hold files.
fn folders(path: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(path).expect("the sources can be listed").flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn architecture_names_the_folders_of_the_runtime() {
    let (_, after) = ARCHITECTURE.split_once("The folders of `runtime/src`:").expect("the table");
    let table: Vec<&str> =
        after.trim_start().lines().take_while(|line| line.starts_with('|')).collect();
    let named = found(r"(?m)^\| `([a-z0-9_]+)` \|", &table.join("\n"));
    assert_eq!(named, folders(&root().join("runtime/src")));
}

#[test]
fn links_lead_somewhere() {
    let limits = root().join("docs/limits.md");
    let debugging = root().join("docs/debugging.md");
    let modules = root().join("docs/modules.md");
    let top = ["README.md", "ARCHITECTURE.md"].map(|name| root().join(name));
    for document in top.into_iter().chain([limits, debugging, modules]) {
        let text = fs::read_to_string(&document).expect("the document can be read");
        let folder = document.parent().expect("a folder");
        for link in found(r"\]\(([^)]+)\)", &text) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { document.clone() } else { folder.join(file) };
            assert!(target.exists(), "{}: {link}", document.display());
            if !heading.is_empty() {
                let target = fs::read_to_string(&target).expect("the document can be read");
                let headings = target.lines().filter_map(|line| line.strip_prefix('#'));
                let mut anchors = headings.map(|line| {
                    line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-")
                });
                assert!(anchors.any(|anchor| anchor == heading), "{}: {link}", document.display());
            }
        }
    }
}

#[test]
fn setup_brings_every_program_that_a_test_needs() {
    let brought = found(r#"\("([^"]+)", "[^"]+"\)"#, &format!("{SETUP}{EXTRA}"));
    let cases = cases::all();
    let needs = cases.iter().flat_map(|case| &case.needs);
    let confinements = Confinement::ALL.iter().flat_map(|confinement| confinement.needs);
    let needed: BTreeSet<String> = needs
        .chain(confinements)
        .filter_map(|need| match need {
            Need::Program(name) | Need::Extra(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect();
    assert!(needed.contains("gdb"), "the needs are not understood: {needed:?}");
    let missing: Vec<_> = needed.difference(&brought).collect();
    assert!(missing.is_empty(), "setup does not bring {missing:?}");
}
