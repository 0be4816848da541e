#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sterna::models {

/// What a tensor's memory is for.
///   predictor: the ternary transformer and what it reads its inputs and answers with;
///   tower: pixels -> vision tokens;
///   text: ids -> text embedding, without its tables;
///   table: rows that are looked up, of which a forward pass touches a few (token and class
///          embeddings, positions);
///   decoder: what is only read when text is wanted (the answer vocabulary, a text generator);
///   other: names that Sterna doesn't use.
/// Of folders and converted files, linear maps, norms and all else that binding reads for a part
/// count as that part; tables are the rows that texts look up.
enum class Part { predictor, tower, text, table, decoder, other };
std::string_view name(Part part) noexcept;
/// By the names of a Sterna model; names of other families are `other`.
Part part_of(std::string_view tensor) noexcept;

struct Amount {
  uint64_t tensors = 0;
  uint64_t weights = 0;
  uint64_t bytes = 0;  // scales included

  double bits_per_weight() const {
    return weights == 0 ? 0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(weights);
  }
  Amount& operator+=(const Amount& other);
};

struct TensorInfo {
  std::string name;
  std::string type;  // "t5", "i8row", "f32", "q4_k", ...
  std::vector<uint64_t> shape;
  Part part = Part::other;
  Amount amount;
  bool packed = false;  // in a layout of quant's, which kernels read as it lies
};

/// What a file holds under a key.
struct Metadata {
  using Value = std::variant<bool, int64_t, uint64_t, double, std::string>;
  static constexpr size_t kMostValues = 64;

  std::string key;
  std::string text;  // fit for a line: strings in quotes and not whole, arrays by their length
  /// The one value; of an array all, or none if there are more than kMostValues. Strings are bytes.
  std::vector<Value> values;
  std::optional<uint64_t> length = {};  // of an array
};

struct FileInfo {
  std::string file;
  std::string format;  // "GGUF v3", "safetensors", "folder of safetensors"
  uint64_t bytes = 0;  // of the file, and so of its map
  /// Bytes that running a folder or a converted file takes beside the map: plain halves that no
  /// kernel reads are widened to floats.
  uint64_t widened = 0;
  /// Why a folder or a converted file can't be run, if it can't: then all its parts are `other`.
  std::string problem;
  std::vector<Metadata> metadata;
  std::vector<TensorInfo> tensors;             // scales counted with their tensors
  std::vector<std::pair<Part, Amount>> parts;  // those that occur
  Amount total;
};

/// Reads the header of a GGUF or safetensors file (told apart by their first bytes), or those of a
/// folder. Throws sterna::Error naming file and fault.
FileInfo describe(const std::filesystem::path& path);
/// A file that is already in memory; `name` stands for it in errors.
FileInfo describe(const std::string& name, std::span<const std::byte> bytes);

}  // namespace sterna::models
