//! PyTorch's random numbers on a CPU.

/// Returns PyTorch's normal values in `f32` on a CPU at seed 0: the Mersenne Twister, and the
/// Box–Muller transform in blocks of 16. If 16 does not divide the count, the last 16 values are
/// drawn again.
pub(crate) fn mersenne_normals(count: usize) -> impl Iterator<Item = f64> {
    let mut twister = Twister::seeded(0);
    let mut draw = |count: usize| -> Vec<f64> {
        let uniform = |_| f64::from(twister.next() & 0x00ff_ffff) / f64::from(1 << 24);
        (0..count).map(uniform).collect()
    };
    let mut values = draw(count);
    let transform = |block: &mut [f64]| {
        for i in 0..8 {
            let radius = (-2.0 * (1.0 - block[i]).ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * block[i + 8]).sin_cos();
            (block[i], block[i + 8]) = (radius * cos, radius * sin);
        }
    };
    for block in values.chunks_exact_mut(16) {
        transform(block);
    }
    if count > 16 && !count.is_multiple_of(16) {
        let mut last = draw(16);
        transform(&mut last);
        values.splice(count - 16.., last);
    }
    values.into_iter()
}

/// MT19937 (Matsumoto and Nishimura 1998).
struct Twister {
    state: Vec<u32>,
    place: usize,
}

impl Twister {
    fn seeded(seed: u32) -> Self {
        let mut state = vec![seed];
        for i in 1..624_u32 {
            let last = state[i as usize - 1];
            state.push(
                1_812_433_253_u32
                    .wrapping_mul(last ^ (last >> 30))
                    .wrapping_add(i),
            );
        }
        Self { state, place: 624 }
    }

    fn next(&mut self) -> u32 {
        if self.place == 624 {
            for i in 0..624 {
                let joined =
                    (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % 624] & 0x7fff_ffff);
                let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + 397) % 624] ^ (joined >> 1) ^ twist;
            }
            self.place = 0;
        }
        let mut y = self.state[self.place];
        self.place += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }
}
