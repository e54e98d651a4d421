//! The stationary Gaussian texture of an exemplar: `X = m + h ∗ W`, with white noise `W`.
//!
//! The spot `h = (u − m)/√(hw)` is the exemplar `u` without its mean. All channels share `W`, so
//! that they vary together: with unitary transforms, `E[X̂_a X̂_b*] = û_a û_b*` at every frequency
//! but 0. The covariance has rank one at each of them, and everything is exact. With
//! `P = Σ_c |û_c|²`, for `y = b ∗ X + σ n` without its mean,
//!
//! `E[W | y] = F⁻¹ b̂* Σ_c û_c* ŷ_c/(|b̂|² P + σ²)`.
//!
//! # Reference
//! Galerne, Gousseau & Morel 2011, "Random phase textures: theory and synthesis", IEEE Trans. Image
//! Process. 20(1); van Wijk 1991 (spot noise).

use burn::tensor::{Device, Tensor};
use std::f64::consts::PI;
use tweedie_core::{DenoiseError, Denoiser, HostNoise, InputError, Noise};
use tweedie_math::Level;
use tweedie_ops::{CircularFilter, Sign, fft2};

/// A Gaussian texture on a torus, as a denoiser that is exact.
///
/// ```
/// use burn::tensor::Device;
/// use tweedie_core::{Denoiser, HostNoise, Noise};
/// use tweedie_inverse::prior::Texture;
/// use tweedie_math::Level;
///
/// let device = Device::flex();
/// let exemplar = HostNoise::seeded(0).normal([1, 3, 16, 16], &device);
/// let texture = Texture::of(&exemplar)?;
/// let larger = texture.enlarged([32, 48])?;
/// let x = larger.sample(2, 1, &device);
/// assert_eq!(x.dims(), [2, 3, 32, 48]);
/// let clean = larger.denoise(x, Level::variance_exploding(0.5)?)?;
/// # let _ = clean;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Texture {
    /// `m`, one value for each channel.
    mean: Vec<f64>,
    /// `u − m` by channels.
    exemplar: Vec<f64>,
    size: [usize; 2],
    spot: CircularFilter,
    /// `P`, row by row.
    power: Vec<f64>,
}

