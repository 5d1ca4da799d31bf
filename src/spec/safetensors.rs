//! safetensors: parts of a multipart request, and large replies.

use safetensors::{Dtype as Kind, SafeTensors};

use super::fault::{At, Code, Faults};
use super::tensor::{Dtype, Reading, TensorSpec, finite};
use super::write::{Wire, Writer};
use crate::tensor::Shape;

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
        let data = dtype.read(view.data());
        if finite(&data, at, reading, faults).is_none() {
            ok = false;
            continue;
        }
        tensors.push((name.to_owned(), TensorSpec::values(view.shape().to_vec(), data)));
    }
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    ok.then_some(tensors)
}

/// A file under way. Header and data keep the order of the calls, so that equal replies are equal bytes (the crate's own writer
/// goes through a hash map).
#[derive(Debug, Default)]
pub struct File {
    entries: Vec<(String, &'static str, Vec<usize>, [usize; 2])>,
    data: Vec<u8>,
}

impl File {
    /// Add a tensor.
    pub fn put<T: Wire>(&mut self, name: impl Into<String>, shape: Shape, data: &[T]) {
        let start = self.data.len();
        T::write_bytes(data, &mut self.data);
        self.entries.push((name.into(), T::SAFETENSORS, shape.dims().to_vec(), [start, self.data.len()]));
    }

    /// The file, with these strings as its metadata.
    pub fn finish(self, metadata: &[(&str, String)]) -> Vec<u8> {
        let mut w = Writer::new();
        w.object(|w| {
            w.key("__metadata__").object(|w| metadata.iter().for_each(|(name, text)| w.key(name).string(text)));
            for (name, dtype, shape, offsets) in &self.entries {
                w.key(name).object(|w| {
                    w.key("dtype").string(dtype);
                    w.key("shape").sizes(shape);
                    w.key("data_offsets").sizes(offsets);
                });
            }
        });
        let mut header = w.into_bytes();
        // The data starts at a multiple of 8, as the format recommends.
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.append(&mut header);
        file.extend_from_slice(&self.data);
        file
    }
}
