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
#include <vector>

namespace sterna::models {

class MappedFile;

/// The element types Sterna reads from safetensors files.
enum class Dtype { f64, f32, f16, bf16, i64, i32, i8, u8, boolean };

/// Bytes of one element.
size_t bytes_of(Dtype dtype);
std::string_view name(Dtype dtype);  // as in the file: "F32", "BOOL"
/// The type that a file calls `text`; nullopt for a name that Sterna does not read.
std::optional<Dtype> parse_dtype(std::string_view text);

struct SafeTensor {
  std::string name;
  Dtype dtype;
  std::vector<uint64_t> shape;      // outermost first; dimensions may be 0
  std::span<const std::byte> data;  // elements() * bytes_of(dtype); perhaps unaligned

  uint64_t elements() const { return data.size() / bytes_of(dtype); }
  /// A copy as floats (integers and doubles rounded to nearest, booleans 0 and 1).
  std::vector<float> floats() const;
  /// A copy as integers; throws sterna::Error naming the tensor if it holds floats.
  std::vector<int64_t> integers() const;
};

/// A safetensors file, memory-mapped read-only; tensors are views into the map and live as long as
/// this object. Treats the file as hostile and keeps to the format's rules: a header of at most
/// 100 MB, no key twice, data that follow one another without holes or overlap and fill the file.
/// Throws sterna::Error "FILE: where: expected ..., found ...". Const and thread-compatible after
/// open().
///
/// Format: github.com/huggingface/safetensors (README.md, "Format"; `Metadata::validate`).
/// Unlike the reference, unknown dtypes (F8_E4M3 and the like) are refused.
class Safetensors {
 public:
  /// Maps the file, which stays mapped as long as this object lives, and reads its header.
  static Safetensors open(const std::filesystem::path& path);
  /// Reads a file that is already in memory; `bytes` outlive this object.
  static Safetensors parse(std::string name, std::span<const std::byte> bytes);
  Safetensors(Safetensors&&) noexcept;
  Safetensors& operator=(Safetensors&&) noexcept;
  ~Safetensors();

  const std::string& file() const { return file_; }
  uint64_t file_bytes() const { return bytes_.size(); }
  /// In the order of their data.
  const std::vector<SafeTensor>& tensors() const { return tensors_; }
  const SafeTensor* find(std::string_view name) const;  // nullptr if absent
  const SafeTensor& at(std::string_view name) const;    // throws sterna::Error if absent
  const std::map<std::string, std::string, std::less<>>& metadata() const { return metadata_; }

 private:
  Safetensors();
  void read();

  std::string file_;
  std::unique_ptr<MappedFile> map_;
  std::span<const std::byte> bytes_;
  std::vector<SafeTensor> tensors_;
  std::map<std::string, size_t, std::less<>> by_name_;
  std::map<std::string, std::string, std::less<>> metadata_;
};

}  // namespace sterna::models
