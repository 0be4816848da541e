#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calibrate.h"
#include "sterna/models/gguf_writer.h"
#include "sterna/models/quantize.h"
#include "stored.h"
#include "uses.h"

namespace sterna::models {

/// One tensor's way into a GGUF, from another GGUF or from a safetensors file: where it lies, the
/// rule that says how it is to be stored, and what that makes of it. Views of mapped files.
struct TensorJob {
  std::string file, name;   // for messages; `name` is what rules match
  std::string stored_name;  // in the GGUF: at most 63 bytes
  std::string type;         // "f32", "t5", "i8row", ...
  std::vector<uint64_t> shape;
  std::span<const std::byte> data;
  std::optional<Dtype> floats;  // F32, F16, BF16: plain numbers, which may become another type
  std::optional<Role> role;     // what a model makes of it, where that is known

  // As it is kept: type and shape in a GGUF, and its scales.
  GgmlType plain = GgmlType::f32;
  std::vector<uint64_t> plain_shape;
  const GgufTensor* scale = nullptr;
  uint64_t group = 0;
  std::optional<StoredTensor> source;  // where it lies in a GGUF

  // Set by decide() and declare().
  QuantizeRule rule;
  bool keep = true;
  bool ternary = false;         // integers and scales go over as they are
  uint64_t rows = 1, cols = 1;  // of the matrix that the shape is seen as
  QuantizedTensor report;

  uint64_t elements() const;
};

/// The tensor of a GGUF.
TensorJob job_of(const Gguf& file, const GgufTensor& tensor, const Roles* roles);

/// Sets how `job` is stored by the first of `rules` that matches it; without one it is kept. Throws
/// sterna::Error naming file, tensor and rule for what makes no sense: a map's layout for a norm, a
/// type for numbers that are quantised already.
void decide(TensorJob& job, std::span<const QuantizeRule> rules);

/// The numbers that a reader finds once `job`, which decide() has seen, is written.
std::vector<float> as_stored(const TensorJob& job);

/// Those of `rules` that match none of `jobs`, whichever comes first.
std::vector<QuantizeRule> unmatched(std::span<const QuantizeRule> rules,
                                    std::span<const TensorJob> jobs);

/// Throws if `stop` says that `out` is not to be finished.
void expect_to_go_on(const StopAsked& stop, const std::filesystem::path& out);

/// Declares the tensors and sets the metadata that a job will write.
void declare(TensorJob& job, GgufWriter& out);

/// Writes its data: those that calibration chose, if it did.
void write(const TensorJob& job, const Calibrated& calibrated, GgufWriter& out);

}  // namespace sterna::models
