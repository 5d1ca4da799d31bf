//! Shapes, and the one place that knows how two of them broadcast.
//!
//! A shape may be *batched*: its axis 0 then counts samples. Broadcasting never touches that axis: it aligns what one sample
//! has with what the other has, from the right as NumPy does (the semantics of `torch.vmap`), so `[N]` with `[N, C]` pairs
//! each sample's scalar with its own row whatever N and C are.

use std::fmt;

/// The most axes a tensor may have.
pub const MAX_RANK: usize = 8;

/// The sizes of a tensor's axes, and whether the first counts samples. The product of the sizes always fits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [usize; MAX_RANK],
    rank: u8,
    batched: bool,
}

/// Why shapes do not fit, in words for the client: lower case, with the shapes found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ShapeError(pub String);

impl Shape {
    /// The shape of a single number.
    pub const SCALAR: Self = Self { dims: [0; MAX_RANK], rank: 0, batched: false };

    /// A shape without sample axis.
    ///
    /// # Errors
    /// More than [`MAX_RANK`] axes, or more elements than memory has addresses for.
    pub fn new(dims: &[usize]) -> Result<Self, ShapeError> {
        Self::build(dims, false)
    }

    /// A shape whose axis 0 counts samples: `[samples, of_one_sample…]`.
    ///
    /// # Errors
    /// As [`Shape::new`].
    pub fn batched(samples: usize, of_one_sample: &[usize]) -> Result<Self, ShapeError> {
        if of_one_sample.len() >= MAX_RANK {
            return Err(too_many_axes(of_one_sample.len() + 1));
        }
        let mut dims = [0; MAX_RANK];
        dims[0] = samples;
        dims[1..=of_one_sample.len()].copy_from_slice(of_one_sample);
        Self::build(&dims[..=of_one_sample.len()], true)
    }

    fn build(dims: &[usize], batched: bool) -> Result<Self, ShapeError> {
        if dims.len() > MAX_RANK {
            return Err(too_many_axes(dims.len()));
        }
        // Room for 16-byte elements, and for zero-sized axes hiding an overflow.
        let product = dims.iter().try_fold(16_usize, |product, &dim| product.checked_mul(dim.max(1)));
        if product.is_none_or(|product| isize::try_from(product).is_err()) {
            return Err(ShapeError(format!("shape {} has more elements than any memory holds", Dims(dims))));
        }
        let mut all = [0; MAX_RANK];
        all[..dims.len()].copy_from_slice(dims);
        Ok(Self { dims: all, rank: dims.len() as u8, batched })
    }

    /// A shape of the same kind (batched or not) with other sizes.
    ///
    /// # Errors
    /// As [`Shape::new`].
    pub fn with_dims(self, dims: &[usize]) -> Result<Self, ShapeError> {
        Self::build(dims, self.batched)
    }

    /// The sizes, sample axis included.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..usize::from(self.rank)]
    }

    /// The sizes of what one sample has (all of them where there is no sample axis).
    pub fn sample_dims(&self) -> &[usize] {
        &self.dims()[usize::from(self.batched)..]
    }

    /// The number of axes, sample axis included.
    pub fn rank(&self) -> usize {
        usize::from(self.rank)
    }

    /// Whether axis 0 counts samples.
    pub fn is_batched(&self) -> bool {
        self.batched
    }

    /// The number of samples, if there is a sample axis.
    pub fn samples(&self) -> Option<usize> {
        self.batched.then(|| self.dims[0])
    }

    /// The number of elements.
    pub fn size(&self) -> usize {
        self.dims().iter().product()
    }

    /// The elements of one sample.
    pub fn sample_size(&self) -> usize {
        self.sample_dims().iter().product()
    }

    /// Row-major strides, in elements.
    pub fn strides(&self) -> [usize; MAX_RANK] {
        let mut strides = [0; MAX_RANK];
        let mut step = 1;
        for axis in (0..self.rank()).rev() {
            strides[axis] = step;
            step *= self.dims[axis];
        }
        strides
    }

    /// Where the element `at` stands, as the end of a JSON pointer into nested arrays: its index on each axis.
    pub fn place(&self, at: usize) -> String {
        let index = self.strides().into_iter().zip(self.dims()).map(|(stride, &dim)| (at / stride % dim).to_string());
        index.collect::<Vec<_>>().join("/")
    }

    /// The axis that PyTorch's `dim` names, counted from the end where it is negative. The sample axis is refused: an op that
    /// mixes samples would make one sample's answer depend on its neighbours.
    ///
    /// # Errors
    /// No such axis, or the sample axis.
    pub fn axis(&self, dim: i64) -> Result<usize, ShapeError> {
        let axis = resolve(dim, self.rank())
            .ok_or_else(|| ShapeError(format!("dim {dim} does not exist in shape {self}; expected {}", Range(self.rank()))))?;
        if self.batched && axis == 0 {
            return Err(ShapeError(format!(
                "dim {dim} of shape {self} is the sample axis, which ops may not mix; the axes of one sample start at 1"
            )));
        }
        Ok(axis)
    }

    /// The common shape of two values in an elementwise op.
    ///
    /// # Errors
    /// The sizes of an axis differ and neither is 1, or the numbers of samples differ.
    pub fn broadcast(self, other: Self) -> Result<Self, ShapeError> {
        let clash = || ShapeError(format!("shapes {self} and {other} do not broadcast together"));
        let batched = self.batched || other.batched;
        let (a, b) = (self.sample_dims(), other.sample_dims());
        let rank = a.len().max(b.len());
        let start = usize::from(batched);
        if start + rank > MAX_RANK {
            return Err(too_many_axes(start + rank));
        }
        let mut dims = [0; MAX_RANK];
        if batched {
            dims[0] = match (self.samples(), other.samples()) {
                (Some(n), Some(m)) if n != m => return Err(clash()),
                (Some(n), _) | (_, Some(n)) => n,
                (None, None) => 0,
            };
        }
        for axis in 0..rank {
            let of = |dims: &[usize]| (axis + dims.len()).checked_sub(rank).map_or(1, |at| dims[at]);
            dims[start + axis] = match (of(a), of(b)) {
                (1, n) | (n, 1) => n,
                (n, m) if n == m => n,
                _ => return Err(clash()),
            };
        }
        Self::build(&dims[..start + rank], batched)
    }

    /// Strides with which a tensor of this shape is read as one of shape `target`: 0 along every axis that repeats.
    /// `target` must be what [`Shape::broadcast`] made of this shape and another.
    pub fn broadcast_strides(&self, target: Self) -> [usize; MAX_RANK] {
        let own = self.strides();
        let mut strides = [0; MAX_RANK];
        let from = usize::from(self.batched);
        if self.batched && target.batched {
            strides[0] = own[0];
        }
        let pad = target.rank() - self.sample_dims().len();
        for (axis, &dim) in self.sample_dims().iter().enumerate() {
            strides[pad + axis] = if dim == 1 { 0 } else { own[from + axis] };
        }
        strides
    }
}

