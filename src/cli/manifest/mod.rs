//! Manifests: files of documents, read whole before anything is sent, so that all mistakes are told at once.
//!
//! YAML, JSON and JSON Lines; directories of them. Each document carries a `type` beside the fields that the
//! register knows. What is good is kept as a compact text with its place; what is wrong is kept with its place,
//! what is wrong, and what to do.

mod files;
mod gather;
mod json;
mod place;
mod scalar;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use serde_json::Value;

use crate::domain::EntityKey;

use files::{Format, Source};
use gather::Gather;
pub use place::{Place, Slip, Spot};
use tree::Content;

/// The largest file that is read whole.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The longest line of a JSON Lines file.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// One good document.
#[derive(Debug)]
pub struct Definition {
    /// What it defines.
    pub key: EntityKey,
    /// Where it begins.
    pub place: Place,
    /// The document as JSON, without its `type`.
    pub body: Box<str>,
}

/// Something wrong with the files.
#[derive(Debug)]
pub struct Wrong {
    /// Where; none where the detail names what could not be opened.
    pub place: Option<Place>,
    /// The JSON Pointer into the document; may be empty.
    pub pointer: String,
    /// What is wrong.
    pub detail: String,
    /// What to do; may be empty.
    pub hint: String,
    /// For something that is there twice: where it is for the first time.
    pub first: Option<Place>,
}

/// What the files say.
#[derive(Debug)]
pub struct Manifest {
    /// The names of the files.
    pub files: Vec<String>,
    /// The good documents, in the order of the files; empty where anything is wrong.
    pub definitions: Vec<Definition>,
    /// What is wrong, in the order of the files.
    pub wrong: Vec<Wrong>,
    /// How many more things are wrong than `wrong` holds.
    pub unlisted: usize,
}

impl Manifest {
    /// `file:line:column` of a place.
    pub fn locate(&self, place: Place) -> String {
        let file = usize::try_from(place.file)
            .ok()
            .and_then(|file| self.files.get(file));
        let file = file.map_or("?", String::as_str);
        format!("{file}:{}:{}", place.spot.line, place.spot.column)
    }

    /// One thing that is wrong, for people: place, pointer, what, and the hint on a line of its own.
    pub fn describe<'a>(&self, wrong: &'a Wrong) -> (String, &'a str) {
        let mut line = String::new();
        if let Some(place) = wrong.place {
            line.push_str(&self.locate(place));
            line.push_str(": ");
        }
        if !wrong.pointer.is_empty() {
            line.push_str(&wrong.pointer);
            line.push_str(": ");
        }
        line.push_str(&wrong.detail);
        if let Some(first) = wrong.first {
            let _ = write!(line, ", first at {}", self.locate(first));
        }
        (line, &wrong.hint)
    }
}

/// Reads all files of `paths`; `-` is `standard`.
pub fn load(paths: &[PathBuf], standard: impl Read) -> Manifest {
    let (sources, unfound) = files::collect(paths);
    let mut gather = Gather::default();
    let mut names = Vec::new();
    let mut standard = Some(standard);
    for missing in unfound {
        gather.note(unreadable(&missing.name, &missing.why));
    }
    for source in sources {
        gather.file = place::clamp(names.len());
        names.push(source.name());
        let read = match &source {
            Source::Standard => match standard.take() {
                Some(standard) => read_source(&mut gather, source.format(), standard),
                None => Ok(()),
            },
            Source::File(path) => {
                File::open(path).and_then(|file| read_source(&mut gather, source.format(), file))
            }
        };
        if let Err(error) = read {
            gather.note(unreadable(&source.name(), &error.to_string()));
        }
    }
    let mut wrong = gather.wrong;
    wrong.sort_by_key(|wrong| wrong.place);
    Manifest {
        files: names,
        definitions: if wrong.is_empty() {
            gather.definitions
        } else {
            Vec::new()
        },
        wrong,
        unlisted: gather.unlisted,
    }
}

fn unreadable(name: &str, why: &str) -> Wrong {
    Wrong {
        place: None,
        pointer: String::new(),
        detail: format!("{name} cannot be read: {why}"),
        hint: String::new(),
        first: None,
    }
}

fn read_source(gather: &mut Gather, format: Option<Format>, source: impl Read) -> io::Result<()> {
    if format == Some(Format::Lines) {
        return read_lines(gather, BufReader::with_capacity(256 * 1024, source));
    }
    let mut bytes = Vec::new();
    source.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
        let what = format!("it has more than {} MiB", FILE_BYTES_MAX / 1024 / 1024);
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{what}: use JSON Lines (.jsonl), which has no such limit, or split it"),
        ));
    }
    read_bytes(gather, format, &bytes);
    Ok(())
}

