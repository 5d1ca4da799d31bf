//! Numbers and arrays of numbers; the only place that names a kernel.

pub mod ahead;
pub mod base64;
mod bytes;
pub mod decimal;
pub mod double_double;
pub mod dual;
mod elementary;
mod gemm;
pub mod interval;
pub mod lanes;
pub mod scalar;
mod shape;
mod wide;

use std::ops::Range;
use std::sync::Arc;

pub use bytes::LittleEndian;
pub use double_double::DoubleDouble;
pub use dual::Dual;
pub use gemm::{Gemm, Matrix, MatrixMut};
pub use interval::{Digits, Interval};
use ndarray::{ArrayViewD, ArrayViewMutD, IxDyn};
pub use scalar::{Field, Float};
pub use shape::{Dims, MAX_RANK, Shape, ShapeError, index_of, resolve};
pub use wide::wide;

/// Whether every number is finite.
pub fn all_finite<S: Float>(data: &[S]) -> bool {
    /// So many are looked at without a branch.
    const BLOCK: usize = 256;
    wide::<S, _>(
        #[inline(always)]
        || {
            for block in data.chunks(BLOCK) {
                let mut all = true;
                for x in block {
                    all &= x.is_finite();
                }
                if !all {
                    return false;
                }
            }
            true
        },
    )
}

/// A row-major, contiguous array. Cloning shares the numbers.
#[derive(Debug, Clone)]
pub struct Tensor<S> {
    shape: Shape,
    data: Data<S>,
}

/// Numbers that several tensors may share.
#[derive(Debug, Clone)]
enum Data<S> {
    /// At most [`FEW`], in place, so that a small network of neurons allocates hardly anything.
    Few(Few<S>),
    /// As many as [`SOME`]: one step into memory away. A large network of neurons reads such values from anywhere.
    Some(Arc<[S]>),
    /// Some more, for which nothing is copied, or many, for which copying would cost more than a step.
    Other(Arc<Vec<S>>),
}

/// Numbers in place.
#[derive(Debug, Clone, Copy)]
struct Few<S> {
    room: [S; FEW],
    length: u8,
}

/// A neuron's values of a handful of samples.
const FEW: usize = 4;

impl<S: Float> Few<S> {
    /// These, if they are few.
    fn of(elements: &[S]) -> Option<Self> {
        let mut room = [S::ZERO; FEW];
        room.get_mut(..elements.len())?.copy_from_slice(elements);
        Some(Self { room, length: elements.len() as u8 })
    }
}

/// A neuron's values of a usual minibatch.
const SOME: std::ops::RangeInclusive<usize> = 16..=128;

impl<S> Data<S> {
    fn as_slice(&self) -> &[S] {
        match self {
            Self::Few(few) => &few.room[..usize::from(few.length)],
            Self::Some(data) => data,
            Self::Other(data) => data,
        }
    }
}

impl<S: PartialEq> PartialEq for Tensor<S> {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.data.as_slice() == other.data.as_slice()
    }
}

impl<S: Float> Tensor<S> {
    /// The elements in row-major order.
    pub fn new(shape: Shape, data: Vec<S>) -> Self {
        assert_eq!(shape.size(), data.len(), "elements of a tensor of shape {shape}");
        let data = match Few::of(&data) {
            Some(few) => Data::Few(few),
            None if SOME.contains(&data.len()) => Data::Some(data.into()),
            None => Data::Other(Arc::new(data)),
        };
        Self { shape, data }
    }

    /// Elements in row-major order, one after the other.
    #[inline(always)]
    pub fn from_elements(shape: Shape, elements: impl ExactSizeIterator<Item = S>) -> Self {
        assert_eq!(shape.size(), elements.len(), "elements of a tensor of shape {shape}");
        if elements.len() > FEW {
            return Self::new(shape, elements.collect());
        }
        let (mut room, length) = ([S::ZERO; FEW], elements.len() as u8);
        room.iter_mut().zip(elements).for_each(|(room, element)| *room = element);
        Self { shape, data: Data::Few(Few { room, length }) }
    }

    /// Elements that somebody else may hold too.
    pub fn shared(shape: Shape, data: Arc<Vec<S>>) -> Self {
        assert_eq!(shape.size(), data.len(), "elements of a tensor of shape {shape}");
        let data = Few::of(&data).map_or_else(|| Data::Other(data), Data::Few);
        Self { shape, data }
    }

