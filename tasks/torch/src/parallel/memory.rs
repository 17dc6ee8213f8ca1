//! Tensors' memory as bytes: the one place where it is read and written from outside libtorch.

#![expect(
    unsafe_code,
    reason = "nothing safe lends a tensor's memory, and a copy each way would cost as much as the exchange"
)]

use std::slice;

use tch::{Device, Kind, Tensor};

/// The bytes of a contiguous f32 tensor on the processor. Nobody may write to the tensor, or to another view of it, meanwhile.
pub(super) fn bytes(tensor: &Tensor) -> &[u8] {
    let length = checked(tensor);
    if length == 0 {
        return &[];
    }
    // SAFETY: the tensor is contiguous and on the processor (checked), so its numbers are `length` initialized bytes from `data_ptr`, which
    // live as long as the tensor does; floats have no invalid bytes, and u8 needs no alignment. Tensors are not `Sync` and this module's
    // callers hand no other view of the memory to anybody for as long.
    unsafe { slice::from_raw_parts(tensor.data_ptr().cast::<u8>(), length) }
}

/// The same, to be written. Nobody may read or write the tensor, or another view of it, meanwhile.
pub(super) fn bytes_mut(tensor: &mut Tensor) -> &mut [u8] {
    let length = checked(tensor);
    if length == 0 {
        return &mut [];
    }
    // SAFETY: as above; any bytes are a float.
    unsafe { slice::from_raw_parts_mut(tensor.data_ptr().cast::<u8>(), length) }
}

fn checked(tensor: &Tensor) -> usize {
    assert!(
        tensor.kind() == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous(),
        "ranks exchange contiguous f32 tensors on the processor"
    );
    tensor.numel() * size_of::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_the_tensors_own() {
        let mut whole = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]);
        let mut part = whole.narrow(0, 1, 2);
        assert_eq!(bytes(&part)[..4], 2.0_f32.to_le_bytes());
        bytes_mut(&mut part)[4..].copy_from_slice(&9.0_f32.to_le_bytes());
        assert_eq!(Vec::<f32>::try_from(&whole).unwrap(), [1.0, 2.0, 9.0, 4.0]);
        assert!(bytes(&whole.narrow(0, 4, 0)).is_empty());
        assert!(bytes_mut(&mut whole).len() == 16);
    }

    #[test]
    #[should_panic(expected = "contiguous f32")]
    fn what_is_not_contiguous_is_refused() {
        let whole = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]).view([2, 2]);
        bytes(&whole.transpose(0, 1));
    }
}
