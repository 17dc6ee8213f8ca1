//! What libtorch has and the binding lacks, through a small C++ file of our own (`shim/shim.cpp`). The only place of it that is unsafe:
//! what goes out are functions on tensors. As with the binding's operators, shapes that do not fit panic.

#![expect(unsafe_code, reason = "C++ is called; each call says what it relies on")]

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};

use tch::{Device, Tensor};
use torch_sys::C_tensor;

type Message = *mut c_char;
type Run = unsafe extern "C" fn(*mut c_void, *mut *mut C_tensor, usize) -> *mut C_tensor;
type Drop = unsafe extern "C" fn(*mut c_void);

#[rustfmt::skip]
unsafe extern "C" {
    fn isoflop_adamw(
        flat: *const *mut C_tensor, gradient: *const *mut C_tensor, first: *const *mut C_tensor, second: *const *mut C_tensor,
        parts: usize, step: *mut C_tensor, scale: *mut C_tensor, rate: f64, beta1: f64, beta2: f64, decay: f64, epsilon: f64,
    ) -> Message;
    fn isoflop_norms(tensors: *const *mut C_tensor, parts: usize, out: *mut *mut C_tensor) -> Message;
    fn isoflop_lerp(from: *const *mut C_tensor, to: *const *mut C_tensor, parts: usize, share: f64) -> Message;
    fn isoflop_collect(parameters: *const *mut C_tensor, count: usize, flat: *mut C_tensor) -> Message;
    fn isoflop_collect_both(
        parameters: *const *mut C_tensor, halves: *const *mut C_tensor, count: usize, flat: *mut C_tensor,
    ) -> Message;
    fn isoflop_copy_all(into: *const *mut C_tensor, from: *const *mut C_tensor, count: usize) -> Message;
    fn isoflop_autocast(device: c_int, enabled: bool) -> Message;
    fn isoflop_deterministic(only: bool) -> Message;
    fn isoflop_is_deterministic() -> bool;
    fn isoflop_recompute(
        closure: *mut c_void, run: Run, drop: Drop, inputs: *const *mut C_tensor, count: usize, out: *mut *mut C_tensor,
    ) -> Message;
    fn isoflop_has_cuda() -> bool;
    fn isoflop_capability(device: c_int) -> c_int;
    fn isoflop_use_device(device: c_int) -> Message;
    fn isoflop_pinned(tensor: *mut C_tensor, out: *mut *mut C_tensor) -> Message;
    fn isoflop_peak_memory(device: c_int) -> i64;
    fn isoflop_use_stream(device: c_int);
    fn isoflop_graph_begin(out: *mut *mut c_void) -> Message;
    fn isoflop_graph_end(graph: *mut c_void) -> Message;
    fn isoflop_graph_replay(graph: *mut c_void) -> Message;
    fn isoflop_graph_drop(graph: *mut c_void);
    fn isoflop_keep_memory();
    fn isoflop_mkl_branch(branch: c_int) -> c_int;
    fn isoflop_use_tiles() -> bool;
    fn isoflop_free(text: Message);
}

/// What C++ said, if it said anything.
fn said(message: Message) -> Option<String> {
    if message.is_null() {
        return None;
    }
    // SAFETY: a message is a string that C++ allocated for us, with an end, and is freed once.
    Some(unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        isoflop_free(message);
        text
    })
}

/// Panics with what C++ said, if it said anything.
fn check(doing: &str, message: Message) {
    if let Some(text) = said(message) {
        panic!("{doing}: {text}");
    }
}

/// The pointer that C++ knows a tensor by. It is read, or its numbers are written, as with the binding's own operators.
fn raw(tensor: &Tensor) -> *mut C_tensor {
    tensor.as_ptr().cast_mut()
}

/// AdamW's constants for one step: learning rate, decay rates of the moments, decoupled decay, epsilon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The learning rate.
    pub rate: f64,
    /// Decay rates of the two moments.
    pub betas: [f64; 2],
    /// Decoupled decay.
    pub decay: f64,
    /// Keeps the quotient finite.
    pub epsilon: f64,
}

