// Models that parse as GGUF but do not make sense: every fault is one sterna::Error that names the
// file, never a crash, a hang or a wild allocation.
#include <doctest/doctest.h>
#include <sterna/models/gguf_writer.h>
#include <sterna/models/model.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/bind.h"

using namespace sterna;
using models::Gguf;
using models::GgufTensor;
using models::GgufValue;
using models::GgufWriter;

namespace {

const std::filesystem::path kTiny = STERNA_TEST_DATA "/golden/tower/tiny.gguf";

/// How a copy of the tiny model differs from it.
struct Change {
  std::string_view key;  // metadata to replace or add, or to drop if `value` is empty
  std::optional<GgufValue> value;
  std::string_view tensor;  // to reshape, or to drop if `shape` is empty
  std::vector<uint64_t> shape;
};

void write(const std::filesystem::path& path, const Gguf& from, const Change& change) {
  GgufWriter out(path);
  for (const auto& [key, value] : from.metadata()) {
    if (key == "general.alignment") continue;  // the writer's own
    if (key != change.key) {
      out.copy(key, from);
    } else if (change.value) {
      out.set(key, *change.value);
    }
  }
  if (change.value && !from.has(change.key)) out.set(change.key, *change.value);
  for (const GgufTensor& t : from.tensors()) {
    if (t.name != change.tensor) {
      out.declare(t.name, t.type, t.shape);
    } else if (!change.shape.empty()) {
      out.declare(t.name, t.type, change.shape);
    }
  }
  for (const GgufTensor& t : from.tensors()) {
    if (t.name != change.tensor) {
      out.write(t.data);
    } else if (!change.shape.empty()) {
      uint64_t bytes = sizeof(float);
      for (const uint64_t n : change.shape) bytes *= n;
      out.write(std::vector<std::byte>(bytes));
    }
  }
  out.commit();
}

/// The message that opening the changed model gives; "" if it opens.
std::string fault(const test::Folder& scratch, const Gguf& from, const Change& change) {
  const auto path = scratch / "changed.gguf";
  write(path, from, change);
  try {
    Model::open(path);
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

void check_message(const std::string& message, const test::Folder& scratch) {
  CHECK(message.starts_with((scratch / "changed.gguf").string() + ": "));
  CHECK(message.find('\n') == std::string::npos);
}

}  // namespace

TEST_CASE("an unchanged copy opens: what follows fails for its change alone") {
  const test::Folder scratch;
  const Gguf tiny = Gguf::open(kTiny);
  CHECK(fault(scratch, tiny, {}) == "");
}

TEST_CASE("every metadata key of the model is needed, and of its own kind") {
  const test::Folder scratch;
  const Gguf tiny = Gguf::open(kTiny);
  size_t needed = 0;
  for (const auto& entry : tiny.metadata()) {
    const std::string_view key = entry.first;
    if (!key.starts_with("sterna.")) continue;
    CAPTURE(key);
    ++needed;
    for (const std::optional<GgufValue>& other :
         {std::optional<GgufValue>(),
          std::optional<GgufValue>(GgufValue(std::vector<bool>{true}))}) {
      const std::string message = fault(scratch, tiny, {key, other, "", {}});
      // Of older files: not there.
      if (!other && (key == "sterna.vision.whole_places" || key == models::kDetail ||
                     key == models::kGroundBlocks || key == models::kReferents)) {
        CHECK(message == "");
        continue;
      }
      check_message(message, scratch);
      CHECK(message.find(key) != std::string::npos);
    }
  }
  CHECK(needed >= 39);
  check_message(
      fault(scratch, tiny, {"general.architecture", GgufValue(std::string_view("clip")), "", {}}),
      scratch);
}

TEST_CASE("numbers at extreme values are refused by name or by the tensor that does not fit") {
  const test::Folder scratch;
  const Gguf tiny = Gguf::open(kTiny);
  const uint64_t extremes[] = {0, 1, 3, 7, 65536, 0x7fffffff, 0xffffffff, UINT64_MAX};
  for (const auto& entry : tiny.metadata()) {
    const std::string_view key = entry.first;
    if (!key.starts_with("sterna.")) continue;
    const bool integer = std::holds_alternative<uint64_t>(entry.second) ||
                         std::holds_alternative<int64_t>(entry.second);
    if (!integer) continue;
    CAPTURE(key);
    for (const uint64_t extreme : extremes) {
      CAPTURE(extreme);
      const std::string message = fault(scratch, tiny, {key, GgufValue(extreme), "", {}});
      // Some values are as good as the right one: a token id, a number of top classes.
      if (!message.empty()) check_message(message, scratch);
      const bool width = key.ends_with("width") || key.ends_with("mlp") || key.ends_with("classes");
      if (width && key != "sterna.vision.top_classes") CHECK(message != "");
      if (extreme == UINT64_MAX) CHECK(message != "");
    }
  }
  for (const char* key : {"sterna.decoder.choice_scale", "sterna.decoder.vocabulary_scale",
                          "sterna.decoder.vocabulary_head_scale"}) {
    for (const double bad : {0.0, -1.0, std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN()}) {
      check_message(fault(scratch, tiny, {key, GgufValue(bad), "", {}}), scratch);
    }
  }
  const char* eps = "sterna.language.eps";
  for (const double bad : {-1.0, 2.0, std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::quiet_NaN()})
    check_message(fault(scratch, tiny, {eps, GgufValue(bad), "", {}}), scratch);
  const char* share = "sterna.vision.whole_places";
  for (const double bad : {-1.0, 1e9, std::numeric_limits<double>::quiet_NaN()})
    check_message(fault(scratch, tiny, {share, GgufValue(bad), "", {}}), scratch);
  CHECK(fault(scratch, tiny, {share, GgufValue(0.0), "", {}}) == "");
  CHECK(fault(scratch, tiny, {models::kDetail, GgufValue(uint64_t{5}), "", {}}) != "");
  CHECK(fault(scratch, tiny, {models::kDetail, GgufValue(uint64_t{1}), "", {}}) == "");
  for (const char* slope : {"sterna.decoder.choice_slope", "sterna.decoder.vocabulary_slope"}) {
    for (const double bad : {0.0, -1.0, 1.5, std::numeric_limits<double>::quiet_NaN()})
      check_message(fault(scratch, tiny, {slope, GgufValue(bad), "", {}}), scratch);
    CHECK(fault(scratch, tiny, {slope, GgufValue(0.5), "", {}}) == "");
  }
}

TEST_CASE("weights that are no numbers give no answer and no embedding") {
  const test::Folder scratch;
  const Gguf tiny = Gguf::open(kTiny);
  const auto path = scratch / "changed.gguf";
  write(path, tiny, {"", {}, "", {}});
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto& norm = *tiny.find("predictor.norm.weight");
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  const std::string_view weights(reinterpret_cast<const char*>(norm.data.data()), norm.data.size());
  const size_t at = bytes.find(weights);
  REQUIRE(at != bytes.npos);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  file.clear();
  file.seekp(static_cast<std::streamoff>(at));
  file.write(reinterpret_cast<const char*>(&nan), sizeof nan);
  file.close();
  const Model model = Model::open(path);
  Session session(1);
  const std::vector<uint8_t> grey(3 * 9 * 7, 128);
  const Scene scene = model.see({grey.data(), 9, 7, 27}, session);
  std::vector<float> out(model.dim());
  const std::string expected = path.string() + ": embedding: expected finite numbers, found ";
  const auto message = [&](const std::function<void()>& f) -> std::string {
    try {
      f();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  CHECK(message([&] { model.embed(scene, out, session); }).starts_with(expected));
  CHECK(message([&] { model.answer(scene, "what is it?", 1, session); }).starts_with(expected));
  CHECK(message([&] { model.embed("a text", out, session); }).empty());
}

TEST_CASE("stage tables that no stem can have") {
  const test::Folder scratch;
  const Gguf tiny = Gguf::open(kTiny);
  const std::string key = "sterna.vision.stem.stages";
  const std::vector<int64_t> right = tiny.integers(key);
  const auto refused = [&](const std::vector<int64_t>& stages) {
    const std::string message = fault(scratch, tiny, {key, GgufValue(stages), "", {}});
    check_message(message, scratch);
  };
  refused({});
  refused({right.begin(), right.end() - 1});
  refused({right.begin(), right.end() - 6});
  for (size_t i = 0; i < right.size(); ++i) {
    for (const int64_t bad : {int64_t{-1}, int64_t{0}, int64_t{9}, int64_t{65537}, INT64_MIN}) {
      auto stages = right;
      stages[i] = bad;
      refused(stages);
    }
  }
}

TEST_CASE("every tensor is needed, in its shape") {
  const test::Folder scratch;
  const Gguf tiny = Gguf::open(kTiny);
  for (const GgufTensor& t : tiny.tensors()) {
    CAPTURE(t.name);
    std::vector<uint64_t> wider = t.shape;
    wider.back() += 1;
    for (const auto& shape : {std::vector<uint64_t>{}, wider}) {
      const std::string message = fault(scratch, tiny, {"", {}, t.name, shape});
      check_message(message, scratch);
      CHECK(message.find(t.name) != std::string::npos);
    }
  }
}

TEST_CASE("a generator is whole or not there: keys, tensors, ids, and bad values") {
  const test::Folder scratch;
  const Gguf tiny = Gguf::open(STERNA_TEST_DATA "/golden/generator/tiny.gguf");
  CHECK(fault(scratch, tiny, {}) == "");
  const auto refused = [&](const Change& change, std::string_view name) {
    CAPTURE(name);
    const std::string message = fault(scratch, tiny, change);
    check_message(message, scratch);
    CHECK(message.find(name) != std::string::npos);
  };
  size_t keys = 0;
  for (const auto& entry : tiny.metadata()) {
    const std::string_view key = entry.first;
    if (!key.starts_with("sterna.generator.")) continue;
    ++keys;
    refused({key, {}, "", {}}, key);
    refused({key, GgufValue(std::vector<bool>{true}), "", {}}, key);
    if (!std::holds_alternative<uint64_t>(entry.second)) continue;
    for (const uint64_t extreme : {uint64_t{0}, uint64_t{3}, uint64_t{65537}, UINT64_MAX}) {
      CAPTURE(extreme);
      const std::string message = fault(scratch, tiny, {key, GgufValue(extreme), "", {}});
      const bool right =
          (key.ends_with("heads") && extreme == 3) || (key.ends_with("blocks") && extreme == 0);
      if (right) continue;  // 3 divides 24; no blocks are few
      check_message(message, scratch);
    }
  }
  CHECK(keys == 10);
  for (const GgufTensor& t : tiny.tensors()) {
    if (!t.name.starts_with("generator.")) continue;
    std::vector<uint64_t> wider = t.shape;
    wider.back() += 1;
    refused({"", {}, t.name, {}}, t.name);
    refused({"", {}, t.name, wider}, t.name);
  }
  const std::string_view pieces = "sterna.generator.pieces";
  std::vector<int64_t> ids = tiny.integers(pieces);
  ids[3] = 100000;
  refused({pieces, GgufValue(ids), "", {}}, "100000");
  ids[3] = -1;
  refused({pieces, GgufValue(ids), "", {}}, "-1");
  ids.pop_back();
  ids[3] = 5;
  refused({pieces, GgufValue(ids), "", {}}, "generator.table");
  refused({"sterna.generator.kind", GgufValue(std::string_view("lstm")), "", {}}, "lstm");
  for (const double bad : {-0.1, 1.5, std::numeric_limits<double>::quiet_NaN()}) {
    refused({"sterna.generator.sure_threshold", GgufValue(bad), "", {}}, "sure_threshold");
  }
}
