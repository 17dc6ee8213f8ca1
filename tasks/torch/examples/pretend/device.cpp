// A device that is none: its memory is the processor's, and every operator runs on the processor. What it does not do is what CUDA does not do either: no
// operator takes numbers from both sides. So a program that runs here has everything where it belongs. Backward passes stop at libtorch's engine, which finds no
// accelerator of that name. It takes the place of Apple's device, which the binding knows and this libtorch lacks.

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/stack.h>
#include <ATen/detail/MPSHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <set>
#include <string>

namespace {

const at::Device DEVICE(at::kMPS, 0);

struct Guard final : c10::impl::DeviceGuardImplInterface {
  at::DeviceType type() const override { return at::kMPS; }
  at::Device exchangeDevice(at::Device) const override { return DEVICE; }
  at::Device getDevice() const override { return DEVICE; }
  void setDevice(at::Device) const override {}
  void uncheckedSetDevice(at::Device) const noexcept override {}
  c10::Stream getStream(at::Device) const override { return c10::Stream(c10::Stream::DEFAULT, DEVICE); }
  c10::Stream exchangeStream(c10::Stream) const override { return c10::Stream(c10::Stream::DEFAULT, DEVICE); }
  at::DeviceIndex deviceCount() const noexcept override { return 1; }
};
C10_REGISTER_GUARD_IMPL(MPS, Guard)

// That there is such a device, and no generator of its own.
struct MPSHooks final : at::MPSHooksInterface {
  explicit MPSHooks(at::MPSHooksArgs) {}
  void init() const override {}
  bool hasMPS() const override { return true; }
  const at::Generator& getDefaultGenerator(at::DeviceIndex) const override { return at::detail::getDefaultCPUGenerator(); }
  at::Generator getNewGenerator(at::DeviceIndex) const override { return at::detail::getDefaultCPUGenerator(); }
  bool hasPrimaryContext(at::DeviceIndex) const override { return true; }
  bool isPinnedPtr(const void*) const override { return false; }
};

// The same memory under another device's name. What it is of lives as long.
at::Tensor named(const at::Tensor& tensor, at::Device device) {
  auto held = std::make_shared<at::Tensor>(tensor);
  auto length = tensor.storage_offset() * tensor.itemsize() + at::detail::computeStorageNbytes(tensor.sizes(), tensor.strides(), tensor.itemsize());
  auto* start = const_cast<void*>(tensor.storage().data());
  auto pointer = c10::InefficientStdFunctionContext::makeDataPtr(start, [held](void*) {}, device);
  auto storage = c10::make_intrusive<c10::StorageImpl>(c10::StorageImpl::use_byte_size_t(), length, std::move(pointer), nullptr, false);
  auto key = device.is_cpu() ? c10::DispatchKey::CPU : c10::DispatchKey::MPS;
  auto same = at::detail::make_tensor<c10::TensorImpl>(c10::Storage(storage), c10::DispatchKeySet(key), tensor.dtype());
  same.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
  return same;
}

bool ours(const at::Tensor& tensor) { return tensor.defined() && tensor.device().is_mps(); }

// One call: what came in under which name, so that what is written in place goes out as what came in.
struct Call {
  std::string name;
  bool may_mix = false;
  std::vector<std::pair<at::Tensor, at::Tensor>> seen; // ours, the processor's
  std::vector<at::Tensor> others; // the processor's, as they came
  c10::optional<at::Device> asked;

  at::Tensor in(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (!ours(tensor)) {
      // As on CUDA: numbers of no dimension may come from the processor.
      TORCH_CHECK(may_mix || tensor.dim() == 0, name, " was given numbers of both the processor and the device");
      others.push_back(tensor);
      return tensor;
    }
    for (auto& [theirs, here] : seen)
      if (theirs.is_same(tensor)) return here;
    seen.emplace_back(tensor, named(tensor, at::kCPU));
    return seen.back().second;
  }

