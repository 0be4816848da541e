// Any bytes as a model file: an Error, or tensors that lie inside it and bind.
#include <sterna/models/gguf.h>
#include <sterna/models/info.h>
#include <sterna/models/weights.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>

#include <cstdlib>
#include <string>

using namespace sterna;
using namespace sterna::models;

namespace {

unsigned char sink = 0;

void touch(std::span<const std::byte> data) {
  if (data.empty()) return;
  sink = static_cast<unsigned char>(sink ^ static_cast<unsigned char>(data.front()) ^
                                    static_cast<unsigned char>(data.back()));
}

template <class F>
void attempt(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    // One line that names the file.
    const std::string message = e.what();
    if (message.rfind("x.gguf: ", 0) != 0 || message.find('\n') != std::string::npos) std::abort();
  }
}

void bind(const Gguf& file, const GgufTensor& tensor) {
  const Weights weights(file);
  uint64_t rows = tensor.shape.empty() ? 1 : tensor.shape[0];
  uint64_t cols = tensor.elements() / rows;
  const std::string key = "sterna.tensor." + tensor.name;
  attempt([&] {
    if (!file.has(key + ".shape")) return;
    const std::vector<int64_t> shape = file.integers(key + ".shape");
    if (shape.empty() || shape[0] <= 0) return;
    rows = static_cast<uint64_t>(shape[0]);
    cols = tensor.elements() / rows;
  });
  attempt([&] { weights.table(tensor.name, 0, cols); });
  attempt([&] {
    if (file.has(key + ".rows")) rows = file.integer(key + ".rows");
    if (file.has(key + ".cols")) cols = file.integer(key + ".cols");
    const quant::WeightView view = weights.linear(tensor.name, rows, cols);
    touch(view.data);
    touch(std::as_bytes(view.scale));
    if (view.m * view.k > 1 << 16) return;
    std::vector<float> out(view.m * view.k);
    quant::dequantise(view, out);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  attempt([&] {
    const Gguf file = Gguf::parse("x.gguf", bytes);
    for (const auto& entry : file.metadata()) {
      const std::string_view key = entry.first;
      touch(file.encoded(key));
      attempt([&] { file.integer(key); });
      attempt([&] { file.numbers(key); });
      attempt([&] { file.strings(key); });
    }
    for (const GgufTensor& tensor : file.tensors()) {
      touch(tensor.data);
      bind(file, tensor);
    }
    describe("x.gguf", bytes);
  });
  return 0;
}
