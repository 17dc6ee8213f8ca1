//! A group over NCCL, for ranks that each have a CUDA device.
//!
//! Nothing of it is needed to build: the library is opened when a group is, and one that is not there is an error that says so. Numbers go from device
//! to device in the order of libtorch's current stream, so no rank waits for its own device. What NCCL itself would add up depends on its choice of
//! algorithm; it is asked only to send and to receive, and the additions are [`Fold`](super::fold::Fold)'s, as everywhere. Words go over TCP, which is
//! also what brings the ranks together.
//!
//! [`Team`](super::team::Team) opens it where each rank has a device of its own. It has run on one card, as a group of one (`make gpu`), and not yet between several. What is tested without is
//! that a library which is not there is refused in words.

#![expect(unsafe_code, reason = "a C library opened at run time; each call says why it holds")]

use std::ffi::{CStr, c_char, c_int, c_void};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW, Symbol};
use tch::{Device, Kind, Tensor};

use super::{error::RankError, group::Group, tcp::Tcp};

/// The library. libtorch brings the one it was built with; its folder is searched before the system's.
const LIBRARY: &str = "libnccl.so.2";

/// `ncclFloat32`.
const FLOAT32: c_int = 7;

/// `ncclUniqueId`: passed by value.
#[repr(C)]
#[derive(Clone, Copy)]
struct UniqueId([c_char; 128]);

type Comm = *mut c_void;
type Stream = *mut c_void;
type Answer = c_int;

/// The functions that are called, as long as the library is open.
struct Calls {
    unique_id: Symbol<unsafe extern "C" fn(*mut UniqueId) -> Answer>,
    init: Symbol<unsafe extern "C" fn(*mut Comm, c_int, UniqueId, c_int) -> Answer>,
    abort: Symbol<unsafe extern "C" fn(Comm) -> Answer>,
    send: Symbol<unsafe extern "C" fn(*const c_void, usize, c_int, c_int, Comm, Stream) -> Answer>,
    receive: Symbol<unsafe extern "C" fn(*mut c_void, usize, c_int, c_int, Comm, Stream) -> Answer>,
    begin: Symbol<unsafe extern "C" fn() -> Answer>,
    end: Symbol<unsafe extern "C" fn() -> Answer>,
    explain: Symbol<unsafe extern "C" fn(Answer) -> *const c_char>,
    /// Of libtorch's C interface: the stream on which its operators run now.
    stream: Symbol<unsafe extern "C" fn(i32, *mut Stream) -> i32>,
    /// Of CUDA's runtime, which libtorch brings along.
    set_device: Symbol<unsafe extern "C" fn(c_int) -> c_int>,
    _library: Library,
}

/// A group whose numbers stay on devices.
pub struct Nccl {
    words: Tcp,
    calls: Calls,
    comm: Comm,
    device: i32,
}

impl std::fmt::Debug for Nccl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nccl").field("words", &self.words).field("device", &self.device).finish_non_exhaustive()
    }
}

impl Calls {
    fn open(library: &'static str) -> Result<Self, RankError> {
        let none = |error: libloading::Error| RankError::NoLibrary { library, problem: error.to_string() };
        // SAFETY: opening runs the library's initializers; NCCL's set up its own state and nothing else.
        let nccl = unsafe { Library::open(Some(library), RTLD_NOW | RTLD_GLOBAL) }.map_err(none)?;
        let process = Library::this();
        // SAFETY: names and signatures are those of nccl.h (2.x), of libtorch's shim.h (2.11) and of cuda_runtime_api.h. Symbols of this kind do
        // not borrow: those of NCCL are kept beside its library, the others are part of the program.
        unsafe {
            Ok(Self {
                unique_id: nccl.get(b"ncclGetUniqueId\0").map_err(none)?,
                init: nccl.get(b"ncclCommInitRank\0").map_err(none)?,
                abort: nccl.get(b"ncclCommAbort\0").map_err(none)?,
                send: nccl.get(b"ncclSend\0").map_err(none)?,
                receive: nccl.get(b"ncclRecv\0").map_err(none)?,
                begin: nccl.get(b"ncclGroupStart\0").map_err(none)?,
                end: nccl.get(b"ncclGroupEnd\0").map_err(none)?,
                explain: nccl.get(b"ncclGetErrorString\0").map_err(none)?,
                stream: process.get(b"aoti_torch_get_current_cuda_stream\0").map_err(none)?,
                set_device: process.get(b"cudaSetDevice\0").map_err(none)?,
                _library: nccl,
            })
        }
    }

    /// What a call of NCCL answered.
    fn check(&self, call: &'static str, answer: Answer) -> Result<(), RankError> {
        if answer == 0 {
            return Ok(());
        }
        // SAFETY: NCCL returns a string of its own that is never freed, for any number.
        let problem = unsafe { CStr::from_ptr((self.explain)(answer)) }.to_string_lossy().into_owned();
        Err(RankError::Call { call, problem })
    }
}