    /// A single number.
    pub fn scalar(value: S) -> Self {
        Self::full(Shape::SCALAR, value)
    }

    /// The same number everywhere.
    pub fn full(shape: Shape, value: S) -> Self {
        match shape.size() {
            size @ ..=FEW => Self { shape, data: Data::Few(Few { room: [value; FEW], length: size as u8 }) },
            size => Self::new(shape, vec![value; size]),
        }
    }

    /// Zeros.
    pub fn zeros(shape: Shape) -> Self {
        Self::full(shape, S::ZERO)
    }

    /// The shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The elements in row-major order.
    pub fn data(&self) -> &[S] {
        self.data.as_slice()
    }

    /// The elements, moved out where nobody shares them.
    pub fn into_data(self) -> Vec<S> {
        match self.data {
            Data::Few(_) | Data::Some(_) => self.data().to_vec(),
            Data::Other(data) => Arc::try_unwrap(data).unwrap_or_else(|shared| shared.as_ref().clone()),
        }
    }

    /// The elements for writing, copied first where somebody shares them.
    pub fn data_mut(&mut self) -> &mut [S] {
        match &mut self.data {
            Data::Few(few) => &mut few.room[..usize::from(few.length)],
            Data::Some(data) => Arc::make_mut(data),
            Data::Other(data) => Arc::make_mut(data).as_mut_slice(),
        }
    }

    /// The same elements under another shape of the same size.
    #[must_use]
    pub fn reshape(&self, shape: Shape) -> Self {
        assert_eq!(shape.size(), self.data().len(), "reshape {} to {shape}", self.shape);
        Self { shape, data: self.data.clone() }
    }

    /// Some of the samples of a batched tensor.
    #[must_use]
    pub fn samples(&self, range: Range<usize>) -> Self {
        let shape = Shape::batched(range.len(), self.shape.sample_dims()).expect("a part is smaller than the whole");
        let size = self.shape.sample_size();
        Self::from_elements(shape, self.data()[range.start * size..range.end * size].iter().copied())
    }

