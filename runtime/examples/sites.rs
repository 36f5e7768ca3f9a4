//! Prints what would be done to the sites of the given files: `sites [--shapes=LIST] [-v] FILE...`.

use runtime::patch::{self, ShapeSet};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::time::Instant;

fn show(path: &str, shapes: &ShapeSet, verbose: bool) -> Result<(), String> {
    let file = fs::read(path).map_err(|error| error.to_string())?;
    let start = Instant::now();
    let plan = patch::analyze(&file, shapes, &|_| false).map_err(|error| format!("{error:?}"))?;
    let analyzed = start.elapsed().as_micros();
    let start = Instant::now();
    let blob = plan.build(None, [0; 6]).ok_or("stubs out of reach")?;
    let built = start.elapsed().as_micros();
    let mut counts = BTreeMap::new();
    for site in plan.sites() {
        *counts.entry(site.shape.name().to_string()).or_insert(0) += 1;
    }
    for refused in plan.refused() {
        *counts.entry(format!("{:?}", refused.reason)).or_insert(0) += 1;
    }
    println!(
        "{path}: {} sites {counts:?}, analyzed in {analyzed} us, built in {built} us, {} KB",
        plan.sites().len(),
        blob.len() >> 10
    );
    if verbose {
        plan.sites().iter().for_each(|site| println!("  {site:x?}"));
        plan.refused().iter().for_each(|refused| println!("  {refused:x?}"));
    }
    Ok(())
}

fn main() {
    let mut shapes = ShapeSet::default();
    let mut verbose = false;
    for argument in env::args().skip(1) {
        if argument == "-v" {
            verbose = true;
        } else if let Some(list) = argument.strip_prefix("--shapes=") {
            shapes = ShapeSet::parse(list).expect("names of shapes");
        } else if let Err(error) = show(&argument, &shapes, verbose) {
            println!("{argument}: {error}");
        }
    }
}
