//! Prints what would be done to the sites of the given files.
#![allow(missing_docs)]
use runtime::patch::{self, Blob, ShapeSet};
use std::collections::BTreeMap;
use std::time::Instant;

fn main() {
    let mut shapes = ShapeSet::default();
    for path in std::env::args().skip(1) {
        if let Some(list) = path.strip_prefix("--shapes=") {
            shapes = ShapeSet::parse(list).expect("shapes");
            continue;
        }
        let Ok(file) = std::fs::read(&path) else {
            println!("{path}: unreadable");
            continue;
        };
        let mut best = u128::MAX;
        let mut build = u128::MAX;
        let (mut blob, mut plan);
        let mut rounds = 0;
        loop {
            let start = Instant::now();
            plan = match patch::analyze(&file, &shapes, &|_| false) {
                Ok(p) => p,
                Err(e) => {
                    println!("{path}: {e:?}");
                    return;
                }
            };
            best = best.min(start.elapsed().as_micros());
            let start = Instant::now();
            blob = plan.build(None, [0; 6]).expect("build");
            build = build.min(start.elapsed().as_micros());
            rounds += 1;
            if rounds == 5 {
                break;
            }
        }
        let mut by = BTreeMap::new();
        for site in plan.sites() {
            *by.entry(format!(
                "{:?}{}",
                site.shape,
                if site.number.is_some() { "#" } else { "" }
            ))
            .or_insert(0) += 1;
        }
        let mut no = BTreeMap::new();
        for r in plan.refused() {
            *no.entry(format!("{:?}", r.reason)).or_insert(0) += 1;
        }
        println!(
            "{path}: {} sites {by:?} refused {no:?}; analyze {best} us, build {build} us, blob {} KB, stubs {} KB",
            plan.sites().len(),
            blob.len() >> 10,
            Blob::parse(&blob).expect("parse").stub_len() >> 10
        );
        if std::env::var_os("V").is_some() {
            for s in plan.sites() {
                println!("{s:x?}");
            }
            for r in plan.refused() {
                println!("{r:x?}");
            }
        }
    }
}
