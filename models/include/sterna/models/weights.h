#pragma once

#include <sterna/models/gguf.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace sterna::models {

/// A table that is read by row, as it lies in the file: float, half, int8 with one fp16 scale a
/// row, q4_0 blocks, or an integer layout. Exactly one of f32, f16, i8, q4_0 and packed is filled.
struct TableView {
  size_t rows = 0;
  size_t cols = 0;
  std::span<const float> f32;
  std::span<const uint16_t> f16;
  std::span<const int8_t> i8;
  std::span<const uint16_t> scale;  // [rows], for i8
  std::span<const std::byte> q4_0;
  quant::WeightView packed = {};
};

/// Linear maps' weights that stand in the place of those of a file: calibration looks at a model
/// whose first blocks are rounded already. Views of memory that outlives the model.
using Replaced = std::map<std::string, quant::WeightView, std::less<>>;

/// Finds the tensors of a GGUF by name and hands them out as the views that modules take. Every
/// method throws sterna::Error that names file and tensor, what was expected and what was found:
///   m.gguf: tensor "predictor.head.weight": expected a linear map [384, 256], found f32 [256, 384]
/// Views live as long as the Gguf. Const and thread-compatible.
class Weights {
 public:
  /// linear() gives what `replaced` has of a name, if it is given; it must live as long.
  explicit Weights(const Gguf& file, const Replaced* replaced = nullptr)
      : file_(&file), replaced_(replaced) {}
  /// The tensors whose names start with this scope's prefix and `name`: in("vision.blocks.3") turns
  /// "qkv.weight" into "vision.blocks.3.qkv.weight".
  Weights in(std::string_view name) const;

  bool has(std::string_view name) const;

  /// The weights of a linear map [m, k], as Sterna's types or plain F32; a convolution's kernel
  /// [m, ...] counts as [m, product of the rest]. Data of Sterna's types start at multiples of 64
  /// bytes, those of plain F32 at multiples of 4. A map in Q4_0 or i8row is laid out
  /// as bf16, once.
  quant::WeightView linear(std::string_view name, size_t m, size_t k) const;
  /// F32, or F16 or i8row that is widened once, of this very shape: biases, norms, small kernels.
  std::span<const float> floats(std::string_view name, std::initializer_list<uint64_t> shape) const;
  /// A table [rows, cols] in F32, F16, i8row, Q4_0 or an integer layout; rows = 0 accepts any
  /// number.
  TableView table(std::string_view name, size_t rows, size_t cols) const;
  /// Throws what a module says of the tensor `name`, with file and tensor before it.
  [[noreturn]] void fail(std::string_view name, const std::string& fault) const;

 private:
  const GgufTensor& tensor(std::string_view name, const std::string& expected) const;
  [[noreturn]] void wrong(const GgufTensor& tensor, const std::string& expected,
                          const std::string& found) const;
  /// The scales of rows or groups that `tensor` has, which are finite and not negative.
  std::span<const uint16_t> scales(const struct StoredTensor& tensor) const;
  /// make(what was laid out of the file), whose errors name `tensor`.
  template <class Make>
  auto laid_out(const GgufTensor& tensor, Make&& make) const;
  template <class T>
  std::span<const T> data(const GgufTensor& tensor) const;

  const Gguf* file_;
  const Replaced* replaced_;
  std::string prefix_;
};

}  // namespace sterna::models