/// One AdamW step of parameters, in place and each by itself, with libtorch's fused operator: of each its numbers, gradient and both moments, all of
/// one shape. Gradients are divided by `scale` (one number), in place, first. `count` (one number) is this step's, from one.
pub fn adamw(parts: &[[Tensor; 4]], count: &Tensor, scale: &Tensor, step: Step) {
    if parts.is_empty() {
        return;
    }
    let Step { rate, betas: [b1, b2], decay, epsilon } = step;
    let [flat, gradient, first, second]: [Vec<*mut C_tensor>; 4] =
        std::array::from_fn(|i| parts.iter().map(|part| raw(&part[i])).collect());
    let [flat, gradient, first, second] = [&flat, &gradient, &first, &second].map(Vec::as_ptr);
    let (n, count, scale) = (parts.len(), raw(count), raw(scale));
    // SAFETY: each list has as many pointers as are said, to tensors that live longer than the call.
    let message =
        unsafe { isoflop_adamw(flat, gradient, first, second, n, count, scale, rate, b1, b2, decay, epsilon) };
    check("an AdamW step", message);
}

/// The norm of each of `parts`, of which there is one at least, as one tensor.
pub fn norms(parts: &[Tensor]) -> Tensor {
    let pointers: Vec<*mut C_tensor> = parts.iter().map(raw).collect();
    let mut out = ptr::null_mut();
    // SAFETY: as many pointers as are said, to tensors that live longer than the call.
    check("norms", unsafe { isoflop_norms(pointers.as_ptr(), pointers.len(), &raw mut out) });
    // SAFETY: a new handle, which is ours.
    unsafe { Tensor::from_ptr(out) }
}

/// Moves the first of each pair towards the second by this share of the way, in place.
pub fn lerp(pairs: &[[Tensor; 2]], share: f64) {
    if pairs.is_empty() {
        return;
    }
    let [from, to]: [Vec<*mut C_tensor>; 2] = std::array::from_fn(|i| pairs.iter().map(|pair| raw(&pair[i])).collect());
    // SAFETY: as many pointers each as are said, to tensors that live longer than the call.
    check("an average", unsafe { isoflop_lerp(from.as_ptr(), to.as_ptr(), pairs.len(), share) });
}

/// Moves the gradients that backward passes left at `parameters` into `flat`, end to end; a parameter without one counts as zero.
pub fn collect(parameters: &[Tensor], flat: &Tensor) {
    let pointers: Vec<*mut C_tensor> = parameters.iter().map(raw).collect();
    // SAFETY: as many pointers as are said, to tensors that live longer than the call.
    check("gradients", unsafe { isoflop_collect(pointers.as_ptr(), pointers.len(), raw(flat)) });
}

/// The same where a parameter's gradient may lie at it, at its counterpart of `halves` in lower precision, or at both.
pub fn collect_both(parameters: &[Tensor], halves: &[Tensor], flat: &Tensor) {
    assert_eq!(parameters.len(), halves.len(), "each parameter has a counterpart");
    let [parameters, halves] = [parameters, halves].map(|list| list.iter().map(raw).collect::<Vec<*mut C_tensor>>());
    // SAFETY: as many pointers each as are said, to tensors that live longer than the call.
    let message = unsafe { isoflop_collect_both(parameters.as_ptr(), halves.as_ptr(), parameters.len(), raw(flat)) };
    check("gradients", message);
}

/// Copies the numbers of each of `from` to its counterpart of `into`, of its shape and perhaps another precision, together.
pub fn copy_all(into: &[Tensor], from: &[Tensor]) {
    assert_eq!(into.len(), from.len(), "each has a counterpart");
    let [into, from] = [into, from].map(|list| list.iter().map(raw).collect::<Vec<*mut C_tensor>>());
    // SAFETY: as many pointers each as are said, to tensors that live longer than the call.
    check("a copy", unsafe { isoflop_copy_all(into.as_ptr(), from.as_ptr(), into.len()) });
}

