//! Data files of earlier versions, in `tests/upgrade`. They are opened for ever, by every later version.

use std::path::{Path, PathBuf};

/// What a data file is called in its directory.
const FILE: &str = "domesday.redb";
/// Asks for the fixtures that are missing.
const NEW: &str = "DOMESDAY_NEW_FIXTURES";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/upgrade")
        .join(name)
}

/// Puts a data file among the fixtures, where that is asked for and there is none of its name.
pub(crate) fn keep(name: &str, directory: &Path) {
    let folder = fixture(name);
    if !folder.exists() && std::env::var_os(NEW).is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(directory.join(FILE), folder.join(FILE)).unwrap();
    }
}

/// Puts the data file of a fixture into an empty directory.
pub(crate) fn restore(name: &str, directory: &Path) {
    std::fs::copy(fixture(name).join(FILE), directory.join(FILE)).unwrap();
}