fn read_bytes(gather: &mut Gather, format: Option<Format>, bytes: &[u8]) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let spot = Spot::START.after(&String::from_utf8_lossy(good));
            return gather.slip(not_utf8(spot, bytes));
        }
    };
    match sniff(format, text) {
        Format::Yaml => read_yaml(gather, text),
        Format::Json => {
            let split = json::split(text, |piece| read_piece(gather, &piece));
            if let Err(slip) = split {
                // A file of nothing but white space holds no documents, and that is no mistake of JSON.
                if !text.trim_ascii().is_empty() {
                    gather.slip(slip);
                }
            }
        }
        Format::Lines => {
            for (number, line) in text.lines().enumerate() {
                read_line(gather, number, line);
            }
        }
    }
}

fn not_utf8(spot: Spot, bytes: &[u8]) -> Slip {
    let hint = if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        "this looks like UTF-16: save it as UTF-8"
    } else {
        "save it as UTF-8"
    };
    Slip::new(spot, "this is not UTF-8", hint)
}

/// The format that the name says; else the one that the content looks like.
fn sniff(format: Option<Format>, text: &str) -> Format {
    if format == Some(Format::Yaml) {
        return Format::Yaml;
    }
    let looks_like_json = text.trim_ascii_start().starts_with(['{', '[']);
    if !looks_like_json {
        return format.unwrap_or(Format::Yaml);
    }
    let mut lines = text.lines().filter(|line| !line.trim_ascii().is_empty());
    let first_is_whole = lines
        .next()
        .is_some_and(|line| line.starts_with('{') && json::check(line, Spot::START).is_ok());
    if first_is_whole && lines.next().is_some_and(|line| line.starts_with('{')) {
        Format::Lines
    } else if format.is_some() || json::check(text, Spot::START).is_ok() {
        Format::Json
    } else {
        Format::Yaml
    }
}

fn read_yaml(gather: &mut Gather, text: &str) {
    yaml::read(text, |read| {
        for slip in read.slips {
            gather.slip(slip);
        }
        let Some(root) = read.root else { return };
        match &*root.content {
            // `---` with nothing behind it.
            Content::Scalar(Value::Null) => {}
            Content::List(items) => {
                for item in items {
                    gather.document(item.to_value(), item.spot, |pointer| item.spot_of(pointer));
                }
            }
            _ => gather.document(root.to_value(), root.spot, |pointer| root.spot_of(pointer)),
        }
    });
}

fn read_piece(gather: &mut Gather, piece: &json::Piece<'_>) {
    match json::value(piece) {
        Ok(value) => {
            for slip in json::repeated_keys(piece) {
                gather.slip(slip);
            }
            gather.document(value, piece.spot, |pointer| json::spot_of(piece, pointer));
        }
        Err(slip) => gather.slip(slip),
    }
}

fn read_lines(gather: &mut Gather, mut source: impl BufRead) -> io::Result<()> {
    let mut bytes = Vec::new();
    for number in 0_usize.. {
        bytes.clear();
        let read = (&mut source).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        let spot = Spot {
            line: place::clamp(number + 1),
            column: 1,
        };
        if !bytes.ends_with(b"\n") && u64::try_from(read).is_ok_and(|read| read >= LINE_BYTES_MAX) {
            let detail = format!("this line is longer than {} MiB", LINE_BYTES_MAX / 1024 / 1024);
            gather.slip(Slip::new(
                spot,
                detail,
                "a JSON Lines file has one document on each line",
            ));
            return Ok(());
        }
        let line = if number == 0 {
            bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes)
        } else {
            &bytes
        };
        match std::str::from_utf8(line) {
            Ok(line) => read_line(gather, number, line),
            Err(error) => {
                let good = line.get(..error.valid_up_to()).unwrap_or_default();
                gather.slip(not_utf8(spot.after(&String::from_utf8_lossy(good)), line));
            }
        }
    }
    Ok(())
}

fn read_line(gather: &mut Gather, number: usize, line: &str) {
    let text = line.trim_ascii();
    if text.is_empty() {
        return;
    }
    let indent = line.len() - line.trim_ascii_start().len();
    let spot = Spot {
        line: place::clamp(number + 1),
        column: place::clamp(indent + 1),
    };
    read_piece(gather, &json::Piece { text, spot });
}
