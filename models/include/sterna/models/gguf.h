#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sterna::models {

class MappedFile;

/// A metadata value. Integers are widened to int64/uint64 and floats to double on reading;
/// arrays hold one kind of element.
using GgufValue = std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<int64_t>,
                               std::vector<uint64_t>, std::vector<double>, std::vector<bool>,
                               std::vector<std::string>>;

/// ggml's numbers for the types this reader knows by size; others open and list, but their data
/// can't be used.
enum class GgmlType : uint32_t { f32 = 0, f16 = 1, q8_0 = 8, i8 = 24, i16 = 25, i32 = 26, i64 = 27, f64 = 28, bf16 = 30, tq1_0 = 34, tq2_0 = 35 };

struct GgufTensor {
  std::string name;
  GgmlType type;
  std::vector<uint64_t> shape;  // outermost first: a matrix is {rows, cols} (GGUF stores the reverse)
  std::span<const std::byte> data;
};

/// A GGUF v3 file, memory-mapped read-only; tensor data are views into the map and live as long as
/// this object. Treats the file as hostile: every length is checked against the bytes that remain
/// before it is used. Throws sterna::Error "FILE: fault: expected ..., found ...".
class Gguf {
 public:
  static Gguf open(const std::filesystem::path& path);
  Gguf(Gguf&&) noexcept;
  Gguf& operator=(Gguf&&) noexcept;
  ~Gguf();

  const std::string& file() const { return file_; }
  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* find(std::string_view name) const;  // nullptr if absent

  /// Typed metadata; throw sterna::Error naming file and key if absent or of another kind, or out of
  /// the caller's range.
  std::string_view string(std::string_view key) const;
  uint64_t integer(std::string_view key, uint64_t min = 0, uint64_t max = UINT64_MAX) const;
  double number(std::string_view key) const;
  bool boolean(std::string_view key) const;
  const std::vector<std::string>& strings(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key) const;
  bool has(std::string_view key) const;

 private:
  Gguf();
  std::string file_;
  std::unique_ptr<MappedFile> map_;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, size_t, std::less<>> by_name_;
};

}  // namespace sterna::models
