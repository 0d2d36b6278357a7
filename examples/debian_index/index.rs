//! Reads Debian package indexes: which files there are, how to open them, one stanza after the other.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) const APT_LISTS: &str = "/var/lib/apt/lists";
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// The package indexes that apt keeps, sorted, so that security updates come before the release they update.
pub(crate) fn apt_indexes() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(APT_LISTS).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.path());
    let mut files: Vec<_> = names
        .filter(|path| {
            path.file_stem()
                .is_some_and(|stem| stem.to_string_lossy().ends_with("_Packages"))
        })
        .collect();
    files.sort();
    files
}

/// One paragraph of an index; `fault` says on which line it stopped making sense.
#[derive(Default)]
pub(crate) struct Stanza {
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) fault: Option<(usize, &'static str)>,
}

impl Stanza {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .fields
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name));
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Reads the next stanza; `line` is the number of the last line read.
    fn read(reader: &mut impl BufRead, line: &mut usize) -> io::Result<Option<Self>> {
        let (mut stanza, mut started, mut bytes) = (Self::default(), 0, Vec::new());
        loop {
            bytes.clear();
            let mut limited = reader.by_ref().take(LINE_BYTES_MAX);
            if limited.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            *line += 1;
            let text = String::from_utf8_lossy(&bytes);
            let text = text.trim_end();
            match (
                text.starts_with([' ', '\t']),
                text.split_once(':'),
                stanza.fields.last_mut(),
            ) {
                _ if text.is_empty() && started == 0 => continue,
                _ if text.is_empty() => break,
                (true, _, Some((_, value))) => {
                    value.push('\n');
                    value.push_str(text.get(1..).unwrap_or_default());
                }
                (false, Some((field, value)), _) => {
                    stanza.fields.push((field.to_owned(), value.trim().to_owned()));
                }
                _ => {
                    stanza.fault = stanza
                        .fault
                        .or(Some((*line, "neither a field nor a continuation")));
                }
            }
            started = if started == 0 { *line } else { started };
        }
        let complete = stanza.get("Package").is_some_and(is_id) && stanza.get("Version").is_some();
        if !complete {
            stanza.fault = stanza.fault.or(Some((started, "no usable Package and Version")));
        }
        Ok((started > 0).then_some(stanza))
    }
}

pub(crate) fn is_id(text: &str) -> bool {
    text.len() <= 200
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._:/@+-".contains(c))
}

/// Opens an index; what is compressed is read through apt's own helper, which knows all of its formats.
fn open(path: &Path) -> io::Result<(Box<dyn BufRead>, Option<Child>)> {
    let describe = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let compressed = path
        .extension()
        .is_some_and(|suffix| ["lz4", "gz", "xz", "bz2", "zst"].iter().any(|s| suffix == *s));
    if !compressed {
        return Ok((
            Box::new(BufReader::new(File::open(path).map_err(describe)?)),
            None,
        ));
    }
    let mut child = Command::new(APT_HELPER)
        .arg("cat-file")
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(describe)?;
    let output = child
        .stdout
        .take()
        .ok_or_else(|| io::Error::other("the helper has no output"))?;
    Ok((Box::new(BufReader::with_capacity(64 * 1024, output)), Some(child)))
}

/// Visits each package once, the first time its name is met; complaints go to `complain`.
pub(crate) fn walk(
    files: &[PathBuf],
    mut complain: impl FnMut(String),
    mut visit: impl FnMut(&str, &Stanza, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let mut seen = HashSet::new();
    for path in files {
        let (mut reader, child) = open(path)?;
        let mut line = 0;
        while let Some(stanza) = Stanza::read(&mut reader, &mut line)? {
            match (stanza.fault, stanza.get("Package")) {
                (Some((at, why)), _) => complain(format!("{}:{at}: {why}", path.display())),
                (None, Some(name)) if seen.insert(name.to_owned()) => visit(name, &stanza, path)?,
                _ => {}
            }
        }
        drop(reader);
        if let Some(status) = child.map(|mut child| child.wait()).transpose()?
            && !status.success()
        {
            return Err(io::Error::other(format!(
                "{}: {APT_HELPER} failed: {status}",
                path.display()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Stanza;

    fn read_all(text: &str) -> Vec<Stanza> {
        let (mut reader, mut line) = (text.as_bytes(), 0);
        std::iter::from_fn(|| Stanza::read(&mut reader, &mut line).unwrap()).collect()
    }

    #[test]
    fn a_stanza_has_fields_and_continuations() {
        let stanzas = read_all(
            "\n\nPackage: a\nVersion: 1\nDescription: short\n long\n .\n more\n\n\nPackage: b\nVersion: 2\n",
        );
        let names: Vec<_> = stanzas
            .iter()
            .map(|stanza| stanza.get("package").unwrap())
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(stanzas[0].get("Description"), Some("short\nlong\n.\nmore"));
        assert!(stanzas.iter().all(|stanza| stanza.fault.is_none()));
    }

    #[test]
    fn what_makes_no_sense_is_named_by_its_line() {
        let stanzas =
            read_all("Package: a\nVersion: 1\n?\n\n continuation of nothing\n\nPackage: -\nVersion: 1\n");
        let faults: Vec<_> = stanzas.iter().map(|stanza| stanza.fault.unwrap().0).collect();
        assert_eq!(faults, [3, 5, 7]);
    }
}
