//! The same run in one, two and four processes. Needs `mpirun`; runs with the feature `mpi`:
//! `cargo test --workspace --features tweedie-mpi/mpi --test ranks`.
#![cfg(feature = "mpi")]
#![allow(clippy::expect_used, reason = "a test may stop at once")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts an example in `count` processes. More of them than cores is allowed.
fn start(name: &str, count: usize, arguments: &[&str]) -> Child {
    let test = std::env::current_exe().expect("this test");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("a target folder");
    Command::new("mpirun")
        .args(["--oversubscribe", "-n", &count.to_string()])
        .arg(profile.join("examples").join(name))
        .args(arguments)
        .env("RAYON_NUM_THREADS", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mpirun")
}

fn finish(process: Child) -> (bool, String) {
    let output = process.wait_with_output().expect("an end");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into(),
    )
}

/// The arguments of a run of small networks with four parts in all.
fn arguments(out: &Path, count: usize, steps: &str, more: &[&str]) -> Vec<String> {
    let (parts, out) = ((4 / count).to_string(), out.display().to_string());
    let own = ["--out", &out, "--accumulation", &parts, "--steps", steps];
    let small = ["--width", "8", "--dropout", "0.1", "--save-every", "5"];
    let all = own.into_iter().chain(small).chain(more.iter().copied());
    all.map(String::from).collect()
}

fn train(out: &Path, count: usize, steps: &str, more: &[&str]) -> Child {
    let arguments = arguments(out, count, steps, more);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    start("train_mpi", count, &arguments)
}

/// The losses of all steps and the weights of the average.
fn results(out: &Path) -> [Vec<u8>; 2] {
    // Weights that replace others have the second name.
    let names = ["weights.safetensors", "weights-1.safetensors"];
    let weights = names.map(|name| out.join("model").join(name));
    let weights = weights.iter().find(|path| path.exists());
    let files = [out.join("log.jsonl"), weights.expect("weights").clone()];
    files.map(|path| std::fs::read(path).expect("a file"))
}

#[test]
fn the_number_of_processes_changes_no_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = Vec::new();
    for count in [1, 2, 4] {
        let out = folder.path().join(count.to_string());
        let (done, text) = finish(train(&out, count, "12", &[]));
        assert!(done, "{count} processes: {text}");
        all.push(results(&out));
    }
    assert!(all[0] == all[1] && all[1] == all[2]);
}

/// A killed process ends the job with a message. The run goes on in another number of processes,
/// to the same end.
#[test]
fn a_killed_run_resumes_on_another_number_of_processes() {
    let folder = tempfile::tempdir().expect("a folder");
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));
    let (done, text) = finish(train(&whole, 1, "600", &[]));
    assert!(done, "{text}");
    let mut process = train(&killed, 2, "600", &[]);
    let began = Instant::now();
    while !killed.join("checkpoints/latest").exists() {
        assert!(began.elapsed() < Duration::from_secs(120), "no checkpoint");
        assert!(process.try_wait().expect("a process").is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    let children = format!("/proc/{0}/task/{0}/children", process.id());
    let children = std::fs::read_to_string(children).expect("the processes of mpirun");
    let last = children.split_whitespace().last().expect("a process");
    let sent = Command::new("kill").args(["-9", last]).status();
    assert!(sent.expect("kill").success());
    let (done, text) = finish(process);
    assert!(!done && !text.is_empty(), "{text}");
    let (done, text) = finish(train(&killed, 4, "600", &["--resume"]));
    assert!(done, "{text}");
    assert!(results(&whole) == results(&killed));
}

/// An error in the processes is printed and ends the job.
#[test]
fn an_error_ends_all_processes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (done, text) = finish(train(folder.path(), 2, "12", &["--data", "/nowhere"]));
    assert!(
        !done && text.contains("error: process") && text.contains("/nowhere"),
        "{text}"
    );
}

/// Images that processes share have the same bits.
#[test]
fn restorations_do_not_depend_on_the_number_of_processes() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = Vec::new();
    for count in [1, 3] {
        let out = folder.path().join(count.to_string());
        let place = out.display().to_string();
        let (done, text) = finish(start("restore_mpi", count, &[&place]));
        assert!(done, "{text}");
        let names = (0..8).map(|i| out.join(format!("{i:03}.npy")));
        let files: Vec<Vec<u8>> = names
            .map(|name| std::fs::read(name).expect("a file"))
            .collect();
        all.push(files);
    }
    assert!(all[0] == all[1]);
}