impl Texture {
    /// Takes an exemplar `[1, c, h, w]` as it is. Its opposite edges are neighbours;
    /// [`periodic_component`](super::periodic_component) removes the jumps between them.
    ///
    /// # Errors
    /// [`InputError::Shape`] unless there is one image with at least one value, and
    /// [`InputError::Refused`] if a value is not finite.
    pub fn of(exemplar: &Tensor<4>) -> Result<Self, InputError> {
        let shape = exemplar.dims();
        if shape[0] != 1 || shape.contains(&0) {
            return Err(InputError::Shape {
                name: "the exemplar",
                found: shape.to_vec(),
                expected: "[1, channels, height, width]".into(),
            });
        }
        let [_, channels, h, w] = shape;
        let mut values: Vec<f64> = exemplar.to_data().iter::<f64>().collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(InputError::Refused("an exemplar that is not finite".into()));
        }
        let mut mean = Vec::with_capacity(channels);
        for plane in values.chunks_mut(h * w) {
            let of_plane = plane.iter().sum::<f64>() / (h * w) as f64;
            plane.iter_mut().for_each(|value| *value -= of_plane);
            mean.push(of_plane);
        }
        let factor = 1.0 / ((h * w) as f64).sqrt();
        let spot: Vec<f64> = values.iter().map(|value| factor * value).collect();
        Ok(Self::with_spot(mean, values, [h, w], &spot, [h, w]))
    }

    /// `size` is that of the exemplar, `torus` that of the texture.
    fn with_spot(
        mean: Vec<f64>,
        exemplar: Vec<f64>,
        size: [usize; 2],
        spot: &[f64],
        torus: [usize; 2],
    ) -> Self {
        let spot = CircularFilter::of_kernel(spot, [1, mean.len()], torus);
        let magnitudes = spot.magnitudes();
        let pixels = torus[0] * torus[1];
        let mut power = vec![0.0; pixels];
        for plane in magnitudes.values().chunks(pixels) {
            for (sum, magnitude) in power.iter_mut().zip(plane) {
                *sum += magnitude * magnitude;
            }
        }
        Self {
            mean,
            exemplar,
            size,
            spot,
            power,
        }
    }

    /// The same texture on a larger torus. The exemplar fades to its mean over a tenth of its side
    /// at every edge.
    ///
    /// # Errors
    /// [`InputError::Refused`] if a side is smaller than the exemplar's.
    pub fn enlarged(&self, torus: [usize; 2]) -> Result<Self, InputError> {
        let [h, w] = self.size;
        if torus[0] < h || torus[1] < w {
            let text = format!("a texture of {torus:?} pixels, smaller than its exemplar {h}×{w}");
            return Err(InputError::Refused(text));
        }
        let window = |i: usize, n: usize| {
            let fade = 0.1 * n as f64;
            let from_edge = (i.min(n - 1 - i) as f64 + 0.5) / fade;
            0.5 - 0.5 * (PI * from_edge.min(1.0)).cos()
        };
        let [rows, columns] = [h, w].map(|n| (0..n).map(|i| window(i, n)).collect::<Vec<f64>>());
        let square = |line: &[f64]| line.iter().map(|v| v * v).sum::<f64>();
        let factor = 1.0 / (square(&rows) * square(&columns)).sqrt();
        let mut spot = vec![0.0; self.mean.len() * torus[0] * torus[1]];
        for (i, value) in self.exemplar.iter().enumerate() {
            let (channel, row, column) = (i / (h * w), i / w % h, i % w);
            let at = (channel * torus[0] + row) * torus[1] + column;
            spot[at] = factor * rows[row] * columns[column] * value;
        }
        let (mean, exemplar) = (self.mean.clone(), self.exemplar.clone());
        Ok(Self::with_spot(mean, exemplar, self.size, &spot, torus))
    }

    /// The mean of each channel.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The shape of `count` images: `[count, channels, height, width]`.
    #[must_use]
    pub fn shape(&self, count: usize) -> [usize; 4] {
        let [h, w] = self.spot.size();
        [count, self.mean.len(), h, w]
    }

    /// Draws textures: asymptotic discrete spot noise.
    #[must_use]
    pub fn sample(&self, count: usize, seed: u64, device: &Device) -> Tensor<4> {
        self.of_noise(self.white(count, seed, device))
    }

    /// Draws textures with the Fourier modulus of the exemplar and random phases.
    ///
    /// They differ from [`sample`](Self::sample) in the modulus, which is not random.
    #[must_use]
    pub fn random_phase(&self, count: usize, seed: u64, device: &Device) -> Tensor<4> {
        let white = self.white(count, seed, device);
        let z = fft2(
            Tensor::cat(vec![white.clone(), white.zeros_like()], 1),
            Sign::Forward,
        );
        let modulus = z.clone().square().sum_dim(1).sqrt().clamp_min(1e-30);
        let phases = fft2(z / modulus, Sign::Inverse).narrow(1, 0, 1);
        self.of_noise(phases)
    }

    fn white(&self, count: usize, seed: u64, device: &Device) -> Tensor<4> {
        let [_, _, h, w] = self.shape(count);
        HostNoise::seeded(seed).normal([count, 1, h, w], device)
    }

    /// `m + h ∗ W`.
    fn of_noise(&self, white: Tensor<4>) -> Tensor<4> {
        let texture = self.spot.forward(white.repeat_dim(1, self.mean.len()));
        let mean = self.mean_like(&texture);
        texture + mean
    }

    fn mean_like(&self, like: &Tensor<4>) -> Tensor<4> {
        let mean = Tensor::<1>::from_data(self.mean.as_slice(), (&like.device(), like.dtype()));
        mean.reshape([1, self.mean.len(), 1, 1])
    }

    /// Returns the posterior mean of the texture from `y = b ∗ x + σ n`, with the same blur in
    /// every channel: Wiener's filter.
    ///
    /// # Panics
    /// If `y` or the blur is not of the size of the texture, if the blur has several planes, or if
    /// `sigma` is negative or not finite.
    #[must_use]
    pub fn posterior_mean(&self, y: Tensor<4>, blur: &CircularFilter, sigma: f64) -> Tensor<4> {
        assert!(sigma >= 0.0 && sigma.is_finite(), "σ is {sigma}");
        assert_eq!(
            blur.magnitudes().values().len(),
            self.power.len(),
            "one plane of the blur"
        );
        let squares: Vec<f64> = blur.magnitudes().values().iter().map(|b| b * b).collect();
        let mean = self.mean_like(&y).expand(y.dims());
        let centred = blur.adjoint(y - blur.forward(mean));
        self.of_noise(self.estimate(centred, |i| (squares[i], sigma * sigma)))
    }

    /// `E[W | …]` from `b̂* ŷ` without its mean, and `|b̂|²` and `σ²` at a frequency.
    fn estimate(&self, centred: Tensor<4>, of: impl Fn(usize) -> (f64, f64)) -> Tensor<4> {
        let signals: Vec<(f64, f64)> = self
            .power
            .iter()
            .enumerate()
            .map(|(i, &power)| {
                let (square, variance) = of(i);
                (square * power, variance)
            })
            .collect();
        // What is below it is the rounding error of a frequency without signal.
        let least = 1e-14
            * signals
                .iter()
                .fold(0.0, |most: f64, (signal, _)| most.max(*signal));
        let gain = signals
            .into_iter()
            .map(|(signal, variance)| match signal > least {
                true => 1.0 / (signal + variance),
                false => 0.0,
            });
        let gain = CircularFilter::of_magnitudes(&gain.collect::<Vec<_>>(), self.spot.size());
        gain.forward(self.spot.adjoint(centred).sum_dim(1))
    }
}

impl Denoiser<4> for Texture {
    fn accepts(&self, shape: [usize; 4]) -> Result<(), InputError> {
        let expected = self.shape(shape[0]);
        match shape == expected {
            true => Ok(()),
            false => Err(InputError::Shape {
                name: "the state",
                found: shape.to_vec(),
                expected: format!("that of the texture, {expected:?}"),
            }),
        }
    }

    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        let (alpha, variance) = (level.alpha(), level.sigma().powi(2));
        let centred = (x.clone() - self.mean_like(&x) * alpha) * alpha;
        Ok(self.of_noise(self.estimate(centred, |_| (alpha * alpha, variance))))
    }
}
