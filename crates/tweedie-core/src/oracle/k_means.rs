//! Clusters of points, by k-means.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, weighted::WeightedIndex};

/// The cluster of each row, by at most 30 iterations of Lloyd's algorithm. The first centre is the
/// first row, and each other one is drawn in proportion to the squared distance to the nearest.
pub(super) fn k_means(rows: &[&[f64]], clusters: usize, seed: u64) -> Vec<usize> {
    let square =
        |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum() };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut centres: Vec<Vec<f64>> = vec![rows[0].to_vec()];
    while centres.len() < clusters {
        let to_nearest = |row: &&[f64]| {
            let distances = centres.iter().map(|centre| square(row, centre));
            distances.fold(f64::INFINITY, f64::min)
        };
        let far: Vec<f64> = rows.iter().map(to_nearest).collect();
        // All rows are at a centre already: any will do.
        let next = WeightedIndex::new(&far).map_or(0, |index| index.sample(&mut rng));
        centres.push(rows[next].to_vec());
    }
    let mut owners = vec![0; rows.len()];
    for _ in 0..30 {
        let nearest = |row: &&[f64]| {
            let order = (0..clusters).min_by(|&a, &b| {
                let [a, b] = [a, b].map(|k| square(row, &centres[k]));
                a.total_cmp(&b)
            });
            order.unwrap_or(0)
        };
        let now: Vec<usize> = rows.iter().map(nearest).collect();
        if now == owners {
            break;
        }
        owners = now;
        for (k, centre) in centres.iter_mut().enumerate() {
            let own = rows.iter().zip(&owners).filter(|(_, owner)| **owner == k);
            let own: Vec<&[f64]> = own.map(|(row, _)| *row).collect();
            if !own.is_empty() {
                for (i, value) in centre.iter_mut().enumerate() {
                    *value = own.iter().map(|row| row[i]).sum::<f64>() / own.len() as f64;
                }
            }
        }
    }
    owners
}
