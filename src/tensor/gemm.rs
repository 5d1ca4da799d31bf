//! Matrix products, the one kernel that everything heavy ends in.

use super::{DoubleDouble, Dual, Float, Interval};

/// A matrix inside a slice: rows, columns, and the step to the next of each. Transposing swaps them and copies nothing.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, S> {
    /// The elements.
    pub data: &'a [S],
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// From one row to the next, in elements.
    pub row_stride: usize,
    /// From one column to the next, in elements.
    pub column_stride: usize,
}

impl<'a, S> Matrix<'a, S> {
    /// A row-major matrix that fills its slice.
    pub fn new(data: &'a [S], rows: usize, columns: usize) -> Self {
        debug_assert_eq!(data.len(), rows * columns);
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// Its transpose, in the same memory.
    pub fn t(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// One past the largest index that is read.
    fn extent(&self) -> usize {
        if self.rows == 0 || self.columns == 0 {
            0
        } else {
            (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride + 1
        }
    }
}

/// A matrix to be written: like rows of [`Matrix`], with what lies between them left alone.
#[derive(Debug)]
pub struct MatrixMut<'a, S> {
    /// The elements.
    pub data: &'a mut [S],
    /// Rows.
    pub rows: usize,
    /// Columns, one element apart.
    pub columns: usize,
    /// From one row to the next, in elements; at least as many as columns.
    pub row_stride: usize,
}

impl<'a, S> MatrixMut<'a, S> {
    /// A row-major matrix that fills its slice.
    pub fn new(data: &'a mut [S], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "size of a matrix");
        Self { data, rows, columns, row_stride: columns }
    }

    /// One past the largest index that is written.
    fn extent(&self) -> usize {
        if self.rows == 0 || self.columns == 0 { 0 } else { (self.rows - 1) * self.row_stride + self.columns }
    }
}

/// A number type that has a matrix product.
pub trait Gemm: Float {
    /// `c = a·b`, or `c += a·b` where `accumulate`. The order of summation depends on the sizes alone, so that equal inputs give
    /// equal bits.
    fn gemm_into(a: Matrix<'_, Self>, b: Matrix<'_, Self>, c: MatrixMut<'_, Self>, accumulate: bool);

    /// As [`Gemm::gemm_into`]; `c` is row-major and filled.
    fn gemm(a: Matrix<'_, Self>, b: Matrix<'_, Self>, c: &mut [Self], accumulate: bool) {
        Self::gemm_into(a, b, MatrixMut::new(c, a.rows, b.columns), accumulate);
    }

    /// `a·b`, row-major, in memory of its own.
    fn product(a: Matrix<'_, Self>, b: Matrix<'_, Self>) -> Vec<Self> {
        zeroed_product(a, b)
    }
}

/// Below this many multiplications a plain loop beats the set-up of a blocked kernel.
const SMALL: usize = 512;

/// From this many rows, columns and inner indices on the kernel goes by blocks, and only writes what it does not add to.
const BLOCKED: usize = 32;

fn check<S>(a: &Matrix<'_, S>, b: &Matrix<'_, S>) {
    assert_eq!(a.columns, b.rows, "inner sizes of a matrix product");
    assert!(a.extent() <= a.data.len() && b.extent() <= b.data.len(), "a matrix reaches past its slice");
}

fn check_into<S>(a: &Matrix<'_, S>, b: &Matrix<'_, S>, c: &MatrixMut<'_, S>) {
    check(a, b);
    assert_eq!([c.rows, c.columns], [a.rows, b.columns], "sizes of a matrix product");
    assert!(c.columns <= c.row_stride && c.extent() <= c.data.len(), "a matrix product reaches past its slice");
}

fn zeroed_product<S: Gemm>(a: Matrix<'_, S>, b: Matrix<'_, S>) -> Vec<S> {
    let mut c = vec![S::ZERO; a.rows * b.columns];
    S::gemm(a, b, &mut c, false);
    c
}

/// The definition, summed over the inner index in order.
fn naive<S: Float>(a: Matrix<'_, S>, b: Matrix<'_, S>, c: MatrixMut<'_, S>, accumulate: bool) {
    if c.columns == 0 {
        return;
    }
    for (row, out) in c.data.chunks_mut(c.row_stride).take(c.rows).enumerate() {
        let out = &mut out[..c.columns];
        if !accumulate {
            out.fill(S::ZERO);
        }
        for inner in 0..a.columns {
            let factor = a.data[row * a.row_stride + inner * a.column_stride];
            let start = inner * b.row_stride;
            for (column, out) in out.iter_mut().enumerate() {
                *out += factor * b.data[start + column * b.column_stride];
            }
        }
    }
}

/// Whether the product is better found as its transpose and turned. The kernel writes along rows, and so copies `b` into an order of
/// its own where the elements of a row stand apart, as in `x·Wᵀ`; the other way round it copies `a`, which is far smaller for a
/// minibatch of few samples.
fn is_flat<S>(a: &Matrix<'_, S>, b: &Matrix<'_, S>) -> bool {
    b.column_stride != 1 && a.rows >= 8 && 2 * a.rows * (a.columns + 4 * b.columns) <= a.columns * b.columns
}

/// `to` is the matrix `from` of `rows` and `columns` with its rows for columns; each has its own step from row to row.
fn turn<S: Copy>(from: &[S], from_stride: usize, to: &mut [S], to_stride: usize, rows: usize, columns: usize) {
    /// So many rows and columns at a time, for which whole lines of the cache are read and written.
    const TILE: usize = 8;
    for row in (0..rows).step_by(TILE) {
        for column in (0..columns).step_by(TILE) {
            for i in row..(row + TILE).min(rows) {
                for j in column..(column + TILE).min(columns) {
                    to[j * to_stride + i] = from[i * from_stride + j];
                }
            }
        }
    }
}

/// A blocked kernel of machine code.
trait Kernel: Sized {
    /// `c = a·b`, or `c += a·b` where `accumulate`.
    ///
    /// # Safety
    /// `a` and `b` lie inside their slices and have one inner size; `c` points to rows of the product, `row_stride` apart, none of
    /// them in the slices, and initialised where they are added to.
    #[expect(unsafe_code, reason = "what its pointer must be, a type cannot say")]
    unsafe fn kernel(a: Matrix<'_, Self>, b: Matrix<'_, Self>, c: *mut Self, row_stride: usize, accumulate: bool);
}

macro_rules! impl_gemm {
    ($t:ty) => {
        impl Gemm for $t {
            #[expect(unsafe_code, reason = "the kernel takes raw pointers; extents are checked above the call")]
            fn gemm_into(a: Matrix<'_, Self>, b: Matrix<'_, Self>, c: MatrixMut<'_, Self>, accumulate: bool) {
                check_into(&a, &b, &c);
                if a.rows * a.columns * b.columns <= SMALL {
                    return naive(a, b, c, accumulate);
                }
                if is_flat(&a, &b) {
                    let MatrixMut { data, rows, columns, row_stride } = c;
                    let mut turned = vec![0.0; rows * columns];
                    if accumulate {
                        turn(data, row_stride, &mut turned, rows, rows, columns);
                    }
                    // SAFETY: as below; as many rows as c has columns.
                    unsafe { <$t>::kernel(b.t(), a.t(), turned.as_mut_ptr(), rows, accumulate) };
                    return turn(&turned, rows, data, row_stride, columns, rows);
                }
                // SAFETY: `check_into` proved what the kernel asks of a and b, and that c holds the rows that it writes. c is
                // borrowed mutably, so it overlaps neither.
                unsafe { <$t>::kernel(a, b, c.data.as_mut_ptr(), c.row_stride, accumulate) }
            }

            #[expect(unsafe_code, reason = "the kernel fills memory that need not be zeroed before")]
            fn product(a: Matrix<'_, Self>, b: Matrix<'_, Self>) -> Vec<Self> {
                if a.rows.min(a.columns).min(b.columns) < BLOCKED {
                    return zeroed_product(a, b);
                }
                let size = a.rows * b.columns;
                check(&a, &b);
                let mut c = Vec::with_capacity(size);
                // SAFETY: `check` proved what the kernel asks of a and b; c has room for as many elements as it writes, is new,
                // and so overlaps neither. It does not read what it does not add to, and has written all of it when it returns.
                unsafe {
                    <$t>::kernel(a, b, c.as_mut_ptr(), b.columns, false);
                    c.set_len(size);
                }
                c
            }
        }

        impl Kernel for $t {
            #[expect(unsafe_code, reason = "the kernel takes raw pointers")]
            unsafe fn kernel(a: Matrix<'_, Self>, b: Matrix<'_, Self>, c: *mut Self, row_stride: usize, accumulate: bool) {
                // SAFETY: the indices that it reads, (i, j) ↦ i·row_stride + j·column_stride for i < rows and j < columns, lie
                // inside the slices of a and b, and it writes c at stride (row_stride, 1): so the caller promises.
                unsafe {
                    gemm::gemm(
                        a.rows,
                        b.columns,
                        a.columns,
                        c,
                        1,
                        row_stride as isize,
                        accumulate,
                        a.data.as_ptr(),
                        a.column_stride as isize,
                        a.row_stride as isize,
                        b.data.as_ptr(),
                        b.column_stride as isize,
                        b.row_stride as isize,
                        1.0,
                        1.0,
                        false,
                        false,
                        false,
                        gemm::Parallelism::None,
                    );
                }
            }
        }
    };
}

impl_gemm!(f32);
impl_gemm!(f64);

impl Gemm for DoubleDouble {
    fn gemm_into(a: Matrix<'_, Self>, b: Matrix<'_, Self>, c: MatrixMut<'_, Self>, accumulate: bool) {
        check_into(&a, &b, &c);
        naive(a, b, c, accumulate);
    }
}

impl Gemm for Dual {
    fn gemm_into(a: Matrix<'_, Self>, b: Matrix<'_, Self>, c: MatrixMut<'_, Self>, accumulate: bool) {
        check_into(&a, &b, &c);
        naive(a, b, c, accumulate);
    }
}

impl Gemm for Interval {
    fn gemm_into(a: Matrix<'_, Self>, b: Matrix<'_, Self>, c: MatrixMut<'_, Self>, accumulate: bool) {
        check_into(&a, &b, &c);
        naive(a, b, c, accumulate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_product_in_new_memory_is_the_same() {
        let fill = |count: usize, salt: usize| -> Vec<f64> { (0..count).map(|i| ((i * 7 + salt) as f64).sin()).collect() };
        for (m, k, n) in [(1, 40, 50), (31, 32, 32), (32, 32, 32), (33, 40, 50), (32, 1500, 33), (100, 3, 40), (300, 70, 200)] {
            let (a, b) = (fill(m * k, 1), fill(k * n, 2));
            for (a, b) in [
                (Matrix::new(&a, m, k), Matrix::new(&b, k, n)),
                (Matrix::new(&a, k, m).t(), Matrix::new(&b, k, n)),
                (Matrix::new(&a, m, k), Matrix::new(&b, n, k).t()),
                (Matrix::new(&a, k, m).t(), Matrix::new(&b, n, k).t()),
            ] {
                let mut filled = vec![f64::NAN; m * n];
                f64::gemm(a, b, &mut filled, false);
                assert_eq!(f64::product(a, b), filled, "{m} {k} {n}");
            }
        }
    }

    #[test]
    fn a_product_of_few_rows_is_the_definition() {
        let fill = |count: usize, salt: usize| -> Vec<f64> { (0..count).map(|i| ((i * 7 + salt) as f64).sin()).collect() };
        for (m, k, n) in [(8, 90, 130), (9, 200, 301), (32, 784, 256)] {
            let (a, b, start) = (fill(m * k, 1), fill(n * k, 2), fill(m * (n + 3), 3));
            let (a, b) = (Matrix::new(&a, m, k), Matrix::new(&b, n, k).t());
            assert!(is_flat(&a, &b));
            for accumulate in [false, true] {
                let (mut fast, mut slow) = (start.clone(), start.clone());
                let into = |data| MatrixMut { data, rows: m, columns: n, row_stride: n + 3 };
                f64::gemm_into(a, b, into(&mut fast), accumulate);
                naive(a, b, into(&mut slow), accumulate);
                let worst = fast.iter().zip(&slow).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
                assert!(worst <= 1e-14 * k as f64, "{m} {k} {n}: {worst}");
            }
        }
    }

    proptest! {
        #[test]
        fn blocked_equals_the_definition(m in 1..20usize, k in 1..30usize, n in 1..20usize, ta: bool, tb: bool, accumulate: bool, gap in 0..4usize, seed: u32) {
            let fill = |count: usize, salt: u32| -> Vec<f64> {
                (0..count).map(|i| (f64::from((i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed ^ salt) >> 8) / 1e6).sin()).collect()
            };
            let (a, b, start) = (fill(m * k, 1), fill(k * n, 2), fill(m * n, 3));
            let a = if ta { Matrix::new(&a, k, m).t() } else { Matrix::new(&a, m, k) };
            let b = if tb { Matrix::new(&b, n, k).t() } else { Matrix::new(&b, k, n) };
            let (mut fast, mut slow) = (start.clone(), start.clone());
            f64::gemm(a, b, &mut fast, accumulate);
            naive(a, b, MatrixMut::new(&mut slow, m, n), accumulate);
            for (x, y) in fast.iter().zip(&slow) {
                prop_assert!((x - y).abs() <= 1e-13 * k as f64);
            }
            // Rows with something between them, of which the last ends with the slice.
            let row_stride = n + gap;
            let mut apart = vec![f64::NAN; (m - 1) * row_stride + n];
            for (row, start) in apart.chunks_mut(row_stride).zip(start.chunks(n)) {
                row[..n].copy_from_slice(start);
            }
            f64::gemm_into(a, b, MatrixMut { data: &mut apart, rows: m, columns: n, row_stride }, accumulate);
            for (row, slow) in apart.chunks(row_stride).zip(slow.chunks(n)) {
                for (x, y) in row.iter().zip(slow) {
                    prop_assert!((x - y).abs() <= 1e-13 * k as f64);
                }
                prop_assert!(row[n..].iter().all(|x| x.is_nan()));
            }
        }
    }
}
