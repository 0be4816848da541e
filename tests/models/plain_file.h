#pragma once

#include <sterna/models/gguf_writer.h>

#include <cstdint>
#include <filesystem>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace sterna::test {

/// A tensor of the float file that tests quantise; its numbers follow from its name.
struct Plain {
  std::string name;
  std::vector<uint64_t> shape;
};
inline const std::vector<Plain> tensors = {
    {"vision.blocks.0.qkv.weight", {48, 40}},
    {"vision.blocks.0.attn_norm.weight", {40}},
    {"vision.stem.blocks.0.expand.weight", {24, 1, 1, 7}},
    {"vision.stem.head.bias", {24}},
    {"language.blocks.0.mlp_up.weight", {20, 33}},
    {"language.token_embedding", {50, 12}},
    {"predictor.head.weight", {12, 64}},
    {"decoder.answers", {5, 12}},
};

inline size_t count(const Plain& t) {
  size_t n = 1;
  for (const uint64_t d : t.shape) n *= d;
  return n;
}

inline std::vector<float> values(const Plain& t) {
  std::mt19937 random(static_cast<uint32_t>(t.name.size()));
  std::normal_distribution<float> normal(0, 0.1f);
  std::vector<float> v(count(t));
  for (float& x : v) x = normal(random);
  return v;
}

/// A file of Sterna's in floats.
inline void write_float_file(const std::filesystem::path& path,
                      const std::vector<Plain>& plain = tensors) {
  models::GgufWriter w(path);
  w.set("general.architecture", "sterna");
  w.set("a.words", std::vector<std::string_view>{"x", "yy"});
  for (const Plain& t : plain) w.declare(t.name, models::GgmlType::f32, t.shape);
  for (const Plain& t : plain) {
    const auto v = values(t);
    w.write(std::as_bytes(std::span(v)));
  }
  w.commit();
}

inline const Plain& named(const std::string& name) {
  for (const Plain& t : tensors) {
    if (t.name == name) return t;
  }
  throw std::logic_error(name);
}

}  // namespace sterna::test
