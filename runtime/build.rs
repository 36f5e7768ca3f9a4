//! Gives the crate a fingerprint of its own sources: what is kept on disk by one build is not used
//! by another.
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs};

fn collect(folder: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    println!("cargo:rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder).expect("the sources can be listed") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            collect(&path, into);
        } else {
            let bytes = fs::read(&path).expect("the sources can be read");
            into.insert(path, bytes);
        }
    }
}

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("src");
    let mut sources = BTreeMap::new();
    collect(&root, &mut sources);
    let mut hasher = DefaultHasher::new();
    for (path, bytes) in &sources {
        path.strip_prefix(&root).expect("it was found there").hash(&mut hasher);
        bytes.hash(&mut hasher);
    }
    println!("cargo:rustc-env=VLOAD_FINGERPRINT={:016x}", hasher.finish());
}
