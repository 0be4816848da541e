#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace sterna::cli {

struct Hit {
  uint64_t row = 0;
  float score = 0;  // inner product; cosine, as vectors have unit length
};

/// Vectors that are searched by inner product: FAISS, behind an interface, because FAISS brings
/// BLAS and OpenMP, which would slow the start of every command. It lies in a module of its own
/// that is loaded when an index is opened or made. Not for use by two threads at a time. Methods
/// throw Error.
class VectorIndex {
 public:
  virtual ~VectorIndex() = default;
  virtual size_t dim() const = 0;
  virtual uint64_t rows() const = 0;
  /// Whether train() must come before add().
  virtual bool needs_training() const = 0;
  virtual void train(std::span<const float> vectors) = 0;  // [n, dim]
  virtual void add(std::span<const float> vectors) = 0;    // [n, dim]
  /// At most `top` rows, best first.
  virtual std::vector<Hit> search(std::span<const float> query, size_t top) const = 0;
  virtual void save(const std::string& file) const = 0;
};

/// What the module exports, under the name `sterna_index_module`.
struct IndexModule {
  uint32_t version;
  std::unique_ptr<VectorIndex> (*create)(size_t dim, const std::string& type);
  std::unique_ptr<VectorIndex> (*open)(const std::string& file);
};
inline constexpr uint32_t kIndexModuleVersion = 1;

/// An empty index; `type` is FAISS' name of a kind: "Flat", "SQ8", "HNSW32", "IVF1024,SQ8", ...
std::unique_ptr<VectorIndex> create_index(size_t dim, const std::string& type);
/// One that was saved. The file must be trusted (its hash checked): FAISS does not expect malice.
std::unique_ptr<VectorIndex> open_index(const std::string& file);

}  // namespace sterna::cli
