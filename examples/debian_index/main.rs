//! Turns a Debian package index into a manifest (JSON Lines on standard output) that `domesday apply` reads.
//!
//! `cargo run --release --example debian_index -- [--closure NAME,NAME…] [FILE…]`
//!
//! Without files it reads what apt keeps on this machine. Each binary package becomes a resource. `Pre-Depends` and
//! `Depends` are hard dependencies, `Recommends` soft ones; alternatives, and the providers of a purely virtual
//! package, become redundancy groups. The files are read twice: once for the names, once to write.

mod index;
mod relations;

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use index::{APT_LISTS, Stanza, apt_indexes, walk};
use relations::{Catalogue, Counts};

const USAGE: &str = "usage: debian_index [--closure NAME,NAME...] [FILE...]";
const DESCRIPTION_BYTES_MAX: usize = 2 * 1024;
const COMPLAINTS_MAX: usize = 20;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => say(&format!("debian_index: {error}"), 1),
    }
}

fn say(message: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(code)
}

fn run() -> io::Result<ExitCode> {
    let (mut files, mut roots) = (Vec::new(), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), argument.starts_with('-')) {
            ("--closure", _) => match arguments.next() {
                Some(names) => roots.extend(names.split(',').map(|name| name.trim().to_owned())),
                None => return Ok(say(USAGE, 64)),
            },
            (_, true) => return Ok(say(USAGE, 64)),
            (_, false) => files.push(PathBuf::from(argument)),
        }
    }
    if files.is_empty() {
        files = apt_indexes();
    }
    if files.is_empty() {
        return Ok(say(
            &format!("debian_index: no package index in {APT_LISTS}; run apt-get update, or name a file"),
            66,
        ));
    }

    let mut malformed = 0;
    let catalogue = Catalogue::read(&files, |complaint| {
        malformed += 1;
        if malformed <= COMPLAINTS_MAX {
            say(&complaint, 0);
        }
    })?;
    let kept = if roots.is_empty() {
        None
    } else {
        Some(catalogue.closure(&files, &roots)?)
    };
    let mut manifest = Manifest {
        output: BufWriter::new(io::stdout().lock()),
        ids: Vec::new(),
    };
    let mut counts = Counts::default();
    walk(&files, drop, |name, stanza, path| match &kept {
        Some(kept) if !kept.contains(name) => Ok(()),
        _ => manifest.package(name, stanza, path, &catalogue, kept.as_ref(), &mut counts),
    })?;
    manifest.environment(&roots)?;
    Ok(say(&summary(&counts, malformed), 0))
}

fn summary(counts: &Counts, malformed: usize) -> String {
    format!(
        "{} packages, {} dependencies, {} of them redundancy groups\n\
         virtual names: {} resolved to their providers, {} left dangling (too many)\n\
         other names that no package has: {}\n\
         left out: {} dependencies of a package on itself, {} odd names, {} malformed stanzas",
        counts.packages,
        counts.dependencies,
        counts.groups,
        counts.virtual_resolved,
        counts.virtual_too_wide,
        counts.dangling,
        counts.on_itself,
        counts.odd_names,
        malformed,
    )
}

/// Writes one document a line, and remembers the ids for the environment at the end.
struct Manifest<W> {
    output: W,
    ids: Vec<String>,
}

impl<W: Write> Manifest<W> {
    fn package(
        &mut self,
        name: &str,
        stanza: &Stanza,
        path: &Path,
        catalogue: &Catalogue,
        kept: Option<&HashSet<String>>,
        counts: &mut Counts,
    ) -> io::Result<()> {
        let mut dependencies = catalogue.dependencies(name, stanza, counts);
        if let Some(kept) = kept {
            for dependency in &mut dependencies {
                dependency.members.retain(|member| kept.contains(member));
            }
            dependencies.retain(|dependency| !dependency.members.is_empty());
        }
        counts.packages += 1;
        counts.dependencies += dependencies.len();
        counts.groups += dependencies
            .iter()
            .filter(|dependency| dependency.members.len() > 1)
            .count();

        let (area, section) = match stanza.get("Section").unwrap_or("unknown").rsplit_once('/') {
            Some((area, section)) => (Some(area.to_owned()), section),
            None => (component(path), stanza.get("Section").unwrap_or("unknown")),
        };
        self.ids.push(name.to_owned());

        let maintainer = stanza
            .get("Maintainer")
            .and_then(|text| text.split('<').next())
            .map(str::trim);
        let tags = [
            ("section", Some(section)),
            ("component", area.as_deref()),
            ("priority", stanza.get("Priority")),
            ("architecture", stanza.get("Architecture")),
            ("maintainer", maintainer),
        ];
        let tags = tags
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), json!(value?))))
            .collect();
        let mut attributes = Map::from_iter([("version".to_owned(), json!(stanza.get("Version")))]);
        if let Some(size) = stanza
            .get("Installed-Size")
            .and_then(|size| size.parse::<u64>().ok())
        {
            attributes.insert("installed_size_kib".to_owned(), json!(size));
        }
        let mut document = json!({
            "type": "resource", "id": name, "kind": "debian-package", "name": name,
            "description": description(stanza), "tags": Value::Object(tags), "attributes": attributes,
        });
        if let (Some(document), false) = (document.as_object_mut(), dependencies.is_empty()) {
            let rendered = dependencies.iter().map(relations::Dependency::render).collect();
            document.insert("dependencies".to_owned(), rendered);
        }
        writeln!(self.output, "{document}")
    }

    /// The environment `debian`, with every package that was written.
    fn environment(mut self, roots: &[String]) -> io::Result<()> {
        let (name, text) = if roots.is_empty() {
            (
                "Debian packages of this machine",
                "Every package of the index that apt keeps here.".to_owned(),
            )
        } else {
            (
                "Some Debian packages",
                format!("{}, and all that they need.", roots.join(", ")),
            )
        };
        let document = json!({
            "type": "environment", "id": "debian", "name": name, "description": text,
            "tags": { "source": "apt" }, "resources": self.ids,
        });
        writeln!(self.output, "{document}")?;
        self.output.flush()
    }
}

/// `main` from `…_dists_bookworm_main_binary-amd64_Packages.lz4`.
fn component(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let (before, _) = name.split_once("_binary-")?;
    before.rsplit_once('_').map(|(_, component)| component.to_owned())
}

/// The short description, then the long one where the index has it; a lone dot there means an empty line.
fn description(stanza: &Stanza) -> String {
    let lines = stanza
        .get("Description")
        .unwrap_or_default()
        .lines()
        .map(str::trim_end);
    let text = lines
        .map(|line| if line == "." { "" } else { line })
        .collect::<Vec<_>>()
        .join("\n");
    text.get(..text.floor_char_boundary(DESCRIPTION_BYTES_MAX))
        .unwrap_or_default()
        .to_owned()
}
