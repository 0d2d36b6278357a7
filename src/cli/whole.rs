//! Files that are there whole, or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::exit::{Exit, Failure};

/// Writes a file beside the place, and gives it its name once all of it is on the disk. What had the name before has it
/// until then.
///
/// # Errors
/// The system said no; nothing has changed then.
pub(super) fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut name: OsString = file.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = Path::new(&name);
    put(part, bytes)
        .and_then(|()| fs::rename(part, file))
        .map_err(|error| {
            // It may not be there at all.
            let _ = fs::remove_file(part);
            Failure::new(
                Exit::Data,
                format!("{} cannot be written: {error}", file.display()),
            )
            .hint("is its folder there, and may you write to it?")
        })
}

fn put(part: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(part)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::write;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.svg");
        write(&file, b"one").expect("written");
        write(&file, b"two").expect("written again");
        assert_eq!(fs::read(&file).expect("read"), b"two");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(write(&folder.path().join("absent/a.svg"), b"one").is_err());
        // A folder has the name.
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).expect("made");
        assert!(write(&taken, b"one").is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
    }
}
