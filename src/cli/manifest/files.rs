//! Which files a manifest is made of: those that were named, and those in the directories that were named.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Levels of directories below one that was named.
const DIRECTORY_DEPTH_MAX: usize = 32;
/// Files in one manifest.
const FILES_MAX: usize = 100_000;

/// One thing to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// Standard input.
    Standard,
    /// A file.
    File(PathBuf),
}

/// How a file is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Yaml,
    Json,
    Lines,
}

impl Source {
    /// What people call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Standard => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// What the name says about the format; none where only the content can tell.
    pub(super) fn format(&self) -> Option<Format> {
        match self {
            Self::Standard => None,
            Self::File(path) => format_of(path),
        }
    }
}

fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "yaml" | "yml" => Some(Format::Yaml),
        "json" => Some(Format::Json),
        "jsonl" | "ndjson" => Some(Format::Lines),
        _ => None,
    }
}

/// What could not be found or opened: the name of the file and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfound {
    pub(super) name: String,
    pub(super) why: String,
}

/// The files of `paths`, directories searched in sorted order, each file once.
pub(super) fn collect(paths: &[PathBuf]) -> (Vec<Source>, Vec<Unfound>) {
    let mut collect = Collect::default();
    for path in paths {
        if path.as_os_str() == "-" {
            if !collect.sources.contains(&Source::Standard) {
                collect.sources.push(Source::Standard);
            }
            continue;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                let before = collect.sources.len();
                let failed = collect.unfound.len();
                collect.directory(path, 0);
                if collect.sources.len() == before && collect.unfound.len() == failed {
                    collect.miss(path, &"there is no .yaml, .yml, .json or .jsonl file in it");
                }
            }
            Ok(_) => collect.file(path),
            Err(error) => collect.miss(path, &error),
        }
    }
    (collect.sources, collect.unfound)
}

#[derive(Default)]
struct Collect {
    sources: Vec<Source>,
    unfound: Vec<Unfound>,
    seen: HashSet<PathBuf>,
}

impl Collect {
    fn miss(&mut self, path: &Path, why: &dyn std::fmt::Display) {
        self.unfound.push(Unfound {
            name: path.display().to_string(),
            why: why.to_string(),
        });
    }

    /// Whether this is the first time that we come to a file or directory, by whatever name.
    fn is_new(&mut self, path: &Path) -> bool {
        fs::canonicalize(path).map_or(true, |real| self.seen.insert(real))
    }

    fn file(&mut self, path: &Path) {
        if self.is_new(path) {
            self.sources.push(Source::File(path.to_owned()));
        }
    }

    fn directory(&mut self, path: &Path, depth: usize) {
        if depth > DIRECTORY_DEPTH_MAX {
            self.miss(
                path,
                &format!("it lies more than {DIRECTORY_DEPTH_MAX} directories deep"),
            );
            return;
        }
        // A directory that links back to one above it was seen there.
        if !self.is_new(path) {
            return;
        }
        let mut inside: Vec<PathBuf> = match fs::read_dir(path) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) => return self.miss(path, &error),
        };
        inside.sort();
        for path in inside {
            let hidden = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if hidden {
                continue;
            }
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => self.directory(&path, depth + 1),
                Ok(_) if format_of(&path).is_none() => {}
                Ok(_) if self.sources.len() >= FILES_MAX => {
                    return self.miss(&path, &format!("these are more than {FILES_MAX} files"));
                }
                Ok(_) => self.file(&path),
                Err(error) if format_of(&path).is_some() => self.miss(&path, &error),
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{Source, collect};

    fn names(sources: &[Source], root: &Path) -> Vec<String> {
        sources
            .iter()
            .map(|source| source.name().replace(&format!("{}/", root.display()), ""))
            .collect()
    }

    #[test]
    fn a_directory_is_read_in_order_without_other_and_hidden_files() {
        let root = tempfile::tempdir().expect("a directory");
        for name in [
            "b.yaml",
            "a.yml",
            "c/x.json",
            "c/y.jsonl",
            "notes.txt",
            ".git/z.yaml",
        ] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, "").expect("written");
        }
        let (sources, unfound) = collect(&[root.path().to_owned(), root.path().join("b.yaml")]);
        assert_eq!(
            names(&sources, root.path()),
            ["a.yml", "b.yaml", "c/x.json", "c/y.jsonl"]
        );
        assert!(unfound.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_loop_of_links_ends() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join("in")).expect("made");
        fs::write(root.path().join("in/a.yaml"), "").expect("written");
        std::os::unix::fs::symlink(root.path(), root.path().join("in/up")).expect("linked");
        let (sources, unfound) = collect(&[root.path().to_owned()]);
        assert_eq!(names(&sources, root.path()), ["in/a.yaml"]);
        assert!(unfound.is_empty());
    }

    #[test]
    fn what_is_not_there_is_named() {
        let root = tempfile::tempdir().expect("a directory");
        let (sources, unfound) = collect(&[root.path().to_owned(), PathBuf::from("nowhere.yaml")]);
        assert!(sources.is_empty());
        assert_eq!(unfound.len(), 2);
    }
}