/// `dim` as an index into `rank` axes, counted from the end where it is negative.
pub fn resolve(dim: i64, rank: usize) -> Option<usize> {
    let rank = rank as i64;
    (-rank <= dim && dim < rank).then(|| dim.rem_euclid(rank) as usize)
}

fn too_many_axes(rank: usize) -> ShapeError {
    ShapeError(format!("{rank} axes are more than the {MAX_RANK} that a tensor may have"))
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Dims(self.dims()), f)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.batched { "batched " } else { "" }, Dims(self.dims()))
    }
}

/// Sizes as a client writes them: `[2, 3]`.
pub struct Dims<'a>(pub &'a [usize]);

impl fmt::Display for Dims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (position, dim) in self.0.iter().enumerate() {
            write!(f, "{}{dim}", if position == 0 { "" } else { ", " })?;
        }
        f.write_str("]")
    }
}

struct Range(usize);

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("no dim, it is a single number"),
            rank => write!(f, "-{rank} to {}", rank - 1),
        }
    }
}

/// The index of an element, one number an axis.
pub fn index_of(dims: &[usize], element: usize) -> Vec<usize> {
    let mut rest = element;
    let mut index = vec![0; dims.len()];
    for (at, &dim) in index.iter_mut().zip(dims).rev() {
        *at = rest % dim.max(1);
        rest /= dim.max(1);
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(dims: &[usize]) -> Shape {
        Shape::new(dims).expect("a small shape")
    }

    fn many(samples: usize, dims: &[usize]) -> Shape {
        Shape::batched(samples, dims).expect("a small shape")
    }

    #[test]
    fn samples_never_meet_features() {
        assert_eq!(many(3, &[]).broadcast(many(3, &[3])), Ok(many(3, &[3])));
        assert_eq!(many(3, &[4]).broadcast(one(&[4])), Ok(many(3, &[4])));
        assert_eq!(many(3, &[]).broadcast(one(&[5])), Ok(many(3, &[5])));
        assert_eq!(one(&[2, 1]).broadcast(one(&[3])), Ok(one(&[2, 3])));
        assert!(many(3, &[4]).broadcast(one(&[3])).is_err());
        assert!(many(3, &[4]).broadcast(many(2, &[4])).is_err());
    }

    #[test]
    fn strides_repeat_what_is_missing() {
        assert_eq!(many(3, &[]).broadcast_strides(many(3, &[4]))[..2], [1, 0]);
        assert_eq!(one(&[4]).broadcast_strides(many(3, &[4]))[..2], [0, 1]);
        assert_eq!(many(3, &[2, 1]).broadcast_strides(many(3, &[2, 5]))[..3], [2, 1, 0]);
    }

    #[test]
    fn the_sample_axis_is_refused() {
        assert_eq!(many(3, &[4]).axis(-1), Ok(1));
        assert!(many(3, &[4]).axis(0).is_err());
        assert!(many(3, &[4]).axis(-2).is_err());
        assert!(many(3, &[4]).axis(2).is_err());
        assert_eq!(one(&[4]).axis(0), Ok(0));
        assert!(one(&[]).axis(0).is_err());
    }

    #[test]
    fn overflow_is_an_error_even_behind_a_zero() {
        assert!(Shape::new(&[usize::MAX, 2]).is_err());
        assert!(Shape::new(&[0, usize::MAX, 2]).is_err());
        assert!(Shape::new(&[1; 9]).is_err());
        assert!(Shape::batched(1, &[1; 8]).is_err());
    }
}