  at::Tensor out(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    for (auto& [theirs, here] : seen)
      if (here.is_same(tensor)) {
        // It may have been given another shape.
        auto* impl = theirs.unsafeGetTensorImpl();
        if (theirs.sizes() != tensor.sizes() || theirs.data_ptr() != tensor.data_ptr()) {
          impl->set_storage_keep_dtype(named(tensor, DEVICE).storage());
          impl->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
        }
        return theirs;
      }
    for (auto& other : others)
      if (other.is_same(tensor)) return tensor;
    if (asked ? asked->is_cpu() : seen.empty()) return tensor;
    return named(tensor, DEVICE);
  }
};

void on_the_processor(const c10::OperatorHandle& op, c10::DispatchKeySet, torch::jit::Stack* stack) {
  static const std::set<std::string> MIX = {"aten::copy_", "aten::_copy_from", "aten::index.Tensor", "aten::_index_put_impl_", "aten::index_put_"};
  const auto& schema = op.schema();
  Call call;
  call.name = toString(op.operator_name());
  call.may_mix = MIX.count(call.name) > 0 || MIX.count(schema.name()) > 0;
  auto arguments = torch::jit::pop(*stack, schema.arguments().size());
  for (auto& value : arguments) {
    if (value.isTensor()) {
      value = call.in(value.toTensor());
    } else if (value.isDevice()) {
      call.asked = value.toDevice();
      value = at::Device(at::kCPU);
    } else if (value.isTensorList()) {
      std::vector<at::Tensor> list;
      for (const auto& tensor : value.toTensorVector()) list.push_back(call.in(tensor));
      value = c10::List<at::Tensor>(list);
    } else if (value.isOptionalTensorList()) {
      c10::List<c10::optional<at::Tensor>> list;
      for (const c10::optional<at::Tensor>& tensor : value.toOptionalTensorVector())
        list.push_back(tensor ? c10::optional<at::Tensor>(call.in(*tensor)) : c10::nullopt);
      value = list;
    }
    stack->push_back(value);
  }
  {
    // Everything of the device is off: the processor's own kernels are reached.
    c10::impl::ExcludeDispatchKeyGuard off(c10::autograd_dispatch_keyset | c10::DispatchKeySet(c10::DispatchKey::ADInplaceOrView) |
                                          c10::autocast_dispatch_keyset);
    op.callBoxed(stack);
  }
  auto results = torch::jit::pop(*stack, schema.returns().size());
  for (auto& value : results) {
    if (value.isTensor()) {
      value = call.out(value.toTensor());
    } else if (value.isTensorList()) {
      std::vector<at::Tensor> list;
      for (const auto& tensor : value.toTensorVector()) list.push_back(call.out(tensor));
      value = c10::List<at::Tensor>(list);
    }
    stack->push_back(value);
  }
}

}  // namespace

namespace at {
REGISTER_MPS_HOOKS(MPSHooks)
}

TORCH_LIBRARY_IMPL(_, MPS, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&on_the_processor>()); }

// Which kernel attends is looked up by device, and there is none for this one: the plain formula, which is made of other operators.
at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, const c10::optional<at::Tensor>& bias, double dropout,
                     bool causal, c10::optional<double> scale, bool grouped) {
  return std::get<0>(at::_scaled_dot_product_attention_math(query, key, value, bias, dropout, causal, {}, scale, grouped));
}

// Every operator of which the processor has a kernel, and composites that would look for the device's own.
TORCH_LIBRARY_IMPL(aten, MPS, m) {
  std::set<std::string> names = {"convolution", "convolution_backward", "copy_"};
  for (const auto& name : c10::Dispatcher::singleton().getAllOpNames()) {
    auto op = c10::Dispatcher::singleton().findOp(name);
    if (name.name.rfind("aten::", 0) != 0 || !op || !op->hasSchema()) continue;
    auto full = toString(name).substr(6);
    if (op->hasKernelForDispatchKey(c10::DispatchKey::CPU)) names.insert(full);
  }
  for (const auto& name : names) m.impl(name.c_str(), torch::CppFunction::makeFromBoxedFunction<&on_the_processor>());
}

TORCH_LIBRARY_IMPL(aten, AutogradMPS, m) { m.impl("scaled_dot_product_attention", TORCH_FN(attention)); }
