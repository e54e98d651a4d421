//! Padding modes of images.

use serde::{Deserialize, Serialize};

/// How an image is extended beyond its edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Padding {
    /// The opposite side: `c d | a b c d | a b`.
    Circular,
    /// The image mirrored about its outermost pixels: `c b | a b c d | c b`.
    Reflect,
    /// The image mirrored about its edge: `b a | a b c d | d c`.
    Symmetric,
    /// The outermost pixel: `a a | a b c d | d d`.
    Replicate,
    /// Zeros.
    Zero,
    /// No padding: the output shrinks to the positions where the filter lies within the image.
    Valid,
}

impl Padding {
    /// The index of the pixel at `place`, out of `n`; `None` for a zero.
    pub(crate) fn pixel(self, place: isize, n: usize) -> Option<usize> {
        let length = n as isize;
        let inside = (0..length).contains(&place);
        let found = match self {
            Self::Circular => place.rem_euclid(length),
            Self::Replicate => place.clamp(0, length - 1),
            Self::Symmetric => {
                let folded = place.rem_euclid(2 * length);
                folded.min(2 * length - 1 - folded)
            }
            Self::Reflect if n == 1 => 0,
            Self::Reflect => {
                let folded = place.rem_euclid(2 * (length - 1));
                folded.min(2 * (length - 1) - folded)
            }
            Self::Zero | Self::Valid => return inside.then_some(place as usize),
        };
        Some(found as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::Padding;

    #[test]
    fn edges_are_as_drawn() {
        let around = |padding: Padding| -> String {
            let places = (-6..10).map(|place| padding.pixel(place, 4));
            places
                .map(|i| i.map_or('0', |i| b"abcd"[i].into()))
                .collect()
        };
        assert_eq!(around(Padding::Circular), "cdabcdabcdabcdab");
        assert_eq!(around(Padding::Reflect), "abcdcbabcdcbabcd");
        assert_eq!(around(Padding::Symmetric), "cddcbaabcddcbaab");
        assert_eq!(around(Padding::Replicate), "aaaaaaabcddddddd");
        assert_eq!(around(Padding::Zero), "000000abcd000000");
        assert_eq!(Padding::Reflect.pixel(-3, 1), Some(0));
    }
}