impl Nccl {
    /// The group of those that `words` brought together, each with the device `device` of those it sees.
    pub fn new(words: Tcp, device: Device) -> Result<Self, RankError> {
        let Device::Cuda(number) = device else { panic!("a group over NCCL is of CUDA devices") };
        let device = number as i32;
        let calls = Calls::open(LIBRARY)?;
        // SAFETY: it takes a number.
        let answer = unsafe { (calls.set_device)(device) };
        if answer != 0 {
            return Err(RankError::Call { call: "cudaSetDevice", problem: format!("CUDA's error {answer}") });
        }
        let mut id = UniqueId([0; 128]);
        if words.rank() == 0 {
            // SAFETY: the pointer is to an id of its own.
            let answer = unsafe { (calls.unique_id)(&raw mut id) };
            calls.check("ncclGetUniqueId", answer)?;
        }
        let told = words.broadcast(&id.0.map(i8::cast_unsigned))?;
        let told: [u8; 128] = told.try_into().map_err(|_| RankError::OutOfStep {
            rank: 0,
            problem: "its id of the group is not one of NCCL's".into(),
        })?;
        id.0 = told.map(u8::cast_signed);
        let mut comm: Comm = std::ptr::null_mut();
        // SAFETY: all ranks call it, each with its own number, one id, and a place for the result.
        let answer = unsafe { (calls.init)(&raw mut comm, words.world() as c_int, id, words.rank() as c_int) };
        calls.check("ncclCommInitRank", answer)?;
        Ok(Self { words, calls, comm, device })
    }

    fn stream(&self) -> Result<Stream, RankError> {
        let mut stream: Stream = std::ptr::null_mut();
        // SAFETY: the pointer is to a place for a stream.
        let answer = unsafe { (self.calls.stream)(self.device, &raw mut stream) };
        let call = "aoti_torch_get_current_cuda_stream";
        if answer == 0 { Ok(stream) } else { Err(RankError::Call { call, problem: format!("error {answer}") }) }
    }
}

impl Group for Nccl {
    fn rank(&self) -> usize {
        self.words.rank()
    }

    fn world(&self) -> usize {
        self.words.world()
    }

    fn exchange(&self, out: &[Vec<Tensor>], into: &mut [Vec<Tensor>]) -> Result<(), RankError> {
        self.barrier()?; // a rank that is gone is found here, not by waiting for its numbers
        let (stream, calls) = (self.stream()?, &self.calls);
        // SAFETY: it takes nothing.
        calls.check("ncclGroupStart", unsafe { (calls.begin)() })?;
        for (peer, parts) in out.iter().enumerate() {
            for part in parts {
                check(part);
                // SAFETY: the tensor is contiguous f32 on a device (checked) and `numel` long. NCCL reads it in stream order, and libtorch's
                // allocator gives the memory to later work of the same stream only.
                let answer =
                    unsafe { (calls.send)(part.data_ptr(), part.numel(), FLOAT32, peer as c_int, self.comm, stream) };
                calls.check("ncclSend", answer)?;
            }
        }
        for (peer, parts) in into.iter().enumerate() {
            for part in parts {
                check(part);
                // SAFETY: the same, written.
                let answer = unsafe {
                    (calls.receive)(part.data_ptr(), part.numel(), FLOAT32, peer as c_int, self.comm, stream)
                };
                calls.check("ncclRecv", answer)?;
            }
        }
        // SAFETY: it takes nothing.
        calls.check("ncclGroupEnd", unsafe { (calls.end)() })
    }

    fn tell(&self, word: &[u8]) -> Result<Vec<Vec<u8>>, RankError> {
        self.words.tell(word)
    }
}

fn check(tensor: &Tensor) {
    assert!(
        tensor.kind() == Kind::Float && matches!(tensor.device(), Device::Cuda(_)) && tensor.is_contiguous(),
        "ranks on CUDA exchange contiguous f32 tensors on their devices"
    );
}

impl Drop for Nccl {
    fn drop(&mut self) {
        // SAFETY: the communicator is this group's own and not used again. Abort, not destroy: it must not wait for a rank that is gone.
        let _ = unsafe { (self.calls.abort)(self.comm) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_is_refused_in_words() {
        let Err(error) = Calls::open("libnccl-that-is-not-there.so.2") else { panic!("it was opened") };
        let said = error.to_string();
        assert!(said.starts_with("libnccl-that-is-not-there.so.2 cannot be opened ("), "{said}");
        assert!(said.ends_with("install NVIDIA's NCCL, or ask for one device"), "{said}");
    }
}
