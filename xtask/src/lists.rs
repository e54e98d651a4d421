//! Checks that every implementation of the six kinds is in the list of its kind. The tests of laws,
//! orders, biases and files run over these lists.

use std::fs;
use std::path::{Path, PathBuf};

/// A trait, the folder of its implementations, the file that lists them, and the implementations
/// that are tested elsewhere.
struct Kind {
    name: &'static str,
    folder: &'static str,
    list: &'static str,
    elsewhere: &'static [&'static str],
}

const STEPS: &str = "crates/tweedie-samplers/tests/oracle/registry.rs";
const METHODS: &str = "crates/tweedie-inverse/tests/posterior/registry.rs";

const KINDS: [Kind; 8] = [
    Kind {
        name: "Schedule",
        folder: "crates/tweedie-math/src/schedule",
        list: "crates/tweedie-math/src/schedule/any.rs",
        elsewhere: &[],
    },
    Kind {
        name: "Kernel",
        folder: "crates/tweedie-math/src/kernel",
        list: STEPS,
        // Its fresh noise does not shrink with the number of moves, so it does not converge.
        elsewhere: &["Renoise"],
    },
    Kind {
        name: "Step",
        folder: "crates/tweedie-samplers/src",
        list: STEPS,
        // Adaptive solvers, chains at one level and wrappers have no order; other tests in
        // `oracle/` cover them.
        elsewhere: &[
            "Adaptive",
            "AdaptiveSde",
            "AnnealedLangevin",
            "Churn",
            "Langevin",
            "Mala",
            "PredictorCorrector",
        ],
    },
    Kind {
        name: "Operator",
        folder: "crates/tweedie-inverse/src/operator",
        list: "crates/tweedie-inverse/src/operator/any.rs",
        elsewhere: &[],
    },
    Kind {
        name: "NoiseModel",
        folder: "crates/tweedie-inverse/src/noise",
        list: "crates/tweedie-inverse/src/noise/any.rs",
        elsewhere: &[],
    },
    Kind {
        name: "Denoiser",
        folder: "crates/tweedie-inverse/src/posterior",
        list: METHODS,
        elsewhere: &[],
    },
    Kind {
        name: "Step",
        folder: "crates/tweedie-inverse/src/posterior",
        list: METHODS,
        // Methods with many particles: other tests in `tests/posterior` cover them.
        elsewhere: &["EnKg", "TwistedSmc"],
    },
    Kind {
        name: "Architecture",
        folder: "crates/tweedie-models/src",
        list: "crates/tweedie-models/src/any.rs",
        elsewhere: &[],
    },
];

/// Reads the sources and the lists.
pub(crate) fn check() -> Result<(), String> {
    let root = crate::root();
    for kind in KINDS {
        let list = read(&root.join(kind.list))?;
        let mut found = Vec::new();
        for file in sources(&root.join(kind.folder))? {
            found.extend(implementations(kind.name, &read(&file)?));
        }
        if found.is_empty() {
            return Err(format!("no {} was found in {}", kind.name, kind.folder));
        }
        let missing = found.iter().find(|name| {
            let elsewhere = kind.elsewhere.contains(&name.as_str());
            !elsewhere && !words(&list).any(|word| word == name.as_str())
        });
        if let Some(name) = missing {
            return Err(format!("{} {name} is not in {}", kind.name, kind.list));
        }
        if let Some(gone) = kind
            .elsewhere
            .iter()
            .find(|name| !found.iter().any(|f| f == *name))
        {
            return Err(format!("{gone}, an exception of {}, is gone", kind.name));
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
