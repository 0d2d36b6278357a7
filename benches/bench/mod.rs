//! What the benches share: how they are asked, samples and their percentiles, tables, and the manifest.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "each bench uses a part of it; a bench prints, and its numbers are small"
)]

pub mod manifest;

use std::time::{Duration, Instant};

/// Why a bench could not be carried out.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whether this is a rehearsal: `cargo test --benches` runs everything once, on little, so that it does not rot.
/// `cargo bench` says `--bench`.
pub fn is_rehearsal() -> bool {
    !std::env::args().any(|argument| argument == "--bench")
}

/// Whether this part is asked for: all are where none is named.
pub fn is_asked(part: &str) -> bool {
    let mut named = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .peekable();
    named.peek().is_none() || named.any(|argument| argument == part)
}

/// A folder for the data of a bench, on the disk that the build is on: the temporary folder of a machine may be
/// memory, where a sync costs nothing.
pub fn folder() -> Result<tempfile::TempDir, Failure> {
    let folder = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    Ok(folder)
}

/// Numbers of one kind, such as the milliseconds that each of many calls took.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn add(&mut self, sample: f64) {
        self.0.push(sample);
    }

    pub fn add_ms(&mut self, took: Duration) {
        self.add(took.as_secs_f64() * 1_000.0);
    }

    pub fn append(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The value that this share of them does not exceed; zero where there is none.
    pub fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let place = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
        sorted.get(place).copied().unwrap_or(0.0)
    }

    pub fn median(&self) -> f64 {
        self.at(0.5)
    }

    pub fn p99(&self) -> f64 {
        self.at(0.99)
    }
}

/// Runs `work` once, and adds the milliseconds that it took.
pub fn time<T>(samples: &mut Samples, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    samples.add_ms(began.elapsed());
    done
}

/// Memory of a process, in MB: all that is resident, and of that what no file backs.
pub fn memory_mb(process: &str) -> Result<(f64, f64), Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number
            .and_then(|number| number.parse::<f64>().ok())
            .unwrap_or(0.0)
            / 1_000.0
            * 1.024
    };
    Ok((field("VmRSS:"), field("RssAnon:")))
}

/// What a process has had of processors, in seconds. Unlike the time that something takes, it hardly depends on what
/// else the machine does.
pub fn processor_s(process: &str) -> f64 {
    // Fields 14 and 15, counted after the name, which may hold anything, in hundredths of a second.
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.flat_map(str::parse::<f64>).sum::<f64>() / 100.0
}

/// A table for people: columns as wide as they need to be, the first to the left, the others to the right.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(heads: &[&str]) -> Self {
        Self {
            rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()],
        }
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(Vec::from(cells));
    }

    pub fn print(&self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| {
                    if column == 0 {
                        format!("{cell:<width$}")
                    } else {
                        format!("{cell:>width$}")
                    }
                })
                .collect();
            println!("{}", cells.join("  ").trim_end());
        }
        println!();
    }
}

/// A number with as many digits as mean something.
pub fn short(number: f64) -> String {
    match number.abs() {
        n if n >= 100.0 => format!("{number:.0}"),
        n if n >= 10.0 => format!("{number:.1}"),
        n if n >= 0.1 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}
