//! Short runs of the examples, which check that they run but not their results.

use crate::{Done, cargo};

const EXAMPLES: [&str; 20] = [
    "restore -- --steps 3 --out target/restore.png",
    "restore -- --task sr2 --method mmps --sampler heun --steps 2 --out target/sr2.png",
    "restore -- --image crates/tweedie-image/data/chelsea.png --simulate --operator blur:1.6 \
     --model ffdnet --method dpir --steps 3 --draws 1 --tile 128 --film --out target/own",
    "restore -- --replay target/own --out target/own-again",
    "restore -- --image crates/tweedie-image/data/astronaut.png --simulate --operator missing:50 \
     --model examples/photos --method ddnm --steps 2 --draws 1 --out target/colour",
    "blind -- --steps 2 --draws 1 --rounds 1 --out target/blind.png",
    "incomplete -- --digits 40 --rounds 2 --steps 2 --moves 2 --out target/incomplete",
    "coverage -- --methods ddrm --images 40 --draws 2 --steps 3 --out target/coverage.png",
    "super_resolution -- --steps 2 --out target/super-resolution.png",
    "train -- --steps 9 --enlarge 2 --dry-run",
    "classes -- --steps 2 --count 1 --out target/classes.png",
    "lecture -- all --out target/lecture",
    "mixture -- --steps 10 --points 500 --out target/mixture.png",
    "samplers -- --points 200 --out target/samplers.png",
    "trajectory -- --steps 12 --images 1 --out target/trajectory",
    "operators -- --out target/operators.png",
    "checkpoint -- --steps 3 --out target/checkpoint/samples.png",
    "photo -- --steps 2 --moves 1 --out target/photo.png",
    "latent -- --autoencoder-steps 2 --diffusion-steps 2 --out target/latent",
    "phantom -- --scan mri --steps 2 --out target/mri.png",
];

pub(crate) fn run() -> Done {
    for example in EXAMPLES {
        cargo(&format!("run --quiet --example {example}")).run()?;
    }
    let short = "--prior plane --measurements 2 --draws 8 --moves 6 --out target/posterior";
    cargo(&format!("run --quiet --bin posterior -- {short}")).run()
}
