#pragma once

#include <sterna/models/atomic_file.h>
#include <sterna/models/gguf.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sterna::models {

/// Writes a GGUF v3 file, streaming: declare metadata and tensors, then write the tensors' data in
/// the order of declaration, in pieces of any size. Nothing appears under `path` before commit().
/// Data start at multiples of 64 bytes (general.alignment), as quant's kernels want them.
/// Throws sterna::Error for misuse of the format (duplicate names, names over ggml's 63 bytes, too
/// many dimensions, more or fewer bytes than declared) and for what the disk says.
class GgufWriter {
 public:
  static constexpr size_t alignment = 64;

  explicit GgufWriter(const std::filesystem::path& path);

  /// Writes integers as INT32/UINT32 and numbers as FLOAT32 where that is exact, else in 64 bits
  /// (readers such as llama.cpp insist on the short types).
  void set(std::string_view key, const GgufValue& value);
  void set(std::string_view key, const char* text) { set(key, GgufValue(std::string_view(text))); }
  /// The value of `from`, byte for byte.
  void copy(std::string_view key, const Gguf& from);
  /// `shape` is outermost first. `type` is one that ggml_type_info knows.
  void declare(std::string_view name, GgmlType type, std::span<const uint64_t> shape);

  /// Appends to the current tensor; goes on to the next once a tensor is full.
  void write(std::span<const std::byte> data);
  /// Throws unless every declared tensor is complete.
  void commit();

 private:
  struct Declared {
    std::string name;
    uint64_t bytes;
  };
  void key(std::string_view key);
  void begin();

  std::string file_;
  AtomicFile out_;
  std::vector<std::byte> metadata_, infos_;
  std::vector<Declared> tensors_;
  std::set<std::string, std::less<>> keys_, names_;
  uint64_t offset_ = 0;   // where the next declared tensor's data will start
  size_t current_ = 0;    // tensor being written
  uint64_t written_ = 0;  // bytes of it
  bool begun_ = false;
};

}  // namespace sterna::models
