// Any text as what describes a checkpoint: config.json, modules.json, a shard index. The first byte
// says as which.
#include <sterna/quant/error.h>

#include <cmath>
#include <cstdlib>
#include <span>
#include <string>

#include "models/blocks.h"
#include "models/config.h"
#include "models/shard_index.h"

using namespace sterna;
using namespace sterna::models;

namespace {

template <class F>
void attempt(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    // One line that names the file.
    const std::string message = e.what();
    if (message.rfind("x.json: ", 0) != 0 || message.find('\n') != std::string::npos) std::abort();
  }
}

/// What binders ask of an object.
void ask(const Config& config) {
  attempt([&] {
    const BlockSizes sizes = read_sizes(config);
    if (sizes.width == 0 || sizes.heads * sizes.head != sizes.width) std::abort();
  });
  attempt([&] { read_rope(config, 64, 1e4); });
  attempt([&] { read_activation(config, "hidden_act", "gelu"); });
  attempt([&] { read_sliding(config, 4, [](size_t i) { return i % 2 == 0; }); });
  attempt([&] { config.string("model_type", ""); });
  attempt([&] {
    const double x = config.number("layer_norm_eps", 0, 1, 1e-5);
    if (!std::isfinite(x)) std::abort();
  });
  for (const char* key : {"vision_config", "text_config", "x_encoder"}) {
    attempt([&] { read_sizes(config.in(key)); });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto text = std::as_bytes(std::span(data, size)).subspan(1);
  attempt([&] {
    switch (data[0] % 3) {
      case 0:
        return ask(Config::parse("x.json", text));
      case 1:
        for (const Config& item : Config::parse_list("x.json", text)) ask(item);
        return;
      default:
        for (const auto& [shard, tensors] : parse_shard_index("x.json", text)) {
          if (shard.find('/') != std::string::npos || tensors.empty()) std::abort();
        }
    }
  });
  return 0;
}
