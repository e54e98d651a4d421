//! Files that appear whole or not at all.

use std::io;
use std::path::Path;

/// Writes a file beside its place and then moves it there: whoever looks sees the old file or the
/// new one, never a part.
///
/// # Errors
/// What the file system says; the old file is untouched.
pub fn replace_file(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    let path = path.as_ref();
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let written = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    if written.is_err() {
        // The error to report is the first one, whether or not this removal succeeds.
        let _ = std::fs::remove_file(&partial);
    }
    written
}
