//! The book: `docs/book` with its listings, formulas and figures, as pages that need no network.
//!
//! A page includes code by `{{#include FILE:ANCHOR}}`, with the file relative to the repository,
//! shows a formula by `$…$` or `$$…$$`, and a figure by its file name in `figures/`.

use crate::{Done, cargo, root};
use pulldown_latex::config::DisplayMode;
use pulldown_latex::{Parser, RenderConfig, Storage, push_mathml};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the book into `target/book/html`, with all its figures.
pub(crate) fn build() -> Done {
    let folder = prepare()?;
    let figures = folder.join("src/figures");
    let out = figures.display().to_string();
    cargo("run --quiet --example lecture -- all --out")
        .and(&out)
        .run()?;
    for name in figures_of(&folder)? {
        if !figures.join(&name).exists() {
            let found = stored(&name).ok_or(format!("no figure {name}"))?;
            fs::copy(found, figures.join(&name)).map_err(|error| error.to_string())?;
        }
    }
    if Command::new("mdbook").arg("--version").output().is_err() {
        cargo("install mdbook --locked --no-default-features").run()?;
    }
    let status = Command::new("mdbook").arg("build").arg(&folder).status();
    match status {
        Ok(status) if status.success() => {
            println!("{}", folder.join("html/index.html").display());
            Ok(())
        }
        Ok(status) => Err(format!("mdbook: {status}")),
        Err(error) => Err(format!("mdbook: {error}")),
    }
}

/// Checks pages, listings and formulas, and that every figure is drawn by the example into
/// `target/lecture` or stored in `docs`.
pub(crate) fn check() -> Done {
    let folder = prepare()?;
    for name in figures_of(&folder)? {
        let drawn = root().join("target/lecture").join(&name);
        if !drawn.exists() && stored(&name).is_none() {
            return Err(format!("no figure {name}"));
        }
    }
    Ok(())
}

/// A picture of this name that the documentation keeps.
fn stored(name: &str) -> Option<PathBuf> {
    let folders = ["docs", "docs/tasks"].map(|folder| root().join(folder).join(name));
    folders.into_iter().find(|path| path.exists())
}

/// Writes the pages with listings and formulas into `target/book`, and returns the folder.
fn prepare() -> Result<PathBuf, String> {
    let (from, to) = (root().join("docs/book"), root().join("target/book"));
    let text = |error: std::io::Error| error.to_string();
    if to.exists() {
        fs::remove_dir_all(&to).map_err(text)?;
    }
    fs::create_dir_all(to.join("src/figures")).map_err(text)?;
    fs::copy(from.join("book.toml"), to.join("book.toml")).map_err(text)?;
    fs::copy(from.join("style.css"), to.join("style.css")).map_err(text)?;
    for entry in fs::read_dir(from.join("src")).map_err(text)? {
        let path = entry.map_err(text)?.path();
        let page = fs::read_to_string(&path).map_err(text)?;
        let page = page_of(&page).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.file_name().unwrap_or_default();
        fs::write(to.join("src").join(name), page).map_err(text)?;
    }
    Ok(to)
}

/// The names of all figures that the prepared pages show.
fn figures_of(folder: &Path) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.join("src")).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_none_or(|end| end != "md") {
            continue;
        }
        let page = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let parts = page.split("(figures/").skip(1);
        names.extend(parts.filter_map(|part| Some(part.split_once(')')?.0.to_owned())));
    }
    Ok(names)
}

/// A page with its listings and formulas. Code stays as it is.
fn page_of(page: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut is_code = false;
    let mut formula: Option<String> = None;
    for line in page.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        }
        if let Some(include) = line.strip_prefix("{{#include ") {
            let place = include.trim_end_matches("}}");
            out += &listing(place)?;
        } else if is_code {
            out += line;
        } else if line.trim() == "$$" {
            match formula.take() {
                None => formula = Some(String::new()),
                Some(latex) => {
                    let math = mathml(&latex, DisplayMode::Block)?;
                    out += &format!("<div class=\"formula\">{math}</div>\n");
                }
            }
        } else if let Some(latex) = &mut formula {
            *latex += line;
            *latex += " ";
            continue;
        } else {
            out += &inline(line)?;
        }
        out.push('\n');
    }
    match formula {
        None => Ok(out),
        Some(latex) => Err(format!("a formula without end: {latex}")),
    }
}

/// The lines of a file between `// ANCHOR: name` and `// ANCHOR_END: name`, without their common
/// indentation.
fn listing(place: &str) -> Result<String, String> {
    let (file, anchor) = place.split_once(':').ok_or("FILE:ANCHOR")?;
    let text = fs::read_to_string(root().join(file)).map_err(|error| format!("{file}: {error}"))?;
    let (begin, end) = (
        format!("// ANCHOR: {anchor}"),
        format!("// ANCHOR_END: {anchor}"),
    );
    let lines = text.lines().skip_while(|line| line.trim() != begin).skip(1);
    let lines: Vec<&str> = lines.take_while(|line| line.trim() != end).collect();
    if lines.is_empty() {
        return Err(format!("{file} has no anchor {anchor}"));
    }
    let used = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = used.map(|line| line.len() - line.trim_start().len()).min();
    let cut = |line: &&str| line.get(indent.unwrap_or(0)..).unwrap_or("").to_owned();
    Ok(lines.iter().map(cut).collect::<Vec<_>>().join("\n"))
}

/// A line with its formulas `$…$` as `MathML`, except in code spans.
fn inline(line: &str) -> Result<String, String> {
    let mut out = String::new();
    for (i, span) in line.split('`').enumerate() {
        if i > 0 {
            out.push('`');
        }
        if i % 2 == 1 {
            out += span;
            continue;
        }
        for (k, part) in span.split('$').enumerate() {
            match k % 2 {
                0 => out += part,
                _ => out += &mathml(part, DisplayMode::Inline)?,
            }
        }
        if span.matches('$').count() % 2 == 1 {
            return Err(format!("a formula without end: {line}"));
        }
    }
    Ok(out)
}

fn mathml(latex: &str, display_mode: DisplayMode) -> Result<String, String> {
    let storage = Storage::new();
    let parsed: Result<Vec<_>, _> = Parser::new(latex, &storage).collect();
    let events = parsed.map_err(|error| format!("{latex}: {error}"))?;
    let config = RenderConfig {
        display_mode,
        ..RenderConfig::default()
    };
    let mut math = String::new();
    let events = events.into_iter().map(Ok::<_, pulldown_latex::ParserError>);
    push_mathml(&mut math, events, config).map_err(|error| error.to_string())?;
    // The renderer leaves out a space, and Markdown would read `_` and `*` as emphasis.
    let math = math.replace("\"minsize", "\" minsize").replace('\n', " ");
    Ok(math.replace('_', "&#95;").replace('*', "&#42;"))
}
