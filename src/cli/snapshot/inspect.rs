//! `snapshot inspect`: what a snapshot says of itself.

use std::path::Path;

use serde_json::{Value, json};

use crate::domain::Timestamp;
use crate::store::archive::{Archive, Manifest};
use crate::wire::format_time;

use super::super::exit::{Exit, Failure};
use super::super::output::{FAINT, Output, one_line};
use super::super::table::table;
use super::{failure, size};

/// Prints what a snapshot says of itself. Its chunks are not read.
///
/// # Errors
/// It cannot be read, or is no snapshot.
pub fn inspect(file: &Path, json: bool, output: &mut Output) -> Result<Exit, Failure> {
    let archive = Archive::open(file).map_err(|fault| failure(&fault))?;
    let manifest = archive.manifest();
    if json {
        output.print(&as_json(manifest, archive.bytes()).to_string())?;
        return Ok(Exit::Ok);
    }
    let unpacked = manifest.chunks.iter().map(|chunk| chunk.raw_length).sum();
    let text = format!(
        "{FAINT}cluster{FAINT:#}   {}\n\
         {FAINT}epoch{FAINT:#}     {}\n\
         {FAINT}sequence{FAINT:#}  {}\n\
         {FAINT}digest{FAINT:#}    {}\n\
         {FAINT}made{FAINT:#}      {}, by domesday {}\n\
         {FAINT}size{FAINT:#}      {} in {} chunks, {} unpacked\n",
        one_line(&manifest.cluster),
        manifest.epoch,
        manifest.sequence,
        one_line(&manifest.digest),
        format_time(Timestamp(manifest.time_us)),
        one_line(&manifest.program),
        size(archive.bytes()),
        manifest.chunks.len(),
        size(unpacked),
    );
    output.print(&text)?;
    let rows = manifest
        .tables
        .iter()
        .map(|count| [count.name.clone(), count.records.to_string()]);
    output.print(&table(["TABLE", "RECORDS"], rows, output.width()))?;
    output.tell(&format!(
        "{FAINT}`domesday snapshot verify` reads all of it{FAINT:#}"
    ));
    Ok(Exit::Ok)
}

fn as_json(manifest: &Manifest, bytes: u64) -> Value {
    let tables: serde_json::Map<String, Value> = manifest
        .tables
        .iter()
        .map(|count| (count.name.clone(), count.records.into()))
        .collect();
    let chunks: Vec<Value> = manifest
        .chunks
        .iter()
        .map(|chunk| {
            json!({
                "offset": chunk.offset,
                "length": chunk.length,
                "raw_length": chunk.raw_length,
                "blake3": blake3::Hash::from(chunk.checksum).to_hex().as_str(),
            })
        })
        .collect();
    json!({
        "id": manifest.header().to_string(),
        "cluster": manifest.cluster,
        "epoch": manifest.epoch,
        "sequence": manifest.sequence,
        "digest": manifest.digest,
        "time": format_time(Timestamp(manifest.time_us)),
        "version": manifest.program,
        "format": manifest.format,
        "bytes": bytes,
        "tables": tables,
        "chunks": chunks,
    })
}
