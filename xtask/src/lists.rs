//! Checks that every implementation of the library's seams is in the catalogue, over which tests of
//! laws, orders, biases and files iterate.

use std::fs;
use std::path::{Path, PathBuf};

/// A trait, the folder of its implementations, and the files of the catalogue.
struct Kind {
    name: &'static str,
    folder: &'static str,
    /// Names without ending, with a space between them.
    list: &'static str,
}

impl Kind {
    const fn new(name: &'static str, folder: &'static str, list: &'static str) -> Self {
        Self { name, folder, list }
    }
}

const KINDS: [Kind; 9] = [
    Kind::new("Schedule", "tweedie-math/src/schedule", "schedules"),
    Kind::new("Kernel", "tweedie-math/src/kernel", "steps"),
    Kind::new("Multistep", "tweedie-math/src/multistep", "steps"),
    Kind::new("Step", "tweedie-samplers/src", "steps"),
    Kind::new(
        "Operator",
        "tweedie-inverse/src/operator",
        "operators volumes",
    ),
    Kind::new("NoiseModel", "tweedie-inverse/src/noise", "noise_models"),
    Kind::new(
        "Denoiser",
        "tweedie-inverse/src/posterior",
        "posterior_methods",
    ),
    Kind::new("Step", "tweedie-inverse/src/posterior", "posterior_methods"),
    Kind::new("Architecture", "tweedie-models/src", "architectures"),
];

/// The enums of all members of a kind, and types that hide a member.
const WRAPPERS: [&str; 5] = [
    "AnyLinear",
    "AnyOperator",
    "AnyNoise",
    "AnySchedule",
    "AnyArchitecture",
];

/// Reads the sources and the lists.
pub(crate) fn check() -> Result<(), String> {
    let root = crate::root();
    for kind in KINDS {
        let path = |name: &str| format!("tests/catalogue/src/{name}.rs");
        let paths: Vec<String> = kind.list.split(' ').map(path).collect();
        let texts = paths.iter().map(|path| read(&root.join(path)));
        let list = texts.collect::<Result<Vec<_>, _>>()?.join("\n");
        let mut found = Vec::new();
        for file in sources(&root.join("crates").join(kind.folder))? {
            found.extend(implementations(kind.name, &read(&file)?));
        }
        found.retain(|name| !WRAPPERS.contains(&name.as_str()));
        if found.is_empty() {
            return Err(format!("no {} was found in {}", kind.name, kind.folder));
        }
        let missing = found
            .iter()
            .find(|name| words(&list).all(|word| word != name.as_str()));
        if let Some(name) = missing {
            return Err(format!(
                "{} {name} is not in {}",
                kind.name,
                paths.join(" or ")
            ));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Returns the types for which a file implements a trait, also if the head of the `impl` spans
/// several lines. References, pointers and blanket implementations for a one-letter parameter do
/// not count.
fn implementations(name: &str, source: &str) -> Vec<String> {
    let code = source.lines().take_while(|line| *line != "#[cfg(test)]");
    let code = code.filter(|line| !line.trim_start().starts_with("//"));
    let code = code.flat_map(str::split_whitespace).collect::<Vec<_>>();
    let code = code.join(" ");
    let heads = code.split("impl").skip(1).filter_map(|rest| {
        let head = rest.split('{').next()?;
        let (left, right) = head.split_once(" for ")?;
        let of = match left
            .strip_suffix('>')
            .and_then(|left| left.rsplit_once('<'))
        {
            Some((of, arguments)) if !arguments.contains('>') => of,
            _ => left,
        };
        let of = of.rsplit(|c: char| !c.is_alphanumeric()).next()?;
        let end = right.find(|c: char| !c.is_alphanumeric() && c != '_');
        let found = &right[..end.unwrap_or(right.len())];
        let is_ours = found.len() > 1 && !["Box", "Arc"].contains(&found);
        (of == name && is_ours).then(|| found.to_owned())
    });
    heads.collect()
}

#[cfg(test)]
mod tests {
    use super::implementations;

    #[test]
    fn heads_on_one_line_and_on_several_are_found() {
        let source = "
impl Step<4> for One {}
// impl Step<4> for Commented {}
impl<const D: usize, M: Denoiser<D>>
    Step<D>
    for Two<M>
where
    M: Clone,
{
}
impl<K: Kernel, const D: usize> Step<D> for K {}
impl<S: Step<4> + ?Sized> Step<4> for Box<S> {}
impl<S: Step<4>> Other for Three<S> {}
#[cfg(test)]
mod tests { impl Step<4> for Four {} }
";
        assert_eq!(implementations("Step", source), ["One", "Two"]);
    }
}
