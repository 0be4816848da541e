#pragma once

#include <sterna/quant/linear.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/models/gguf.h"
#include "sterna/models/safetensors.h"

namespace sterna::models {

/// Columns of a map in bf16 or f32 that lies in panels; of integers, quant::kMaxInputs.
inline constexpr uint64_t kMostFloatInputs = uint64_t{1} << 20;

/// A tensor as Sterna means it. GGUF has no types for Sterna's layouts, so NAME is stored as bytes
/// (a one-dimensional I8 tensor) with its type and shape in metadata,
///   sterna.tensor.NAME.type = "bf16" | "i8" | "t2" | "t5" | "t34" | "t14"
///   sterna.tensor.NAME.rows, .cols, .group (inputs that share a scale; 0 or absent: the row)
/// and, for the integer types, its scales in a second tensor NAME.scale (F16, [rows * groups]).
/// "i8row" is a plain I8 tensor NAME [rows, ...] with NAME.scale F16 [rows].
///
/// What GGUF has no room for is in metadata, too: names of more than 63 bytes, and shapes of more
/// than four dimensions, which are stored as [first, product of the others]:
///   sterna.tensor.NAME.name = the whole name
///   sterna.tensor.NAME.shape = outermost first; the product is that of the dimensions in the file
struct StoredTensor {
  std::string name;
  const GgufTensor* data = nullptr;
  const GgufTensor* scale = nullptr;
  std::optional<quant::Type> layout;  // of bytes with a type in metadata
  bool row_table = false;
  std::vector<uint64_t> shape;  // rows and cols for bytes with a type
  uint64_t group = 0;

  std::string type() const;   // "t5", "i8row", "f32", "q4_k", ...
  std::string text() const;   // "t5 [768, 256]", for messages
  uint64_t bytes() const;     // scales included
  uint64_t elements() const;  // product of shape
};

/// What the file says about `tensor`; checks that data, metadata and scales fit one another.
StoredTensor stored(const Gguf& file, const GgufTensor& tensor);

/// The map that `tensor` is, which has a layout: a view of the file. Throws unless data and scales
/// are aligned and fit one another.
quant::WeightView view_of(const Gguf& file, const StoredTensor& tensor);
/// The fp16 scales of a tensor that has them, aligned.
std::span<const uint16_t> scales_of(const Gguf& file, const StoredTensor& tensor);

/// Throws Error naming `file`, `tensor` and row unless every one of some scales, as many a row, is
/// finite and not negative. Of those of groups the first 65536 are read: a giant file opens without
/// a pass over it.
void check_scales(const std::string& file, std::string_view tensor,
                  std::span<const uint16_t> scale, size_t rows);

/// A copy of them, for in the file they may lie at any address; empty where there are none.
std::vector<uint16_t> copied_scales(const StoredTensor& tensor);

/// The weights of a tensor with a layout, or of a table of rows, as float, row-major; `out` holds
/// every element.
void read_quantised(const StoredTensor& tensor, std::span<float> out);

/// Rows from `first` on of an i8row tensor, as many as `out` holds.
void read_table_rows(const StoredTensor& tensor, size_t first, std::span<float> out);

/// What safetensors call a plain type of GGUF; nullopt for types they lack.
std::optional<Dtype> plain_dtype(GgmlType type) noexcept;
/// The reverse; U8 and BOOL have none.
std::optional<GgmlType> plain_type(Dtype type) noexcept;

/// Whether `tensor` is NAME.scale of another tensor, and so no tensor of its own.
bool is_scale(const Gguf& file, const GgufTensor& tensor);

/// The metadata key "sterna.tensor.NAME.FIELD".
std::string tensor_key(std::string_view name, std::string_view field);

}  // namespace sterna::models
