#pragma once

#include <sterna/models/gguf.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/linear.h>

#include <map>
#include <mutex>
#include <span>
#include <vector>

#include "stored.h"

namespace sterna::models {

/// Tensors of a Gguf that are smaller in the file than what kernels read, laid out anew where first
/// asked for: maps in q4_0 and i8row as bf16 panels, vectors and kernels in f16 and i8row as float.
/// Views live as long as this object. Any number of threads may ask at once. Throws sterna::Error,
/// which names neither file nor tensor, for numbers that aren't finite.
class LaidOut {
 public:
  /// Whether a map is to be laid out anew.
  static bool wants(const StoredTensor& tensor);
  /// What wants() that as W [m, k] in bf16.
  quant::WeightView map(const StoredTensor& tensor, size_t m, size_t k);
  /// The numbers of a tensor in f16 or i8row.
  std::span<const float> floats(const StoredTensor& tensor);

 private:
  std::mutex mutex_;
  nn::Workspace memory_;  // in huge pages, where weights are read faster
  std::map<const GgufTensor*, quant::WeightView> maps_;
  std::map<const GgufTensor*, std::vector<float>> floats_;
};

}  // namespace sterna::models
