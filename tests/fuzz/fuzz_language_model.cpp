// Any bytes as a language model of llama.cpp's: an Error that names the file, or one that writes.
#include <sterna/models/gguf.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "models/language_model.h"

using namespace sterna;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    models::Gguf file = models::Gguf::parse("x.gguf", std::as_bytes(std::span(data, size)));
    const auto model =
        models::LanguageModel::of(std::move(file), {.isa = quant::Isa::scalar, .threads = 1});
    const size_t d = model.width();
    const quant::Packed map =
        quant::pack(quant::Type::f32, std::vector<float>(2 * d, 0.1F), 2 * d, 1);
    const quant::Linear prefix({quant::Type::f32, 2 * d, 1, map.data, {}, 0}, {},
                               quant::Isa::scalar);
    const decoder::PrefixDecoder writer(model.weights(prefix, 0), 3, quant::Isa::scalar);
    const nn::Executor executor(1);
    nn::Workspace workspace;
    const float embedding = 1;
    decoder::GeneratedText text[2];
    const size_t found = writer.generate({&embedding, 1}, text, executor, workspace);
    std::string spelt;
    for (size_t i = 0; i < found; ++i) model.join(text[i].ids, spelt);
  } catch (const Error& e) {
    const std::string message = e.what();
    if (message.rfind("x.gguf: ", 0) != 0 || message.find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
