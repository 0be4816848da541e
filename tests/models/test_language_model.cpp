// A language model of llama.cpp's that writes behind a prefix: transformers' texts and scores, the
// gguf package's weights, and files that do not fit.
#include <doctest/doctest.h>
#include <sterna/models/gguf_writer.h>
#include <sterna/models/model.h>
#include <sterna/models/safetensors.h>
#include <sterna/models/weights.h>
#include <sterna/quant/error.h>
#include <tests/nn/common.h>
#include <tests/support/folder.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "models/bind.h"
#include "models/ggml_rows.h"
#include "models/language_model.h"
#include "models/writer.h"

using namespace sterna;
using models::Gguf;
using models::LanguageModel;

namespace {

const std::filesystem::path kGolden = STERNA_TEST_DATA "/golden/language_model";
const std::filesystem::path kLlama = kGolden / "llama.gguf", kPrefix = kGolden / "prefix.gguf";
const std::filesystem::path kTiny = STERNA_TEST_DATA "/golden/generator/tiny.gguf";
constexpr size_t kDim = 32, kCues = 8, kLength = 8;
constexpr uint32_t kEnd = 2;

const models::Safetensors& golden() {
  static const auto file = models::Safetensors::open(kGolden / "golden.safetensors");
  return file;
}

std::vector<float> cue(size_t i) {
  static const std::vector<float> all = golden().at("embedding").floats();
  const auto at = all.begin() + static_cast<long>(i * kDim);
  return {at, at + static_cast<long>(kDim)};
}

/// A copy of `from` without metadata `but`, with other text under `key`, and what `more` holds too.
std::filesystem::path changed(const std::filesystem::path& out, const Gguf& from,
                              std::string_view key = "", const models::GgufValue& value = {},
                              const Gguf* more = nullptr, std::string_view but = "",
                              const models::GgufTensor& extra = {}) {
  models::GgufWriter writer(out);
  std::vector<const Gguf*> files = {&from};
  if (more != nullptr) files.push_back(more);
  for (const Gguf* file : files) {
    for (const auto& [name, old] : file->metadata()) {
      const bool again = file == more && from.has(name);
      if (name != "general.alignment" && name != key && name != but && !again)
        writer.copy(name, *file);
    }
  }
  if (!key.empty()) writer.set(key, value);
  for (const Gguf* file : files)
    for (const auto& t : file->tensors()) writer.declare(t.name, t.type, t.shape);
  if (!extra.name.empty()) writer.declare(extra.name, extra.type, extra.shape);
  for (const Gguf* file : files)
    for (const auto& t : file->tensors()) writer.write(t.data);
  if (!extra.name.empty()) writer.write(std::vector<std::byte>(extra.elements() * 4));
  writer.commit();
  return out;
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A copy with `value` in the place of the bytes that lie `after` bytes behind `part`'s start.
template <class T>
void altered(const std::filesystem::path& out, std::string_view part, size_t after, T value) {
  std::string bytes = bytes_of(kLlama);
  const size_t at = bytes.find(part);
  REQUIRE(at != std::string::npos);
  std::memcpy(bytes.data() + at + after, &value, sizeof value);
  std::ofstream(out, std::ios::binary) << bytes;
}

/// The same of the first number of the f32 tensor `name`.
void altered(const std::filesystem::path& out, const Gguf& from, std::string_view name,
             float first) {
  const auto data = from.find(name)->data;
  altered(out, {reinterpret_cast<const char*>(data.data()), data.size()}, 0, first);
}

/// What the best of three texts is, with maps in int8.
std::string spelt(const Gguf& prefix, const std::vector<float>& embedding) {
  const auto isa = quant::best_isa();
  const auto model = LanguageModel::open(kLlama, {.isa = isa});
  const auto lead =
      models::bind_linear(models::Weights(prefix), "prefix", 3 * model.width(), kDim, true, isa);
  const decoder::PrefixDecoder decoder(model.weights(lead, kEnd), kLength, isa);
  nn::Executor executor(1);
  nn::Workspace workspace;
  decoder::GeneratedText texts[3];
  decoder.generate(embedding, texts, executor, workspace);
  std::string text;
  model.join(texts[0].ids, text);
  return text;
}

std::string error(auto f) { return test::message_of<Error>(f); }

}  // namespace

TEST_CASE("rows of ggml's types are what the gguf package reads") {
  const Gguf file = Gguf::open(kLlama);
  size_t seen = 0;
  for (const models::GgufTensor& tensor : file.tensors()) {
    if (golden().find(tensor.name) == nullptr) continue;
    CAPTURE(tensor.name);
    ++seen;
    const std::vector<float> want = golden().at(tensor.name).floats();
    CHECK(models::read_rows(tensor, 0, 8) == want);
    const size_t k = static_cast<size_t>(tensor.shape[1]);
    const std::vector<float> middle(want.begin() + static_cast<long>(3 * k),
                                    want.begin() + static_cast<long>(5 * k));
    CHECK(models::read_rows(tensor, 3, 2) == middle);
  }
  CHECK(seen == 8);
}

TEST_CASE("texts behind a prefix are transformers', with float maps on every instruction set") {
  const Gguf file = Gguf::open(kPrefix);
  for (const auto isa : test::isas()) {
    CAPTURE(quant::name(isa));
    const auto model = LanguageModel::open(kLlama, {.isa = isa, .maps = quant::Type::f32});
    const auto prefix =
        models::bind_linear(models::Weights(file), "prefix", 3 * model.width(), kDim, true, isa);
    const decoder::PrefixDecoder decoder(model.weights(prefix, kEnd), kLength, isa);
    nn::Executor executor(1);
    nn::Workspace workspace;
    for (const size_t beams : {1UL, 3UL}) {
      for (size_t i = 0; i < kCues; ++i) {
        CAPTURE(beams);
        CAPTURE(i);
        const std::string at = "." + std::to_string(beams) + "." + std::to_string(i);
        const auto& want = golden().at("ids" + at);
        const auto* ids = reinterpret_cast<const int32_t*>(want.data.data());
        const std::vector<float> scores = golden().at("score" + at).floats();
        std::vector<decoder::GeneratedText> texts(beams);
        REQUIRE(decoder.generate(cue(i), texts, executor, workspace) == want.shape[0]);
        for (size_t j = 0; j < texts.size(); ++j) {
          std::vector<int32_t> got(texts[j].ids.begin(), texts[j].ids.end());
          got.resize(want.shape[1], -1);
          CHECK(got == std::vector<int32_t>(ids + j * got.size(), ids + (j + 1) * got.size()));
          CHECK(texts[j].log_probability == doctest::Approx(scores[j]).epsilon(1e-4));
        }
      }
    }
  }
}

TEST_CASE("a model writes with it: int8 maps, close scores, the same bits for any threads") {
  const test::Folder scratch;
  const Gguf tiny = Gguf::open(kTiny), prefix = Gguf::open(kPrefix);
  const auto path = changed(scratch / "tiny.gguf", tiny, "", {}, &prefix);
  const Model model = Model::open(path, {.writer = kLlama});
  CHECK(model.generates());
  CHECK(model.caption_question() == "what is it?");
  for (const size_t i : {2UL, 3UL}) {
    Answer first;
    for (const int threads : {1, 2, 3}) {
      Session session(threads);
      Answer answer;
      model.generate(cue(i), 1, answer, session);
      CHECK(session.decodes == 1);
      CHECK(answer.sure == (answer.confidence >= 0.1F));
      const float want = golden().at("score.3." + std::to_string(i)).floats()[0];
      CHECK(std::log(answer.confidence) == doctest::Approx(want).epsilon(0.1));
      if (threads == 1) first = answer;
      CHECK(answer.text == first.text);
      CHECK(answer.confidence == first.confidence);
    }
    CHECK(first.text == spelt(prefix, cue(i)));
  }
  // Without a writer the file's own generator goes on.
  CHECK(Model::open(path).caption_question() == "what is in the picture?");
}

TEST_CASE("pieces become the bytes that their letters stand for") {
  const auto model = LanguageModel::open(kLlama, {});
  std::string text = "old";
  const uint32_t space = 3 + 32, a = 3 + 97, umlaut = static_cast<uint32_t>(model.size()) - 1;
  model.join(std::vector<uint32_t>{a, space, umlaut, a}, text);
  CHECK(text == "a \u00fca");
  model.join(std::vector<uint32_t>{a, 3 + 0xC3, a}, text);  // half a letter
  CHECK(text == "a\ufffda");
  model.join({}, text);
  CHECK(text.empty());
}

TEST_CASE("a language model that does not fit is named, with what was expected") {
  const test::Folder scratch;
  const Gguf llama = Gguf::open(kLlama), tiny = Gguf::open(kTiny), prefix = Gguf::open(kPrefix);
  const auto with = changed(scratch / "with.gguf", tiny, "", {}, &prefix);
  const auto open = [&](const std::filesystem::path& writer) {
    return error([&] { Model::open(with, {.writer = writer}); });
  };
  const auto other = scratch / "other.gguf";
  const auto starts = [](const std::string& text, const std::string& start) {
    CAPTURE(text);
    CHECK(text.starts_with(start));
  };
  const auto fault = [&](const std::string& what) { starts(open(other), other.string() + what); };
  // The model is known by its last norm, whatever it is called.
  changed(other, llama, "general.name", std::string_view("Another name"));
  CHECK_NOTHROW(Model::open(with, {.writer = other}));
  altered(other, llama, "output_norm.weight", 1.5F);
  starts(open(other), other.string() + ": expected the language model that the prefix of " +
                          with.string() + " was trained for, \"Tiny llama\" with");
  for (const char* name : {"output_norm.weight", "blk.1.ffn_norm.weight"}) {
    altered(other, llama, name, std::nanf(""));
    fault(": tensor \"" + std::string(name) + "\": expected finite numbers");
  }
  const auto map = llama.find("blk.1.ffn_gate.weight")->data;  // f16
  altered(other, {reinterpret_cast<const char*>(map.data()), map.size()}, 0, uint16_t{0x7e00});
  fault(": tensor \"blk.1.ffn_gate.weight\", rows from 0: ");
  // Of a type that nobody knows the shape says nothing about the file's size.
  const std::string name = "blk.0.attn_q.weight";
  altered(other, name, name.size() + 4 + 2 * 8, uint32_t{77});
  fault(": tensor \"" + name + "\": expected f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, "
        "tq1_0 or tq2_0, found type 77");
  for (size_t percent = 0; percent < 100; percent += 9) {
    const std::string bytes = bytes_of(kLlama);
    std::ofstream(other, std::ios::binary) << bytes.substr(0, bytes.size() * percent / 100);
    fault("");
  }
  changed(other, llama, "", {}, nullptr, "", {"output.weight", models::GgmlType::f32, {1}, {}});
  fault(": tensor \"output.weight\": expected none of this name");
  changed(other, llama, "", {}, nullptr, "",
          {"blk.0.attn_q.bias", models::GgmlType::f32, {64}, {}});
  fault(": tensor \"blk.0.attn_q.bias\": expected none of this name");
  // Without names the fault is still that it is another model.
  {
    const test::Folder inner;
    altered(inner / "norm.gguf", llama, "output_norm.weight", 1.5F);
    changed(other, Gguf::open(inner / "norm.gguf"), "", {}, nullptr, "general.name");
    changed(inner / "nameless.gguf", Gguf::open(with), "", {}, nullptr, "sterna.prefix.model");
    const std::string text =
        error([&] { Model::open(inner / "nameless.gguf", {.writer = other}); });
    starts(text, other.string() + ": expected the language model that the prefix of " +
                     (inner / "nameless.gguf").string() +
                     " was trained for, \"a model without a name\" with");
    CHECK(text.find("found \"a model without a name\" with") != std::string::npos);
  }
  changed(other, llama, "llama.rope.scaling.type", std::string_view("yarn"));
  fault(": llama.rope.scaling.type: expected \"none\", found \"yarn\"");
  changed(other, llama, "llama.context_length", uint64_t{10});
  fault(": llama.context_length: expected at least 11, found 10");
  changed(other, llama, "general.architecture", std::string_view("gemma"));
  fault(": general.architecture: expected \"llama\", found \"gemma\"");
  changed(other, llama, "llama.attention.head_count", uint64_t{3});
  fault(": llama.attention.head_count: expected heads of at most");
  changed(other, llama, "llama.feed_forward_length", uint64_t{95});
  fault(": tensor \"blk.0.ffn_gate.weight\": expected [95, 64], found");
  changed(other, llama, "llama.block_count", uint64_t{3});
  fault(": tensor \"blk.2.attn_norm.weight\" is missing");
  changed(other, llama, "llama.attention.layer_norm_rms_epsilon", -1.0);
  fault(": llama.rope.freq_base and norm epsilon: expected");
  changed(other, prefix);
  fault(": general.architecture: expected \"llama\", found \"sterna\"");
  starts(open(scratch / "none.gguf"), (scratch / "none.gguf").string());
  starts(error([&] { Model::open(kTiny, {.writer = kLlama}); }),
         kTiny.string() + ": the model has no prefix for a language model");
  for (const auto& [key, value] :
       std::vector<std::pair<const char*, uint64_t>>{{"end", 1000}, {"length", 1}, {"width", 65}}) {
    changed(scratch / "bad.gguf", Gguf::open(with), "sterna.prefix." + std::string(key), value);
    starts(error([&] { Model::open(scratch / "bad.gguf", {.writer = kLlama}); }),
           (scratch / "bad.gguf").string());
  }
}
