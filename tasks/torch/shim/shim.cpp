// What libtorch has and the binding lacks, as C functions. Tensors go by the binding's own pointers. A function that can fail answers with a
// message, which the caller frees, or with null. See engine/decisions/0021-what-the-binding-lacks.md.

#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <dlfcn.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/Tensor.h>
#include <ATen/cpu/Utils.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/add.h>
#include <ATen/ops/alias.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

using at::Tensor;

namespace {

char* message(const char* text) { return strdup(text); }

template <typename F>
char* guarded(F run) {
  try {
    run();
    return nullptr;
  } catch (const c10::Error& error) {
    return message(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return message(error.what());
  }
}

// Tensors that a caller points to.
std::vector<Tensor> list(Tensor** tensors, size_t count) {
  std::vector<Tensor> all;
  all.reserve(count);
  for (size_t i = 0; i < count; ++i) all.push_back(*tensors[i]);
  return all;
}

// What a caller's closure looks like: `count` tensors in, which stay the caller's, and one out, which is ours. Null: it panicked.
using Run = Tensor* (*)(void* closure, Tensor** inputs, size_t count);
using Drop = void (*)(void* closure);

// A closure of the caller's, dropped with the last who holds it.
struct Closure : torch::CustomClassHolder {
  void* closure;
  Run run;
  Drop drop;

  Closure(void* closure, Run run, Drop drop) : closure(closure), run(run), drop(drop) {}
  ~Closure() override { drop(closure); }

  Tensor operator()(std::vector<Tensor>& inputs) {
    std::vector<Tensor*> pointers;
    for (auto& input : inputs) pointers.push_back(&input);
    Tensor* made = run(closure, pointers.data(), pointers.size());
    TORCH_CHECK(made != nullptr, "a recomputed part panicked");
    Tensor out = *made;
    delete made;
    return out;
  }
};

// Runs a closure without keeping what its backward needs, and runs it again when that is asked for. Gradients of what the closure holds
// besides its inputs are accumulated where they lie.
struct Recomputed : torch::autograd::Function<Recomputed> {
  static Tensor forward(torch::autograd::AutogradContext* context, c10::intrusive_ptr<Closure> closure, at::TensorList given) {
    std::vector<Tensor> inputs = given.vec();
    Tensor out = (*closure)(inputs);
    auto device = inputs[0].device().type();
    context->saved_data["closure"] = c10::IValue::make_capsule(closure);
    context->saved_data["autocast"] = at::autocast::is_autocast_enabled(device);
    context->save_for_backward(inputs);
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    auto capsule = context->saved_data["closure"].toCapsule();
    auto& closure = static_cast<Closure&>(*capsule);
    auto saved = context->get_saved_variables();
    // Gradients are taken as they arrive: once accumulated they may lie otherwise in memory, and what is computed from them rounds otherwise.
    std::vector<Tensor> arrived(saved.size());
    std::vector<Tensor> inputs;
    for (size_t i = 0; i < saved.size(); ++i) {
      Tensor input = saved[i].detach();
      if (saved[i].requires_grad()) {
        input.set_requires_grad(true);
        input.register_hook([&arrived, i](const Tensor& gradient) { arrived[i] = gradient; });
      }
      inputs.push_back(input);
    }
    Tensor out;
    {
      at::AutoGradMode enabled(true);
      auto device = inputs[0].device().type();
      bool before = at::autocast::is_autocast_enabled(device);
      at::autocast::set_autocast_enabled(device, context->saved_data["autocast"].toBool());
      at::autocast::increment_nesting();
      auto restore = [&] {
        if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
        at::autocast::set_autocast_enabled(device, before);
      };
      try {
        // Not the leaves themselves: lower precision would keep one cast of a leaf, and sum its gradients in lower precision.
        std::vector<Tensor> given;
        for (auto& input : inputs) given.push_back(at::alias(input));
        out = closure(given);
      } catch (...) {
        restore();
        throw;
      }
      restore();
    }
    torch::autograd::backward({out}, {gradients[0]});
    torch::autograd::variable_list back;
    back.emplace_back(); // the closure has no gradient
    for (auto& gradient : arrived) back.push_back(gradient);
    return back;
  }
};

// A graph of CUDA's, by libtorch's class for it. Building against the class would take CUDA's headers, and linking to it would take CUDA's libraries: so its
// members are called by the names they have in libtorch's CUDA part, if that is in the process, on memory that is larger than one.
struct Graph {
  struct Members {
    void (*make)(void*, bool);
    void (*unmake)(void*);
    void (*begin)(void*, std::pair<unsigned long long, unsigned long long>, int);
    void (*end)(void*);
    void (*replay)(void*);

    static const Members* all() {
      static const Members members = {
          find<decltype(make)>("_ZN2at4cuda9CUDAGraphC1Eb"),
          find<decltype(unmake)>("_ZN2at4cuda9CUDAGraphD1Ev"),
          find<decltype(begin)>("_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode"),
          find<decltype(end)>("_ZN2at4cuda9CUDAGraph11capture_endEv"),
          find<decltype(replay)>("_ZN2at4cuda9CUDAGraph6replayEv"),
      };
      bool there = members.make && members.unmake && members.begin && members.end && members.replay;
      return there ? &members : nullptr;
    }

    template <typename F>
    static F find(const char* name) {
      return reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
    }
  };

  alignas(64) unsigned char place[4096];
  const Members& members;

  explicit Graph(const Members& members) : members(members) { members.make(place, /*keep_graph=*/false); }
  ~Graph() { members.unmake(place); }
  Graph(const Graph&) = delete;
};

}  // namespace

extern "C" {

// One AdamW step of `parts` parameters, each by itself, down their gradients, which are divided by `scale` first. `step` is the number of this
// step, from one.
char* isoflop_adamw(Tensor** flat, Tensor** gradient, Tensor** first, Tensor** second, size_t parts, Tensor* step, Tensor* scale,
                    double rate, double beta1, double beta2, double decay, double epsilon) {
  return guarded([&] {
    at::NoGradGuard guard;
    std::vector<Tensor> steps(parts, *step);
    at::_fused_adamw_(list(flat, parts), list(gradient, parts), list(first, parts), list(second, parts), {}, steps, rate, beta1, beta2,
                      decay, epsilon, /*amsgrad=*/false, /*maximize=*/false, *scale, std::nullopt);
  });
}

// The norm of each of `parts`, as one tensor.
char* isoflop_norms(Tensor** tensors, size_t parts, Tensor** out) {
  return guarded([&] {
    at::NoGradGuard guard;
    *out = new Tensor(at::stack(at::_foreach_norm(list(tensors, parts))));
  });
}

// Moves each of `from` towards its `to` by this share of the way.
char* isoflop_lerp(Tensor** from, Tensor** to, size_t parts, double share) {
  return guarded([&] {
    at::NoGradGuard guard;
    auto moved = list(from, parts);
    at::_foreach_lerp_(moved, list(to, parts), share);
  });
}

// Moves the gradients of `parameters` into `flat`, end to end; a parameter without one counts as zero. They have none afterwards.
char* isoflop_collect(Tensor** parameters, size_t count, Tensor* flat) {
  return guarded([&] {
    at::NoGradGuard guard;
    std::vector<Tensor> parts;
    parts.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      Tensor& gradient = parameters[i]->mutable_grad();
      parts.push_back(gradient.defined() ? gradient.reshape({-1}) : at::zeros({parameters[i]->numel()}, flat->options()));
      gradient.reset();
    }
    at::cat_out(*flat, parts, 0);
  });
}

// The same where gradients may also lie, in lower precision, at `halves`: what lies at both is added. All of one precision are copied together.
char* isoflop_collect_both(Tensor** parameters, Tensor** halves, size_t count, Tensor* flat) {
  return guarded([&] {
    at::NoGradGuard guard;
    std::vector<Tensor> to[2], from[2];
    int64_t offset = 0;
    for (size_t i = 0; i < count; ++i) {
      Tensor &whole = parameters[i]->mutable_grad(), &half = halves[i]->mutable_grad();
      auto length = parameters[i]->numel();
      auto place = flat->narrow(0, offset, length);
      offset += length;
      if (!half.defined() && !whole.defined()) {
        place.zero_();
      } else if (half.defined() && whole.defined()) {
        at::add_out(place, whole.reshape({-1}), half.reshape({-1}));
      } else {
        auto& gradient = half.defined() ? half : whole;
        to[half.defined()].push_back(place);
        from[half.defined()].push_back(gradient.reshape({-1}));
      }
      whole.reset();
      half.reset();
    }
    for (int i = 0; i < 2; ++i) {
      if (!to[i].empty()) at::_foreach_copy_(to[i], from[i]);
    }
  });
}

// Copies each of `from` into its place of `into`, all together.
char* isoflop_copy_all(Tensor** into, Tensor** from, size_t count) {
  return guarded([&] {
    at::NoGradGuard guard;
    auto places = list(into, count);
    if (count > 0) at::_foreach_copy_(places, list(from, count));
  });
}

// Turns lower precision on or off for `device` (0: processor, 1: CUDA, 2: Apple's) on this thread. Inside, weights are cast once; when the outermost is
// left, those casts are dropped.
char* isoflop_autocast(int device, bool enabled) {
  return guarded([&] {
    auto type = device == 0 ? at::kCPU : device == 1 ? at::kCUDA : at::kMPS;
    if (enabled) {
      at::autocast::set_autocast_dtype(type, at::kBFloat16);
      at::autocast::set_autocast_enabled(type, true);
      at::autocast::increment_nesting();
    } else {
      if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
      at::autocast::set_autocast_enabled(type, false);
    }
  });
}

// Only deterministic algorithms, or any; and whole single precision in products, never TF32.
char* isoflop_deterministic(bool only) {
  return guarded([&] {
    auto& context = at::globalContext();
    context.setDeterministicAlgorithms(only, /*warn_only=*/false);
    context.setDeterministicFillUninitializedMemory(false);
    context.setDeterministicCuDNN(only);
    context.setBenchmarkCuDNN(false);
    context.setAllowTF32CuBLAS(false);
    context.setAllowTF32CuDNN(false);
  });
}

// Whether only deterministic algorithms are used.
bool isoflop_is_deterministic() { return at::globalContext().deterministicAlgorithms(); }

// Runs a closure on `inputs`, and again when its backward comes. Takes the closure over, whatever happens.
char* isoflop_recompute(void* closure, Run run, Drop drop, Tensor** inputs, size_t count, Tensor** out) {
  auto held = c10::make_intrusive<Closure>(closure, run, drop);
  return guarded([&] {
    std::vector<Tensor> tensors;
    for (size_t i = 0; i < count; ++i) tensors.push_back(*inputs[i]);
    *out = new Tensor(Recomputed::apply(held, at::TensorList(tensors)));
  });
}

// Memory that was freed stays with the process: the next step asks for the same again.
void isoflop_keep_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

// MKL asks this of itself, and where the answer is no, as on any processor that is not Intel's, it goes its own way whatever level MKL_CBWR names. A
// program's symbol comes before a library's: so the level decides, and the maker does not.
__attribute__((visibility("default"), used)) int mkl_serv_intel_cpu_true() { return 1; }

// Holds MKL to a branch of its header's numbering and to strict mode from now on, and answers with the branch it strictly keeps to: 0 if it keeps to none,
// -1 where there is no MKL in this process.
int isoflop_mkl_branch(int branch) {
  using Ask = int (*)(int);
  auto get = reinterpret_cast<Ask>(dlsym(RTLD_DEFAULT, "mkl_serv_cbwr_get"));
  auto set = reinterpret_cast<Ask>(dlsym(RTLD_DEFAULT, "mkl_serv_cbwr_set"));
  if (!get || !set) return -1;
  const int all = ~0, strict = 0x10000;  // MKL_CBWR_ALL, MKL_CBWR_STRICT
  if (get(all) != (branch | strict)) set(branch | strict);
  int kept = get(all);
  return kept & strict ? kept & ~strict : 0;
}

// Asks the system to let this process use the processor's tiles (AMX): without, oneDNN would take a lower level and say nothing.
bool isoflop_use_tiles() { return at::cpu::init_amx(); }

// Whether libtorch's CUDA part is in this process.
bool isoflop_has_cuda() { return at::detail::getCUDAHooks().hasCUDART(); }

// The compute capability of a CUDA device as 1000 * major + minor, or -1. CUDA's runtime is in the process where libtorch has it, and needs no header.
int isoflop_capability(int device) {
  using Ask = int (*)(int*, int, int); // cudaDeviceGetAttribute
  auto ask = reinterpret_cast<Ask>(dlsym(RTLD_DEFAULT, "cudaDeviceGetAttribute"));
  const int major = 75, minor = 76; // cudaDevAttrComputeCapabilityMajor and -Minor
  int found[2];
  if (ask == nullptr || ask(&found[0], major, device) != 0 || ask(&found[1], minor, device) != 0) return -1;
  return 1000 * found[0] + found[1];
}

// Makes this CUDA device the current one of this thread, so that nothing is set up on another.
char* isoflop_use_device(int device) {
  return guarded([&] { at::accelerator::setDeviceIndex(static_cast<c10::DeviceIndex>(device)); });
}

// A copy in memory that a device reads by itself. The binding asks for which device, and libtorch then complains of each call.
char* isoflop_pinned(Tensor* tensor, Tensor** out) {
  return guarded([&] { *out = new Tensor(tensor->pin_memory()); });
}

// The most bytes that tensors have taken of a CUDA device so far, or -1.
int64_t isoflop_peak_memory(int device) {
  try {
    if (!at::detail::getCUDAHooks().hasCUDA()) return -1;
    auto* allocator = at::getDeviceAllocator(at::kCUDA);
    if (!allocator->initialized()) return -1;
    auto stats = allocator->getDeviceStats(static_cast<c10::DeviceIndex>(device));
    return stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
  } catch (...) {
    return -1;
  }
}

// Makes a stream of its own the current one of this thread on this CUDA device, where libtorch has such: what is recorded must not run on the default one.
void isoflop_use_stream(int device) {
  using Get = int (*)(bool, int32_t, void**);
  using Set = int (*)(void*, int32_t);
  auto get = reinterpret_cast<Get>(dlsym(RTLD_DEFAULT, "torch_get_cuda_stream_from_pool"));
  auto set = reinterpret_cast<Set>(dlsym(RTLD_DEFAULT, "torch_set_current_cuda_stream"));
  void* stream = nullptr;
  if (get && set && get(/*high priority*/ false, device, &stream) == 0) set(stream, device);
}

// Begins to record what is started on this thread's stream. None where libtorch has no CUDA part, or another one.
char* isoflop_graph_begin(void** out) {
  *out = nullptr;
  return guarded([&] {
    auto* members = Graph::Members::all();
    if (members == nullptr) return;
    // What operators have used so far and hold no more is of no use to what is recorded, which has memory of its own.
    at::getDeviceAllocator(at::kCUDA)->emptyCache();
    auto graph = std::make_unique<Graph>(*members);
    members->begin(graph->place, {0, 0}, /*cudaStreamCaptureModeThreadLocal*/ 1);
    *out = graph.release();
  });
}

// Ends recording.
char* isoflop_graph_end(void* graph) {
  return guarded([&] {
    auto& it = *static_cast<Graph*>(graph);
    it.members.end(it.place);
  });
}

// Starts all that was recorded, on this thread's stream.
char* isoflop_graph_replay(void* graph) {
  return guarded([&] {
    auto& it = *static_cast<Graph*>(graph);
    it.members.replay(it.place);
  });
}

void isoflop_graph_drop(void* graph) { delete static_cast<Graph*>(graph); }

void isoflop_free(char* text) { free(text); }
}
