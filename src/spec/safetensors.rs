//! safetensors: parts of a multipart request, and large replies.

use safetensors::{Dtype as Kind, SafeTensors};

use super::fault::{At, Code, Faults};
use super::tensor::{Dtype, Reading, TensorSpec};
use super::write::{Wire, Writer};
use crate::tensor::{Shape, Tensor};

/// The tensors of a file, by name in order of their names.
pub fn read(bytes: &[u8], at: At<'_>, reading: Reading<'_>, faults: &mut Faults) -> Option<Vec<(String, TensorSpec)>> {
    let file = match SafeTensors::deserialize(bytes) {
        Ok(file) => file,
        Err(error) => {
            faults.push(at, Code::InvalidValue, format!("not a safetensors file: {error}"));
            return None;
        }
    };
    let mut tensors = Vec::with_capacity(file.len());
    let mut ok = true;
    for (name, view) in file.iter() {
        let at = at.name(name);
        let dtype = match view.dtype() {
            Kind::F64 => Dtype::F64,
            Kind::F32 => Dtype::F32,
            Kind::I64 => Dtype::I64,
            Kind::I32 => Dtype::I32,
            other => {
                faults.push(at, Code::InvalidValue, format!("dtype {other:?} is not read; expected F64, F32, I64 or I32"));
                ok = false;
                continue;
            }
        };
        let Some(data) = dtype.read(view.data(), at, reading, faults) else {
            ok = false;
            continue;
        };
        tensors.push((name.to_owned(), TensorSpec::values(view.shape().to_vec(), data)));
    }
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    ok.then_some(tensors)
}

/// A file under way. Header and data keep the order of the calls, so that equal replies are equal bytes (the crate's own writer
/// goes through a hash map).
#[derive(Debug)]
pub struct File<'a, T> {
    tensors: Vec<(String, Numbers<'a, T>)>,
}

/// Numbers, kept until the file is finished.
#[derive(Debug)]
enum Numbers<'a, T> {
    Shared(Tensor<T>),
    Lent(Shape, &'a [T]),
}

impl<T: Wire> Numbers<'_, T> {
    fn shape(&self) -> Shape {
        match self {
            Self::Shared(tensor) => tensor.shape(),
            Self::Lent(shape, _) => *shape,
        }
    }

    fn data(&self) -> &[T] {
        match self {
            Self::Shared(tensor) => tensor.data(),
            Self::Lent(_, data) => data,
        }
    }
}

impl<T> Default for File<'_, T> {
    fn default() -> Self {
        Self { tensors: Vec::new() }
    }
}

impl<'a, T: Wire> File<'a, T> {
    /// Add a tensor; its numbers are shared until the file is finished.
    pub fn put(&mut self, name: impl Into<String>, tensor: &Tensor<T>) {
        self.tensors.push((name.into(), Numbers::Shared(tensor.clone())));
    }

    /// Add numbers where they stand.
    pub fn lend(&mut self, name: impl Into<String>, shape: Shape, data: &'a [T]) {
        debug_assert_eq!(shape.size(), data.len());
        self.tensors.push((name.into(), Numbers::Lent(shape, data)));
    }

    /// The file, with these strings as its metadata, in an empty buffer that `room` gives for so many bytes.
    pub fn finish(self, metadata: &[(&str, String)], room: impl FnOnce(usize) -> Vec<u8>) -> Vec<u8> {
        let mut w = Writer::new();
        let mut end = 0;
        w.object(|w| {
            w.key("__metadata__").object(|w| metadata.iter().for_each(|(name, text)| w.key(name).string(text)));
            for (name, tensor) in &self.tensors {
                let start = end;
                end += size_of_val(tensor.data());
                w.key(name).object(|w| {
                    w.key("dtype").string(T::SAFETENSORS);
                    w.key("shape").sizes(tensor.shape().dims());
                    w.key("data_offsets").sizes(&[start, end]);
                });
            }
        });
        let mut header = w.into_bytes();
        // The data starts at a multiple of 8, as the format recommends.
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut file = room(8 + header.len() + end);
        file.extend_from_slice(&(header.len() as u64).to_le_bytes());
        file.extend_from_slice(&header);
        self.tensors.iter().for_each(|(_, tensor)| file.extend_from_slice(&T::bytes(tensor.data())));
        file
    }
}
