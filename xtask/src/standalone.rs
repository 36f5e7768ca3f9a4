//! The crate `vload-module` as it is installed: what it inherits from the workspace stands in its own manifest.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// The manifest of the crate in `folder`, without its workspace, whose top is `root`.
pub fn manifest(folder: &Path, root: &Path) -> Result<String> {
    let read = |folder: &Path| {
        let path = folder.join("Cargo.toml");
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    without_workspace(&read(folder)?, &read(root)?)
}

/// Puts in place of what a manifest inherits what the workspace's has.
fn without_workspace(manifest: &str, workspace: &str) -> Result<String> {
    let inherited = |section: &str, key: &str| {
        let section = format!("[workspace.{section}]");
        let lines = workspace.lines().skip_while(|line| *line != section).skip(1);
        let mut lines = lines.take_while(|line| !line.starts_with('['));
        let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        value.with_context(|| format!("{section} has no {key}"))
    };
    let mut text = String::new();
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        // The lints are for who works on it.
        if section == "[lints]" {
            continue;
        }
        let line = if let Some(key) = line.strip_suffix(".workspace = true") {
            format!("{key} = {}", inherited("package", key)?)
        } else if let Some((key, rest)) = line.split_once(" = { workspace = true") {
            let value = inherited("dependencies", key)?;
            let open = value.strip_suffix(" }").with_context(|| format!("{key} = {value}"))?;
            format!("{key} = {open}{rest}")
        } else {
            line.to_owned()
        };
        if line.contains("workspace") {
            bail!("a manifest that is understood has no line {line:?}");
        }
        text += &line;
        text.push('\n');
    }
    Ok(text)
}

/// The sources of the crate in `folder`, as seen from there.
pub fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    let mut folders = vec![PathBuf::from("src")];
    while let Some(inner) = folders.pop() {
        let path = folder.join(&inner);
        for entry in fs::read_dir(&path).with_context(|| format!("reading {}", path.display()))? {
            let entry = entry?;
            let path = inner.join(entry.file_name());
            if entry.file_type()?.is_dir() { folders.push(path) } else { all.push(path) }
        }
    }
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::{manifest, sources, without_workspace};
    use crate::command;

    #[test]
    fn the_crate_of_modules_stands_alone() {
        let root = command::root();
        let module = root.join("module");
        let text = manifest(&module, &root).expect("a manifest");
        let folder = std::env::temp_dir().join(format!("vload-standalone-{}", std::process::id()));
        for file in sources(&module).expect("sources") {
            let to = folder.join(&file);
            std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            std::fs::copy(module.join(&file), to).expect("a copy");
        }
        std::fs::write(folder.join("Cargo.toml"), &text).expect("a file");
        let mut cargo = command::cargo();
        cargo.current_dir(&folder).args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version=1",
        ]);
        let said = command::output(&mut cargo);
        std::fs::remove_dir_all(&folder).expect("the folder goes");
        let said: serde_json::Value =
            serde_json::from_str(&said.expect("cargo takes it")).expect("JSON");
        let package = &said["packages"][0];
        assert_eq!(package["name"], "vload-module");
        assert_eq!(package["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(package["dependencies"][0]["req"], "=0.12.1", "{text}");
        assert_eq!(package["dependencies"][0]["uses_default_features"], false);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let workspace = "[workspace.package]\nversion = \"1.0.0\"\n";
        let takes = |manifest| without_workspace(manifest, workspace);
        assert_eq!(
            takes("version.workspace = true").ok().as_deref(),
            Some("version = \"1.0.0\"\n")
        );
        assert!(takes("edition.workspace = true").is_err());
        assert!(takes("edition = { workspace = true }").is_err());
        assert!(takes("edition={workspace=true}").is_err());
    }
}
