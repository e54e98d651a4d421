//! Limits on the length of files and the width of lines.

use std::path::{Path, PathBuf};

const LIMIT: usize = 400;
const COLUMNS: usize = 100;
const FOLDERS: [&str; 5] = ["crates", "examples", "benches", "tests", "xtask"];

/// File names that do not describe their contents.
const NAMELESS: [&str; 4] = ["utils.rs", "helpers.rs", "common.rs", "base.rs"];

/// Checks every Rust file of the project.
pub(crate) fn check() -> Result<(), String> {
    let root = crate::root();
    let mut files = Vec::new();
    for folder in FOLDERS {
        collect(&root.join(folder), &mut files).map_err(|error| format!("{folder}: {error}"))?;
    }
    let mut wrong = Vec::new();
    for file in files {
        let shown = file
            .strip_prefix(&root)
            .unwrap_or(&file)
            .display()
            .to_string();
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{shown}: {error}"))?;
        let lines = text.lines().count();
        if lines > LIMIT {
            wrong.push(format!("{shown} has {lines} lines, more than {LIMIT}"));
        }
        let wide = text.lines().enumerate().filter(|(_, line)| is_wide(line));
        wrong.extend(wide.map(|(i, _)| {
            let line = i + 1;
            format!("{shown}:{line} has more than {COLUMNS} columns")
        }));
        let name = file.file_name().unwrap_or_default();
        if NAMELESS.iter().any(|nameless| name == *nameless) {
            wrong.push(format!("{shown} has a name that says nothing"));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("; "))
    }
}

/// Returns whether a line is too wide and could be broken. Rows of a table cannot be broken.
/// rustfmt breaks code, but neither the arguments of macros nor lines with a long string.
fn is_wide(line: &str) -> bool {
    let text = line.trim_start();
    let said = text.trim_start_matches(['/', '!']).trim_start();
    let is_comment = text.starts_with("//");
    let can_break = !said.starts_with('|') && (is_comment || !line.contains('"'));
    can_break && line.chars().count() > COLUMNS
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
