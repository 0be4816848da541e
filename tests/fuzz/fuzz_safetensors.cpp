// Any bytes as a safetensors file: an Error, or tensors that lie inside it.
#include <sterna/models/info.h>
#include <sterna/models/safetensors.h>
#include <sterna/quant/error.h>

#include <cstdlib>
#include <string>

using namespace sterna;
using namespace sterna::models;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const Safetensors file = Safetensors::parse("x", bytes);
    uint64_t total = 0;
    for (const SafeTensor& tensor : file.tensors()) {
      if (tensor.floats().size() != tensor.elements()) std::abort();
      if (file.find(tensor.name) != &tensor) std::abort();
      total += tensor.data.size();
    }
    if (total > size) std::abort();
    describe("x", bytes);
  } catch (const Error& e) {
    const std::string message = e.what();
    if (message.rfind("x: ", 0) != 0 || message.find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
