//! `open`: questions to a snapshot, without a server and without a broker.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::domain::Standing;
use crate::engine::{self, Reads};
use crate::store;
use crate::store::archive::{Archive, Order, install};

use super::super::exit::{Exit, Failure};
use super::super::output::Output;
use super::super::register::Register;
use super::super::{graph, past, refuse, search, wait};
use super::args::{OpenArgs, Opened, Question};
use super::failure;
use crate::app::chain;

/// A folder that is gone when it is not needed any more.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("domesday-open-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&folder).map_err(|error| {
            let what = format!("{} cannot be made: {error}", folder.display());
            Failure::new(Exit::Internal, what).hint("TMPDIR names another folder for what is temporary")
        })?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in a folder for what is temporary.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Answers a question from a snapshot, as the register would have at its moment.
///
/// # Errors
/// The snapshot is damaged, the question cannot be read, or the answer is a refusal.
pub fn open(args: &OpenArgs, output: &mut Output) -> Result<Exit, Failure> {
    let words = std::iter::once("domesday open FILE").chain(args.question.iter().map(String::as_str));
    let asked = match Opened::try_parse_from(words) {
        Ok(asked) => asked,
        Err(error) => return Ok(refuse(&error)),
    };
    // It is removed after all that uses it is gone, whether the question was answered or interrupted.
    let scratch = Scratch::new()?;
    wait(async {
        let (file, folder) = (args.file.clone(), scratch.0.clone());
        let reads = tokio::task::spawn_blocking(move || unpack(&file, folder)).await;
        let reads = reads
            .map_err(|error| Failure::new(Exit::Internal, format!("it was not unpacked: {error}")))??;
        let register = Register::Opened(Box::new(reads));
        match &asked.question {
            Question::Search(args) => search::run(args, &register, output).await,
            Question::Graph(args) => graph::run(args, &register, output).await,
            Question::History(args) => past::history(args, &register, output).await,
            Question::Compare(args) => past::compare(args, &register, output).await,
        }
    })
}

/// Makes a register of the snapshot; the epoch stays, since answers say what they are true as of.
fn unpack(file: &Path, directory: PathBuf) -> Result<Reads, Failure> {
    let archive = Archive::open(file).map_err(|fault| failure(&fault))?;
    let config = store::Config {
        directory,
        ..store::Config::default()
    };
    let order = Order {
        replace: false,
        raise_epoch: false,
        standing: Standing::Undecided,
    };
    install(&archive, &config, order).map_err(|fault| failure(&fault))?;
    engine::read_only(&config).map_err(|fault| Failure::new(Exit::Internal, chain(&fault)))
}
