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

/// A metadata value. Integers are widened to int64/uint64 and floats to double on reading; arrays
/// hold one kind of element. Strings are views into the map: a vocabulary of 30,522 words costs one
/// allocation, not 30,522.
using GgufValue = std::variant<bool, int64_t, uint64_t, double, std::string_view,
                               std::vector<int64_t>, std::vector<uint64_t>, std::vector<double>,
                               std::vector<bool>, std::vector<std::string_view>>;

/// ggml's numbers for the types that the code names. A file may hold others: their tensors are
/// listed (see ggml_type_info), and the numbers of some are read, too (q4_1, q5_0 and q5_1, by
/// models/ggml_rows.h).
enum class GgmlType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q8_0 = 8,
  i8 = 24,
  i16 = 25,
  i32 = 26,
  i64 = 27,
  f64 = 28,
  bf16 = 30,
  tq1_0 = 34,
  tq2_0 = 35
};

/// What ggml stores for a type: blocks of `block` elements along a row, `bytes` each.
struct GgmlTypeInfo {
  GgmlType type;
  std::string_view name;  // lower case: "f32", "q4_k"
  uint32_t block;
  uint32_t bytes;
};
/// nullopt for a number that this reader doesn't know.
std::optional<GgmlTypeInfo> ggml_type_info(GgmlType type);
/// The type's name, or "type 77" for an unknown number.
std::string ggml_type_name(GgmlType type);

struct GgufTensor {
  std::string name;
  GgmlType type;
  std::vector<uint64_t> shape;  // outermost first: a matrix is {rows, cols}; GGUF has the reverse
  std::span<const std::byte> data;  // empty if the type's size is unknown

  uint64_t elements() const;  // product of the shape; can't overflow in a tensor from Gguf::open
};

/// A GGUF file (version 2 or 3, little-endian), memory-mapped read-only; strings and tensor data
/// are views into the map and live as long as this object. Treats the file as hostile: every count
/// and length is checked against the bytes that remain before it is used, names are unique, data
/// are aligned, inside the file, and don't overlap; memory use is linear in the file's size.
/// Throws sterna::Error "FILE: where: expected ..., found ...". Const and thread-compatible after
/// open().
///
/// Format: github.com/ggml-org/ggml/blob/master/docs/gguf.md. Stricter than ggml: arrays of arrays,
/// dimensions of 0 and booleans other than 0 and 1 are refused.
class Gguf {
 public:
  /// Maps the file and reads all but the tensors' data.
  static Gguf open(const std::filesystem::path& path);
  /// Reads a file that is already in memory; `bytes` outlive this object, and `name` stands for the
  /// file in errors.
  static Gguf parse(std::string name, std::span<const std::byte> bytes);
  Gguf(Gguf&&) noexcept;
  Gguf& operator=(Gguf&&) noexcept;
  ~Gguf();

  const std::string& file() const { return file_; }
  uint32_t version() const { return version_; }
  uint64_t alignment() const { return alignment_; }
  uint64_t file_bytes() const { return bytes_.size(); }
  const std::map<std::string_view, GgufValue>& metadata() const { return metadata_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* find(std::string_view name) const;  // nullptr if absent

  /// Typed metadata; throw sterna::Error naming file and key if absent or of another kind, or out
  /// of the caller's range. Integers are accepted where a number is asked for.
  std::string_view string(std::string_view key) const;
  uint64_t integer(std::string_view key, uint64_t min = 0, uint64_t max = UINT64_MAX) const;
  double number(std::string_view key) const;
  bool boolean(std::string_view key) const;
  const std::vector<std::string_view>& strings(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key) const;
  bool has(std::string_view key) const;
  /// A value as it lies in the file, its type's number included: what GgufWriter::copy() writes.
  std::span<const std::byte> encoded(std::string_view key) const;

  /// Tensors of it in forms that kernels read; they live as long as this object.
  class LaidOut& laid_out() const { return *laid_out_; }

 private:
  friend class GgufParser;
  Gguf();
  const GgufValue& value(std::string_view key) const;

  std::string file_;
  std::unique_ptr<MappedFile> map_;
  std::span<const std::byte> bytes_;
  uint32_t version_ = 0;
  uint64_t alignment_ = 32;
  std::map<std::string_view, GgufValue> metadata_;
  std::map<std::string_view, std::span<const std::byte>> encoded_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string_view, size_t> by_name_;
  std::unique_ptr<class LaidOut> laid_out_;
};

}  // namespace sterna::models