/// Runs `run` with matrix products, convolutions and attention in bfloat16 on `device`. Weights stay in single precision and are cast once; the casts
/// are dropped at the end.
pub fn in_bfloat16<T>(device: Device, run: impl FnOnce() -> T) -> T {
    struct Left(c_int);
    impl std::ops::Drop for Left {
        fn drop(&mut self) {
            // SAFETY: takes back what was set on this thread.
            let message = unsafe { isoflop_autocast(self.0, false) };
            debug_assert!(message.is_null());
        }
    }
    let device = match device {
        Device::Cpu => 0,
        Device::Cuda(_) => 1,
        Device::Mps | Device::Vulkan => 2,
    };
    // SAFETY: sets what is in force on this thread.
    check("bfloat16", unsafe { isoflop_autocast(device, true) });
    let _left = Left(device);
    run()
}

/// Whether only deterministic algorithms may be used from now on, by the whole process. Products are never rounded to TF32, nor are
/// algorithms chosen by racing them.
pub fn set_deterministic(only: bool) {
    // SAFETY: sets flags of the process.
    check("deterministic algorithms", unsafe { isoflop_deterministic(only) });
}

/// Keeps what is freed for what comes next, instead of giving it back to the system: steps ask for the same memory again and again, and the system
/// would clear every page of it each time.
pub fn keep_memory() {
    // SAFETY: sets options of the process's allocator.
    unsafe { isoflop_keep_memory() }
}

/// Holds MKL strictly to `branch`, in the numbers of its own header, and answers with the one that it keeps to, 0 for any; none where libtorch has no MKL.
pub fn mkl_branch(branch: i32) -> Option<i32> {
    // SAFETY: asks MKL, if it is there.
    Some(unsafe { isoflop_mkl_branch(branch) }).filter(|&kept| kept >= 0)
}

/// Asks the system to let this process use the processor's tiles (AMX), which Linux does not unless asked; whether it does.
pub fn use_tiles() -> bool {
    // SAFETY: asks the kernel for a permission, once or again.
    unsafe { isoflop_use_tiles() }
}

/// Whether libtorch's CUDA part is in this process, with or without a device.
pub fn has_cuda() -> bool {
    // SAFETY: asks libtorch.
    unsafe { isoflop_has_cuda() }
}

/// The compute capability of CUDA device `number`, as 1000 times its major and its minor number; none where there is no such device.
pub fn capability(number: usize) -> Option<u32> {
    // SAFETY: asks CUDA's runtime, if there is one.
    u32::try_from(unsafe { isoflop_capability(c_int::try_from(number).ok()?) }).ok()
}

/// Makes CUDA device `number`, which is there, the current one of this thread: nothing is set up on another then.
pub fn use_device(number: usize) {
    // SAFETY: sets what is in force on this thread.
    check("a device", unsafe { isoflop_use_device(number as c_int) });
}

/// Makes a stream of its own the current one of this thread on CUDA device `number`. Nothing can be recorded on the default one.
pub fn use_stream(number: usize) {
    // SAFETY: sets what is in force on this thread.
    unsafe { isoflop_use_stream(number as c_int) }
}

/// What a CUDA device was seen to do, to be done again at once. What it reads and writes stays where it lay.
#[derive(Debug)]
pub struct Graph(*mut c_void);

impl Graph {
    /// Records what `run` starts on this thread's stream, which does not happen before it is [replayed](Self::replay). None where the libtorch at hand cannot
    /// record; why what `run` does cannot be recorded is the error. Nothing in `run` may wait for the device or bring anything to it.
    pub fn record<T>(run: impl FnOnce() -> T) -> Result<Option<(Self, T)>, String> {
        let mut graph = ptr::null_mut();
        // SAFETY: the pointer is to a place for a handle.
        if let Some(problem) = said(unsafe { isoflop_graph_begin(&raw mut graph) }) {
            return Err(problem);
        }
        if graph.is_null() {
            return Ok(None);
        }
        let graph = Self(graph);
        let made = catch_unwind(AssertUnwindSafe(run));
        // SAFETY: a handle of ours, of which recording has begun.
        let ended = said(unsafe { isoflop_graph_end(graph.0) });
        match (made, ended) {
            (Ok(made), None) => Ok(Some((graph, made))),
            (Ok(_), Some(problem)) => Err(problem),
            (Err(_), problem) => Err(problem.unwrap_or_else(|| "an operator refused".to_owned())),
        }
    }