    /// A strided view, for permutations, slices and sums over axes.
    pub fn view(&self) -> ArrayViewD<'_, S> {
        ArrayViewD::from_shape(IxDyn(self.shape.dims()), self.data()).expect("a tensor's size is its shape's")
    }

    /// As [`Tensor::view`], for writing.
    pub fn view_mut(&mut self) -> ArrayViewMutD<'_, S> {
        let shape = self.shape;
        ArrayViewMutD::from_shape(IxDyn(shape.dims()), self.data_mut()).expect("a tensor's size is its shape's")
    }

    /// A tensor with the elements of a view in the view's logical order.
    pub fn from_view(shape: Shape, view: &ArrayViewD<'_, S>) -> Self {
        let data = match view.as_slice() {
            Some(slice) => slice.to_vec(),
            None => view.iter().copied().collect(),
        };
        Self::new(shape, data)
    }

    /// `f` of every element.
    #[must_use]
    pub fn map(&self, f: impl Fn(S) -> S) -> Self {
        let x = self.data();
        wide::<S, _>(
            #[inline(always)]
            || Self::from_elements(self.shape, x.iter().map(|&x| f(x))),
        )
    }

    /// `f` of every pair of elements, broadcast to `shape`, which must be the two shapes' [`Shape::broadcast`].
    #[must_use]
    pub fn zip(&self, other: &Self, shape: Shape, f: impl Fn(S, S) -> S) -> Self {
        let (a, b) = (self.data(), other.data());
        if self.shape.dims() == other.shape.dims() && self.shape.dims() == shape.dims() {
            wide::<S, _>(
                #[inline(always)]
                || Self::from_elements(shape, a.iter().zip(b).map(|(&x, &y)| f(x, y))),
            )
        } else if b.len() == 1 && a.len() == shape.size() {
            wide::<S, _>(
                #[inline(always)]
                || Self::from_elements(shape, a.iter().map(|&x| f(x, b[0]))),
            )
        } else if a.len() == 1 && b.len() == shape.size() {
            wide::<S, _>(
                #[inline(always)]
                || Self::from_elements(shape, b.iter().map(|&y| f(a[0], y))),
            )
        } else {
            let mut data = Vec::with_capacity(shape.size());
            let (a_strides, b_strides) = (self.shape.broadcast_strides(shape), other.shape.broadcast_strides(shape));
            for_each_row(shape, &[a_strides, b_strides], |[a_at, b_at], [a_step, b_step], count| {
                data.extend((0..count).map(|i| f(a[a_at + i * a_step], b[b_at + i * b_step])));
            });
            Self::new(shape, data)
        }
    }

    /// `f` of every element and of the elements of `a` and `b` that are repeated there; both must broadcast to this shape.
    #[must_use]
    pub fn zip_two(&self, a: &Self, b: &Self, f: impl Fn(S, S, S) -> S) -> Self {
        let shape = self.shape;
        if a.shape == shape && b.shape == shape {
            let (x, a, b) = (self.data(), a.data(), b.data());
            wide::<S, _>(
                #[inline(always)]
                || Self::from_elements(shape, x.iter().zip(a).zip(b).map(|((&x, &a), &b)| f(x, a, b))),
            )
        } else {
            let mut data = Vec::with_capacity(shape.size());
            let strides = [shape.strides(), a.shape.broadcast_strides(shape), b.shape.broadcast_strides(shape)];
            let (a, b) = (a.data(), b.data());
            for_each_row(shape, &strides, |[at, a_at, b_at], [_, a_step, b_step], count| {
                let row = &self.data()[at..at + count];
                data.extend(row.iter().enumerate().map(|(i, &x)| f(x, a[a_at + i * a_step], b[b_at + i * b_step])));
            });
            Self::new(shape, data)
        }
    }

    /// The elements repeated to `shape`, which must be this shape broadcast with another.
    #[must_use]
    pub fn broadcast_to(&self, shape: Shape) -> Self {
        if self.shape.size() == shape.size() {
            return self.reshape(shape);
        }
        let mut data = Vec::with_capacity(shape.size());
        for_each_row(shape, &[self.shape.broadcast_strides(shape)], |[at], [step], count| {
            data.extend((0..count).map(|i| self.data()[at + i * step]));
        });
        Self::new(shape, data)
    }

    /// The adjoint of [`Tensor::broadcast_to`]: sums over every axis along which `shape` was repeated.
    #[must_use]
    pub fn sum_to(&self, shape: Shape) -> Self {
        if self.shape.size() == shape.size() {
            return self.reshape(shape);
        }
        let mut data = vec![S::ZERO; shape.size()];
        let strides = [self.shape.strides(), shape.broadcast_strides(self.shape)];
        for_each_row(self.shape, &strides, |[from, at], [_, step], count| {
            let row = &self.data()[from..from + count];
            if step == 0 {
                data[at] += lanes::sum(row, |x| x);
            } else {
                add(&mut data[at..at + count], row);
            }
        });
        Self::new(shape, data)
    }

    /// Add `other`, of the same size, in place where nobody shares the elements.
    pub fn add_in_place(&mut self, other: &Self) {
        debug_assert_eq!(self.shape.size(), other.shape.size());
        add(self.data_mut(), other.data());
    }
}

/// Put `f` of every element in its place.
pub fn update<S: Float>(x: &mut [S], f: impl Fn(S) -> S) {
    wide::<S, _>(
        #[inline(always)]
        || {
            for x in x {
                *x = f(*x);
            }
        },
    );
}

/// Add each element to the one at the same place.
pub fn add<S: Float>(sums: &mut [S], x: &[S]) {
    wide::<S, _>(
        #[inline(always)]
        || {
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum += x;
            }
        },
    );
}

/// Add each element times a factor to the one at the same place.
pub fn add_scaled<S: Float>(sums: &mut [S], factor: S, x: &[S]) {
    wide::<S, _>(
        #[inline(always)]
        || {
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum += factor * x;
            }
        },
    );
}

/// For each element of `target` in order: where each operand's element is that is repeated there. Each operand must
/// broadcast to `target`.
pub fn broadcast_offsets<const K: usize>(target: Shape, operands: [Shape; K]) -> Vec<[usize; K]> {
    let mut offsets = Vec::with_capacity(target.size());
    let strides = operands.map(|operand| operand.broadcast_strides(target));
    for_each_row(target, &strides, |at, steps, count| {
        offsets.extend((0..count).map(|i| std::array::from_fn(|k| at[k] + i * steps[k])));
    });
    offsets
}

