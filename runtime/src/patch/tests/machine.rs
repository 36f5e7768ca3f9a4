//! The machine's own libraries and what its own compilers make: every candidate has an answer,
//! and none of the answers is a hole.

use crate::patch::{Blob, Plan, Refusal, Shape, ShapeSet, analyze};
use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;
use std::{eprintln, fs};

/// The file, if the machine has it.
pub fn read(path: &str) -> Option<Vec<u8>> {
    fs::read(path).inspect_err(|error| eprintln!("not tested: {path}: {error}")).ok()
}

/// What each shape is used for, and how often.
fn distribution(plan: &Plan<'_>) -> BTreeMap<Shape, usize> {
    let mut counts = BTreeMap::new();
    for site in plan.sites() {
        *counts.entry(site.shape).or_default() += 1;
    }
    counts
}

fn holes(plan: &Plan<'_>) -> Vec<String> {
    let refused = plan.refused().iter().filter(|refused| refused.reason.is_hole());
    refused.map(|refused| std::format!("{refused:x?}")).collect()
}

#[test]
fn every_site_of_the_system_libraries_is_patched() {
    for path in [
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/ld-linux-x86-64.so.2",
        "/lib/x86_64-linux-musl/libc.so",
    ] {
        let Some(file) = read(path) else { continue };
        let plan = analyze(&file, &ShapeSet::default(), &|_| false).expect("an ELF file");
        eprintln!("{path}: {} sites, {:?}", plan.sites().len(), distribution(&plan));
        assert!(!plan.is_empty());
        assert_eq!(holes(&plan), Vec::<String>::new(), "{path}");
        let blob = plan.build(None, [7; 6]).expect("in reach");
        let view = Blob::parse(&blob).expect("sound");
        assert_eq!(view.site_count(), plan.sites().len());
        assert_eq!(view.refused().count(), plan.refused().len());
        assert!(view.refused().all(|refused| refused.reason == Refusal::Inside));
    }
}
