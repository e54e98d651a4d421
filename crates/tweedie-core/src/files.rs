//! Atomic replacement of files, and reading of files with a size limit.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// Replaces a file atomically, through a temporary file in the same folder.
///
/// A reader sees either the old or the new file, never a partial one, even after a power failure.
/// The permissions of the old file are kept. A symbolic link is replaced, not followed.
///
/// # Errors
/// Any I/O error. The old file is unchanged unless only the final sync of the folder failed.
pub fn replace_file(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    replace_file_with(path, |file| file.write_all(bytes))
}

/// Like [`replace_file`], for content that `write` produces piece by piece.
///
/// # Errors
/// Any I/O error, also of `write`. The old file is unchanged unless only the final sync failed.
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

/// Like [`replace_file`], for a writer that takes a path: `write` must fill the file at that path.
///
/// # Errors
/// Any I/O error, also of `write`. The old file is unchanged unless only the final sync failed.
pub fn replace_file_at(
    path: impl AsRef<Path>,
    write: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let path = path.as_ref();
    let folder = folder_of(path);
    // The writer may replace the temporary file by one with private permissions: restore them
    // afterwards.
    let file = temporary(&folder, path)?;
    let permissions = file.as_file().metadata()?.permissions();
    write(file.path())?;
    std::fs::set_permissions(file.path(), permissions)?;
    open_file(file.path())?.sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(&folder)
}

/// Syncs a folder to the disk, so that files that were moved into it survive a power failure.
///
/// # Errors
/// Any I/O error.
pub fn sync_folder(folder: impl AsRef<Path>) -> io::Result<()> {
    // Other systems cannot open a folder as a file, and write the rename with the file.
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

/// Creates a file in `folder` with the permissions of the file at `path`, if that exists.
fn temporary(folder: &Path, path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".tweedie-").suffix(".partial");
    let old = std::fs::symlink_metadata(path)
        .ok()
        .filter(Metadata::is_file);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Request 0o666; the umask restricts it, as for any new file.
        builder.permissions(PermissionsExt::from_mode(0o666));
    }
    // Check the folder first, so that the error refers to it and not to the temporary file.
    if !std::fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let file = builder.tempfile_in(folder)?;
    if let Some(old) = old {
        file.as_file().set_permissions(old.permissions())?;
    }
    Ok(file)
}

/// Reads a regular file of at most `limit` bytes.
///
/// Pipes and devices, which may never end, are rejected before they are opened.
///
/// # Errors
/// Any I/O error; [`io::ErrorKind::InvalidInput`] unless `path` is a regular file;
/// [`io::ErrorKind::FileTooLarge`] if it has more than `limit` bytes.
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
    // The file may grow while it is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(too_large()),
        false => Ok(bytes),
    }
}

/// Like [`read_file`], for UTF-8 text.
///
/// # Errors
/// As [`read_file`]; [`io::ErrorKind::InvalidData`] if the file is not valid UTF-8.
pub fn read_text(path: impl AsRef<Path>, limit: u64) -> io::Result<String> {
    String::from_utf8(read_file(path, limit)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Opens a regular file for reading.
///
/// # Errors
/// Any I/O error; [`io::ErrorKind::InvalidInput`] unless `path` is a regular file.
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