/// Visit the rows (runs along the last axis) of `shape` in order, with each operand's offset and its step along the row.
fn for_each_row<const K: usize>(
    shape: Shape,
    strides: &[[usize; MAX_RANK]; K],
    mut visit: impl FnMut([usize; K], [usize; K], usize),
) {
    let dims = shape.dims();
    if shape.size() == 0 {
        return;
    }
    let Some((&count, outer)) = dims.split_last() else {
        return visit([0; K], [0; K], 1);
    };
    let steps = strides.map(|strides| strides[outer.len()]);
    let mut index = [0; MAX_RANK];
    let mut at = [0; K];
    loop {
        visit(at, steps, count);
        let mut axis = outer.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            for (at, strides) in at.iter_mut().zip(strides) {
                *at += strides[axis];
            }
            if index[axis] < outer[axis] {
                break;
            }
            for (at, strides) in at.iter_mut().zip(strides) {
                *at -= strides[axis] * outer[axis];
            }
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(dims: &[usize], data: &[f64]) -> Tensor<f64> {
        Tensor::new(Shape::new(dims).expect("a small shape"), data.to_vec())
    }

    #[test]
    fn zip_broadcasts_and_sum_to_undoes_it() {
        let column = tensor(&[2, 1], &[1.0, 2.0]);
        let row = tensor(&[3], &[10.0, 20.0, 30.0]);
        let shape = column.shape().broadcast(row.shape()).expect("they broadcast");
        let sum = column.zip(&row, shape, |x, y| x + y);
        assert_eq!(sum.data(), [11.0, 21.0, 31.0, 12.0, 22.0, 32.0]);
        assert_eq!(sum.sum_to(column.shape()).data(), [63.0, 66.0]);
        assert_eq!(sum.sum_to(row.shape()).data(), [23.0, 43.0, 63.0]);
        assert_eq!(sum.sum_to(Shape::SCALAR).data(), [129.0]);
    }

    #[test]
    fn samples_pair_with_their_own_rows() {
        let scale = Tensor::new(Shape::batched(2, &[]).expect("small"), vec![1.0, 10.0]);
        let rows = Tensor::new(Shape::batched(2, &[2]).expect("small"), vec![1.0, 2.0, 3.0, 4.0]);
        let product = scale.zip(&rows, rows.shape(), |x, y| x * y);
        assert_eq!(product.data(), [1.0, 2.0, 30.0, 40.0]);
        assert_eq!(product.sum_to(scale.shape()).data(), [3.0, 70.0]);
    }

    #[test]
    fn empty_tensors_stay_empty() {
        let empty = tensor(&[0, 3], &[]);
        let row = tensor(&[3], &[1.0, 2.0, 3.0]);
        assert_eq!(empty.zip(&row, empty.shape(), |x, y| x + y).data(), [0.0; 0]);
        assert_eq!(empty.sum_to(row.shape()).data(), [0.0; 3]);
    }

    #[test]
    fn a_tensor_is_the_same_wherever_its_elements_are() {
        for size in [0, 1, FEW - 1, FEW, FEW + 1, 15, 16, 128, 129] {
            let shape = Shape::new(&[size]).expect("a small shape");
            let elements: Vec<f64> = (0..size).map(|i| i as f64).collect();
            let mut given = Tensor::new(shape, elements.clone());
            let copy = given.clone();
            assert_eq!(given.data(), elements);
            assert_eq!(Tensor::shared(shape, Arc::new(elements.clone())), given);
            assert_eq!(Tensor::from_elements(shape, elements.iter().copied()), given);
            let mut written = Tensor::zeros(shape);
            written.data_mut().copy_from_slice(&elements);
            assert_eq!(written, given);
            assert_eq!(given.map(|x| x + 1.0).zip(&given, shape, |x, y| x - y), Tensor::full(shape, 1.0));
            assert_eq!(given.zip_two(&given, &given, |x, y, z| x + y - z), given);
            given.data_mut().fill(-1.0);
            assert_eq!(copy.into_data(), elements, "a copy stays what it was");
            assert_eq!(given, Tensor::full(shape, -1.0));
        }
    }
}
