//! Opens files with random changes. `cargo test --workspace --no-run` builds
//! `target/debug/tweedie-fuzz [SECONDS] [SEED] [INPUTS] [END]`, which stops after `SECONDS` or
//! after `INPUTS` inputs. With an `END`, such as `.png` or `run.json`, only files whose names end
//! with it are changed.
//!
//! The corpus in `tests/fuzz/corpus` holds a small file of every checkpoint format, and
//! photographs. The program adds measurements, images, an IDX file and a training state. Each input
//! is one of these files, changed, and is opened by every function for its kind: weights,
//! checkpoints of guided-diffusion, directories of diffusers, measurements, images and folders of
//! them, runs to resume. An input fails if it causes a panic, needs more than ten seconds or
//! allocates a block of more than 64 MB. Failing inputs are written to `out/fuzz`, and the exit
//! status is then 1.

mod open;

use open::{open, written};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tweedie_fuzz::mutate;

/// The largest allocation since the last reset to 0.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

/// The largest allocation allowed for a file of a few kilobytes.
const MOST: usize = 64 << 20;

/// The longest time allowed for such a file, even on a busy machine.
const HANG: Duration = Duration::from_secs(10);

/// An allocator that records the largest allocation.
struct Watching;

#[allow(
    unsafe_code,
    reason = "an allocator is unsafe by nature; this one passes everything on"
)]
// SAFETY: every call is passed unchanged to the system's allocator.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller upholds the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(60), |text| text.parse())?;
    let seed: u64 = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let most: u64 = arguments.next().map_or(Ok(u64::MAX), |text| text.parse())?;
    let end = arguments.next().unwrap_or_default();
    let folder = tempfile::tempdir()?;
    let mut corpus = corpus(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"))?;
    corpus.extend(written(folder.path())?);
    corpus.retain(|(name, _)| name.ends_with(&end));
    if corpus.is_empty() {
        return Err(format!("no file of the corpus ends with {end:?}").into());
    }
    println!(
        "{} files in the corpus, {seconds} s, seed {seed}",
        corpus.len()
    );
    let files: Vec<Vec<u8>> = corpus.iter().map(|(_, bytes)| bytes.clone()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Panics are counted and not printed.
    std::panic::set_hook(Box::new(|_| {}));
    let (began, limit) = (Instant::now(), Duration::from_secs(seconds));
    let (mut inputs, mut opened, mut failures) = (0_u64, 0_u64, 0_u64);
    while began.elapsed() < limit && inputs < most {
        let (name, bytes) = &corpus[rng.random_range(0..corpus.len())];
        let mut bytes = bytes.clone();
        mutate(&mut bytes, &files, &mut rng);
        LARGEST.store(0, Ordering::Relaxed);
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| open(folder.path(), name, &bytes)));
        let (took, largest) = (started.elapsed(), LARGEST.load(Ordering::Relaxed));
        inputs += 1;
        let wrong = match outcome {
            Err(_) => Some("panic"),
            Ok(_) if took > HANG => Some("slow"),
            Ok(_) if largest > MOST => Some("large"),
            Ok(success) => {
                opened += u64::from(success);
                None
            }
        };
        if let Some(wrong) = wrong {
            failures += 1;
            let out = Path::new("out/fuzz");
            std::fs::create_dir_all(out)?;
            let path = out.join(format!("{wrong}-{failures}-{name}"));
            std::fs::write(&path, &bytes)?;
            println!("{wrong}: {}, {took:?}, {largest} bytes", path.display());
        }
    }
    println!("{inputs} inputs, {opened} opened, {failures} failures");
    Ok(ExitCode::from(u8::from(failures > 0)))
}

/// Returns the files of the corpus with their names.
fn corpus(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, std::io::Error> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        files.push((name, std::fs::read(entry.path())?));
    }
    files.sort();
    Ok(files)
}
