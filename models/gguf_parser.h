#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sterna/models/gguf.h"

namespace sterna::models {

/// GGUF's numbers for the kinds of metadata.
enum class GgufKind : uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12
};

/// Fills a Gguf from its bytes_; one pass, front to back. `where_` is what an error is about.
class GgufParser {
 public:
  explicit GgufParser(Gguf& out) : out_(out) {}
  void run();

 private:
  [[noreturn]] void fail(const std::string& fault) const;
  size_t remaining() const { return out_.bytes_.size() - position_; }
  void need(uint64_t bytes) const;
  template <class T>
  T read();
  std::string_view read_string();
  /// A count of things that take at least `min_bytes` each, checked against what remains.
  uint64_t read_count(const char* things, size_t min_bytes);
  GgufKind read_kind();
  GgufValue read_value();
  GgufValue read_array();
  template <class From, class To>
  GgufValue read_scalars(uint64_t n);
  bool read_bool();

  void header();
  void metadata();
  void tensor_info();
  uint64_t tensor_bytes(const GgufTensor& tensor) const;
  void place_data();

  Gguf& out_;
  size_t position_ = 0;
  struct {
    const char* section = "header";
    std::string_view name;  // of the key or tensor; empty while it is being read
    uint64_t index = 0;
  } where_;
  uint64_t tensor_count_ = 0, metadata_count_ = 0;
  std::vector<uint64_t> offsets_;  // of tensors, relative to the data section
};

}  // namespace sterna::models
