//! A group whose numbers are on devices and travel through the processor's memory: for ranks that share a device, which NCCL does not take.

use tch::{Device, Tensor, no_grad};

use super::{error::RankError, group::Group, tcp::Tcp};

/// Numbers leave the device, go over TCP, and go back.
#[derive(Debug)]
pub struct Staged {
    words: Tcp,
}

impl Staged {
    /// The group of those that `words` brought together.
    pub fn new(words: Tcp) -> Self {
        Self { words }
    }
}

impl Group for Staged {
    fn rank(&self) -> usize {
        self.words.rank()
    }

    fn world(&self) -> usize {
        self.words.world()
    }

    fn exchange(&self, out: &[Vec<Tensor>], into: &mut [Vec<Tensor>]) -> Result<(), RankError> {
        let all = |parts: &[Vec<Tensor>], of: &dyn Fn(&Tensor) -> Tensor| -> Vec<Vec<Tensor>> {
            parts.iter().map(|parts| parts.iter().map(of).collect()).collect()
        };
        let out = all(out, &|part| part.to_device(Device::Cpu).contiguous());
        let mut room = all(into, &|part| Tensor::empty(part.size(), (part.kind(), Device::Cpu)));
        self.words.exchange(&out, &mut room)?;
        no_grad(|| {
            for (part, arrived) in into.iter_mut().flatten().zip(room.iter().flatten()) {
                part.copy_(arrived);
            }
        });
        Ok(())
    }

    fn tell(&self, word: &[u8]) -> Result<Vec<Vec<u8>>, RankError> {
        self.words.tell(word)
    }
}
