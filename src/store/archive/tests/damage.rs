//! What is cut, flipped, foreign or newer is found, and said in words that help.

use std::path::Path;

use super::{Scene, archive, fill};
use crate::store::archive::manifest::HEADER_BYTES;
use crate::store::archive::{Archive, ArchiveFault};

/// Opens and proves a file.
fn check(file: &Path) -> Result<(), ArchiveFault> {
    Archive::open(file)?.verify()
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let scene = Scene::new(1);
    let (file, _) = scene.archive();
    let whole = std::fs::read(&file).unwrap();
    let cut = scene.path("cut");
    for length in 0..whole.len() {
        std::fs::write(&cut, &whole[..length]).unwrap();
        let fault = check(&cut).unwrap_err();
        let expected = if length < 16 + 24 {
            matches!(fault, ArchiveFault::Foreign(_))
        } else {
            matches!(fault, ArchiveFault::Cut(_))
        };
        assert!(expected, "{length} of {}: {fault}", whole.len());
    }
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let scene = Scene::new(2);
    let (file, manifest) = scene.archive();
    let whole = std::fs::read(&file).unwrap();
    let bad = scene.path("bad");
    let chunk = &manifest.chunks[0];
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        std::fs::write(&bad, &bytes).unwrap();
        let fault = check(&bad).unwrap_err();
        assert!(fault.is_damage(), "byte {place}: {fault}");
        let place = place as u64;
        if (chunk.offset..chunk.offset + chunk.length).contains(&place) {
            assert!(
                matches!(fault, ArchiveFault::Chunk { index: 0, .. }),
                "byte {place}: {fault}"
            );
        }
    }
}

#[test]
fn damage_is_named_by_its_chunk() {
    let scene = Scene::new(3);
    fill(&scene.store, 3);
    let (file, manifest) = scene.archive();
    check(&file).unwrap();
    assert!(manifest.chunks.len() > 3, "{}", manifest.chunks.len());
    assert!(manifest.chunks.iter().all(|chunk| chunk.length <= 1024 * 1024));
    let mut bytes = std::fs::read(&file).unwrap();
    let chunk = &manifest.chunks[2];
    bytes[usize::try_from(chunk.offset).unwrap() + 500] ^= 4;
    std::fs::write(&file, bytes).unwrap();
    let said = check(&file).unwrap_err().to_string();
    let expected = format!("chunk 2 of {} (bytes {} to", manifest.chunks.len(), chunk.offset);
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn what_a_newer_program_wrote_is_refused_by_its_version() {
    let scene = Scene::new(4);
    let (file, _) = scene.archive();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[12] = 9;
    std::fs::write(&file, bytes).unwrap();
    let fault = check(&file).unwrap_err();
    assert!(matches!(fault, ArchiveFault::Newer { found: 9, .. }), "{fault}");
    assert!(
        fault
            .to_string()
            .ends_with("use the program that wrote it, or a newer one")
    );
}

#[test]
fn something_else_is_not_taken_for_one() {
    let scene = Scene::new(5);
    let file = scene.path("letter");
    std::fs::write(&file, "Dear friend,\n".repeat(100)).unwrap();
    assert!(matches!(check(&file), Err(ArchiveFault::Foreign(_))));
    assert!(matches!(
        check(&scene.path("nowhere")),
        Err(ArchiveFault::Io { .. })
    ));
}

#[test]
fn chunks_that_are_whole_and_of_another_snapshot_are_found() {
    let scene = Scene::new(6);
    let (file, _) = scene.archive();
    let other = Scene::new(60);
    let other_file = other.path("snapshot");
    let others = archive(&other.store, &other_file).unwrap();
    // A file with the contents of the one and the claims of the other, all checksums right.
    let mut claims = Archive::open(&file).unwrap().manifest().clone();
    claims.chunks.clone_from(&others.chunks);
    let bytes = std::fs::read(&other_file).unwrap();
    let end =
        usize::try_from(others.chunks.iter().map(|chunk| chunk.length).sum::<u64>()).unwrap() + HEADER_BYTES;
    let mut forged = claims.header().write();
    forged.extend(&bytes[HEADER_BYTES..end]);
    let manifest = minicbor::to_vec(&claims).unwrap();
    forged.extend(&manifest);
    forged.extend(crate::store::archive::manifest::write_trailer(&manifest));
    std::fs::write(&file, forged).unwrap();
    let fault = check(&file).unwrap_err();
    assert!(matches!(fault, ArchiveFault::Content { .. }), "{fault}");
}