    /// Does it again, on this thread's stream.
    pub fn replay(&self) {
        // SAFETY: a handle of ours, of which recording has ended.
        check("what was recorded", unsafe { isoflop_graph_replay(self.0) });
    }
}

impl std::ops::Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: a handle of ours, dropped once.
        unsafe { isoflop_graph_drop(self.0) }
    }
}

/// A copy of a tensor of the processor in memory that the device reads by itself.
pub fn pinned(tensor: &Tensor) -> Tensor {
    let mut out = ptr::null_mut();
    // SAFETY: the tensor lives longer than the call.
    check("memory for a device to read", unsafe { isoflop_pinned(raw(tensor), &raw mut out) });
    // SAFETY: a new handle, which is ours.
    unsafe { Tensor::from_ptr(out) }
}

/// The most bytes that tensors have taken of CUDA device `number` so far; none where nothing is there.
pub fn peak_memory(number: usize) -> Option<u64> {
    // SAFETY: asks libtorch's allocator, if there is one.
    u64::try_from(unsafe { isoflop_peak_memory(c_int::try_from(number).ok()?) }).ok()
}

/// Whether only deterministic algorithms are used.
pub fn is_deterministic() -> bool {
    // SAFETY: reads a flag of the process.
    unsafe { isoflop_is_deterministic() }
}

/// What is run twice.
type Part = Box<dyn Fn(&[Tensor]) -> Tensor>;

unsafe extern "C" fn run_part(part: *mut c_void, inputs: *mut *mut C_tensor, count: usize) -> *mut C_tensor {
    let run = || {
        // SAFETY: `part` is the box that `recompute` gave away, not yet dropped; `inputs` are as many tensors, which stay C++'s: clones of the
        // handles are ours.
        let (part, inputs) = unsafe {
            let inputs = std::slice::from_raw_parts(inputs, count);
            let inputs: Vec<Tensor> = inputs.iter().map(|&input| Tensor::clone_from_ptr(input)).collect();
            (&*part.cast::<Part>(), inputs)
        };
        part(&inputs)
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        // C++ takes this handle over.
        Ok(mut out) => {
            let handle = out.as_mut_ptr();
            std::mem::forget(out);
            handle
        }
        Err(_) => ptr::null_mut(), // what it panicked with was printed
    }
}

unsafe extern "C" fn drop_part(part: *mut c_void) {
    // SAFETY: the box that `recompute` gave away, dropped once.
    drop(unsafe { Box::from_raw(part.cast::<Part>()) });
}

/// What `part` makes of `inputs`, of which one at least must ask for a gradient. What its backward needs is not kept: `part` is run again then, and must do the same. Gradients
/// of what it holds besides its inputs go where backward passes leave them.
pub fn recompute(inputs: &[&Tensor], part: impl Fn(&[Tensor]) -> Tensor + 'static) -> Tensor {
    let part: Box<Part> = Box::new(Box::new(part));
    let pointers: Vec<*mut C_tensor> = inputs.iter().map(|input| raw(input)).collect();
    let mut out = ptr::null_mut();
    // SAFETY: the box goes over to C++, which drops it; the pointers are as many as are said, to tensors that live longer than the call.
    let message = unsafe {
        let part = Box::into_raw(part).cast::<c_void>();
        isoflop_recompute(part, run_part, drop_part, pointers.as_ptr(), pointers.len(), &raw mut out)
    };
    check("a recomputed part", message);
    // SAFETY: a new handle, which is ours.
    unsafe { Tensor::from_ptr(out) }
}
