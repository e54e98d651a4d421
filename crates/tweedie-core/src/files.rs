//! Files that appear whole or not at all, and reading within limits.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// Writes a file next to its place and then moves it there: whoever looks sees the old file or the
/// new one, never a part, also after a loss of power.
///
/// The permissions of the old file stay. A symbolic link is replaced, not followed.
///
/// # Errors
/// What the file system says; the old file is untouched.
pub fn replace_file(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    replace_file_with(path, |file| file.write_all(bytes))
}

/// [`replace_file`] for what is written piece by piece.
///
/// # Errors
/// What the file system or `write` says; the old file is untouched.
pub fn replace_file_with(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let path = path.as_ref();
    let folder = folder_of(path);
    let mut file = temporary(&folder, path)?;
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(&folder)
}

/// [`replace_file`] for a writer that takes a path: `write` fills the file at the one it is given.
///
/// # Errors
/// What the file system or `write` says; the old file is untouched.
pub fn replace_file_at(
    path: impl AsRef<Path>,
    write: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let path = path.as_ref();
    let folder = folder_of(path);
    // The writer may put a file of its own in the place of this one, for its owner alone.
    let file = temporary(&folder, path)?;
    let permissions = file.as_file().metadata()?.permissions();
    write(file.path())?;
    std::fs::set_permissions(file.path(), permissions)?;
    open_file(file.path())?.sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(&folder)
}

/// Writes the names of a folder's files to the disk: a file that was moved there stays there.
///
/// # Errors
/// What the file system says.
pub fn sync_folder(folder: impl AsRef<Path>) -> io::Result<()> {
    // Elsewhere a folder cannot be opened as a file, and a move is written with the file.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.into(),
        _ => ".".into(),
    }
}

/// A new file in `folder` with the permissions of the file at `path`, if there is one.
fn temporary(folder: &Path, path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".tweedie-").suffix(".partial");
    let old = std::fs::symlink_metadata(path)
        .ok()
        .filter(Metadata::is_file);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What the process may not give (umask) is taken away from a new file, as everywhere.
        builder.permissions(PermissionsExt::from_mode(0o666));
    }
    // What the error then names is the folder, not the temporary file.
    if !std::fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let file = builder.tempfile_in(folder)?;
    if let Some(old) = old {
        file.as_file().set_permissions(old.permissions())?;
    }
    Ok(file)
}

/// The bytes of a regular file of at most `limit` bytes. A pipe or a device, which may never end,
/// is refused before it is opened.
///
/// # Errors
/// What the file system says; [`io::ErrorKind::InvalidInput`] for anything but a regular file,
/// [`io::ErrorKind::FileTooLarge`] for a larger one.
pub fn read_file(path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    let mut bytes = Vec::new();
    let file = open_file(path)?;
    let size = file.metadata()?.len();
    let too_large = || {
        let message = format!("{size} bytes, of which at most {limit} are read");
        io::Error::new(io::ErrorKind::FileTooLarge, message)
    };
    if size > limit {
        return Err(too_large());
    }
    // It may grow meanwhile.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(too_large()),
        false => Ok(bytes),
    }
}

/// [`read_file`] of text.
///
/// # Errors
/// As [`read_file`]; [`io::ErrorKind::InvalidData`] for what is not UTF-8.
pub fn read_text(path: impl AsRef<Path>, limit: u64) -> io::Result<String> {
    String::from_utf8(read_file(path, limit)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Opens a regular file for reading.
///
/// # Errors
/// What the file system says; [`io::ErrorKind::InvalidInput`] for anything but a regular file.
pub fn open_file(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    if !std::fs::metadata(path)?.is_file() {
        let message = "not a regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        let name = |entry: io::Result<std::fs::DirEntry>| {
            let entry = entry.expect("an entry");
            entry.file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_or_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        replace_file(&path, b"old").expect("written");
        let failed = replace_file_with(&path, |file| {
            file.write_all(b"ne")?;
            Err(io::Error::other("a full disk"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).expect("a file"), b"old");
        replace_file(&path, b"new").expect("written");
        assert_eq!(std::fs::read(&path).expect("a file"), b"new");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_stay_and_links_are_not_followed() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let [path, link] = ["a.txt", "link.txt"].map(|name| folder.path().join(name));
        replace_file(&path, b"old").expect("written");
        let mode = |path: &Path| {
            let meta = std::fs::symlink_metadata(path).expect("a file");
            meta.permissions().mode() & 0o777
        };
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).expect("allowed");
        replace_file(&path, b"new").expect("written");
        assert_eq!(mode(&path), 0o640);
        symlink(&path, &link).expect("a link");
        replace_file(&link, b"other").expect("written");
        assert_eq!(std::fs::read(&path).expect("a file"), b"new");
        assert_eq!(std::fs::read(&link).expect("a file"), b"other");
    }

    #[cfg(unix)]
    #[test]
    fn only_regular_files_of_some_size_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        replace_file(&path, b"12345").expect("written");
        assert_eq!(read_file(&path, 5).expect("read"), b"12345");
        let error = read_file(&path, 4).expect_err("too large");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        for other in [Path::new("/dev/zero"), folder.path()] {
            let error = read_file(other, 5).expect_err("no file");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
