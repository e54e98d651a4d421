//! Generated parts of documents.

use crate::{Done, root};

/// Replaces the text between two marks.
pub(crate) fn replace(page: &str, [start, end]: [&str; 2], text: &str) -> Done {
    let page = root().join(page);
    let failed = |error: std::io::Error| format!("{}: {error}", page.display());
    let old = std::fs::read_to_string(&page).map_err(failed)?;
    let place = |mark: &str| {
        old.find(mark)
            .ok_or(format!("{mark}: not in {}", page.display()))
    };
    let (start, end) = (place(start)? + start.len(), place(end)?);
    let partial = page.with_extension("md.partial");
    let new = format!("{}\n{text}{}", &old[..start], &old[end..]);
    std::fs::write(&partial, new).map_err(failed)?;
    std::fs::rename(partial, &page).map_err(failed)
}
